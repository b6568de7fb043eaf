using Microsoft.Extensions.Logging.Abstractions;
using Postroom.ControlPlane;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.ControlPlane;

public sealed class FlowHistoryTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly ManualClock _clock = new();
    private readonly RuntimeDouble _runtime;

    public FlowHistoryTests() => _runtime = new RuntimeDouble(_clock) { Pools = [Pool("in", 0), Pool("out.chat", 0)] };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_step_says_what_moved_in_it_and_how_long_messages_took()
    {
        await using FlowHistory history = Start();
        Envelope message = await AppendAsync();
        await AtWorkAsync();
        _clock.Advance(TimeSpan.FromSeconds(2));
        MessageLease lease = Assert.Single(await _runtime.Store.LeaseAsync("in", 1, TimeSpan.FromMinutes(1), Cancel));
        await _runtime.Store.SettleAsync(lease, Settlement.Acknowledge, [], Cancel);
        _runtime.Pools = [Pool("in", 1), Pool("out.chat", 3) with { Failed = 2 }];

        FlowSample sample = await NextAsync(history, 1);

        Assert.Equal((1, 1, 3, 2, 0, 0), (sample.Accepted, sample.Handled, sample.Delivered, sample.Unsuccessful, sample.Failed, sample.Pending));
        Assert.Equal((2000.0, 2000.0), (sample.P50Ms, sample.P95Ms));
        Assert.Equal(0, sample.At.Ticks % FlowHistory.Step.Ticks);
        Assert.Equal(lease.Envelope.Id, message.Id);
    }

    [Fact]
    public async Task Ac31_no_timer_runs_while_nothing_moves_and_an_idle_hour_leaves_no_samples()
    {
        await using FlowHistory history = Start();
        await AppendAsync();
        await AtWorkAsync();
        FlowSample first = await NextAsync(history, 1);

        _clock.Advance(TimeSpan.FromMinutes(30));
        Assert.Equal(0, _clock.ArmedTimers);
        await AppendAsync();
        await AtWorkAsync();
        FlowSample second = await NextAsync(history, 2);

        Assert.InRange(second.At - first.At, TimeSpan.FromMinutes(30), TimeSpan.FromMinutes(30) + FlowHistory.Step);
        Assert.Equal((1, 2), (second.Accepted, second.Pending));
        _clock.Advance(TimeSpan.FromMinutes(31));
        Assert.Equal(second, Assert.Single(history.Read()));
    }

    [Fact]
    public async Task A_pool_that_was_replaced_counts_from_nothing()
    {
        _runtime.Pools = [Pool("in", 100)];
        await using FlowHistory history = Start();
        _runtime.Pools = [Pool("in", 7)];
        await AppendAsync();
        await AtWorkAsync();

        Assert.Equal(7, (await NextAsync(history, 1)).Handled);
    }

    private static PoolStatus Pool(string queue, long processed) => new() { Name = queue, Queue = queue, Processed = processed };

    private FlowHistory Start()
    {
        FlowHistory history = new(_runtime, _clock, NullLogger.Instance);
        history.Start();
        return history;
    }

    private async Task<Envelope> AppendAsync()
    {
        Envelope message = new(MessageId.New(), "in", "chat.text", default) { CreatedAt = _clock.GetUtcNow() };
        await _runtime.Store.AppendAsync([message], null, Cancel);
        return message;
    }

    /// <summary>Waits until the history has seen that something moves, and waits for the end of the step.</summary>
    private async Task AtWorkAsync()
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(Patience);
        while (_clock.ArmedTimers == 0)
        {
            await Task.Delay(5, limit.Token);
        }
    }

    private async Task<FlowSample> NextAsync(FlowHistory history, int count)
    {
        _clock.Advance(FlowHistory.Step);
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(Patience);
        while (history.Read().Count < count)
        {
            await Task.Delay(5, limit.Token);
        }

        return history.Read()[^1];
    }
}
