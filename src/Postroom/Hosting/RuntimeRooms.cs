using System.Collections.Frozen;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postroom.Diagnostics;
using Postroom.Handling;
using Postroom.Intake;
using Postroom.Outbound;
using Postroom.Scheduling;
using Postroom.Settling;
using Postroom.Workers;

namespace Postroom.Hosting;

/// <summary>The rooms of one runtime, built once from the composition and the configuration.</summary>
internal sealed class RuntimeRooms
{
    private RuntimeRooms()
    {
    }

    public required IMessageStore Store { get; init; }

    public IJournal Journal => (IJournal)Store;

    public IQueueControl Control => (IQueueControl)Store;

    public IStoreLifecycle Lifecycle => (IStoreLifecycle)Store;

    public required QueueCatalog Queues { get; init; }

    public required QueuePublisher Publisher { get; init; }

    public required QueueActivity Activity { get; init; }

    /// <summary>The queues whose pools do not run because nothing handles what is in them, each with one of its pools.</summary>
    public required IReadOnlyDictionary<string, string> PoolsWithoutHandlers { get; init; }

    public required HandlerTable Handlers { get; init; }

    /// <summary>What waits for a build that handles it.</summary>
    public ParkedTypes Parked { get; } = new();

    public required PayloadCatalog Payloads { get; init; }

    public required HookDispatcher Hooks { get; init; }

    public required RuntimeMetrics Metrics { get; init; }

    /// <summary>The instruments that read the status.</summary>
    public required RuntimeGauges Gauges { get; init; }

    /// <summary>Makes spans.</summary>
    public required TraceService Traces { get; init; }

    /// <summary>Hands spans to the transport.</summary>
    public required TraceExporter TraceExporter { get; init; }

    /// <summary>The instruments as text.</summary>
    public required MetricsText MetricsText { get; init; }

    public required Settler Settler { get; init; }

    public required PoolFactory Pools { get; init; }

    /// <summary>The limits in force, which change in place.</summary>
    public required LimitsOptions Limits { get; init; }

    public required WorkerSupervisor Workers { get; init; }

    /// <summary>Makes the pool of a name that runs the handlers of its queue; null when it has none.</summary>
    public required Func<string, WorkerOptions, WorkerPool?> MakePool { get; init; }

    public required OutboundRoom Outbound { get; init; }

    public required WorkerPool Router { get; init; }

    public required OutboundComposer Composer { get; init; }

    public required SignalBoard Signals { get; init; }

    /// <summary>Calls methods of communicators.</summary>
    public required RemoteCalls Calls { get; init; }

    public required CommunicationDispatcher Dispatcher { get; init; }

    public required CommunicatorFactory Communicators { get; init; }

    public required ContactBook Contacts { get; init; }

    public required MessageIntake Intake { get; init; }

    public required LateReceipts Late { get; init; }

    public required SourceSupervisor Sources { get; init; }

    public required Scheduler Schedules { get; init; }

    public required OriginMarks Marks { get; init; }

    public required MarkLanes MarkLanes { get; init; }

    /// <summary>Files that came in and are kept by their service.</summary>
    public required IncomingFiles Files { get; init; }

    /// <summary>Outgoing messages that ended failed.</summary>
    public required DeliveryFailures Failures { get; init; }

    /// <summary>All messages that ended failed within the last hour.</summary>
    public required FailureCounts FailureCounts { get; init; }

    /// <summary>Notices a wall clock that was set.</summary>
    public required ClockWatch Clock { get; init; }

    public required HealthRegistry Health { get; init; }

    public required IMessageSender Sender { get; init; }

