using System.Text.Json;
using Postroom.Crash;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>An operator at the command line, and an editor at the settings file of a running program (CL-3, CF-7).</summary>
[Collection(Processes.Name)]
public sealed class OperatingTests
{
    [Fact]
    public async Task Queues_are_held_and_emptied_messages_sent_and_given_up_keys_made_and_the_program_stopped()
    {
        await using RealProgram program = new();
        await program.RunAsync();

        (int paused, _) = await program.CommandAsync("queues", "pause", "in");
        string waiting = await program.PostAsync("2001", "hello");
        string other = await program.PostAsync("2002", "hello");
        (_, string queues) = await program.CommandAsync("queues", "list");
        (int discarded, string given) = await program.CommandAsync("journal", "discard", waiting, "--reason", "by mistake");
        (int unconfirmed, string ask) = await program.CommandAsync("queues", "purge", "in");
        (int purged, string purge) = await program.CommandAsync("queues", "purge", "in", "--confirm", "1");
        (_, string why) = await program.CommandAsync("why", waiting);
        (int resumed, _) = await program.CommandAsync("queues", "resume", "in");
        (int sent, string send) = await program.CommandAsync("send", "--to", "emulator:2001", "--wait", "30s", "Good morning");
        (int made, string key) = await program.CommandAsync("token", "create", "--name", "robot", "--role", "viewer");
        (_, string keys) = await program.CommandAsync("token", "list");
        (int unknown, string hint) = await program.CommandAsync("queue", "list");
        (int stopped, _) = await program.CommandAsync("stop");
        int code = await program.Process.WaitAsync().WaitAsync(TimeSpan.FromSeconds(60), RealProgram.Cancel);

        Assert.Equal((0, 0, 1, 0, 0, 0, 0, 2, 0, 0), (paused, discarded, unconfirmed, purged, resumed, sent, made, unknown, stopped, code));
        Assert.Contains("paused", queues, StringComparison.Ordinal);
        Assert.Contains($"{waiting} is given up.", given, StringComparison.Ordinal);
        Assert.Contains("--confirm 1", ask, StringComparison.Ordinal);
        Assert.Contains("1 messages were given up.", purge, StringComparison.Ordinal);
        Assert.Contains("by mistake", why, StringComparison.Ordinal);
        Assert.Contains("sent", send, StringComparison.Ordinal);
        Assert.StartsWith("pr_", key, StringComparison.Ordinal);
        Assert.Contains("robot", keys, StringComparison.Ordinal);
        Assert.DoesNotContain(key[..46], keys, StringComparison.Ordinal);
        Assert.Contains("Did you mean 'queues'?", hint, StringComparison.Ordinal);
        Assert.NotEqual(waiting, other);
    }

