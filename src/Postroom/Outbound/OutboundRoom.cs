using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Postroom.Diagnostics;
using Postroom.Settling;
using Postroom.Workers;

namespace Postroom.Outbound;

/// <summary>The lanes of all communicators: makes one for each, starts and stops it, and keeps trying communicators that cannot connect.</summary>
internal sealed partial class OutboundRoom(
    RoutingTable routes,
    QueueCatalog queues,
    IMessageStore store,
    Settler settler,
    HookDispatcher hooks,
    OutboundOptions defaults,
    string owner,
    TimeProvider clock,
    Func<double> random,
    ILoggerFactory loggers)
{
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
            Connect(registration, failures: 0);
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
        if (routes.Remove(name) is not null && _lanes.TryRemove(name, out OutboundLane? lane))
        {
            await lane.Pool.StopAsync(defaults.DrainTimeout, TimeSpan.FromSeconds(1), cancellationToken);
        }
    }

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
        return new OutboundLane(name, new WorkerPool(definition, store, settler, owner, clock, _log), gate, _log);
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
            await registration.Communicator.StartAsync(cancellationToken);
            gate.Open();
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            gate.Close(e.Message);
            LogConnect(registration.Name, e.Message);
            Connect(registration, failures: 1);
        }
    }

    /// <summary>Keeps trying to start a communicator: at once when it has not failed yet, else after 1 s, doubling to 60 s.</summary>
    private void Connect(Registration registration, int failures)
    {
        CancellationTokenSource stop = new();
        _connecting[registration.Name] = (Task.Run(() => ConnectAsync(registration, failures, stop.Token), CancellationToken.None), stop);
    }

    private async Task ConnectAsync(Registration registration, int failures, CancellationToken cancellationToken)
    {
        Backoff backoff = new(TimeSpan.FromSeconds(1), 2, TimeSpan.FromSeconds(60), 0.2);
        for (; !cancellationToken.IsCancellationRequested; failures++)
        {
            try
            {
                if (failures > 0)
                {
                    await Task.Delay(backoff.After(failures, random()), clock, cancellationToken);
                }

                await registration.Communicator.StartAsync(cancellationToken);
                if (registration.Communicator is not NoOpCommunicator)
                {
                    _lanes[registration.Name].Gate.Open();
                }

                return;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                _lanes[registration.Name].Gate.Close(e.Message);
                LogConnect(registration.Name, e.Message);
            }
        }
    }

    private async Task DisconnectAsync(Registration registration, CancellationToken cancellationToken)
    {
        if (_connecting.TryRemove(registration.Name, out (Task Loop, CancellationTokenSource Stop) connecting))
        {
            await connecting.Stop.CancelAsync();
            await connecting.Loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            connecting.Stop.Dispose();
        }

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
