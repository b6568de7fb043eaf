using System.Text.Json;
using Postroom.Crash;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>Commands that talk to a running runtime.</summary>
[Collection(Processes.Name)]
public sealed class CommandTests
{
    [Fact]
    public async Task A_failed_and_an_acknowledged_message_are_found_by_every_id_explained_and_replayed()
    {
        await using RealProgram program = new();
        await program.RunAsync();
        string failed = await program.PostAsync("2001", "/fail");
        string acked = await program.PostAsync("2001", "hello");
        await program.UntilAsync(failed, "failed");
        await program.UntilAsync(acked, "acked");
        await program.ListenAsync("2001", 1, after: "0");
        JsonElement answer = await program.ApiAsync($"journal?queue=out.emulator&state=acked");
        string outside = answer.GetProperty("items")[0].GetProperty("outsideId").GetString()!;

        (int found, string why) = await program.CommandAsync("why", outside);
        (int shown, string show) = await program.CommandAsync("journal", "show", outside);
        (int refused, string refusal) = await program.CommandAsync("replay", "zzz", acked, failed);
        (int forced, string repeated) = await program.CommandAsync("replay", "--force", acked);
        await program.UntilAsync(failed, "failed");
        (_, string story) = await program.CommandAsync("why", failed);
        (_, string record) = await program.CommandAsync("journal", "show", failed);
        (_, string status) = await program.CommandAsync("status");

        Assert.Contains("The store is new; this is its first run.", program.Process.Output, StringComparison.Ordinal);
        Assert.True(found == 0, why);
        Assert.Contains($"under its id {outside}", why, StringComparison.Ordinal);
        Assert.True(shown == 0, show);
        Assert.Contains("in queue 'out.emulator'", show, StringComparison.Ordinal);

        // One that cannot be replayed does not keep the others from it.
        Assert.Equal(1, refused);
        Assert.Contains("No message has the id or outside id 'zzz'", refusal, StringComparison.Ordinal);
        Assert.Contains("--force", refusal, StringComparison.Ordinal);
        Assert.Contains($"{failed} is due again.", refusal, StringComparison.Ordinal);
        Assert.Equal(0, forced);
        Assert.EndsWith($" repeats {acked}.", repeated.Trim(), StringComparison.Ordinal);
        Assert.Contains("replayed by ", story, StringComparison.Ordinal);
        Assert.True(story.IndexOf("replayed by", StringComparison.Ordinal) < story.LastIndexOf("failed for good after", StringComparison.Ordinal), story);
        Assert.Contains("replayed by ", record, StringComparison.Ordinal);
        Assert.Contains($"postroom why {failed}", story, StringComparison.Ordinal);
        Assert.Contains("router", status, StringComparison.Ordinal);
        Assert.Contains("emulator", status, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_runtime_with_another_store_is_told_as_that_and_not_as_a_missing_key()
    {
        await using RealProgram program = new();
        await program.RunAsync();
        string other = Path.Combine(program.Folder, "other.db");

        (int code, string text) = await Shell.TryRunAsync("dotnet", [RealProgram.HostAssembly, "status", "--set", $"server.port={program.Port}", "--set", $"store.path={other}"]);

        Assert.Equal(6, code);
        Assert.Contains($"none has the store '{other}' of these settings open, so it is another one.", text, StringComparison.Ordinal);
        Assert.DoesNotContain("without --url", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_message_nobody_serves_is_explained_while_the_program_runs_and_after()
    {
        await using RealProgram program = new();
        string file = Path.Combine(program.Folder, "none.yaml");
        await File.WriteAllTextAsync(file, "communications: { enabled: true, backends: { emulator: { type: emulator } } }\n", RealProgram.Cancel);
        program.StartProcess(RealProgram.HostAssembly, ["run", "--config", file], []);
        await program.UntilAsync(() => Task.FromResult(program.Process.Output.Contains("is ready", StringComparison.Ordinal)));
        await program.PostAsync("2002", "first");
        string second = await program.PostAsync("2002", "second");

        (_, string live) = await program.CommandAsync("why", second);
        await program.StopAsync();
        (_, string cold) = await program.CommandAsync("why", second);

        Assert.Contains("Queue 'in' has no worker pool, so what comes in waits for ever.", program.Process.Output, StringComparison.Ordinal);
        Assert.Contains("Nobody reads queue 'in' now.", live, StringComparison.Ordinal);
        Assert.Contains("No runtime runs on this store", cold, StringComparison.Ordinal);
    }
}
