using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Postroom.Hosting;

namespace Postroom;

/// <content>Restarts, and the record of runs (SPEC RS).</content>
public sealed partial class MessageRuntime
{
    /// <summary>How long requests that have begun may take once no more come in.</summary>
    private static readonly TimeSpan RequestTime = TimeSpan.FromSeconds(5);

    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<IHandsOver> _handsOver = [];
    private RunRecord? _runs;
    private RestartOrchestrator? _restarts;
    private RestartOrder? _order;
    private SafeHandle? _ownership;
    private DateTimeOffset? _closedAt;
    private bool _keepsIntake;
    private bool _keepsOwnership;

    /// <summary>Restarts this runtime.</summary>
    /// <exception cref="InvalidOperationException">The runtime has not started.</exception>
    internal RestartOrchestrator Restarts => _restarts ?? throw NotStarted();

    /// <summary>The runs of the program on this store.</summary>
    internal RunRecord Runs => _runs ?? throw NotStarted();

    /// <summary>Completes once a restart has drained: the program stops the runtime by <see cref="StopForReplacementAsync"/> and replaces itself.</summary>
    internal Task<RestartOrder> ReplacementOrdered => Restarts.Ordered;

    /// <summary>Whether a restart is under way.</summary>
    internal bool IsBeingReplaced => _restarts?.IsUnderWay == true;

    /// <summary>Whether messages from outside are stored now.</summary>
    internal bool TakesMessages => State == RuntimeState.Running || (State == RuntimeState.Draining && _rooms?.Intake.IsOpen == true);

    /// <summary>Completed unless a hot restart began this generation; then once it is ready or will not be.</summary>
    internal Task Opened => _setup.Origin.Generation == 1 ? Task.CompletedTask : _opened.Task;

    /// <summary>What hot restarts know of this generation.</summary>
    internal RestartOrigin Origin => _setup.Origin;

    /// <summary>Is not ready any more, because a restart drains.</summary>
    /// <param name="keepsIntake">Whether messages from outside are stored meanwhile.</param>
    internal void BeginDrain(bool keepsIntake)
    {
        State = RuntimeState.Draining;
        Rooms.Intake.IsOpen = keepsIntake;
    }

    /// <summary>Runs again, because the restart was given up.</summary>
    internal void EndDrain()
    {
        State = Failure.IsCompleted ? RuntimeState.Faulted : RuntimeState.Running;
        Rooms.Intake.IsOpen = true;
    }

    /// <summary>Stops in order as <see cref="StopAsync(CancellationToken)"/> does; intake goes on until the store closes where it can, and what the next program takes over is kept.</summary>
    /// <param name="order">The order of the restart.</param>
    /// <param name="keepsOwnership">Whether the store's ownership is handed over instead of being given up.</param>
    /// <returns>What is known of the restart now, and the store's ownership; null where it was given up.</returns>
    internal async Task<(RestartStatistics Statistics, SafeHandle? Ownership)> StopForReplacementAsync(RestartOrder order, bool keepsOwnership)
    {
        _order = order;
        _keepsIntake = Rooms.Intake.IsOpen;
        Restarts.Report(RestartState.Stopping);
        long begun = _setup.Clock.GetTimestamp();
        await StopPartsAsync(order.Left, keepsOwnership, CancellationToken.None);
        DateTimeOffset now = _setup.Clock.GetUtcNow();
        RestartStatistics statistics = order.Statistics with
        {
            Finished = order.Statistics.Finished + (order.Statistics.Abandoned - InWorkAtEnd),
            Abandoned = InWorkAtEnd,
            Stop = _setup.Clock.GetElapsedTime(begun),
            ClosedAt = _closedAt ?? now,
            StoppedAt = now,
        };
        return (statistics, _ownership);
    }

    /// <summary>Messages that were in work when the store closed.</summary>
    private int InWorkAtEnd { get; set; }

