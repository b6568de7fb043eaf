using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Diagnostics;
using Postroom.Intake;
using Postroom.Memory;
using Postroom.Outbound;
using Postroom.Settling;
using Postroom.Workers;

namespace Postroom;

/// <summary>Routes outgoing messages by label to every communicator registered for it, and takes in what communicators receive.</summary>
/// <remarks>A dispatcher made by its constructor stands alone, over a memory store of its own. Safe for concurrent use.</remarks>
public sealed class CommunicationDispatcher : IAsyncDisposable
{
    private readonly OutboundRoom _room;
    private readonly OutboundComposer _composer;
    private readonly IMessageStore _store;
    private readonly MessageIntake _intake;
    private readonly Func<WorkerPool[]>? _makePools;
    private readonly EmitWaits _waits;
    private readonly LateReceipts _late;
    private readonly RemoteCalls _calls;
    private readonly DeliveryFailures _failures;
    private readonly TimeProvider _clock;
    private readonly MemoryStore? _owned;
    private WorkerPool[] _pools = [];

    /// <summary>Makes a stand-alone dispatcher over a volatile store; no runtime is needed.</summary>
    public CommunicationDispatcher()
        : this(TimeProvider.System, NullLoggerFactory.Instance)
    {
    }

    /// <summary>Makes a stand-alone dispatcher over a volatile store, with a clock and logs of the caller's.</summary>
    public CommunicationDispatcher(TimeProvider clock, ILoggerFactory loggers)
    {
        MemoryStore store = new(clock);
        ILogger log = loggers.CreateLogger<CommunicationDispatcher>();
        RuntimeMetrics metrics = new();
        HookDispatcher hooks = new(TimeSpan.FromSeconds(2), store, store, metrics, clock, log);
        AttemptReporter reporter = new(hooks, metrics, clock, log);
        QueueCatalog queues = new();
        queues.Declare(OutboundQueue.Unrouted, new QueueOptions());
        queues.Declare("in", new QueueOptions());
        QueuePublisher publisher = new(queues, new LimitsOptions(), clock);
        Settler settler = new(store, new OriginMarks(queues, publisher), reporter, new Redactor(), clock, Chance.Next, log);
        PoolFactory pools = new(store, settler, "local/1", clock, log);
        RoutingTable routes = new();
        ContactBook contacts = new(store.Facts, clock, new LimitsOptions());
        _store = store;
        _clock = clock;
        _calls = new RemoteCalls(routes, new Redactor(), clock);
        _failures = new DeliveryFailures(metrics, clock, log);
        _failures.Watch(store);
        _late = new LateReceipts(store, store, _failures, metrics, static () => false, clock, log);
        _waits = new EmitWaits(store, store, clock);
        _composer = new OutboundComposer(routes, queues, publisher, () => UnroutablePolicy.Fail, clock, log);
        _room = new OutboundRoom(routes, queues, store, pools, hooks, static () => new OutboundOptions().DrainTimeout, static () => UnroutablePolicy.Fail, static _ => { }, clock, Chance.Next, loggers);
        Incoming = new IncomingPublisher(log);
        LiveMessages live = new(Incoming, queues, clock, Chance.Next);
        _intake = new MessageIntake(store, store, queues, publisher, contacts, metrics, new QueueActivity(clock), Incoming, live, clock) { PublishOnly = true, IsOpen = true };
        WorkerDefinition router = new(OutboundQueue.Unrouted, new WorkerOptions { Queue = OutboundQueue.Unrouted, Parallelism = 1 }, new Router(_composer, contacts, clock), TimeSpan.FromSeconds(30));
        _makePools = () => [pools.Create(router), pools.Create(live.Definition("incoming"))];
        _owned = store;
    }

    /// <summary>What it stores in; for tests.</summary>
    internal IMessageStore Store => _store;

    internal CommunicationDispatcher(
        OutboundRoom room, OutboundComposer composer, IMessageStore store, MessageIntake intake, LateReceipts late, RemoteCalls calls, DeliveryFailures failures, IncomingPublisher incoming, TimeProvider clock)
    {
        _calls = calls;
        _failures = failures;
        _room = room;
        _late = late;
        _clock = clock;
        _composer = composer;
        _store = store;
        _intake = intake;
        _waits = new EmitWaits((IJournal)store, (ITransitionFeed)store, clock);
        Incoming = incoming;
    }

    /// <summary>The live stream of accepted incoming messages.</summary>
    public IncomingPublisher IncomingPublisher => Incoming;

    /// <summary>The names of the registered communicators, in the order of registration.</summary>
    public IReadOnlyList<string> Names => [.. _room.Routes.All.Select(registration => registration.Name)];

    private IncomingPublisher Incoming { get; }

