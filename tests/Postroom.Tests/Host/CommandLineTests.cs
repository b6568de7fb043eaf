using System.Diagnostics;
using System.Text.Json;
using Postroom.Sqlite;
using Xunit;

namespace Postroom.Tests.Host;

/// <summary>The command line as a person uses it: the real program, its output and its exit codes.</summary>
public sealed class CommandLineTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("postroom-").FullName;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Check_lists_what_the_program_is_composed_of()
    {
        (int code, string output, string error) = await RunAsync("check");

        Assert.True(code == 0, error);
        Assert.Contains("in/chat.text → WelcomeHandler", output, StringComparison.Ordinal);
        Assert.Contains("router on in × 8", output, StringComparison.Ordinal);
        Assert.Contains("emulator (emulator)", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_lists_every_problem_at_once_and_exits_3()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "postroom.yaml"), "modules: [welcom]\nworkers:\n  router: { paralelism: 8 }\nqueues:\n  in: { lowWater: 9, highWater: 5 }\nstore: { kind: postgres }\n", Cancel);

        (int code, _, string error) = await RunAsync("check");

        Assert.Equal(3, code);
        Assert.Contains("Did you mean 'parallelism'?", error, StringComparison.Ordinal);
        Assert.Contains("Did you mean 'welcome'? [postroom.yaml:1", error, StringComparison.Ordinal);
        Assert.Contains("lowWater", error, StringComparison.Ordinal);
        Assert.Contains("postgres", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("jornal", "journal")]
    [InlineData("--jsn", "--json")]
    public async Task An_unknown_word_exits_2_and_suggests_the_nearest(string word, string nearest)
    {
        (int code, _, string error) = await RunAsync(word);

        Assert.Equal(2, code);
        Assert.Contains(nearest, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("run")]
    [InlineData("check")]
    [InlineData("status")]
    [InlineData("journal", "list")]
    [InlineData("journal", "show")]
    [InlineData("why")]
    [InlineData("replay")]
    [InlineData("doctor")]
    public async Task Help_of_every_command_has_an_example(params string[] command)
    {
        (int code, string output, _) = await RunAsync([.. command, "--help"]);

        Assert.Equal(0, code);
        Assert.Contains("Example: postroom ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stopped_store_is_read_from_its_file_and_explained()
    {
        MessageId id = await MakeStoreAsync();

        (int listed, string list, string listError) = await RunAsync("journal", "list", "--json", "--store", StorePath);
        (int shown, string show, _) = await RunAsync("journal", "show", id.ToString()[..23], "--body", "--store", StorePath);
        (int explained, string why, _) = await RunAsync("why", id.ToString(), "--store", StorePath);

        Assert.True(listed == 0, listError);
        using JsonDocument entry = JsonDocument.Parse(list);
        Assert.Equal(id.ToString(), entry.RootElement.GetProperty("id").GetString());
        Assert.Equal(0, shown);
        Assert.Contains("order.received in orders", show, StringComparison.Ordinal);
        Assert.Contains("{\"number\":\"MO-1\"}", show, StringComparison.Ordinal);
        Assert.Equal(0, explained);
        Assert.Contains("was stored in queue 'orders'", why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_message_exits_1_and_says_where_to_look()
    {
        await MakeStoreAsync();

        (int code, _, string error) = await RunAsync("why", "0000", "--store", StorePath);

        Assert.Equal(1, code);
        Assert.Contains("journal list --text 0000", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_runtime_and_a_store_the_commands_exit_6_and_say_what_to_do()
    {
        (int code, _, string error) = await RunAsync("journal", "list", "--store", Path.Combine(_folder, "none.db"));

        Assert.Equal(6, code);
        Assert.Contains("postroom run", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_makes_a_backup_that_can_be_read()
    {
        MessageId id = await MakeStoreAsync();
        string copy = Path.Combine(_folder, "copy.db");

        (int code, _, string error) = await RunAsync("doctor", "--backup", copy, "--store", StorePath);

        Assert.True(code == 0, error);
        (_, string list, _) = await RunAsync("journal", "list", "--json", "--store", copy);
        Assert.Contains(id.ToString(), list, StringComparison.Ordinal);

        // Neither a former copy nor the store itself is ever touched.
        (int again, _, string refusal) = await RunAsync("doctor", "--backup", copy, "--store", StorePath);
        (int itself, _, _) = await RunAsync("doctor", "--backup", StorePath, "--store", StorePath);
        Assert.Equal((1, 1), (again, itself));
        Assert.Contains("overwrites nothing", refusal, StringComparison.Ordinal);
        Assert.True(File.Exists(copy));
        Assert.True(File.Exists(StorePath));
    }

    [Fact]
    public async Task Doctor_prints_its_findings_as_json_and_exits_1_when_one_needs_somebody()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Modes are Unix.");
            return;
        }

        await MakeStoreAsync();
        (int good, string all, _) = await RunAsync("doctor", "--json", "--store", StorePath);
        File.SetUnixFileMode(StorePath, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        (int bad, string some, _) = await RunAsync("doctor", "--json", "--store", StorePath);

        Assert.Equal((0, 1), (good, bad));
        Assert.All(JsonDocument.Parse(all).RootElement.EnumerateArray(), finding => Assert.True(finding.GetProperty("good").GetBoolean()));
        JsonElement look = Assert.Single(JsonDocument.Parse(some).RootElement.EnumerateArray(), finding => !finding.GetProperty("good").GetBoolean());
        Assert.Contains("chmod 600", look.GetProperty("text").GetString(), StringComparison.Ordinal);
    }

    private string StorePath => Path.Combine(_folder, "store.db");

    private async Task<MessageId> MakeStoreAsync()
    {
        await using SqliteStore store = new(new StoreOptions { Path = StorePath }, new RetentionOptions(), new Redactor(), TimeProvider.System);
        await store.OpenAsync(new StoreOpening { Node = "node-1" }, Cancel);
        Envelope envelope = new(MessageId.New(), "orders", "order.received", "{\"number\":\"MO-1\"}"u8.ToArray());
        await store.AppendAsync([envelope], null, Cancel);
        await store.CloseAsync(Cancel);
        return envelope.Id;
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] words)
    {
        ProcessStartInfo start = new("dotnet") { WorkingDirectory = _folder, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Postroom.Host.dll"));
        foreach (string word in words)
        {
            start.ArgumentList.Add(word);
        }

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(Cancel);
        Task<string> error = process.StandardError.ReadToEndAsync(Cancel);
        await process.WaitForExitAsync(Cancel);
        return (process.ExitCode, await output, await error);
    }
}
