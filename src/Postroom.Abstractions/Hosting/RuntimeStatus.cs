namespace Postroom;

/// <summary>Where the runtime stands.</summary>
public enum RuntimeState
{
    /// <summary>Made, not started.</summary>
    Created,

    /// <summary>Loads its configuration and builds its parts.</summary>
    Starting,

    /// <summary>Opens the store and recovers.</summary>
    Recovering,

    /// <summary>Works.</summary>
    Running,

    /// <summary>Finishes what it holds and takes nothing new.</summary>
    Draining,

    /// <summary>Stops its parts.</summary>
    Stopping,

    /// <summary>Has stopped.</summary>
    Stopped,

    /// <summary>Could not start, or an inner part gave up.</summary>
    Faulted,
}

/// <summary>The runtime at one moment, for people and HTTP.</summary>
public sealed record RuntimeStatus
{
    /// <summary>The configured name.</summary>
    public required string Name { get; init; }

    /// <summary>The program's version.</summary>
    public required string Version { get; init; }

    /// <summary>The node's id.</summary>
    public required string Node { get; init; }

    /// <summary>What it does of the whole: all, core or gateway.</summary>
    public required string Role { get; init; }

    /// <summary>Where it stands.</summary>
    public required RuntimeState State { get; init; }

    /// <summary>When it started; null before.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>The generation of hot restarts; 1 at first.</summary>
    public int Generation { get; init; } = 1;

    /// <summary>The process id.</summary>
    public int ProcessId { get; init; }

    /// <summary>The store's promise.</summary>
    public required StoreFeatures Store { get; init; }

    /// <summary>The store's counts; null before it is open.</summary>
    public StoreStats? Counts { get; init; }

    /// <summary>What recovery found; null before.</summary>
    public RecoveryReport? Recovery { get; init; }

    /// <summary>The worker pools.</summary>
    public IReadOnlyList<PoolStatus> Pools { get; init; } = [];

    /// <summary>How many receivers are open, by queue; queues without one are left out.</summary>
    public IReadOnlyDictionary<string, int> Receivers { get; init; } = new Dictionary<string, int>();

    /// <summary>The types that an earlier run of the store handled and this build does not, by queue: messages of these wait, parked, until a build handles them. Queues without such types are left out.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> ParkedTypes { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>The sources by name.</summary>
    public IReadOnlyDictionary<string, SourceStatus> Sources { get; init; } = new Dictionary<string, SourceStatus>();

    /// <summary>The schedules, by name.</summary>
    public IReadOnlyList<ScheduleStatus> Schedules { get; init; } = [];

    /// <summary>The communicators.</summary>
    public IReadOnlyList<CommunicatorStatus> Communicators { get; init; } = [];

    /// <summary>The modules and their versions.</summary>
    public IReadOnlyDictionary<string, string> Modules { get; init; } = new Dictionary<string, string>();

    /// <summary>What an operator should know; empty when there is nothing.</summary>
    public IReadOnlyList<string> Notices { get; init; } = [];
}

/// <summary>What one worker does now.</summary>
public enum WorkerState
{
    /// <summary>Begins.</summary>
    Starting,

    /// <summary>Waits for a message.</summary>
    Idle,

    /// <summary>Handles a message.</summary>
    Processing,

    /// <summary>Waits before it starts again.</summary>
    Backoff,

    /// <summary>Paused by an operator.</summary>
    Paused,

    /// <summary>Finishes what it holds.</summary>
    Stopping,

    /// <summary>Has stopped.</summary>
    Stopped,

    /// <summary>Died too often.</summary>
    Faulted,
}

/// <summary>How one worker pool stands.</summary>
public sealed record PoolStatus
{
    /// <summary>The pool.</summary>
    public required string Name { get; init; }

    /// <summary>The queue it serves.</summary>
    public required string Queue { get; init; }

    /// <summary>How many messages it handles at a time.</summary>
    public int Parallelism { get; init; }

    /// <summary>Slots at work.</summary>
    public int Busy { get; init; }

    /// <summary>Abandoned handlers that still run.</summary>
    public int Stuck { get; init; }

    /// <summary>Attempts that were acknowledged.</summary>
    public long Processed { get; init; }

    /// <summary>Attempts that ended otherwise.</summary>
    public long Failed { get; init; }

    /// <summary>How often a worker died and was started again.</summary>
    public long Restarts { get; init; }

    /// <summary>Settlements that await their commit.</summary>
    public int Settling { get; init; }

    /// <summary>Whether the pool as a whole is paused or failed.</summary>
    public WorkerState State { get; init; }

    /// <summary>The last error; null for none.</summary>
    public string? LastError { get; init; }

    /// <summary>The workers.</summary>
    public IReadOnlyList<WorkerStatus> Workers { get; init; } = [];
}

/// <summary>How one worker stands.</summary>
public sealed record WorkerStatus
{
    /// <summary>Its number in the pool, from 0.</summary>
    public required int Slot { get; init; }

    /// <summary>What it does.</summary>
    public required WorkerState State { get; init; }

    /// <summary>The message it handles; null for none.</summary>
    public MessageId? MessageId { get; init; }

    /// <summary>Since when it does so; null when it has not begun.</summary>
    public DateTimeOffset? Since { get; init; }
}

/// <summary>How one communicator stands.</summary>
public sealed record CommunicatorStatus
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Its kind.</summary>
    public required string Kind { get; init; }

    /// <summary>The labels it is registered for.</summary>
    public IReadOnlyList<string> Labels { get; init; } = [];

    /// <summary>Whether it has started.</summary>
    public bool Started { get; init; }

    /// <summary>Why it is degraded; null when it is not.</summary>
    public string? Problem { get; init; }

    /// <summary>What it can do.</summary>
    public required CommunicatorCapabilities Capabilities { get; init; }
}
