using System.Collections.ObjectModel;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Logging;

namespace Postroom.ControlPlane;

/// <summary>What moved in ten seconds, and how things stood at their end.</summary>
/// <param name="At">The end of the ten seconds.</param>
/// <param name="Accepted">Messages stored, those that handlers sent included.</param>
/// <param name="Handled">Attempts of handlers that succeeded.</param>
/// <param name="Delivered">Attempts of lanes that succeeded.</param>
/// <param name="Unsuccessful">Attempts that ended otherwise, those that are repeated included.</param>
/// <param name="Failed">How many failed messages there are, as far as they are kept.</param>
/// <param name="Pending">How many messages wait.</param>
/// <param name="Dispatched">How many are in work.</param>
/// <param name="P50Ms">Half of the messages that ended were done sooner after they were stored; null when none ended.</param>
/// <param name="P95Ms">As before, for 95 of 100.</param>
internal sealed record FlowSample(
    DateTimeOffset At, long Accepted, long Handled, long Delivered, long Unsuccessful, long Failed, long Pending, long Dispatched, double? P50Ms, double? P95Ms)
{
    /// <summary>What ended in each queue where something did.</summary>
    [JsonIgnore]
    public IReadOnlyDictionary<string, (long Successful, long Unsuccessful)> Queues { get; init; } = ReadOnlyDictionary<string, (long, long)>.Empty;
}

/// <summary>What moved per second, on average.</summary>
/// <param name="Seconds">Over so many seconds until now, in steps of ten.</param>
/// <param name="Accepted">Messages stored; null for one queue.</param>
/// <param name="Handled">Attempts of handlers that succeeded.</param>
/// <param name="Delivered">Attempts of lanes that succeeded.</param>
/// <param name="Unsuccessful">Attempts that ended otherwise, those that are repeated included.</param>
internal sealed record RateView(int Seconds, double? Accepted, double Handled, double Delivered, double Unsuccessful);

/// <summary>
/// The last hour in steps of ten seconds, in memory, so that a page shows it at once. Steps in which nothing moved are left out, and no timer runs meanwhile: the first
/// move of a message ends the wait (AC-31). Safe for concurrent use.
/// </summary>
internal sealed partial class FlowHistory(IRuntimeView runtime, TimeProvider clock, ILogger log) : IAsyncDisposable
{
    /// <summary>How long one sample is.</summary>
    public static readonly TimeSpan Step = TimeSpan.FromSeconds(10);

    /// <summary>How many samples are kept.</summary>
    public const int Capacity = 360;

    // Durations are those of the newest messages that ended, at most so many: reading more would cost what is measured.
    private const int MostDurations = 100;

    private static readonly int[] Windows = [60, 300, 3_600];

    private readonly Lock _gate = new();
    private readonly Queue<FlowSample> _samples = new();
    private readonly CancellationTokenSource _stop = new();
    private Task _loop = Task.CompletedTask;

    /// <summary>Begins; the runtime runs.</summary>
    public void Start() => _loop = FollowAsync();

    /// <summary>The samples of the last hour, oldest first.</summary>
    public IReadOnlyList<FlowSample> Read()
    {
        lock (_gate)
        {
            Forget();
            return [.. _samples];
        }
    }

    /// <summary>What moved per second, over the last minute, five minutes and hour.</summary>
    /// <param name="queue">In one queue; null for all.</param>
    public IReadOnlyList<RateView> Rates(string? queue)
    {
        IReadOnlyList<FlowSample> samples = Read();
        DateTimeOffset now = clock.GetUtcNow();
        return [.. Windows.Select(seconds =>
        {
            FlowSample[] those = [.. samples.Where(sample => sample.At > now - TimeSpan.FromSeconds(seconds))];
            (long Successful, long Unsuccessful)[] ended = queue is null ? [] : [.. those.Select(sample => sample.Queues.GetValueOrDefault(queue))];
            return queue is null
                ? new RateView(seconds, Of(those.Sum(static sample => sample.Accepted)), Of(those.Sum(static sample => sample.Handled)), Of(those.Sum(static sample => sample.Delivered)), Of(those.Sum(static sample => sample.Unsuccessful)))
                : OutboundQueue.Is(queue)
                ? new RateView(seconds, null, 0, Of(ended.Sum(static one => one.Successful)), Of(ended.Sum(static one => one.Unsuccessful)))
                : new RateView(seconds, null, Of(ended.Sum(static one => one.Successful)), 0, Of(ended.Sum(static one => one.Unsuccessful)));

            double Of(long count) => Math.Round((double)count / seconds, 3);
        })];
    }

    public async ValueTask DisposeAsync()
    {
        if (!_stop.IsCancellationRequested)
        {
            await _stop.CancelAsync();
            await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _stop.Dispose();
        }
    }

