using Microsoft.Extensions.Logging;
using Postroom.Configuration;
using Postroom.Explaining;

namespace Postroom.ControlPlane;

/// <summary>Looks once a second how the parts of the runtime are, and tells what differs from the last look. A look that fails is told in the log, and the next one goes on.</summary>
/// <param name="runtime">Is looked at.</param>
/// <param name="configuration">Is looked at as well.</param>
/// <param name="clock">Paces the looks.</param>
/// <param name="logger">Is told of looks that fail.</param>
/// <param name="tell">Takes what differs.</param>
internal sealed partial class PartWatch(IRuntimeView runtime, IRuntimeConfiguration configuration, TimeProvider clock, ILogger<PartWatch> logger, Action<BoardEvent> tell)
{
    /// <summary>From one look to the next.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan HealthInterval = TimeSpan.FromSeconds(5);

    private readonly Dictionary<string, string> _known = new(StringComparer.Ordinal);
    private bool _hasLooked;
    private bool _hasFailed;
    private long _health;

    /// <summary>Looks until it is not wanted any more.</summary>
    /// <param name="looked">Is completed after the first look, also when that failed.</param>
    /// <param name="isOver">Asked before each look: whether nobody is there.</param>
    /// <param name="stop">Ends it; it cancels this itself when it ends by <paramref name="isOver"/>.</param>
    public async Task RunAsync(TaskCompletionSource looked, Func<bool> isOver, CancellationTokenSource stop)
    {
        try
        {
            using PeriodicTimer timer = new(Interval, clock);
            do
            {
                await TryLookAsync(stop.Token);
                looked.TrySetResult();
            }
            while (await timer.WaitForNextTickAsync(stop.Token) && !isOver());
        }
        catch (OperationCanceledException)
        {
            // It stops.
        }

        looked.TrySetResult();
        await stop.CancelAsync();
    }

    private async Task TryLookAsync(CancellationToken stop)
    {
        try
        {
            await LookAsync(stop);
            (_hasLooked, _hasFailed) = (true, false);
        }
        catch (Exception e) when (stop.IsCancellationRequested || e is ObjectDisposedException)
        {
            // It stops.
        }
        catch (Exception e)
        {
            if (!_hasFailed)
            {
                LogFailed(e);
            }

            _hasFailed = true;
        }
    }

    private async Task LookAsync(CancellationToken stop)
    {
        RuntimeStatus status = await runtime.GetStatusAsync(stop);
        Tell("runtime", "runtime", new PartView("runtime", Why.Word(status.State), null));
        Tell("config", "config", new PartView("configuration", $"version {configuration.Current.Version}", configuration.Problems.Count > 0 ? $"{configuration.Problems.Count} problems: {configuration.Problems[0]}" : null));
        foreach (PoolStatus pool in status.Pools)
        {
            Tell($"worker/{pool.Name}", "worker", new PartView(pool.Name, pool.State is WorkerState.Idle or WorkerState.Processing ? "running" : Why.Word(pool.State), pool.State == WorkerState.Faulted ? pool.LastError : null));
        }

        foreach ((string name, SourceStatus source) in status.Sources)
        {
            Tell($"source/{name}", "source", new PartView(name, Why.Word(source.State), source.LastError));
        }

        RestartView restart = RestartView.Of(runtime.Control.Restart);
        if (Differs("restart", $"{restart.RestartId} {restart.State}"))
        {
            tell(BoardEvent.Of("restart", restart, RestartJson.Default.RestartView));
        }

        if (_health == 0 || clock.GetElapsedTime(_health) >= HealthInterval)
        {
            _health = clock.GetTimestamp();
            foreach (HealthCheck check in (await runtime.CheckHealthAsync(HealthViews.Status, stop)).Checks)
            {
                Tell($"health/{check.Name}", "health", new PartView(check.Name, Why.Word(check.Result.State), check.Result.Text));
            }
        }
    }

    private void Tell(string key, string name, PartView view)
    {
        if (Differs(key, $"{view.State} {view.Text}"))
        {
            tell(BoardEvent.Of(name, view, EventJson.Default.PartView));
        }
    }

    /// <summary>Whether something is other than at the last look; the first look only learns.</summary>
    private bool Differs(string key, string text)
    {
        bool differs = _hasLooked && _known.GetValueOrDefault(key) != text;
        _known[key] = text;
        return differs;
    }

    [LoggerMessage(4041, LogLevel.Warning, "A look at the parts of the runtime for /events failed; the next one goes on.")]
    private partial void LogFailed(Exception exception);
}
