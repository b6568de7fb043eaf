using System.Text.Json;
using Postroom.Intake;
using Postroom.Outbound;

namespace Postroom.Hosting;

/// <summary>What adapters see of a runtime.</summary>
internal sealed class RuntimeView(MessageRuntime runtime, RuntimeSetup setup) : IRuntimeView
{
    public RuntimeState State => runtime.State;

    public bool TakesMessages => runtime.TakesMessages;

    public Task Opened => runtime.Opened;

    public bool IsBeingReplaced => runtime.IsBeingReplaced;

    public IRuntimeControl Control { get; } = new RuntimeControl(runtime, setup.Clock);

    public IJournal Journal => runtime.Journal;

    public IFacts Facts => runtime.Store.Facts;

    public async ValueTask<RuntimeStatus> GetStatusAsync(CancellationToken cancellationToken)
    {
        bool open = runtime.State is RuntimeState.Running or RuntimeState.Draining;
        StoreStats? counts = open ? await runtime.Store.GetStatsAsync(null, cancellationToken) : null;
        return new RuntimeStatus
        {
            Name = runtime.Composition?.Get<RuntimeOptions>("runtime").Name ?? "postroom",
            Version = setup.Version,
            Node = runtime.Node,
            Role = runtime.Composition?.Get<RuntimeOptions>("runtime").Role.ToString().ToLowerInvariant() ?? "all",
            State = runtime.State,
            StartedAt = runtime.StartedAt,
            Generation = runtime.Origin.Generation,
            ProcessId = Environment.ProcessId,
            Store = runtime.Store.Features,
            Counts = counts is null ? null : WithParked(counts),
            Recovery = runtime.Recovery,
            Pools = [.. runtime.Workers.GetStatus(), .. runtime.Rooms.Outbound.Lanes.Select(lane => lane.Pool.Status())],
            Receivers = runtime.Rooms.Queues.Names.ToDictionary(queue => queue, runtime.Rooms.Activity.Consumers, StringComparer.Ordinal)
                .Where(pair => pair.Value > 0).ToDictionary(StringComparer.Ordinal),
            ParkedTypes = runtime.Rooms.Parked.All.ToDictionary(pair => pair.Key, pair => (IReadOnlyList<string>)[.. pair.Value.Order(StringComparer.Ordinal)], StringComparer.Ordinal),
            Sources = runtime.Rooms.Sources.Status(),
            Schedules = runtime.Rooms.Schedules.Status(),
            Communicators = [.. runtime.Rooms.Outbound.Routes.All.Select(Describe)],
            Modules = runtime.Composition?.Modules.ToDictionary(module => module.Name, module => module.Version, StringComparer.Ordinal) ?? [],
            Notices = counts is null ? runtime.Notices() : [.. runtime.Notices(), .. await new WaitingNotices(runtime.Rooms).ReadAsync(counts, cancellationToken)],
        };
    }

    public ValueTask<HealthReport> CheckHealthAsync(HealthViews view, CancellationToken cancellationToken)
    {
        return runtime.HasRooms ? runtime.Health.CheckAsync(view, cancellationToken) : new ValueTask<HealthReport>(new HealthReport(HealthState.Unhealthy, []));
    }

    public IReadOnlyList<TraceSpan> KeptSpans(string? traceId) => runtime.HasRooms ? runtime.Rooms.TraceExporter.Kept(traceId) : [];

    public async ValueTask<string> WriteMetricsAsync(CancellationToken cancellationToken)
    {
        if (!runtime.HasRooms)
        {
            return "";
        }

        await runtime.Rooms.Gauges.RefreshAsync().WaitAsync(cancellationToken);
        return runtime.Rooms.MetricsText.Write();
    }

    public ValueTask<RemoteCallResult> CallAsync(string communicator, string method, System.Text.Json.JsonElement arguments, TimeSpan? timeout, CancellationToken cancellationToken) =>
        runtime.Dispatcher.CallAsync(communicator, method, arguments, timeout, cancellationToken);

    public IReadOnlyList<IWebhookReceiver> FindReceivers(string path) => runtime.HasRooms ? runtime.Rooms.Outbound.Routes.FindByPath(path) : [];

    public string? FindChannel(string clientType) => runtime.HasRooms ? runtime.Rooms.Outbound.Routes.FindByNameOrKind(clientType)?.Name : null;

    public string? KindOf(string communicator) => runtime.HasRooms ? runtime.Rooms.Outbound.Routes.Find(communicator)?.Config.Type : null;

    public IMessageSink OpenSink(string source) => new LateSink(source, runtime);