    private async Task FollowAsync()
    {
        try
        {
            RuntimeStatus? before = null;
            while (true)
            {
                TaskCompletionSource moved = new(TaskCreationOptions.RunContinuationsAsynchronously);
                using (Listen(moved)) // before the look, so that no move falls between the two; nobody listens during a step, so moves cost nothing then
                {
                    before = await LookAsync(before);
                    await moved.Task.WaitAsync(_stop.Token);
                }

                await Task.Delay(Step - TimeSpan.FromTicks(clock.GetUtcNow().Ticks % Step.Ticks), clock, _stop.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // It stops.
        }
        catch (Exception e)
        {
            Log.Ended(log, e);
        }
    }

    /// <summary>Tells of the next move of a message; a store without a feed is looked at in every step.</summary>
    private IDisposable? Listen(TaskCompletionSource moved)
    {
        if (runtime.Journal is ITransitionFeed feed)
        {
            return feed.Observe(_ => moved.TrySetResult());
        }

        moved.SetResult();
        return null;
    }

    /// <summary>Takes a sample, once there is something to compare with; what cannot be read now is in the next one.</summary>
    private async Task<RuntimeStatus?> LookAsync(RuntimeStatus? before)
    {
        try
        {
            return before is null ? await runtime.GetStatusAsync(_stop.Token) : await SampleAsync(before);
        }
        catch (StoreUnavailableException)
        {
            return before;
        }
    }

    private async Task<RuntimeStatus> SampleAsync(RuntimeStatus before)
    {
        RuntimeStatus now = await runtime.GetStatusAsync(_stop.Token);
        if (now.Counts is not { } counts)
        {
            return before;
        }

        DateTimeOffset at = clock.GetUtcNow();
        (double? half, double? most) = await DurationsAsync(at - Step);
        FlowSample sample = new(
            at,
            Math.Max(0, counts.Appended - (before.Counts?.Appended ?? 0)),
            Ended(before, now, pool => !OutboundQueue.Is(pool.Queue), pool => pool.Processed),
            Ended(before, now, pool => OutboundQueue.Is(pool.Queue), pool => pool.Processed),
            Ended(before, now, _ => true, pool => pool.Failed),
            counts.Queues.Values.Sum(queue => queue.Failed),
            counts.Queues.Values.Sum(queue => queue.Pending),
            counts.Queues.Values.Sum(queue => queue.Dispatched),
            half,
            most)
        {
            Queues = now.Pools.Select(static pool => pool.Queue).Distinct(StringComparer.Ordinal)
                .Select(queue => (Queue: queue, Successful: Ended(before, now, pool => pool.Queue == queue, pool => pool.Processed), Unsuccessful: Ended(before, now, pool => pool.Queue == queue, pool => pool.Failed)))
                .Where(static one => one.Successful + one.Unsuccessful > 0)
                .ToDictionary(static one => one.Queue, static one => (one.Successful, one.Unsuccessful), StringComparer.Ordinal),
        };
        lock (_gate)
        {
            _samples.Enqueue(sample);
            Forget();
        }

        return now;
    }

    /// <summary>How far a counter came in all pools of a sort; one that a replaced pool began anew counts from 0.</summary>
    private static long Ended(RuntimeStatus before, RuntimeStatus now, Func<PoolStatus, bool> sort, Func<PoolStatus, long> counter)
    {
        return now.Pools.Where(sort).Sum(pool =>
        {
            long known = before.Pools.FirstOrDefault(old => old.Name == pool.Name) is { } old ? counter(old) : 0;
            long count = counter(pool);
            return count >= known ? count - known : count;
        });
    }

    private async Task<(double? Half, double? Most)> DurationsAsync(DateTimeOffset since)
    {
        JournalPage page = await runtime.Journal.QueryAsync(
            new JournalQuery { States = [MessageState.Acked, MessageState.Failed], Limit = MostDurations, WithTotal = false }, _stop.Token);
        double[] durations = [.. page.Items.Where(entry => entry.FinishedAt >= since).Select(entry => Math.Max(0, (entry.FinishedAt!.Value - entry.Envelope.CreatedAt).TotalMilliseconds)).Order()];
        return durations.Length == 0 ? (null, null) : (At(0.5), At(0.95));

        double At(double share) => Math.Round(durations[(int)Math.Ceiling(share * durations.Length) - 1], 1);
    }

    private void Forget()
    {
        DateTimeOffset oldest = clock.GetUtcNow() - (Step * Capacity);
        while (_samples.TryPeek(out FlowSample? first) && (first.At < oldest || _samples.Count > Capacity))
        {
            _samples.Dequeue();
        }
    }

    private static partial class Log
    {
        [LoggerMessage(4310, LogLevel.Warning, "The history of rates ends: a look at the runtime failed. The dashboard shows no further samples until the next start.")]
        public static partial void Ended(ILogger logger, Exception error);
    }
}
