using System.Text.Json;
using System.Text.Json.Serialization;
using Postroom.Explaining;

namespace Postroom.ControlPlane;

/// <summary>The runtime as <c>GET /status</c> shows it.</summary>
internal sealed record StatusView
{
    public required string Name { get; init; }

    public required string Version { get; init; }

    public required string Node { get; init; }

    public required string Role { get; init; }

    public required string State { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public long? UptimeMs { get; init; }

    public int Generation { get; init; }

    public int Pid { get; init; }

    public required StoreFeatures Store { get; init; }

    public CountsView? Counts { get; init; }

    public RecoveryView? Recovery { get; init; }

    public required IReadOnlyList<PoolView> Pools { get; init; }

    public IReadOnlyList<SourceView> Sources { get; init; } = [];

    public required IReadOnlyList<ScheduleView> Schedules { get; init; }

    public required IReadOnlyList<CommunicatorView> Communicators { get; init; }

    public required IReadOnlyDictionary<string, string> Modules { get; init; }

    public required IReadOnlyList<string> Notices { get; init; }

    public static StatusView Of(RuntimeStatus status, DateTimeOffset now) => new()
    {
        Name = status.Name,
        Version = status.Version,
        Node = status.Node,
        Role = status.Role,
        State = Why.Word(status.State),
        StartedAt = status.StartedAt,
        UptimeMs = status.StartedAt is { } start ? (long)(now - start).TotalMilliseconds : null,
        Generation = status.Generation,
        Pid = status.ProcessId,
        Store = status.Store,
        Counts = status.Counts is { } counts ? CountsView.Of(counts, queue: null, now) : null,
        Recovery = status.Recovery is { } recovery ? RecoveryView.Of(recovery) : null,
        Pools = [.. status.Pools.Select(PoolView.Of)],
        Sources = [.. status.Sources.OrderBy(static pair => pair.Key, StringComparer.Ordinal).Select(static pair => SourceView.Of(pair.Key, pair.Value))],
        Schedules = [.. status.Schedules.Select(ScheduleView.Of)],
        Communicators = [.. status.Communicators.Select(communicator => CommunicatorView.Of(communicator, status.Counts, now))],
        Modules = status.Modules,
        Notices = status.Notices,
    };
}

/// <summary>Counts of the store, or of one queue.</summary>
internal sealed record CountsView
{
    public long Appended { get; init; }

    public long Bytes { get; init; }

    public bool Writable { get; init; }

    public string? Problem { get; init; }

    public long Pending { get; init; }

    public long Dispatched { get; init; }

    public long Acked { get; init; }

    public long Failed { get; init; }

    public required IReadOnlyDictionary<string, QueueCountsView> Queues { get; init; }

    public static CountsView Of(StoreStats stats, string? queue, DateTimeOffset now)
    {
        KeyValuePair<string, StoreQueueStats>[] queues = [.. stats.Queues.Where(pair => queue is null || pair.Key == queue).OrderBy(pair => pair.Key, StringComparer.Ordinal)];
        return new CountsView
        {
            Appended = stats.Appended,
            Bytes = stats.Bytes,
            Writable = stats.Writable,
            Problem = stats.Problem,
            Pending = queues.Sum(pair => pair.Value.Pending),
            Dispatched = queues.Sum(pair => pair.Value.Dispatched),
            Acked = queues.Sum(pair => pair.Value.Acked),
            Failed = queues.Sum(pair => pair.Value.Failed),
            Queues = queues.ToDictionary(pair => pair.Key, pair => QueueCountsView.Of(pair.Value, now), StringComparer.Ordinal),
        };
    }
}

/// <summary>Counts of one queue.</summary>
internal sealed record QueueCountsView(
    long Pending, long Due, long Delayed, long Parked, long Blocked, long Dispatched, long Acked, long Failed, DateTimeOffset? OldestPendingAt, long? OldestPendingAgeMs)
{
    public static QueueCountsView Of(StoreQueueStats stats, DateTimeOffset now) => new(
        stats.Pending, stats.Due, stats.Delayed, stats.Parked, stats.Blocked, stats.Dispatched, stats.Acked, stats.Failed,
        stats.OldestPendingAt, stats.OldestPendingAt is { } oldest ? (long)(now - oldest).TotalMilliseconds : null);
}

/// <summary>What recovery found.</summary>
internal sealed record RecoveryView(
    long Run, bool PreviousRunClean, long Pending, long Redelivered, long Poisoned, long Uncertain, long Expired, long Parked,
    DateTimeOffset? OldestPendingAt, IReadOnlyList<string> Notices, double DurationMs)
{
    public static RecoveryView Of(RecoveryReport report) => new(
        report.Run, report.PreviousRunClean, report.Pending, report.Redelivered, report.Poisoned, report.Uncertain, report.Expired, report.Parked,
        report.OldestPendingAt, report.Notices, Math.Round(report.Duration.TotalMilliseconds, 1));
}

/// <summary>The last hour; steps in which nothing moved are left out.</summary>
internal sealed record HistoryView(long StepMs, int Steps, DateTimeOffset Now, IReadOnlyList<FlowSample> Samples);

/// <summary>One queue with who reads it and what the settings say of it; the latter is null for one that only the store knows.</summary>
internal sealed record QueueView(string Name, QueueCountsView Stats, int Consumers, IReadOnlyList<string> Pools, bool Paused, QueueOptionsView? Options = null);

/// <summary>What holds for a queue now, as settings write it.</summary>
internal sealed record QueueOptionsView
{
    public required string Lease { get; init; }

