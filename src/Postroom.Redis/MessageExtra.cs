using System.Text.Json;
using System.Text.Json.Serialization;
using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>What most messages have nothing of: retries, failures, deaths, claims, further attempts, receipts. Kept as JSON under <see cref="RedisKeys.Extra"/>.</summary>
internal sealed record MessageExtra
{
    public int Failures { get; init; }

    public int Deaths { get; init; }

    public int Replays { get; init; }

    public bool Redelivered { get; init; }

    public bool Halts { get; init; }

    public long Fence { get; init; }

    public DateTimeOffset? DueAt { get; init; }

    public DateTimeOffset? SendStartedAt { get; init; }

    public int UnansweredSends { get; init; }

    public IReadOnlyList<string>? Progress { get; init; }

    public FailureKind? Kind { get; init; }

    public string? Error { get; init; }

    public string? OutsideId { get; init; }

    public IReadOnlyList<AttemptRecord>? Attempts { get; init; }

    public IReadOnlyList<DeliveryReceipt>? Receipts { get; init; }

    /// <summary>Whether there is anything that a message's place alone does not say.</summary>
    [JsonIgnore]
    public bool IsNeeded => Failures > 0 || Deaths > 0 || Replays > 0 || Redelivered || DueAt is not null || SendStartedAt is not null || Progress is not null || Kind is not null
        || Error is not null || OutsideId is not null || Attempts is not null || Receipts is not null;

    /// <summary>What there is to say of a message as it stands.</summary>
    public static MessageExtra Of(OpenMessage message) => new()
    {
        Failures = message.Failures,
        Deaths = message.Deaths,
        Replays = message.Replays,
        Redelivered = message.Redelivered,
        Halts = message.Halts,
        Fence = message.Fence,
        DueAt = message.DueAt,
        SendStartedAt = message.SendStartedAt,
        UnansweredSends = message.UnansweredSends,
        Progress = message.Progress.Count > 0 ? message.Progress : null,
        Kind = message.FailureKind,
        Error = message.Error,
        OutsideId = message.OutsideId,
        Attempts = message.Attempts,
        Receipts = message.Receipts,
    };

    /// <summary>What there is to say of a message once a settlement is stored.</summary>
    /// <param name="message">The message, reserved.</param>
    /// <param name="outcome">What the settlement makes of it.</param>
    /// <param name="receipt">What the outside service said; null for nothing.</param>
    /// <param name="halts">Whether its failure holds its key.</param>
    public static MessageExtra Of(OpenMessage message, in SettlementOutcome outcome, DeliveryReceipt? receipt, bool halts) => Of(message) with
    {
        Failures = outcome.Failures,
        Halts = halts,
        DueAt = outcome.DueAt,
        SendStartedAt = outcome.SendStartedAt,
        UnansweredSends = outcome.SendStartedAt is null ? 0 : message.UnansweredSends,
        Kind = outcome.State == MessageState.Failed ? outcome.Kind : null,
        Error = outcome.Error,
        OutsideId = receipt?.OutsideId ?? message.OutsideId,
        Attempts = KeepsAttempt(message, outcome) ? [.. message.Attempts ?? [], JournalMoves.Attempt(message, outcome)] : message.Attempts,
        Receipts = receipt is null ? message.Receipts : [.. message.Receipts ?? [], receipt],
    };

    /// <summary>Whether the attempt that ends is kept: a first one that succeeds is shown from the message itself.</summary>
    public static bool KeepsAttempt(OpenMessage message, in SettlementOutcome outcome) =>
        message.Begun && (outcome.State != MessageState.Acked || message.Attempts is not null || message.Attempt > 1);

    /// <summary>The value to keep.</summary>
    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, MessageExtraJson.Default.MessageExtra);

    /// <summary>Puts what is kept into a message.</summary>
    /// <param name="json">The value; empty for nothing.</param>
    /// <param name="message">The message.</param>
    public static void Read(ReadOnlySpan<byte> json, OpenMessage message)
    {
        if (json.IsEmpty || JsonSerializer.Deserialize(json, MessageExtraJson.Default.MessageExtra) is not { } extra)
        {
            return;
        }

        message.Failures = extra.Failures;
        message.Deaths = extra.Deaths;
        message.Replays = extra.Replays;
        message.Redelivered = extra.Redelivered;
        message.Halts = extra.Halts;
        message.Fence = extra.Fence;
        message.SettledFence = extra.Fence;
        message.DueAt = extra.DueAt;
        message.SendStartedAt = extra.SendStartedAt;
        message.UnansweredSends = extra.UnansweredSends;
        message.Progress = extra.Progress ?? [];
        message.FailureKind = extra.Kind;
        message.Error = extra.Error;
        message.OutsideId = extra.OutsideId;
        message.Attempts = extra.Attempts is { } attempts ? [.. attempts] : null;
        message.Receipts = extra.Receipts is { } receipts ? [.. receipts] : null;
        if (message.State == MessageState.Pending && message.Replays > 0)
        {
            message.GoesFirst = true;
            message.ClearTimes();
        }
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(MessageExtra))]
internal sealed partial class MessageExtraJson : JsonSerializerContext;
