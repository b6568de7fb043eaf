using Postroom.Crash;
using Postroom.Sqlite;
using Postroom.Testing;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>Programs without modules.</summary>
[Collection(Processes.Name)]
public sealed class FacadeTests
{
    [Fact]
    public async Task Ac36_A_receiving_program_killed_before_its_reply_gets_the_message_again_and_the_reply_exists_once()
    {
        await using RealProgram program = new();
        string gate = Path.Combine(program.Folder, "gate");
        await program.RunAppAsync("receive", "--gate", gate);
        string id = await program.PostAsync("1036", "hello");
        await program.UntilAsync(() => Task.FromResult(program.Process.Output.Contains("RECEIVED hello", StringComparison.Ordinal)));

        await program.KillAsync();
        await File.WriteAllTextAsync(gate, "", RealProgram.Cancel);
        await program.RunAppAsync("receive", "--gate", gate);
        await program.UntilAsync(() => Task.FromResult(program.Process.Output.Contains("REPLIED hello", StringComparison.Ordinal)));

        // Killed again, now between the reply and the next receive: the reply committed with the acknowledgement.
        await program.KillAsync();
        await program.RunAppAsync("receive", "--gate", gate);
        await program.UntilAsync(id, "acked");
        Assert.Equal(["You said: hello"], await program.AnswersAsync("1036"));
        Assert.DoesNotContain("RECEIVED", program.Process.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ac51_Ac96_the_static_way_leads_to_one_dispatcher_without_a_runtime_and_to_the_runtimes_own_with_one()
    {
        await using RealProgram program = new();
        AppProcess process = program.StartApp("static");

        Assert.Equal(0, await process.WaitAsync().WaitAsync(TimeSpan.FromMinutes(2), RealProgram.Cancel));
        string[] lines = process.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        Assert.Equal(
            [
                "INSTANCES 1 REGISTERED 0",
                "NAMES recording STARTS 1 SENT 1 Acked",
                "HEARD 20000",
                "LEFT 0 STOPS 1",
                "SECOND later,recording 0",
                "LATER Acked 1",
                "RUNTIME True False",
                "TWO True",
            ],
            lines);
    }

    [Fact]
    public async Task Ac37_A_receive_that_does_not_block_or_runs_out_of_time_throws_and_the_trying_one_returns_null()
    {
        await using RealProgram program = new();
        await using PostOffice office = await PostOffice.StartAsync(Settings(program), cancellationToken: RealProgram.Cancel);

        await Assert.ThrowsAsync<TimeoutException>(() => office.ReceiveAsync(block: false, cancellationToken: RealProgram.Cancel));
        await Assert.ThrowsAsync<TimeoutException>(() => office.ReceiveAsync(timeout: TimeSpan.FromMilliseconds(50), cancellationToken: RealProgram.Cancel));
        Assert.Null(await office.TryReceiveAsync(cancellationToken: RealProgram.Cancel));

        await program.PostAsync("1037", "now");
        Message? message = null;
        await WaitAsync(async () => (message = await office.TryReceiveAsync(cancellationToken: RealProgram.Cancel)) is not null);
        Assert.Equal("now", message!.RawPayload);
    }

    [Fact]
    public async Task Ac38_A_send_needs_a_recipient_and_finds_the_channel_a_contact_wrote_in_last()
    {
        await using RealProgram program = new();
        await using PostOffice office = await PostOffice.StartAsync(Settings(program), cancellationToken: RealProgram.Cancel);

        await Assert.ThrowsAsync<ArgumentException>(() => office.SendAsync("hi", cancellationToken: RealProgram.Cancel));
        await Assert.ThrowsAsync<ArgumentException>(() => office.SendAsync("hi", "", RealProgram.Cancel));
        AddressException unknown = await Assert.ThrowsAsync<AddressException>(() => office.SendAsync("hi", "tele:5", RealProgram.Cancel));
        Assert.Contains("'tele'", unknown.Message, StringComparison.Ordinal);
        Assert.Contains("emulator", unknown.Message, StringComparison.Ordinal);

        await program.PostAsync("1038", "it is me");
        await office.SendAsync("found you", "1038", RealProgram.Cancel);
        await WaitAsync(async () => (await program.AnswersAsync("1038")).Count == 1);
        Assert.Equal("found you", Assert.Single(await program.AnswersAsync("1038")));
    }

    [Fact]
    public async Task Ac38_Ten_sends_in_a_row_return_before_the_first_is_delivered_and_arrive_in_order()
    {
        await using RealProgram program = new();
        RecordingCommunicator slow = new("slow");
        slow.Next(new SendOutcome.Takes(TimeSpan.FromSeconds(3)));
        await using PostOffice office = await PostOffice.StartAsync(Settings(program), app => app.AddCommunicator(_ => slow), RealProgram.Cancel);

        for (int n = 0; n < 10; n++)
        {
            await office.SendAsync($"text {n}", "slow:somebody", RealProgram.Cancel);
        }

        Assert.True(slow.Sends.Count <= 1, $"{slow.Sends.Count} had left before the last was stored.");
        await slow.WaitForSendsAsync(10, RealProgram.Cancel);
        Assert.Equal(Enumerable.Range(0, 10).Select(n => $"text {n}"), slow.Sends.Select(send => send.Message.Message));
    }

    [Theory]
    [InlineData("throws", MessageState.Pending, 1)]
    [InlineData("breaks", MessageState.Pending, 1)]
    [InlineData("replies and throws", MessageState.Acked, 0)]
    [InlineData("acknowledges and breaks", MessageState.Acked, 0)]
    [InlineData("asks for the next", MessageState.Acked, 0)]
    public async Task A_loop_that_is_left_over_a_message_gives_it_back_unless_it_was_settled(string body, MessageState state, int failures)
    {
        await using RealProgram program = new();
        MessageId id = default;
        using CancellationTokenSource enough = CancellationTokenSource.CreateLinkedTokenSource(RealProgram.Cancel);

        Exception? left = await Record.ExceptionAsync(async () =>
        {
            await using PostOffice office = await PostOffice.StartAsync(Settings(program), cancellationToken: RealProgram.Cancel);
            id = MessageId.Parse(await program.PostAsync("1039", "work"));
            await foreach (Message message in office.ReceiveAllAsync(enough.Token))
            {
                switch (body)
                {
                    case "throws":
                        throw new FormatException("The program's own work failed.");
                    case "replies and throws":
                        await office.ReplyAsync(message, "done", RealProgram.Cancel);
                        throw new FormatException("Something after the work failed.");
                    case "acknowledges and breaks":
                        await office.AckAsync(message, RealProgram.Cancel);
                        break;
                    case "asks for the next":
                        await enough.CancelAsync();
                        continue;
                }

                break;
            }
        });

        Assert.Equal(body.Contains("throws", StringComparison.Ordinal), left is FormatException);
        JournalEntry entry = Read(program, id);
        Assert.Equal((state, failures), (entry.State, entry.Failures));
    }

    [Theory]
    [InlineData(true, MessageState.Acked)]
    [InlineData(false, MessageState.Pending)]
    public async Task A_message_that_was_received_by_itself_is_acknowledged_by_a_stop_and_given_back_by_a_dispose(bool stops, MessageState state)
    {
        await using RealProgram program = new();
        MessageId id;
        await using (PostOffice office = await PostOffice.StartAsync(Settings(program), cancellationToken: RealProgram.Cancel))
        {
            id = MessageId.Parse(await program.PostAsync("1040", "work"));
            await office.ReceiveAsync(cancellationToken: RealProgram.Cancel);
            if (stops)
            {
                await office.StopAsync();
            }
        }

        Assert.Equal(state, Read(program, id).State);
    }

    private static JournalEntry Read(RealProgram program, MessageId id)
    {
        using SqliteJournalReader journal = SqliteJournalReader.Open(program.Store);
        return journal.Get(id, withBody: false)!.Entry;
    }

    private static string[] Settings(RealProgram program) =>
    [
        "--set", $"store.path={program.Store}", "--set", $"runtime.dataDirectory={Path.Combine(program.Folder, "data")}",
        "--set", $"server.urls=[\"http://127.0.0.1:{program.Port}\"]",
    ];

    private static async Task WaitAsync(Func<Task<bool>> condition)
    {
        for (int trial = 0; !await condition(); trial++)
        {
            Assert.True(trial < 1_200, "Waited a minute.");
            await Task.Delay(50, RealProgram.Cancel);
        }
    }
}
