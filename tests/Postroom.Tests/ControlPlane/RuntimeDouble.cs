using Postroom.Memory;

namespace Postroom.Tests.ControlPlane;

/// <summary>A runtime that stands where a test puts it, over a real store in memory.</summary>
internal sealed class RuntimeDouble(TimeProvider clock) : IRuntimeView, IMessageSink
{
    public MemoryStore Store { get; } = new(clock);

    public RuntimeState State { get; set; } = RuntimeState.Running;

    /// <summary>The store unless a test puts another one in its place.</summary>
    public IJournal Journal
    {
        get => field ?? Store;
        set;
    }

    public IRuntimeControl Control
    {
        get => field ?? throw new NotSupportedException();
        set;
    }

    public IFacts Facts => Store.Facts;

    /// <summary>What <c>client_type</c> values name, by name or kind.</summary>
    public Dictionary<string, string> Channels { get; } = new(StringComparer.Ordinal) { ["emulator"] = "chat", ["chat"] = "chat", ["whatsapp"] = "wa" };

    /// <summary>Thrown by intake when set.</summary>
    public Exception? Refusal { get; set; }

    /// <summary>Intake stores only once this has ended.</summary>
    public Task Commit { get; set; } = Task.CompletedTask;

    public HealthState Health { get; set; } = HealthState.Healthy;

    public IReadOnlyList<PoolStatus> Pools { get; set; } = [];

    public IReadOnlyList<CommunicatorStatus> Communicators { get; set; } = [];

    public IReadOnlyList<ScheduleStatus> Schedules { get; set; } =
        [new() { Name = "daily", Enabled = true, When = "@daily", Queue = "in", Type = "schedule.daily", NextAt = DateTimeOffset.UnixEpoch.AddYears(100) }];

    /// <summary>Notes that were written, in order.</summary>
    public List<StoreNote> Notes { get; } = [];

    /// <summary>How many batches intake was handed.</summary>
    public int Accepted { get; private set; }

    public async ValueTask<RuntimeStatus> GetStatusAsync(CancellationToken cancellationToken) => new()
    {
        Name = "test",
        Version = "1.0",
        Node = "node-1",
        Role = "all",
        State = State,
        StartedAt = clock.GetUtcNow(),
        Store = Store.Features,
        Counts = await Store.GetStatsAsync(null, cancellationToken),
        Recovery = new RecoveryReport { Run = 1 },
        Pools = Pools,
        Sources = new Dictionary<string, SourceStatus> { ["webhook"] = new() { State = SourceState.Running } },
        Communicators = Communicators,
        Schedules = Schedules,
    };

    /// <summary>How often somebody asked how the parts are.</summary>
    public int HealthLooks { get; private set; }

    public ValueTask<HealthReport> CheckHealthAsync(HealthViews view, CancellationToken cancellationToken)
    {
        HealthLooks++;
        return HealthFailure is { } failure ? throw failure : new(new HealthReport(Health, [new HealthCheck("store", new HealthResult(Health, "a word"), TimeSpan.FromMilliseconds(3))]));
    }

    public ValueTask<RemoteCallResult> CallAsync(string communicator, string method, System.Text.Json.JsonElement arguments, TimeSpan? timeout, CancellationToken cancellationToken) =>
        new(new RemoteCallResult { Error = new RemoteCallError("unavailable", "There is none.", false) });

    public IReadOnlyList<IWebhookReceiver> FindReceivers(string path) => [];

    public string? FindChannel(string clientType) => Channels.GetValueOrDefault(clientType);

    public IMessageSink OpenSink(string source) => this;

    public async ValueTask<PublishResult> InjectAsync(Envelope envelope, CancellationToken cancellationToken)
    {
        AppendResult result = (await Store.AppendAsync([envelope], null, cancellationToken))[0];
        return new PublishResult(result.Id, result.Duplicate);
    }

    public async ValueTask<MessageId> RunScheduleAsync(string schedule, CancellationToken cancellationToken) => schedule == "daily"
        ? (await InjectAsync(new Envelope(MessageId.New(), "in", "schedule.daily", default), cancellationToken)).Id
        : throw new KeyNotFoundException("There is no such schedule. Schedules are daily.");

    /// <summary>What facts wait for before they are written.</summary>
    public Func<Task> BeforeFacts { get; set; } = static () => Task.CompletedTask;

    /// <summary>Thrown instead of writing notes when set.</summary>
    public Exception? NotesFailure { get; set; }

    /// <summary>Thrown instead of telling how the parts are when set.</summary>
    public Exception? HealthFailure { get; set; }

    public async ValueTask WriteFactsAsync(IReadOnlyList<FactChange> facts, CancellationToken cancellationToken)
    {
        await BeforeFacts();
        await Store.WriteAsync(new StoreWrite { Facts = facts }, cancellationToken);
    }

    public async ValueTask WriteNotesAsync(IReadOnlyList<StoreNote> notes, CancellationToken cancellationToken)
    {
        if (NotesFailure is { } failure)
        {
            throw failure;
        }

        await Store.WriteAsync(new StoreWrite { Notes = notes }, cancellationToken);
        lock (Notes)
        {
            Notes.AddRange(notes);
        }
    }

    public async ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, CancellationToken cancellationToken)
    {
        Accepted++;
        await Commit;
        if (Refusal is not null)
        {
            throw Refusal;
        }

        Envelope[] envelopes = [.. batch.Select(message => new Envelope(MessageId.New(), message.Queue, message.Type, message.Body)
        {
            Direction = MessageDirection.Inbound,
            From = message.From,
            Conversation = message.Conversation,
            DedupKey = message.DedupKey,
            Headers = message.Headers,
            Attachments = message.Attachments,
        })];
        return [.. (await Store.AppendAsync(envelopes, null, cancellationToken)).Select(result => new AcceptResult(result.Id, result.Duplicate, result.SameBody))];
    }

    public ValueTask<MessageState?> StateOfAsync(MessageId id, CancellationToken cancellationToken) => new((MessageState?)null);

    public ValueTask<ReadOnlyMemory<byte>?> GetCheckpointAsync(CancellationToken cancellationToken) => new((ReadOnlyMemory<byte>?)null);

    /// <summary>Leases the next message of a queue as a worker does.</summary>
    public async Task<MessageLease> LeaseAsync(string queue, CancellationToken cancellationToken)
    {
        MessageLease lease = (await Store.LeaseAsync(queue, 1, TimeSpan.FromMinutes(1), cancellationToken))[0];
        await Store.RenewAsync(lease, new LeaseProgress.Begin("pool/0"), cancellationToken);
        return lease;
    }
}