    /// <summary>Registers a communicator; the same name again replaces the old one, which is stopped, and its waiting messages stay with the name.</summary>
    /// <param name="communicator">The communicator.</param>
    /// <param name="labels">The labels it takes; null or empty mean <c>default</c>, repeats count once.</param>
    public void Register(ICommunicator communicator, IReadOnlyList<string>? labels = null)
    {
        // Nothing here waits unless a running communicator is replaced, whose stop then goes on by itself.
        Task registered = RegisterAsync(communicator, labels, new CommunicatorBackendConfig { Type = communicator.GetType().Name }, CancellationToken.None);
        if (registered.IsFaulted)
        {
            throw registered.Exception!.GetBaseException();
        }
    }

    /// <summary>Takes a communicator and its labels away; an unknown name is fine. It is not stopped, and its waiting messages stay pending.</summary>
    public void Unregister(string name) => _ = _room.RemoveAsync(name, CancellationToken.None);

    /// <summary>Stores one copy per matching communicator in one transaction; delivery follows by itself.</summary>
    /// <exception cref="AddressException">Nothing takes it and the policy is to reject.</exception>
    public async ValueTask<EmitResult> EmitAsync(OutgoingMessage message, CancellationToken cancellationToken = default)
    {
        IReadOnlyList<Envelope> copies = _composer.Compose(message, MessageOrigin.Outside);
        IReadOnlyList<AppendResult> stored = copies.Count == 0 ? [] : await _store.AppendAsync(copies, null, cancellationToken);
        int routed = copies.Count(copy => copy.Queue != OutboundQueue.Unrouted);
        return _waits.Result(copies.Count > 0 ? copies[0].GroupId ?? copies[0].Id : MessageId.Empty, [.. stored.Select(result => result.Id)], routed);
    }

    /// <summary>Tells of every outgoing message that ends failed from now on (LN-12), however it does, one after the other and in order, until the result is disposed.</summary>
    /// <param name="observer">Should return soon: while it works, the next wait, and beyond 10,000 they are only counted. What it throws is logged.</param>
    public IDisposable ObserveFailures(Action<FailedDelivery> observer) => _failures.Observe(observer);

    /// <summary>Calls a method that a communicator offers beyond sending (GW-12). Never repeated by itself; a failure is a result, not an exception.</summary>
    /// <param name="communicator">Its name.</param>
    /// <param name="method">One of its <see cref="IRemoteCalls.Methods"/>.</param>
    /// <param name="arguments">Its arguments, an object.</param>
    /// <param name="timeout">How long the caller waits, at most 10 minutes; null for 30 s.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    /// <exception cref="ArgumentOutOfRangeException">The time is not above zero, or above 10 minutes.</exception>
    public ValueTask<RemoteCallResult> CallAsync(
        string communicator, string method, JsonElement arguments, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        return _calls.CallAsync(communicator, method, arguments, timeout, cancellationToken);
    }

    /// <summary>Starts lanes and communicators, also after <see cref="StopAllAsync"/>; one that cannot start does not keep others from starting and is tried again.</summary>
    public async Task StartAllAsync(CancellationToken cancellationToken = default)
    {
        if (_makePools is not null && _pools.Length == 0)
        {
            _pools = _makePools(); // A pool that was stopped does not start again.
            Array.ForEach(_pools, static pool => pool.Start());
            await _room.StartLanesAgainAsync(cancellationToken);
        }

        await _room.StartCommunicatorsAsync(cancellationToken);
    }

    /// <summary>Stops communicators in reverse order, and the lanes of a stand-alone dispatcher.</summary>
    public async Task StopAllAsync(CancellationToken cancellationToken = default)
    {
        if (_owned is not null)
        {
            await _room.StopLanesAsync(TimeSpan.FromSeconds(5), cancellationToken);
        }

        await _room.StopCommunicatorsAsync(cancellationToken);
        foreach (WorkerPool pool in _pools)
        {
            await pool.StopAsync(TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(1), cancellationToken);
            await pool.DisposeAsync();
        }

        _pools = [];
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_owned is not null)
        {
            await StopAllAsync(CancellationToken.None);
            _failures.Dispose();
            await _owned.DisposeAsync();
        }
    }

    /// <summary>Takes a communicator away and stops it.</summary>
    internal async Task RemoveAsync(string name, CancellationToken cancellationToken)
    {
        Registration? registration = _room.Routes.Find(name);
        await _room.RemoveAsync(name, cancellationToken);
        if (registration is not null)
        {
            await _room.StopAsync(registration, cancellationToken);
        }
    }

    internal Task RegisterAsync(ICommunicator communicator, IReadOnlyList<string>? labels, CommunicatorBackendConfig config, CancellationToken cancellationToken)
    {
        string[] distinct = [.. (labels is { Count: > 0 } ? labels : ["default"]).Distinct(StringComparer.Ordinal)];
        if (communicator is Communicator own)
        {
            own.SetFacts(new ChannelFacts(own.Name, _store, _clock));
            ChannelSink sink = new(own.Name, _intake, _late);
            own.SetIncomingSink(sink);
            if (own.SupportsReceiving)
            {
                own.SetIncomingHandler(sink.AcceptAsync);
            }
        }

        return _room.RegisterAsync(new Registration(communicator, distinct, config, (communicator as NoOpCommunicator)?.Reason), cancellationToken);
    }
}
