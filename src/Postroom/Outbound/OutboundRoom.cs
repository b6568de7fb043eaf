using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Postroom.Diagnostics;
using Postroom.Workers;

namespace Postroom.Outbound;

/// <summary>The lanes of all communicators: makes one for each, starts and stops it, and keeps trying communicators that cannot connect.</summary>
/// <remarks>
/// Routes change at once, in the call that registers or takes away. What follows from it, lanes and connections, is done in turns, one for
/// each name, and every turn goes by what is registered when it comes: however calls overtake each other, the last one holds.
/// </remarks>
internal sealed partial class OutboundRoom(
    RoutingTable routes,
    QueueCatalog queues,
    IMessageStore store,
    PoolFactory pools,
    HookDispatcher hooks,
    Func<TimeSpan> drainTimeout,
    Func<UnroutablePolicy> onUnroutable,
    Action<string> onDeclared,
    TimeProvider clock,
    Func<double> random,
    ILoggerFactory loggers)
{
    private readonly ConcurrentDictionary<string, OutboundLane> _lanes = new(StringComparer.Ordinal);
    private readonly ILogger _log = loggers.CreateLogger("Postroom.Outbound");
    private volatile bool _lanesRun;

    public IEnumerable<OutboundLane> Lanes => _lanes.Values;

    public RoutingTable Routes => routes;

    /// <summary>What the communicator of a lane says of its queue; null for a queue that is no lane's.</summary>
    public QueueOptions? LaneOptionsOf(string queue) => routes.All.FirstOrDefault(one => one.Queue == queue) is { } found ? BuiltInKinds.LaneOptions(found.Config) : null;

    /// <summary>Registers a communicator with its lane; the same name again replaces the old one, whose messages stay with the name.</summary>
    public async Task RegisterAsync(Registration registration, CancellationToken cancellationToken)
    {
        queues.DeclareLane(registration.Queue, BuiltInKinds.LaneOptions(registration.Config));
        onDeclared(registration.Queue);
        Registration? replaced = routes.Set(registration);
        if (replaced is not null && _lanes.TryGetValue(registration.Name, out OutboundLane? running))
        {
            running.Gate.Close("The communicator is being replaced.");
        }

        // The route is set: what follows from it is done whether the caller waits for it or not.
        using Turn turn = await TurnAsync(registration.Name, CancellationToken.None);
        await EndStaleAsync(registration.Name, cancellationToken);
        if (replaced is not null)
        {
            await StopAsync(replaced, cancellationToken);
        }

        if (routes.Find(registration.Name) is not { } current)
        {
            return; // Taken away while it waited for its turn.
        }

        await EndUnfitAsync(current, cancellationToken);
        OutboundLane lane = LaneOf(current, out bool made);
        if (replaced is not null)
        {
            lane.Gate.Renew(); // after the last send of the old one, which may have been refused just now
        }

        if (_lanesRun && made)
        {
            lane.Start();
        }

        if (_stopped.ContainsKey(current.Name))
        {
            lane.Gate.Close("The communicator was stopped. Start it to have its messages sent.");
        }
        else if (_communicatorsRun)
        {
            _ = Connect(current);
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

    /// <summary>Starts again after <see cref="StopLanesAsync"/>: a lane that has ended is made anew.</summary>
    public async Task StartLanesAgainAsync(CancellationToken cancellationToken)
    {
        foreach (Registration registration in routes.All)
        {
            using Turn turn = await TurnAsync(registration.Name, cancellationToken);
            if (IsCurrent(registration) && _lanes.TryGetValue(registration.Name, out OutboundLane? ended) && ended.Pool.IsStopping)
            {
                _lanes[registration.Name] = MakeLane(registration);
            }
        }

        StartLanes();
    }

    /// <summary>Reads no more and waits for sends in flight. True when nothing was left.</summary>
    public async Task<bool> StopLanesAsync(TimeSpan drain, CancellationToken cancellationToken)
    {
        _lanesRun = false;
        bool[] clean = await Task.WhenAll(_lanes.Values.Select(lane => lane.Pool.StopAsync(drain, TimeSpan.FromSeconds(1), cancellationToken)));
        return Array.TrueForAll(clean, ended => ended);
    }

    /// <summary>Takes a communicator away, at once; it is not stopped, and its waiting messages stay pending.</summary>
    public async Task RemoveAsync(string name, CancellationToken cancellationToken)
    {
        if (routes.Remove(name) is null)
        {
            return;
        }

        if (_lanes.TryGetValue(name, out OutboundLane? running))
        {
            running.Gate.Close("The communicator was taken away.");
        }

        using Turn turn = await TurnAsync(name, CancellationToken.None);
        await EndStaleAsync(name, cancellationToken);
        if (routes.Find(name) is null)
        {
            _stopped.TryRemove(name, out _);
        }

        if (routes.Find(name) is null && _lanes.TryRemove(name, out OutboundLane? lane))
        {
            await lane.Pool.StopAsync(drainTimeout(), TimeSpan.FromSeconds(1), cancellationToken);
        }
    }

    /// <summary>Whether a sign that is no message may be shown beside what a lane sends.</summary>
    public bool HasRoom(string name) => !_lanes.TryGetValue(name, out OutboundLane? lane) || lane.Gate.HasRoom;

    /// <summary>Asks a send of a message to end. True when one was found.</summary>
    public bool Cancel(MessageId id) => _lanes.Values.Any(lane => lane.Pool.Cancel(id));

    /// <summary>Ends the lane of a predecessor that sent more at a time, or longer, than a communicator may.</summary>
    private async Task EndUnfitAsync(Registration current, CancellationToken cancellationToken)
    {
        if (_lanes.TryGetValue(current.Name, out OutboundLane? lane) && !lane.Fits(current) && _lanes.TryRemove(current.Name, out _))
        {
            await lane.Pool.StopAsync(drainTimeout(), TimeSpan.FromSeconds(1), cancellationToken);
        }
    }

    /// <summary>The lane of a name, made for the first communicator that needs it. Called in the name's turn.</summary>
    private OutboundLane LaneOf(Registration registration, out bool made)
    {
        made = !_lanes.TryGetValue(registration.Name, out OutboundLane? lane);
        return lane ?? (_lanes[registration.Name] = MakeLane(registration));
    }

    private OutboundLane MakeLane(Registration first)
    {
        LaneGate gate = new(clock);
        DeliveryRunner runner = new(() => routes.Find(first.Name), gate, Lost, store, hooks, queues, onUnroutable, clock, random, _log);
        WorkerOptions workers = new()
        {
            Queue = first.Queue,
            Parallelism = OutboundLane.MaxInFlight(first),
            Prefetch = 1,
            HandlerTimeout = BuiltInKinds.SendTimeout(first.Config),
        };
        WorkerDefinition definition = new(first.Queue, workers, runner, TimeSpan.FromSeconds(30));
        return new OutboundLane(first.Name, pools.Create(definition), gate, _log);
    }
}
