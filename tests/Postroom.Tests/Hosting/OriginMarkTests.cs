using System.Collections.Concurrent;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

/// <summary>What the origin of a message is told once its work has ended (SR-7, SR-8).</summary>
public sealed class OriginMarkTests
{
    [Fact]
    public async Task SR_8_the_origin_is_told_after_the_work_how_it_ended_and_never_before()
    {
        MarkingSource source = new("mailbox", "good", "bad");
        TaskCompletionSource mayEnd = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddSource("mailbox", _ => source, "work")
            .AddWork(async (order, _, _) =>
            {
                await mayEnd.Task;
                return order.Number == "good" ? HandlerResult.Completed : HandlerResult.Fail("no");
            }));
        await UntilAsync(() => runtime.Pool().Busy > 0);

        Assert.Empty(source.Marks);
        mayEnd.SetResult();
        await UntilAsync(() => source.Marks.Count == 2);

        Assert.Contains(new MarkRequest("mailbox", "key of good", MarkRequest.Seen), source.Marks);
        Assert.Contains(new MarkRequest("mailbox", "key of bad", MarkRequest.Failed), source.Marks);
    }

    [Fact]
    public async Task SR_8_an_origin_that_cannot_be_reached_costs_no_attempt_and_one_that_refuses_is_asked_again()
    {
        int calls = 0;
        MarkingSource source = new("mailbox", "good")
        {
            OnMark = _ => Interlocked.Increment(ref calls) switch
            {
                1 => throw new OriginUnavailableException("away"),
                2 => throw new InvalidOperationException("busy"),
                _ => default,
            },
        };
        await using TestRuntime runtime = await TestRuntime.StartAsync(app => app.AddSource("mailbox", _ => source, "work").AddWork((_, _, _) => new(HandlerResult.Completed)));
        await UntilAsync(async () =>
        {
            runtime.Clock.Advance(TimeSpan.FromSeconds(1));
            return (await Marks(runtime.Runtime)).Any(mark => mark.State == MessageState.Acked);
        });

        JournalEntry told = Assert.Single(await Marks(runtime.Runtime));
        JournalRecord record = (await runtime.Runtime.Journal.GetAsync(told.Envelope.Id, withBody: false, Cancel))!;
        Assert.Equal(3, Volatile.Read(ref calls));
        Assert.Equal(1, record.Entry.Failures);
        Assert.NotNull(record.Entry.Envelope.ParentId);
    }

    [Fact]
    public async Task SR_8_a_receiver_that_acknowledges_tells_the_origin_too()
    {
        MarkingSource source = new("mailbox", "good");
        await using MessageRuntime runtime = await StartAsync(app => app.AddQueue("work").AddSource("mailbox", _ => source, "work"));

        await foreach (Delivery delivery in runtime.OpenQueue("work").ConsumeAsync(1, Cancel))
        {
            await runtime.OpenQueue("work").AckAsync(delivery, null, Cancel);
            break;
        }

        await UntilAsync(() => source.Marks.Count == 1);
        Assert.Equal(MarkRequest.Seen, source.Marks.Single().Outcome);
    }

    [Fact]
    public async Task A_source_can_ask_how_a_message_stands()
    {
        List<MessageState?> states = [];
        MarkingSource source = new("mailbox", "good");
        await using MessageRuntime runtime = await StartAsync(app => app.AddSource("mailbox", _ => source, "work").AddWork((_, _, _) => new(HandlerResult.Completed)));
        await UntilAsync(() => source.Marks.Count == 1);

        states.Add(await source.Sink!.StateOfAsync(source.Accepted.Single(), Cancel));
        states.Add(await source.Sink.StateOfAsync(MessageId.New(), Cancel));

        Assert.Equal([MessageState.Acked, null], states);
    }

    [Fact]
    public async Task SR_7_polls_never_overlap_come_an_interval_after_the_last_has_ended_and_at_once_when_asked()
    {
        ManualClock clock = new();
        CountingSource source = new("poll", clock);
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        await Assert.ThrowsAsync<OriginUnavailableException>(() => source.PollNowAsync(Cancel).AsTask());
        Task run = source.RunAsync(null!, end.Token);
        await UntilAsync(() => source.Polls == 1 && clock.ArmedTimers == 1);

        clock.Advance(TimeSpan.FromSeconds(9));
        int early = source.Polls;
        clock.Advance(TimeSpan.FromSeconds(1));
        await UntilAsync(() => source.Polls == 2);
        int found = await source.PollNowAsync(Cancel);
        Task<int>[] together = [.. Enumerable.Range(0, 5).Select(_ => source.PollNowAsync(Cancel).AsTask())];
        await Task.WhenAll(together);
        source.Fails = true;
        OriginUnavailableException failed = await Assert.ThrowsAsync<OriginUnavailableException>(() => source.PollNowAsync(Cancel).AsTask());

        Assert.Equal((1, 7, 1), (early, found, source.Most));
        Assert.InRange(source.Polls, 5, 9);
        Assert.Contains("no more", failed.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidOperationException>(() => run);
        Assert.True(source.Closed);
    }

    private static async Task<IReadOnlyList<JournalEntry>> Marks(MessageRuntime runtime) => (await runtime.Journal.QueryAsync(new JournalQuery { Queue = "mark.mailbox" }, Cancel)).Items;

    /// <summary>Brings some orders and keeps what it is told of them.</summary>
    private sealed class MarkingSource(string name, params string[] orders) : IMessageSource, IMarkOrigin
    {
        public string Name { get; } = name;

        public SourceStatus Status { get; } = new();

        public ConcurrentQueue<MarkRequest> Marks { get; } = [];

        public ConcurrentQueue<MessageId> Accepted { get; } = [];

        public IMessageSink? Sink { get; private set; }

        public Func<MarkRequest, ValueTask>? OnMark { get; init; }

        public async Task RunAsync(IMessageSink sink, CancellationToken cancellationToken)
        {
            Sink = sink;
            foreach (string order in orders)
            {
                SourceMessage message = new("work", "work.todo", System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(new Order(order), RuntimeTestJson.Default.Order)) { OriginKey = $"key of {order}" };
                Accepted.Enqueue((await sink.AcceptAsync([message], null, cancellationToken))[0].Id);
            }

            await Task.Delay(Timeout.Infinite, cancellationToken);
        }

        public async ValueTask MarkAsync(MarkRequest request, CancellationToken cancellationToken)
        {
            await (OnMark?.Invoke(request) ?? default);
            Marks.Enqueue(request);
        }
    }

    private sealed class CountingSource(string name, TimeProvider clock) : PollingSource(name, TimeSpan.FromSeconds(10), clock, static () => 0.5)
    {
        private int _running;

        public int Polls { get; private set; }

        public int Most { get; private set; }

        public bool Fails { get; set; }

        public bool Closed { get; private set; }

        protected override async ValueTask<int> PollAsync(IMessageSink sink, CancellationToken cancellationToken)
        {
            Most = Math.Max(Most, Interlocked.Increment(ref _running));
            await Task.Yield();
            Interlocked.Decrement(ref _running);
            Polls++;
            return Fails ? throw new InvalidOperationException("no more") : 7;
        }

        protected override ValueTask CloseAsync()
        {
            Closed = true;
            return default;
        }
    }
}