    /// <summary>Builds the rooms. Nothing runs yet.</summary>
    public static RuntimeRooms Build(MessageRuntime runtime, Composition composition, IServiceProvider services, string node, RuntimeSetup setup)
    {
        TimeProvider clock = setup.Clock;
        ILoggerFactory loggers = setup.Loggers;
        Func<double> random = setup.Random ?? Chance.Next;
        LimitsOptions limits = composition.Get<LimitsOptions>("limits") with { }; // changed in place: who checks a limit has it
        IMessageStore store = composition.CreateStore(services, setup);

        RuntimeMetrics metrics = new(store.Features.Kind);
        TraceService traces = services.GetRequiredService<TraceService>();
        MessageSpans spans = new(traces, setup.Redactor);
        TraceExporter exporter = new(traces, options => TransportOf(options, composition, node, setup), setup.Redactor, clock, loggers.CreateLogger("Postroom.Tracing"));
        RuntimeGauges gauges = new(runtime, exporter, setup.LostLogLines, clock);
        gauges.AddTo(metrics.Meter);
        (store as ICommitFeed)?.ObserveCommits(metrics.Committed);
        HookDispatcher hooks = new(composition.Get<HooksOptions>("hooks").Timeout, (IJournal)store, (ITransitionFeed)store, metrics, clock, loggers.CreateLogger("Postroom.Hooks"));
        AttemptReporter reporter = new(hooks, metrics, clock, loggers.CreateLogger("Postroom.Workers"), store.Features.LeasesExpire);
        QueueCatalog queues = composition.Queues;
        QueuePublisher publisher = new(queues, limits, clock);
        OriginMarks marks = new(queues, publisher);
        Settler settler = new(store, marks, reporter, setup.Redactor, clock, random, loggers.CreateLogger("Postroom.Settling")) { Spans = spans };
        PoolFactory pools = new(store, settler, $"{node}/{Environment.ProcessId}", clock, loggers.CreateLogger("Postroom.Workers"));

        QueueActivity activity = new(clock);
        RoutingTable routes = new();
        CommunicationsConfig communications = composition.Get<CommunicationsConfig>("communications");
        ContactBook contacts = new(store.Facts, clock, limits);
        OutboundComposer composer = new(routes, queues, publisher, () => composition.Get<CommunicationsConfig>("communications").OnUnroutable, clock, loggers.CreateLogger("Postroom.Outbound"));
        OutboundRoom outbound = new(routes, queues, store, pools, hooks, () => composition.Get<OutboundOptions>("outbound").DrainTimeout, () => composition.Get<CommunicationsConfig>("communications").OnUnroutable, queue => ((IQueueControl)store).SetRules(queue, QueueRulesBook.Rules(queues.Get(queue)) with { Paused = activity.IsPaused(queue) }), clock, random, loggers);
        SignalBoard signals = new(routes, outbound.HasRoom, metrics.SignalDropped, clock, loggers.CreateLogger("Postroom.Outbound"));

        HandlerTable handlers = new(composition.Builder.Handlers, composition.Builder.Fallbacks, composition.Builder.Payloads);
        FrozenSet<Type> scoped = composition.Builder.Services.Where(service => service.Lifetime != ServiceLifetime.Singleton).Select(service => service.ServiceType).ToFrozenSet();
        RemoteCalls calls = new(routes, setup.Redactor, clock, spans);
        IncomingFiles files = new(routes, clock);
        StagingFactory staging = new(services, scoped, composer, publisher, composition.Builder.Payloads, store.Facts, signals, calls, files, limits);
        IHandlerMiddleware[] middleware = [.. composition.Builder.Middleware.Select(type => (IHandlerMiddleware)services.GetRequiredService(type))];

        bool publishOnly = communications.Incoming == IncomingMode.Publish;
        WorkerSupervisor workers = new();
        foreach ((string name, WorkerOptions options) in composition.Pools)
        {
            if (MakePool(name, options) is { } pool)
            {
                workers.Register(pool);
            }
        }

        // None for a queue without handlers, which a receiver may take, and none where live subscribers take what comes in.
        WorkerPool? MakePool(string name, WorkerOptions options) => !handlers.Serves(options.Queue) || (publishOnly && options.Queue == "in")
            ? null
            : pools.Create(new WorkerDefinition(
                name,
                options,
                new HandlerRunner(handlers, composition.Builder.Payloads, middleware, staging, hooks, queues, options, limits, clock, random) { DryRuns = composition.Builder.DryRuns },
                queues.Get(options.Queue).Lease));

        WorkerDefinition router = new(
            OutboundQueue.Unrouted, new WorkerOptions { Queue = OutboundQueue.Unrouted, Parallelism = 1 }, new Router(composer, contacts, clock), TimeSpan.FromSeconds(30));
        IncomingPublisher incoming = new(loggers.CreateLogger("Postroom.Incoming"));
        LiveMessages live = new(incoming, queues, clock, random);
        if (publishOnly)
        {
            workers.Register(pools.Create(live.Definition("incoming")));
        }

        MessageIntake intake = new(store, (IQueueControl)store, queues, publisher, contacts, metrics, activity, incoming, live, clock, spans)
        {
            PublishOnly = publishOnly,
        };
        DeliveryFailures failures = new(metrics, clock, loggers.CreateLogger("Postroom.Outbound"));
        failures.Watch((ITransitionFeed)store);
        FailureCounts counts = new(clock);
        counts.Watch((ITransitionFeed)store);
        LateReceipts late = new((IJournal)store, store, failures, metrics, () => composition.Builder.Handlers.Exists(static entry => entry is { Queue: "in", Type: PayloadTypes.ReceiptChanged }), clock, loggers.CreateLogger("Postroom.Intake"));
        CommunicationDispatcher dispatcher = new(outbound, composer, store, intake, late, calls, failures, incoming, clock);

        MarkLanes lanes = new(queues, pools, clock, random);

        return new RuntimeRooms
        {
            Store = store,
            Limits = limits,
            Queues = queues,
            Publisher = publisher,
            Activity = activity,
            PoolsWithoutHandlers = composition.FindPoolsWithoutHandlers(),
            Handlers = handlers,
            Payloads = composition.Builder.Payloads,
            Hooks = hooks,
            Metrics = metrics,
            Gauges = gauges,
            Traces = traces,
            TraceExporter = exporter,
            MetricsText = new MetricsText(metrics.Meter),
            Failures = failures,
            FailureCounts = counts,
            Clock = new ClockWatch(clock, loggers.CreateLogger("Postroom.Clock")),
            Files = files,
            Settler = settler,
            Pools = pools,
            Workers = workers,
            MakePool = MakePool,
            Outbound = outbound,
            Router = pools.Create(router),
            Composer = composer,
            Signals = signals,
            Calls = calls,
            Dispatcher = dispatcher,
            Communicators = new CommunicatorFactory(services, Communications.Registered.Concat(composition.Builder.Backends), loggers.CreateLogger("Postroom.Outbound")),
            Contacts = contacts,
            Intake = intake,
            Late = late,
            Marks = marks,
            MarkLanes = lanes,
            Sources = new SourceSupervisor(intake, late, store.Facts, (IJournal)store, lanes, metrics, clock, random, loggers.CreateLogger("Postroom.Sources")),
            Schedules = new Scheduler(store, (IJournal)store, queues, publisher, activity, () => composition.Get<RetentionOptions>("retention"), clock, loggers.CreateLogger("Postroom.Schedules")),
            Health = new HealthRegistry(composition.Get<HealthOptions>("health"), clock),
            Sender = new MessageSender(dispatcher, publisher, composition.Builder.Payloads, store, activity),
        };
    }

