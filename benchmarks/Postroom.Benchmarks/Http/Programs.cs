using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Postroom.Benchmarks.Http;

/// <summary>The program and a bare Kestrel host, both in the same form.</summary>
/// <param name="Postroom">The assembly of the program.</param>
/// <param name="Bare">The assembly of the bare host.</param>
internal sealed record ProgramForm(string Postroom, string Bare);

/// <summary>Finds or makes the programs that are started as processes of their own.</summary>
/// <param name="publish">Whether they are published ReadyToRun; otherwise they are taken as they were built.</param>
/// <param name="folder">Where they are published to; kept, so that the next call has less to do.</param>
internal sealed class Programs(bool publish, string folder)
{
    private const string PostroomName = "Postroom.Host";
    private const string BareName = "Postroom.BareHost";

    private readonly Lazy<Task<ProgramForm>> _form = new(() => publish ? PublishAsync(Path.GetFullPath(folder)) : Task.FromResult(Built));

    /// <summary>For a heading.</summary>
    public string Name => publish ? "published ReadyToRun" : "as built";

    private static ProgramForm Built { get; } = new(Path.Combine(AppContext.BaseDirectory, $"{PostroomName}.dll"), Path.Combine(AppContext.BaseDirectory, $"{BareName}.dll"));

    public Task<ProgramForm> GetAsync() => _form.Value;

    private static async Task<ProgramForm> PublishAsync(string folder)
    {
        return new ProgramForm(await PublishAsync(Path.Combine("src", PostroomName), PostroomName, folder), await PublishAsync(Path.Combine("benchmarks", BareName), BareName, folder));
    }

    private static async Task<string> PublishAsync(string project, string name, string folder)
    {
        // Artifacts of its own: a restore for one platform must not change what the projects were built with.
        string output = Path.Combine(folder, name);
        ProcessStartInfo start = new("dotnet",
        [
            "publish", project, "-c", "Release", "-r", RuntimeInformation.RuntimeIdentifier, "--self-contained", "false", "-p:PublishReadyToRun=true",
            "--artifacts-path", Path.Combine(folder, "artifacts"), "-o", output, "--nologo", "-v", "quiet", "--disable-build-servers",
        ])
        {
            RedirectStandardOutput = true,
        };
        using Process process = Process.Start(start)!;
        string said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? Path.Combine(output, $"{name}.dll")
            : throw new InvalidOperationException($"Publishing {project} failed:\n{said}");
    }
}
