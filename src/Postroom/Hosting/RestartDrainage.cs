using Postroom.Workers;

namespace Postroom.Hosting;

/// <summary>Holds back whatever begins work and waits for what runs; everything can go on afterwards.</summary>
/// <param name="runtime">What is drained.</param>
/// <param name="control">Holds pools and sources.</param>
/// <param name="clock">Measures.</param>
/// <param name="full">Every queue is to be empty, so that workers go on and nothing comes in.</param>
/// <param name="keepsIntake">Whether messages from outside are stored meanwhile.</param>
internal sealed class RestartDrainage(MessageRuntime runtime, RuntimeControl control, TimeProvider clock, bool full, bool keepsIntake)
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(5);

    private readonly bool _empties = full || !runtime.Store.Features.Durable;
    private Action? _release;
    private int _inFlight;
    private (long Ended, long Released) _begun;
    private RunCounts _before = new();
    private bool _fired;

    private RuntimeRooms Rooms => runtime.Rooms;

    /// <summary>Holds everything back.</summary>
    public void Begin()
    {
        _begun = Counted();
        _inFlight = control.InWork();
        runtime.BeginDrain(keepsIntake: keepsIntake && !_empties);
        _release = _empties ? control.HoldSources() : control.Hold();
    }

    /// <summary>Drains until nothing is in work or the time is over.</summary>
    /// <param name="limit">The time.</param>
    /// <param name="cancellationToken">Ends the wait; nothing has gone on by itself then.</param>
    /// <returns>Why it must not go on, since what is left would be lost; null when it may.</returns>
    public async Task<string?> RunAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        long begun = clock.GetTimestamp();
        _before = await RunRecord.CountAsync(runtime.Store, cancellationToken);
        _fired = Rooms.Schedules.IsRunning;
        await Rooms.Schedules.StopAsync();

        // The rest of the time is for handlers that are told to end, while the parts stop.
        TimeSpan grace = runtime.Composition!.Get<RuntimeOptions>("runtime").CancelGrace;
        TimeSpan patience = limit > grace ? limit - grace : TimeSpan.Zero;
        while (await IsBusyAsync(cancellationToken))
        {
            if (clock.GetElapsedTime(begun) >= patience)
            {
                break;
            }

            await Task.Delay(Look, clock, cancellationToken);
        }

        long open = runtime.Store.Features.Durable ? 0 : await CountOpenAsync(cancellationToken);
        return open == 0 ? null : $"{open} messages are left in the memory store and would be lost. Repeat it with mode force to lose them, or with a longer drainTimeoutSeconds.";
    }

    /// <summary>Lets everything go on as before.</summary>
    public void Resume()
    {
        runtime.EndDrain();
        _release?.Invoke();
        _release = null;
        if (_fired)
        {
            Rooms.Schedules.Start();
        }
    }

    /// <summary>What was found and done.</summary>
    public RestartStatistics Statistics(RestartStatus asked)
    {
        (long ended, long released) = Counted();
        return new RestartStatistics
        {
            Id = asked.Id,
            Reason = asked.Reason,
            RequestedAt = asked.RequestedAt!.Value,
            InFlight = _inFlight,
            Finished = ended - _begun.Ended,
            Released = released - _begun.Released,
            Abandoned = control.InWork(),
            Before = _before,
        };
    }

    private async ValueTask<bool> IsBusyAsync(CancellationToken cancellationToken) =>
        control.InWork() > 0 || (_empties && await CountOpenAsync(cancellationToken) > 0);

    private async ValueTask<long> CountOpenAsync(CancellationToken cancellationToken) =>
        (await runtime.Store.GetStatsAsync(null, cancellationToken)).Queues.Values.Sum(static queue => queue.Pending + queue.Dispatched);

    private (long Ended, long Released) Counted()
    {
        WorkerPool[] pools = [.. control.Pools()];
        return (pools.Sum(static pool => pool.Counters.Processed + pool.Counters.Failed), pools.Sum(static pool => pool.Counters.Released));
    }
}