    /// <summary>A registered transport, or one of our own; null for none.</summary>
    private static ITraceTransport? TransportOf(TracingOptions options, Composition composition, string node, RuntimeSetup setup)
    {
        RuntimeOptions runtime = composition.Get<RuntimeOptions>("runtime");
        return composition.Builder.TraceTransports.TryGetValue(options.Transport, out ITraceTransport? own) ? own : BuiltInTransport.Create(
            options,
            runtime.DataDirectory,
            [new("service.name", runtime.Name), new("service.version", setup.Version), new("service.instance.id", node), new("deployment.environment.name", runtime.Environment)]);
    }

    /// <summary>Whether a pool or a lane takes the messages of a queue; a receiver may take those of any.</summary>
    public bool HasPool(string queue)
    {
        return queue == OutboundQueue.Unrouted
            || Workers.Pools.Any(pool => pool.Options.Queue == queue)
            || Outbound.Lanes.Any(lane => lane.Queue == queue)
            || MarkLanes.Serves(queue);
    }

    /// <summary>One queue as an application sees it.</summary>
    public IMessageQueue OpenQueue(string name, TimeProvider clock, Func<double> random)
    {
        Queues.Require(name);
        return new MessageQueue(name, Store, Control, Queues, Publisher, Marks, Activity, Settler.GiveBack, clock, random);
    }
}
