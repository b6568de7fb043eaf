using Microsoft.Extensions.Logging;

namespace Postroom.Hosting;

/// <summary>Starts parts phase by phase and stops what has started in reverse. Parts of one phase go side by side.</summary>
internal sealed partial class PhaseRunner(TimeProvider clock, ILogger log)
{
    private static readonly TimeSpan StorePatience = TimeSpan.FromSeconds(5);

    private readonly List<IRuntimeComponent> _parts = [];
    private readonly Stack<IRuntimeComponent[]> _started = new();
    private readonly List<string> _record = [];

    /// <summary>What was started and stopped, in order.</summary>
    public IReadOnlyList<string> Record
    {
        get
        {
            lock (_record)
            {
                return [.. _record];
            }
        }
    }

    public void Add(IRuntimeComponent part) => _parts.Add(part);

    /// <summary>Starts every phase; a part that fails stops what had started and the exception goes on.</summary>
    public async Task StartAsync(Action<RuntimePhase> entering, TimeSpan stopLimit, CancellationToken cancellationToken)
    {
        foreach (RuntimePhase phase in Enum.GetValues<RuntimePhase>())
        {
            IRuntimeComponent[] parts = [.. _parts.Where(part => part.Phase == phase)];
            if (parts.Length == 0)
            {
                continue;
            }

            entering(phase);

            // Also a part that fails inside its start may hold something, so each is stopped that began.
            _started.Push(parts);
            try
            {
                await Task.WhenAll(parts.Select(StartPartAsync));
            }
            catch
            {
                LogFailed(phase);
                await StopAsync(TimeSpan.Zero, stopLimit, CancellationToken.None);
                throw;
            }
        }

        async Task StartPartAsync(IRuntimeComponent part)
        {
            Note($"start {part.Name}");
            await part.StartAsync(cancellationToken);
        }
    }

    /// <summary>Stops what has started, in reverse. One part that fails or hangs does not hold up the others.</summary>
    public async Task StopAsync(TimeSpan drain, TimeSpan limit, CancellationToken cancellationToken)
    {
        long begun = clock.GetTimestamp();
        using CancellationTokenSource time = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using ITimer _ = clock.CreateTimer(static source => ((CancellationTokenSource)source!).Cancel(), time, limit, Timeout.InfiniteTimeSpan);
        while (_started.TryPop(out IRuntimeComponent[]? parts))
        {
            TimeSpan left = drain - clock.GetElapsedTime(begun);
            await Task.WhenAll(parts.Select(part => StopAsync(part, left > TimeSpan.Zero ? left : TimeSpan.Zero, time.Token)));
        }
    }

    private async Task StopAsync(IRuntimeComponent part, TimeSpan drain, CancellationToken cancellationToken)
    {
        Note($"stop {part.Name}");
        try
        {
            Task stopped = part.StopAsync(drain, cancellationToken);
            if (part.Phase != RuntimePhase.Store)
            {
                await stopped.WaitAsync(cancellationToken);
                return;
            }

            // The store closes also when the limit is over: it gets a few seconds of its own.
            using CancellationTokenSource patience = new(Timeout.InfiniteTimeSpan, clock);
            await using CancellationTokenRegistration over = cancellationToken.Register(() => patience.CancelAfter(StorePatience));
            await stopped.WaitAsync(patience.Token);
        }
        catch (Exception e)
        {
            LogStop(part.Name, e is OperationCanceledException ? "stopTimeout is over" : e.Message);
        }
    }

    private void Note(string what)
    {
        lock (_record)
        {
            _record.Add(what);
        }
    }

    [LoggerMessage(500, LogLevel.Error, "The start failed ({Phase}); what had started is stopped again.")]
    private partial void LogFailed(RuntimePhase phase);

    [LoggerMessage(501, LogLevel.Error, "'{Part}' did not stop in order: {Why}")]
    private partial void LogStop(string part, string why);
}
