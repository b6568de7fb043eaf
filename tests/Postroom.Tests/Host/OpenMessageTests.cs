using System.Runtime.ExceptionServices;
using Postroom.Host;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Host;

/// <summary>The message a program without handlers has open, over a queue that does what the test says.</summary>
public sealed class OpenMessageTests
{
    private readonly ManualClock _clock = new();
    private readonly SteeredQueue _queue = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_that_comes_at_the_very_moment_the_time_is_over_is_received()
    {
        OpenMessage open = new(_queue, _clock);
        int thread = Environment.CurrentManagedThreadId;
        EventHandler<FirstChanceExceptionEventArgs> arrive = (_, thrown) =>
        {
            if (thrown.Exception is TimeoutException && Environment.CurrentManagedThreadId == thread)
            {
                _queue.Arrive("just in time"); // thrown, and not caught yet
            }
        };
        AppDomain.CurrentDomain.FirstChanceException += arrive;
        Message? received;
        try
        {
            received = await open.NextAsync(TimeSpan.Zero, static () => { }, Cancel);
        }
        finally
        {
            AppDomain.CurrentDomain.FirstChanceException -= arrive;
        }

        Assert.Equal("just in time", received?.RawPayload);
        await open.AbandonAsync(failed: false);
    }

    [Fact]
    public async Task Nothing_in_time_is_null_and_what_comes_later_goes_to_the_next_call()
    {
        OpenMessage open = new(_queue, _clock);
        Assert.Null(await open.NextAsync(TimeSpan.Zero, static () => { }, Cancel));

        _queue.Arrive("later");

        Assert.Equal("later", (await open.NextAsync(TimeSpan.Zero, static () => { }, Cancel))?.RawPayload);
        await open.AbandonAsync(failed: false);
    }

    [Fact]
    public async Task An_acknowledgement_that_the_store_cannot_take_is_asked_for_again_with_backoff_until_it_is_stored()
    {
        OpenMessage open = new(_queue, _clock);
        _queue.Arrive("first");
        await open.NextAsync(TimeSpan.Zero, static () => { }, Cancel);
        _queue.RefuseAcks = true;

        Task<Message?> next = open.NextAsync(null, static () => { }, Cancel);
        for (int i = 0; i < 20; i++)
        {
            Assert.True(SpinWait.SpinUntil(() => _clock.ArmedTimers == 1, TimeSpan.FromSeconds(10)));
            _clock.Advance(TimeSpan.FromSeconds(6)); // more than the longest wait
        }

        int asked = _queue.Acks;
        bool over = next.IsCompleted;
        _queue.RefuseAcks = false;
        _queue.Arrive("second");
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                _clock.Advance(TimeSpan.FromSeconds(6));
                return next.IsCompleted;
            },
            TimeSpan.FromSeconds(10)));

        Assert.False(over);
        Assert.InRange(asked, 20, 40); // the first few waits are short
        Assert.Equal("second", (await next)?.RawPayload);
        await open.AbandonAsync(failed: false);
    }

    [Fact]
    public async Task A_refused_acknowledgement_is_thrown_once_the_time_of_the_receive_is_over_and_the_message_stays_open()
    {
        OpenMessage open = new(_queue, _clock);
        _queue.Arrive("first");
        Message message = (await open.NextAsync(TimeSpan.Zero, static () => { }, Cancel))!;
        _queue.RefuseAcks = true;

        await Assert.ThrowsAsync<StoreUnavailableException>(() => open.NextAsync(TimeSpan.Zero, static () => { }, Cancel));
        Task<Message?> next = open.NextAsync(TimeSpan.FromSeconds(1), static () => { }, Cancel);
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                _clock.Advance(TimeSpan.FromMilliseconds(100));
                return next.IsCompleted;
            },
            TimeSpan.FromSeconds(10)));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => next);

        _queue.RefuseAcks = false;
        Assert.True(await open.AckAsync(message, Cancel));
        await open.AbandonAsync(failed: false);
    }

    [Theory]
    [InlineData("closing")]
    [InlineData("stopping")]
    public async Task An_acknowledgement_that_is_asked_for_again_ends_with_the_program(string how)
    {
        OpenMessage open = new(_queue, _clock);
        _queue.Arrive("first");
        Message message = (await open.NextAsync(TimeSpan.Zero, static () => { }, Cancel))!;
        _queue.RefuseAcks = true;
        using CancellationTokenSource stopping = new();
        Task completing = open.CompleteAsync(message, stopping.Token);
        Assert.True(SpinWait.SpinUntil(() => _clock.ArmedTimers == 1, TimeSpan.FromSeconds(10)));

        Task closing = Task.CompletedTask;
        if (how == "closing")
        {
            closing = open.AbandonAsync(failed: false);
        }
        else
        {
            await stopping.CancelAsync();
        }

        Exception? ended = await Record.ExceptionAsync(() => completing.WaitAsync(TimeSpan.FromSeconds(10), Cancel));
        await closing.WaitAsync(TimeSpan.FromSeconds(10), Cancel);
        Assert.IsType(how == "closing" ? typeof(StoreUnavailableException) : typeof(OperationCanceledException), ended);
    }

    /// <summary>A queue whose deliveries come when the test says, on the test's thread.</summary>
    private sealed class SteeredQueue : IMessageQueue, IAsyncEnumerable<Delivery>, IAsyncEnumerator<Delivery>
    {
        private readonly Queue<Delivery> _arrived = new();
        private TaskCompletionSource<bool>? _awaited;

        public bool RefuseAcks { get; set; }

        public int Acks { get; private set; }

        public string Name => "in";

        public Delivery Current { get; private set; } = null!;

        public void Arrive(string text)
        {
            Envelope envelope = new Message { Sender = "ann", MessageType = "chat", RawPayload = text }.ToEnvelope("in");
            _arrived.Enqueue(new Delivery(new MessageLease { Envelope = envelope, Attempt = 1, Fence = 1, Owner = "test" }));
            if (_awaited is { } awaited)
            {
                _awaited = null;
                Current = _arrived.Dequeue();
                awaited.SetResult(true);
            }
        }

        public ValueTask<bool> MoveNextAsync()
        {
            if (_arrived.TryDequeue(out Delivery? next))
            {
                Current = next;
                return new ValueTask<bool>(true);
            }

            _awaited = new TaskCompletionSource<bool>();
            return new ValueTask<bool>(_awaited.Task);
        }

        public IAsyncEnumerable<Delivery> ConsumeAsync(int prefetch, CancellationToken cancellationToken)
        {
            cancellationToken.Register(() => _awaited?.TrySetResult(false));
            return this;
        }

        public IAsyncEnumerator<Delivery> GetAsyncEnumerator(CancellationToken cancellationToken) => this;

        public ValueTask<bool> AckAsync(Delivery delivery, IReadOnlyList<Envelope>? staged, CancellationToken cancellationToken)
        {
            Acks++;
            return RefuseAcks ? throw new StoreUnavailableException("database or disk is full") : new ValueTask<bool>(true);
        }

        public ValueTask<bool> NackAsync(Delivery delivery, TimeSpan? retryDelay, CancellationToken cancellationToken) => new(true);

        public ValueTask<PublishResult> PublishAsync(QueueMessage message, PublishOptions? options, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask<QueueStats> GetStatsAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => default;
    }
}
