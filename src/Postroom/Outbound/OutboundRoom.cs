using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Postroom.Diagnostics;
using Postroom.Workers;

namespace Postroom.Outbound;

/// <summary>The lanes of all communicators: makes one for each, starts and stops it, and keeps trying communicators that cannot connect.</summary>
internal sealed partial class OutboundRoom(
    RoutingTable routes,
    QueueCatalog queues,
    IMessageStore store,
    PoolFactory pools,
    HookDispatcher hooks,
    OutboundOptions defaults,
    TimeProvider clock,
    Func<double> random,
    ILoggerFactory loggers)
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, OutboundLane> _lanes = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (Task Loop, CancellationTokenSource Stop)> _connecting = new(StringComparer.Ordinal);
    private readonly ILogger _log = loggers.CreateLogger("Postroom.Outbound");
    private bool _lanesRun;
    private bool _communicatorsRun;

    public IEnumerable<OutboundLane> Lanes => _lanes.Values;

    public RoutingTable Routes => routes;

    /// <summary>Registers a communicator with its lane; the same name again replaces the old one, whose messages stay with the name.</summary>
    public async Task RegisterAsync(Registration registration, CancellationToken cancellationToken)
    {
        queues.Declare(registration.Queue, BuiltInKinds.LaneOptions(registration.Config));
        Registration? replaced = routes.Set(registration);
        OutboundLane lane = _lanes.GetOrAdd(registration.Name, MakeLane, registration);
        if (replaced is not null)
        {
            await DisconnectAsync(replaced, cancellationToken);
        }

        if (_lanesRun && replaced is null)
        {
            lane.Start();
        }

        if (_communicatorsRun)
        {
            _ = Connect(registration);
        }
    }

    public void StartLanes()
    {
        _lanesRun = true;
        foreach (OutboundLane lane in _lanes.Values)
        {
            lane.Start();
        }
    }

    /// <summary>Starts communicators side by side; one that cannot is tried again in the background.</summary>
    public async Task StartCommunicatorsAsync(CancellationToken cancellationToken)
    {
        _communicatorsRun = true;
        await Task.WhenAll(routes.All.Select(registration => TryConnectAsync(registration, cancellationToken)));
    }

    public async Task StopCommunicatorsAsync(CancellationToken cancellationToken)
    {
        _communicatorsRun = false;
        foreach (Registration registration in routes.All.Reverse())
        {
            await DisconnectAsync(registration, cancellationToken);
        }
    }

    /// <summary>Reads no more and waits for sends in flight. True when nothing was left.</summary>
    public async Task<bool> StopLanesAsync(TimeSpan drain, CancellationToken cancellationToken)
    {
        _lanesRun = false;
        bool[] clean = await Task.WhenAll(_lanes.Values.Select(lane => lane.Pool.StopAsync(drain, TimeSpan.FromSeconds(1), cancellationToken)));
        return Array.TrueForAll(clean, ended => ended);
    }

    /// <summary>Takes a communicator away; its waiting messages stay pending.</summary>
    public async Task RemoveAsync(string name, CancellationToken cancellationToken)
    {
        await StopConnectingAsync(name, cancellationToken);
        if (routes.Remove(name) is not null && _lanes.TryRemove(name, out OutboundLane? lane))
        {
            await lane.Pool.StopAsync(defaults.DrainTimeout, TimeSpan.FromSeconds(1), cancellationToken);
        }
    }

    /// <summary>Asks a send of a message to end. True when one was found.</summary>
    public bool Cancel(MessageId id) => _lanes.Values.Any(lane => lane.Pool.Cancel(id));

    private OutboundLane MakeLane(string name, Registration first)
    {
        LaneGate gate = new(clock);
        DeliveryRunner runner = new(() => routes.Find(name) ?? first, gate, store, hooks, queues, clock, random);
        OutboundOptions options = first.Config.Outbound;
        int inFlight = first.Config.MaxInFlight ?? options.MaxInFlight;
        WorkerOptions workers = new()
        {
            Queue = first.Queue,
            Parallelism = inFlight,
            Prefetch = 1,
            HandlerTimeout = options.SendTimeout,
        };
        WorkerDefinition definition = new(first.Queue, workers, runner, TimeSpan.FromSeconds(30));
        return new OutboundLane(name, pools.Create(definition), gate, _log);
    }

    private async Task TryConnectAsync(Registration registration, CancellationToken cancellationToken)
    {
        LaneGate gate = _lanes[registration.Name].Gate;
        if (registration.Communicator is NoOpCommunicator noOp)
        {
            gate.Close(noOp.Reason);
            return;
        }

        try
        {
            await Connect(registration).WaitAsync(StartPatience, clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            string why = $"It has not started within {StartPatience.TotalSeconds:0} s; its start goes on.";
            gate.CloseUnlessOpen(why);
            LogConnect(registration.Name, why);
        }
    }

    /// <summary>Keeps trying to start a communicator: at once, then after 1 s, doubling to 60 s. The result ends with the first try.</summary>
    private Task Connect(Registration registration)
    {
        CancellationTokenSource stop = new();
        TaskCompletionSource tried = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _connecting[registration.Name] = (Task.Run(() => ConnectAsync(registration, tried, stop.Token), CancellationToken.None), stop);
        return tried.Task;
    }

    private async Task ConnectAsync(Registration registration, TaskCompletionSource tried, CancellationToken cancellationToken)
    {
        Backoff backoff = new(TimeSpan.FromSeconds(1), 2, TimeSpan.FromSeconds(60), 0.2);
        try
        {
            for (int failures = 0; !cancellationToken.IsCancellationRequested; failures++)
            {
                try
                {
                    if (failures > 0)
                    {
                        await Task.Delay(backoff.After(failures, random()), clock, cancellationToken);
                    }

                    await registration.Communicator.StartAsync(cancellationToken);
                    if (cancellationToken.IsCancellationRequested)
                    {
                        await registration.Communicator.StopAsync(CancellationToken.None); // It has started after it was given up.
                    }
                    else if (registration.Communicator is not NoOpCommunicator)
                    {
                        Gate(registration)?.Open();
                    }

                    return;
                }
                catch (Exception e) when (!cancellationToken.IsCancellationRequested)
                {
                    Gate(registration)?.Close(e.Message);
                    LogConnect(registration.Name, e.Message);
                }

                tried.TrySetResult();
            }
        }
        finally
        {
            tried.TrySetResult();
        }
    }

    private LaneGate? Gate(Registration registration) => _lanes.TryGetValue(registration.Name, out OutboundLane? lane) ? lane.Gate : null;

    /// <summary>Ends the tries to start a communicator. A start that ignores its token is left to itself after a few seconds.</summary>
    private async Task StopConnectingAsync(string name, CancellationToken cancellationToken)
    {
        if (_connecting.TryRemove(name, out (Task Loop, CancellationTokenSource Stop) connecting))
        {
            await connecting.Stop.CancelAsync();
            await connecting.Loop.WaitAsync(StopPatience, clock, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (connecting.Loop.IsCompleted)
            {
                connecting.Stop.Dispose();
            }
        }
    }

    private async Task DisconnectAsync(Registration registration, CancellationToken cancellationToken)
    {
        await StopConnectingAsync(registration.Name, cancellationToken);
        if (_lanes.TryGetValue(registration.Name, out OutboundLane? lane))
        {
            lane.Gate.Close("The communicator has stopped.");
        }

        try
        {
            await registration.Communicator.StopAsync(cancellationToken);
        }
        catch (Exception e)
        {
            LogStop(registration.Name, e.Message);
        }
    }

    [LoggerMessage(450, LogLevel.Warning, "Communicator '{Name}' could not start and is tried again: {Why}")]
    private partial void LogConnect(string name, string why);

    [LoggerMessage(451, LogLevel.Warning, "Communicator '{Name}' did not stop in order: {Why}")]
    private partial void LogStop(string name, string why);
}