    /// <summary>Takes nothing more in and keeps the sockets; right before the store closes, so that requests wait for as short a time as can be.</summary>
    private async Task HandOverAsync(CancellationToken cancellationToken)
    {
        _closedAt = _setup.Clock.GetUtcNow();
        foreach (IHandsOver part in _handsOver)
        {
            try
            {
                await part.HandOverAsync(RequestTime, cancellationToken);
            }
            catch (Exception e)
            {
                LogHandOver(part.Name, e.Message); // The store has to be closed all the same.
            }
        }

        Rooms.Intake.IsOpen = false;
    }

    private void MakeRestarts(RuntimeRooms rooms)
    {
        _runs = new RunRecord(rooms.Store, () => _composition!.Get<RetentionOptions>("retention"));
        _restarts = new RestartOrchestrator(this, (RuntimeControl)View.Control, _setup.Origin, _setup.Replacer, _setup.Clock, _setup.Loggers.CreateLogger("Postroom.Restart"));
    }

    private async Task BeginRunAsync(CancellationToken cancellationToken) => await Runs.BeginAsync(
        new RuntimeRun
        {
            Run = _recovery!.Run,
            Node = Node,
            ProcessId = Environment.ProcessId,
            Generation = _setup.Origin.Generation,
            Version = _setup.Version,
            StartedAt = _startedAt!.Value,
            Restart = _setup.Origin.Statistics,
        },
        cancellationToken);

    /// <summary>Says in the log and in the record what the restart that began this generation did and cost.</summary>
    private async Task CompleteRestartAsync()
    {
        if (_setup.Origin.Statistics is not { } before)
        {
            return;
        }

        DateTimeOffset now = _setup.Clock.GetUtcNow();
        RestartStatistics all = before with
        {
            After = await RunRecord.CountAsync(Rooms.Store, CancellationToken.None),
            Start = now - (before.StoppedAt ?? now),
            Downtime = now - (before.ClosedAt ?? now),
        };
        LogCompleted(
            all.Id, _setup.Origin.Generation, all.InFlight, all.Finished, all.Released, all.Abandoned, Duration.Format(Whole(all.Preflight)), Duration.Format(Whole(all.Drain)),
            Duration.Format(Whole(all.Stop)), Duration.Format(Whole(all.Start)), Duration.Format(Whole(all.Downtime)));
        await Runs.UpdateAsync(Runs.Current! with { Restart = all }, CancellationToken.None);

        static TimeSpan Whole(TimeSpan time) => TimeSpan.FromMilliseconds(Math.Round(time.TotalMilliseconds));
    }

    /// <summary>Records that the run ends in order. A store that cannot write takes no record either, and the next run sees that this one said nothing.</summary>
    private async Task EndRunAsync(CancellationToken cancellationToken)
    {
        InWorkAtEnd = ((RuntimeControl)View.Control).InWork();
        if (_runs?.Current is not { } run || Failure.IsCompleted)
        {
            return;
        }

        try
        {
            string reason = _order is null ? "stop" : _order.Statistics.Reason is { } why ? $"restart: {why}" : "restart";
            await _runs.UpdateAsync(run with { StoppedAt = _setup.Clock.GetUtcNow(), Clean = true, Reason = reason }, cancellationToken);
        }
        catch (Exception e) when (e is StoreUnavailableException or OperationCanceledException or ObjectDisposedException)
        {
            LogUnrecorded(e.Message);
        }
    }

    [LoggerMessage(552, LogLevel.Information, "Restart {Id} is complete: generation {Generation}; {InFlight} messages were in work, {Finished} ended, {Released} were given back, {Abandoned} left to recovery. Check {Preflight}, drain {Drain}, stop {Stop}, start {Start}; requests waited {Downtime} at most.")]
    private partial void LogCompleted(string id, int generation, int inFlight, long finished, long released, int abandoned, string preflight, string drain, string stop, string start, string downtime);

    [LoggerMessage(553, LogLevel.Warning, "'{Part}' was not handed over in order: {Why}")]
    private partial void LogHandOver(string part, string why);

    [LoggerMessage(554, LogLevel.Warning, "The end of this run could not be recorded: {Why}")]
    private partial void LogUnrecorded(string why);
}