    [Fact]
    public async Task Messages_are_followed_counted_exported_and_replayed_by_filter_and_exported_again_without_the_program()
    {
        await using RealProgram program = new();
        await program.RunAsync();
        await program.CommandAsync("queues", "pause", "in");
        string first = await program.PostAsync("3001", "hello");
        string second = await program.PostAsync("3002", "hello");
        await program.CommandAsync("journal", "discard", first, second);
        await program.CommandAsync("queues", "resume", "in");
        AppProcess tail = program.StartBeside("journal", "tail", "--queue", "in", "--json");
        AppProcess watch = program.StartBeside("status", "--watch");
        await program.UntilAsync(() => Task.FromResult(tail.Output.Contains("Following", StringComparison.Ordinal)));

        (int looked, string dry) = await program.CommandAsync("replay", "--filter", "kind=discarded", "--dry-run");
        (int unasked, string ask) = await program.CommandAsync("replay", "--filter", "kind=discarded", "--filter", "queue=in");
        (int wrong, string wrongKey) = await program.CommandAsync("replay", "--filter", "knd=discarded");
        (int both, _) = await program.CommandAsync("replay", first, "--filter", "kind=discarded");
        (int replayed, string done) = await program.CommandAsync("replay", "--filter", "kind=discarded", "--yes", "--rate", "100/s");
        await program.UntilAsync(second, "acked");
        await program.UntilAsync(() => Task.FromResult(tail.Output.Split("\"to\":\"acked\"").Length == 3));
        (_, string stats) = await program.CommandAsync("journal", "stats", "--queue", "in");
        (int exported, _) = await program.CommandAsync("journal", "export", Path.Combine(program.Folder, "a.jsonl"), "--queue", "in");
        (int twice, string there) = await program.CommandAsync("journal", "export", Path.Combine(program.Folder, "a.jsonl"));
        await program.StopAsync();
        (int cold, _) = await program.CommandAsync("journal", "export", Path.Combine(program.Folder, "b.jsonl"), "--queue", "in");
        JsonElement[] live = [.. (await File.ReadAllLinesAsync(Path.Combine(program.Folder, "a.jsonl"), RealProgram.Cancel)).Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
        JsonElement[] stopped = [.. (await File.ReadAllLinesAsync(Path.Combine(program.Folder, "b.jsonl"), RealProgram.Cancel)).Select(line => JsonSerializer.Deserialize<JsonElement>(line))];

        Assert.Equal((0, 1, 1, 2, 0, 0, 1, 0), (looked, unasked, wrong, both, replayed, exported, twice, cold));
        Assert.Contains("2 failed messages would be replayed", dry, StringComparison.Ordinal);
        Assert.Contains("--yes", ask, StringComparison.Ordinal);
        Assert.Contains("kind=uncertain", wrongKey, StringComparison.Ordinal);
        Assert.Contains("2 of 2 were replayed, 0 of them failed again", done, StringComparison.Ordinal);
        Assert.Matches(@"in +0 +0 +0 +0 +0 +2 +0", stats);
        Assert.Contains("exists already", there, StringComparison.Ordinal);
        Assert.Equal([first, second], live.Select(message => message.GetProperty("message").GetProperty("id").GetString()));
        Assert.All(live, message => Assert.Contains("hello", message.GetProperty("body").GetString(), StringComparison.Ordinal));
        Assert.Equal(live.Select(message => message.GetProperty("body").GetString()), stopped.Select(message => message.GetProperty("body").GetString()));
        Assert.Contains("pool", watch.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cf7_an_edit_of_the_file_brings_a_communicator_and_a_broken_one_changes_nothing_and_shows_in_health()
    {
        await using RealProgram program = new();
        string file = Path.Combine(program.Folder, "postroom.yaml");
        string good = "modules: [welcome]\ncommunications: { enabled: true, backends: { emulator: { type: emulator } } }\n";
        await File.WriteAllTextAsync(file, good, RealProgram.Cancel);
        await program.RunWithAsync("--config", file);

        await File.WriteAllTextAsync(file, good.Replace("} } }", "}, second: { type: emulator } } }", StringComparison.Ordinal), RealProgram.Cancel);
        await program.UntilAsync(async () => (await program.ApiAsync("communicators")).GetProperty("count").GetInt32() == 2);
        await File.WriteAllTextAsync(file, "communications: { enabled: tru", RealProgram.Cancel);
        await program.UntilAsync(async () => (await program.ApiAsync("config/problems")).GetProperty("problems").GetArrayLength() > 0);
        int kept = (await program.ApiAsync("communicators")).GetProperty("count").GetInt32();
        (int refused, string reload) = await program.CommandAsync("reload");
        await File.WriteAllTextAsync(file, good, RealProgram.Cancel);
        await program.UntilAsync(async () => (await program.ApiAsync("communicators")).GetProperty("count").GetInt32() == 1);

        Assert.Equal((2, true), (kept, refused != 0));
        Assert.Contains("postroom.yaml", reload, StringComparison.Ordinal);
    }
}
