using System.Diagnostics;
using Postroom.Sqlite;
using Xunit;

namespace Postroom.Tests.Host;

/// <summary>The real program, run to its end in a folder.</summary>
internal static class ProgramRun
{
    public static async Task<(int Code, string Output, string Error)> RunAsync(string folder, params string[] words)
    {
        CancellationToken cancel = TestContext.Current.CancellationToken;
        ProcessStartInfo start = new("dotnet") { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Postroom.Host.dll"));
        foreach (string word in words)
        {
            start.ArgumentList.Add(word);
        }

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancel);
        Task<string> error = process.StandardError.ReadToEndAsync(cancel);
        await process.WaitForExitAsync(cancel);
        return (process.ExitCode, await output, await error);
    }

    /// <summary>Appends messages to a store file and closes it in order.</summary>
    public static async Task AppendAsync(string path, int count)
    {
        CancellationToken cancel = TestContext.Current.CancellationToken;
        await using SqliteStore store = new(new StoreOptions { Path = path, Reserve = 0 }, new RetentionOptions(), new Redactor(), TimeProvider.System);
        await store.OpenAsync(new StoreOpening { Node = "node-1" }, cancel);
        for (int i = 0; i < count; i++)
        {
            await store.AppendAsync([new Envelope(MessageId.New(), "orders", "order.received", "{}"u8.ToArray())], null, cancel);
        }

        await store.CloseAsync(cancel);
    }
}