    public required string Renew { get; init; }

    public int MaxAttempts { get; init; }

    public required BackoffView Backoff { get; init; }

    public required string Order { get; init; }

    public bool HaltOnFailure { get; init; }

    public int PoisonDeaths { get; init; }

    public int HighWater { get; init; }

    public int LowWater { get; init; }

    public int MaxPerKey { get; init; }

    public string? TimeToLive { get; init; }

    public required IReadOnlyList<QueueLimitView> Limits { get; init; }

    public static QueueOptionsView Of(QueueOptions options) => new()
    {
        Lease = Duration.Format(options.Lease),
        Renew = Duration.Format(options.Renew),
        MaxAttempts = options.MaxAttempts,
        Backoff = new BackoffView(Duration.Format(options.Backoff.Base), options.Backoff.Factor, Duration.Format(options.Backoff.Max), options.Backoff.Jitter),
        Order = options.Order.ToString(),
        HaltOnFailure = options.HaltOnFailure,
        PoisonDeaths = options.PoisonDeaths,
        HighWater = options.HighWater,
        LowWater = options.LowWater,
        MaxPerKey = options.MaxPerKey,
        TimeToLive = options.TimeToLive is { } life ? Duration.Format(life) : null,
        Limits = [.. options.Limits.Select(static limit => new QueueLimitView(limit.Key.ToString(), limit.Concurrency, limit.Rate?.ToString()))],
    };
}

/// <summary>How long retries wait.</summary>
internal sealed record BackoffView(string Base, double Factor, string Max, double Jitter);

/// <summary>A bound for each key.</summary>
internal sealed record QueueLimitView(string Key, int? Concurrency, string? Rate);

/// <summary>One worker pool.</summary>
internal sealed record PoolView(
    string Name, string Queue, string State, int Parallelism, int Busy, int Stuck, long Processed, long Failed, long Restarts, int Settling, string? LastError,
    IReadOnlyList<WorkerView> Workers)
{
    public static PoolView Of(PoolStatus pool) => new(
        pool.Name, pool.Queue, Why.Word(pool.State), pool.Parallelism, pool.Busy, pool.Stuck, pool.Processed, pool.Failed, pool.Restarts, pool.Settling, pool.LastError,
        [.. pool.Workers.Select(worker => new WorkerView(worker.Slot, Why.Word(worker.State), worker.MessageId?.ToString(), worker.Since))]);
}

/// <summary>One worker.</summary>
internal sealed record WorkerView(int Slot, string State, string? MessageId, DateTimeOffset? Since);

/// <summary>One source.</summary>
internal sealed record SourceView(
    string Name, string State, DateTimeOffset? Since, DateTimeOffset? LastSuccessAt, string? LastError, DateTimeOffset? LastErrorAt, long Produced, long Duplicates, long Refused, long? LagMs, string? Checkpoint)
{
    public static SourceView Of(string name, SourceStatus status) => new(
        name, Why.Word(status.State), status.Since, status.LastSuccessAt, status.LastError, status.LastErrorAt, status.Produced, status.Duplicates, status.Refused,
        (long?)status.Lag?.TotalMilliseconds, status.Checkpoint);
}

/// <summary>One communicator with the counts of its lane.</summary>
internal sealed record CommunicatorView(
    string Name, string Kind, IReadOnlyList<string> Labels, bool Started, string? Problem, CommunicatorCapabilities Capabilities, QueueCountsView? Lane)
{
    public static CommunicatorView Of(CommunicatorStatus status, StoreStats? counts, DateTimeOffset now) => new(
        status.Name, status.Kind, status.Labels, status.Started, status.Problem, status.Capabilities,
        counts?.Queues.GetValueOrDefault(OutboundQueue.Of(status.Name)) is { } lane ? QueueCountsView.Of(lane, now) : null);
}

[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true, Converters = [typeof(InstantText)])]
[JsonSerializable(typeof(StatusView))]
[JsonSerializable(typeof(HistoryView))]
[JsonSerializable(typeof(QueueView))]
[JsonSerializable(typeof(ListView<QueueView>))]
[JsonSerializable(typeof(PoolView))]
[JsonSerializable(typeof(ListView<PoolView>))]
[JsonSerializable(typeof(SourceView))]
[JsonSerializable(typeof(ListView<SourceView>))]
[JsonSerializable(typeof(CommunicatorView))]
[JsonSerializable(typeof(ListView<CommunicatorView>))]
internal sealed partial class StatusJson : JsonSerializerContext;