    public async ValueTask<PublishResult> InjectAsync(Envelope envelope, CancellationToken cancellationToken)
    {
        runtime.Rooms.Queues.Require(envelope.Queue);
        IReadOnlyList<AppendResult> results = await runtime.Store.AppendAsync([envelope], null, cancellationToken);
        return new PublishResult(results[0].Id, results[0].Duplicate);
    }

    public async ValueTask<MessageId> RunScheduleAsync(string schedule, CancellationToken cancellationToken) => await runtime.RunScheduleAsync(schedule, cancellationToken);

    public async ValueTask WriteFactsAsync(IReadOnlyList<FactChange> facts, CancellationToken cancellationToken)
    {
        await runtime.Store.WriteAsync(new StoreWrite { Facts = facts }, cancellationToken);
    }

    public async ValueTask WriteNotesAsync(IReadOnlyList<StoreNote> notes, CancellationToken cancellationToken)
    {
        await runtime.Store.WriteAsync(new StoreWrite { Notes = notes }, cancellationToken);
        if (runtime.HasRooms && runtime.Rooms.Late.Feed.IsOn)
        {
            await TellReceiptsAsync(notes, cancellationToken);
        }
    }

    public QueueOptions? FindQueue(string queue) => runtime.HasRooms && runtime.Rooms.Queues.IsDeclared(queue) ? runtime.Rooms.Queues.Get(queue) : null;

    public IDisposable? ObserveReceipts(Action<StoredReceipt> observer) => runtime.HasRooms ? runtime.Rooms.Late.Feed.Observe(observer) : null;

    public void CountRefused(string reason)
    {
        if (runtime.HasRooms)
        {
            runtime.Rooms.Metrics.RequestRefused(reason);
        }
    }

    private async ValueTask TellReceiptsAsync(IReadOnlyList<StoreNote> notes, CancellationToken cancellationToken)
    {
        foreach (StoreNote note in notes.Where(static note => note.Kind == NoteKind.Receipt))
        {
            if (note.MessageId is { } id && JsonSerializer.Deserialize(note.Data.Span, PostroomJson.Default.DeliveryReceipt) is { } receipt
                && await runtime.Journal.GetAsync(id, withBody: false, cancellationToken) is { Entry.Envelope: { } envelope })
            {
                runtime.Rooms.Late.Feed.Tell(new StoredReceipt(id, envelope.Queue, envelope.Conversation, receipt));
            }
        }
    }

    /// <summary>The counts with what waits for a communicator that is not registered counted as parked, as the notices call it; the store does not know communicators.</summary>
    private StoreStats WithParked(StoreStats counts) => counts with
    {
        Queues = counts.Queues.ToDictionary(
            static pair => pair.Key,
            pair => OutboundQueue.CommunicatorOf(pair.Key) is { } name && !runtime.Rooms.HasPool(pair.Key) && runtime.Rooms.Outbound.Routes.Find(name) is null ? pair.Value with { Parked = pair.Value.Pending } : pair.Value,
            StringComparer.Ordinal),
    };

    private CommunicatorStatus Describe(Registration registration)
    {
        return new CommunicatorStatus
        {
            Name = registration.Name,
            Kind = registration.Config.Type,
            Labels = registration.Labels,
            Started = registration.Communicator.IsStarted,
            Problem = registration.Problem ?? runtime.Rooms.Outbound.Lanes.FirstOrDefault(lane => lane.Communicator == registration.Name)?.Gate.Problem,
            Capabilities = registration.Communicator.Capabilities,
        };
    }

    /// <summary>A sink that may be opened before the rooms exist: intake is closed until then.</summary>
    private sealed class LateSink(string source, MessageRuntime runtime) : IMessageSink
    {
        public ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, CancellationToken cancellationToken)
        {
            return runtime.HasRooms
                ? Sink.AcceptAsync(batch, checkpoint, cancellationToken)
                : throw new IntakeClosedException(IntakeRefusal.NotRunning, TimeSpan.FromSeconds(2), "The runtime is starting.");
        }

        public ValueTask<ReadOnlyMemory<byte>?> GetCheckpointAsync(CancellationToken cancellationToken)
        {
            return Sink.GetCheckpointAsync(cancellationToken);
        }

        public ValueTask<MessageState?> StateOfAsync(MessageId id, CancellationToken cancellationToken) => Sink.StateOfAsync(id, cancellationToken);

        private SourceSink Sink => new(source, answersAtOnce: true, runtime.Rooms.Intake, runtime.Rooms.Late, runtime.Store.Facts, runtime.Rooms.Journal);
    }
}
