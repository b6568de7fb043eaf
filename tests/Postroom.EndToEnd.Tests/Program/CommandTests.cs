using System.Text.Json;
using Postroom.Crash;
using Postroom.Sqlite;
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
        await program.UntilAsync(failed, "acked");
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
        Assert.True(story.IndexOf("replayed by", StringComparison.Ordinal) < story.IndexOf("attempt 1 of replay 1 succeeded", StringComparison.Ordinal), story);
        Assert.Contains("replayed by ", record, StringComparison.Ordinal);
        Assert.Contains($"postroom why {failed}", story, StringComparison.Ordinal);
        Assert.Contains("This message failed, was replayed, and now succeeds.", await program.AnswersAsync("2001"));
        Assert.Contains("router", status, StringComparison.Ordinal);
        Assert.Contains("emulator", status, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_settings_file_that_cannot_be_read_keeps_nobody_from_looking_at_what_runs_or_from_stopping_it()
    {
        await using RealProgram program = new();
        string file = Path.Combine(program.Folder, "postroom.yaml");
        await File.WriteAllTextAsync(file, "modules: [welcome]\n", RealProgram.Cancel);
        await program.RunWithAsync("--config", file);
        string id = await program.PostAsync("2002", "hello");
        await program.UntilAsync(id, "acked");
        await File.WriteAllTextAsync(file, "modules: [welcome\n", RealProgram.Cancel);

        (int shown, string status) = await program.CommandAsync("status", "--config", file);
        (int found, string why) = await program.CommandAsync("why", id, "--config", file);
        (int stopped, string stop) = await program.CommandAsync("stop", "--yes", "--config", file);
        int code = await program.Process.WaitAsync().WaitAsync(TimeSpan.FromSeconds(60), RealProgram.Cancel);
        (int cold, string refusal) = await program.CommandAsync("status", "--config", file);

        Assert.Equal((0, 0, 0, 0), (shown, found, stopped, code));
        Assert.Contains("is not YAML", status, StringComparison.Ordinal);
        Assert.Contains("goes on with the settings it read before", status, StringComparison.Ordinal);
        Assert.Contains("router", status, StringComparison.Ordinal);
        Assert.Contains(id, why, StringComparison.Ordinal);
        Assert.Contains("settings it read before", stop, StringComparison.Ordinal);

        // Nothing runs any more: whose store that would be is in the file.
        Assert.Equal(3, cold);
        Assert.Contains("is not YAML", refusal, StringComparison.Ordinal);
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

        // Once there is such a store, it is read as it is, whoever answers at the address.
        await using (SqliteStore store = new(new StoreOptions { Path = other }, new RetentionOptions(), new Redactor(), TimeProvider.System))
        {
            await store.OpenAsync(new StoreOpening { Node = "test" }, RealProgram.Cancel);
        }

        (code, text) = await Shell.TryRunAsync("dotnet", [RealProgram.HostAssembly, "status", "--set", $"server.port={program.Port}", "--set", $"store.path={other}"]);

        Assert.True(code == 0, text);
    }

    [Fact]
    public async Task Messages_that_nothing_in_this_build_handles_are_told_by_the_log_the_status_and_why()
    {
        await using RealProgram program = new();
        MessageId parked = MessageId.New();
        await using (SqliteStore store = new(new StoreOptions { Path = program.Store }, new RetentionOptions(), new Redactor(), TimeProvider.System))
        {
            await store.OpenAsync(new StoreOpening { Node = "node-1" }, RealProgram.Cancel);
            await store.WriteAsync(new StoreWrite { Facts = [new FactChange(FactScopes.HandledType, "in/order.old", ReadOnlyMemory<byte>.Empty)] }, RealProgram.Cancel);
            await store.AppendAsync([new Envelope(parked, "in", "order.old", "{}"u8.ToArray())], null, RealProgram.Cancel);
            await store.CloseAsync(RealProgram.Cancel);
        }

        await program.RunAsync();
        (_, string status) = await program.CommandAsync("status");
        (_, string why) = await program.CommandAsync("why", parked.ToString());

        const string Told = "Queue 'in' holds 1 parked message: nothing in this build handles 'order.old'";
        Assert.Contains(Told, program.Process.Output, StringComparison.Ordinal);
        Assert.Contains(Told, status, StringComparison.Ordinal);
        Assert.Matches("queue +│? *pending +│? *parked", status);
        Assert.Contains("Nothing in this build handles 'order.old' of queue 'in', so it is parked.", why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_that_cannot_be_written_is_told_by_status_with_its_reason()
    {
        await using RealProgram program = new();
        program.StartProcess(RealProgram.HostAssembly, ["run"], ["store.reserve=900000GiB"]);
        await program.UntilAsync(() => Task.FromResult(program.Process.Output.Contains("is ready", StringComparison.Ordinal)));

        await program.UntilAsync(async () => (await program.CommandAsync("status")).Output.Contains("Nothing new is accepted, because the store cannot be written:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_link_of_the_start_opens_the_chat_also_where_a_secret_is_set()
    {
        await using RealProgram program = new();
        await program.RunAsync("intake.webhook.secret=a canary of the bridge");
        await program.UntilAsync(() => Task.FromResult(program.Process.Output.Contains("Stop with", StringComparison.Ordinal)));

        string line = Assert.Single(program.Process.Output.Split('\n'), line => line.Contains("Web chat:", StringComparison.Ordinal));
        using HttpResponseMessage page = await program.Http.GetAsync(new Uri(line.Trim().Split(' ')[^1]), RealProgram.Cancel);
        using HttpResponseMessage bare = await program.Http.GetAsync(new Uri(program.Address, "chat"), RealProgram.Cancel);

        Assert.Equal((200, 401), ((int)page.StatusCode, (int)bare.StatusCode));
        Assert.DoesNotContain("a canary of the bridge", program.Process.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cl3_The_web_chat_in_the_terminal_says_each_line_prints_the_answers_and_what_failed_and_doctor_tells_how_the_parts_are()
    {
        await using RealProgram program = new();
        await program.RunAsync();
        string talk = $"printf 'hello\\n/fail\\nbye\\n' | dotnet {RealProgram.HostAssembly} chat --contact tom --url {program.Address}";

        (int code, string said) = await Shell.TryRunAsync("sh", "-c", talk).WaitAsync(TimeSpan.FromMinutes(1), RealProgram.Cancel);
        (int looked, string doctor) = await program.CommandAsync("doctor");

        Assert.True(code == 0, said);
        Assert.StartsWith("You said: hello\nYou said: bye\n", said, StringComparison.Ordinal);
        Assert.Contains("failed: You asked for a failure with /fail.", said, StringComparison.Ordinal);
        Assert.Equal(1, looked); // somebody has to look at the failure
        Assert.Contains("ok   A program has the store open (process ", doctor, StringComparison.Ordinal);
        Assert.Contains("LOOK failures is degraded: 1 message failed in the last hour.", doctor, StringComparison.Ordinal);
        Assert.Contains("ok   store is healthy.", doctor, StringComparison.Ordinal);
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
