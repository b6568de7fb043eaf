using System.Text.Json.Serialization;

namespace Postroom;

/// <summary>How far a delivery has come.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<DeliveryStatus>))]
public enum DeliveryStatus
{
    /// <summary>Left out on purpose; nothing was sent.</summary>
    [JsonStringEnumMemberName("skipped")]
    Skipped,

    /// <summary>The service took it.</summary>
    [JsonStringEnumMemberName("sent")]
    Sent,

    /// <summary>The recipient's device has it.</summary>
    [JsonStringEnumMemberName("delivered")]
    Delivered,

    /// <summary>The recipient has read it.</summary>
    [JsonStringEnumMemberName("read")]
    Read,

    /// <summary>The service gave it up.</summary>
    [JsonStringEnumMemberName("failed")]
    Failed,
}

/// <summary>What the outside service said about a delivery.</summary>
public sealed record DeliveryReceipt
{
    /// <summary>How far it has come.</summary>
    public required DeliveryStatus Status { get; init; }

    /// <summary>The service's id of the message; null when it gives none.</summary>
    public string? OutsideId { get; init; }

    /// <summary>When the service said so.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>What became of each recipient; empty when there is one and it is the whole story.</summary>
    public IReadOnlyList<RecipientResult> Recipients { get; init; } = [];

    /// <summary>The service's ids of the parts of a long message, in order; empty for one part.</summary>
    public IReadOnlyList<string> Parts { get; init; } = [];

    /// <summary>What the channel could not do and what was done instead; empty when nothing was changed.</summary>
    public IReadOnlyList<string> Degraded { get; init; } = [];

    /// <summary>The service's words or code; null for none.</summary>
    public string? Detail { get; init; }

    /// <summary>Which part of a message in several it is about, from 1; null for the whole. What came of one part proves nothing of the others.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Part { get; init; }
}

/// <summary>What became of one recipient.</summary>
/// <param name="Recipient">The recipient's address.</param>
/// <param name="Accepted">Whether the service took it.</param>
/// <param name="Detail">The service's words; null for none.</param>
public sealed record RecipientResult(string Recipient, bool Accepted, string? Detail = null);
