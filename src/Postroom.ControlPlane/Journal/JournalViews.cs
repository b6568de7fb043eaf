using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Unicode;
using Postroom.Explaining;

namespace Postroom.ControlPlane;

/// <summary>One message in a list: everything but its body.</summary>
internal sealed record MessageView
{
    public required string Id { get; init; }

    public long Seq { get; init; }

    public required string Queue { get; init; }

    public required string Type { get; init; }

    public required string State { get; init; }

    public required string Direction { get; init; }

    public string? From { get; init; }

    public string? To { get; init; }

    public string? Conversation { get; init; }

    public string? OrderKey { get; init; }

    public string? GroupId { get; init; }

    public string? ParentId { get; init; }

    public string? ReplayOf { get; init; }

    public required string ContentType { get; init; }

    public long BodyLength { get; init; }

    public int Attempt { get; init; }

    public int Failures { get; init; }

    public int MaxAttempts { get; init; }

    public int Deaths { get; init; }

    public int Replays { get; init; }

    public int Hops { get; init; }

    public bool Redelivered { get; init; }

    public string? Kind { get; init; }

    public string? Error { get; init; }

    public string? Owner { get; init; }

    public string? OutsideId { get; init; }

    public DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? DueAt { get; init; }

    public DateTimeOffset? ExpiresAt { get; init; }

    public DateTimeOffset? DispatchedAt { get; init; }

    public DateTimeOffset? FinishedAt { get; init; }

    public DateTimeOffset? SendStartedAt { get; init; }

    public static MessageView Of(JournalEntry entry)
    {
        Envelope envelope = entry.Envelope;
        return new MessageView
        {
            Id = envelope.Id.ToString(),
            Seq = envelope.Seq,
            Queue = envelope.Queue,
            Type = envelope.Type,
            State = Why.Word(entry.State),
            Direction = Why.Word(envelope.Direction),
            From = envelope.From?.ToString(),
            To = envelope.To?.ToString(),
            Conversation = envelope.Conversation,
            OrderKey = envelope.OrderKey == envelope.Conversation ? null : envelope.OrderKey,
            GroupId = envelope.GroupId?.ToString(),
            ParentId = envelope.ParentId?.ToString(),
            ReplayOf = envelope.ReplayOf?.ToString(),
            ContentType = envelope.ContentType,
            BodyLength = entry.BodyLength,
            Attempt = entry.Attempt,
            Failures = entry.Failures,
            MaxAttempts = envelope.MaxAttempts,
            Deaths = entry.Deaths,
            Replays = entry.Replays,
            Hops = envelope.Hops,
            Redelivered = entry.Redelivered,
            Kind = entry.FailureKind is { } kind ? Why.Word(kind) : null,
            Error = entry.Error,
            Owner = entry.Owner,
            OutsideId = entry.OutsideId,
            CreatedAt = envelope.CreatedAt,
            DueAt = entry.DueAt,
            ExpiresAt = envelope.ExpiresAt,
            DispatchedAt = entry.DispatchedAt,
            FinishedAt = entry.FinishedAt,
            SendStartedAt = entry.SendStartedAt,
        };
    }
}

/// <summary>One message with everything that belongs to it.</summary>
internal sealed record MessageDetailView
{
    public required MessageView Message { get; init; }

    public required IReadOnlyDictionary<string, string> Headers { get; init; }

    public required IReadOnlyList<AttachmentView> Attachments { get; init; }

    public required IReadOnlyList<AttemptView> Attempts { get; init; }

    public required IReadOnlyList<ReceiptView> Receipts { get; init; }

    public required IReadOnlyList<AuditView> Audit { get; init; }

    public required IReadOnlyList<MessageView> Children { get; init; }

    public required IReadOnlyList<MessageView> Group { get; init; }

    /// <summary>The body as text, or in base64 when it is none; null unless asked for.</summary>
    public string? Body { get; init; }

    /// <summary><c>text</c> or <c>base64</c>; null without a body.</summary>
    public string? BodyEncoding { get; init; }

    public static MessageDetailView Of(JournalRecord record, bool withBody)
    {
        (string? body, string? encoding) = withBody ? BodyText.Of(record.Entry.Envelope.Body.Span) : default;
        return new MessageDetailView
        {
            Message = MessageView.Of(record.Entry),
            Headers = record.Entry.Envelope.Headers,
            Attachments = [.. record.Entry.Envelope.Attachments.Select((file, number) => new AttachmentView(number, file.Name, file.ContentType, file.Length, file.Sha256, file.Reference is not null))],
            Attempts = [.. record.Attempts.Zip(WhyTimeline.NamesOf(record.Attempts, record.Entry.Replays), (attempt, label) => new AttemptView(
                attempt.Attempt, label, attempt.StartedAt, attempt.EndedAt, attempt.Outcome, attempt.Kind is { } kind ? Why.Word(kind) : null, attempt.Error, attempt.Owner))],
            Receipts = [.. record.Receipts.Select(ReceiptView.Of)],
            Audit = [.. record.Audit.Select(entry => new AuditView(entry.At, entry.User, entry.Action, entry.Result, WhyTimeline.Audit(entry), entry.Detail))],
            Children = [.. record.Children.Select(MessageView.Of)],
            Group = [.. record.Copies.Select(MessageView.Of)],
            Body = body,
            BodyEncoding = encoding,
        };
    }
}

/// <summary>A body as JSON can hold it.</summary>
internal static class BodyText
{
    /// <summary>The body as text, or in base64 when it is none, and which.</summary>
    public static (string Body, string Encoding) Of(ReadOnlySpan<byte> body) => Utf8.IsValid(body) ? (Encoding.UTF8.GetString(body), "text") : (Convert.ToBase64String(body), "base64");
}

/// <summary>One file of a message.</summary>
internal sealed record AttachmentView(int Number, string Name, string ContentType, long? Length, string? Sha256, bool Reference);

/// <summary>One attempt, with the name that tells it from one of another replay.</summary>
internal sealed record AttemptView(int Attempt, string Label, DateTimeOffset? StartedAt, DateTimeOffset? EndedAt, string Outcome, string? Kind, string? Error, string? Owner);

/// <summary>What somebody did to the message, also in words.</summary>
internal sealed record AuditView(DateTimeOffset At, string User, string Action, string Result, string Text, JsonElement? Detail = null);

/// <summary>What the outside service said once.</summary>
internal sealed record ReceiptView(string Status, DateTimeOffset At, string? OutsideId, string? Detail, IReadOnlyList<string> Parts, IReadOnlyList<string> Degraded, IReadOnlyList<RecipientResult> Recipients)
{
    public static ReceiptView Of(DeliveryReceipt receipt) =>
        new(Why.Word(receipt.Status), receipt.At, receipt.OutsideId, receipt.Detail, receipt.Parts, receipt.Degraded, receipt.Recipients);
}

/// <summary>The store's counts with what its last recovery found, and what moves.</summary>
internal sealed record JournalStatsView(CountsView Counts, RecoveryView? Recovery, IReadOnlyList<RateView>? Rates = null);

/// <summary>How a message is replayed. What it does not know is refused: a replay instead of a dry run would be a surprise.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record ReplayRequest(bool Force = false, bool KeepAttempts = false, string? DryRun = null);

/// <summary>What a handler would do with a message.</summary>
internal sealed record DryRunView(string Outcome, string? Error, IReadOnlyList<StagedView> Staged)
{
    public static DryRunView Of(DryRunResult result) => new(result.Outcome, result.Error, [.. result.Staged.Select(StagedView.Of)]);
}

/// <summary>A message that a handler would stage.</summary>
/// <param name="Queue">Where it would go.</param>
/// <param name="Type">Its payload type.</param>
/// <param name="To">Its recipient or label; null for none.</param>
/// <param name="Body">Its body as text, or in base64 when it is none.</param>
/// <param name="BodyEncoding"><c>text</c> or <c>base64</c>.</param>
/// <param name="Attachments">The names of its files.</param>
internal sealed record StagedView(string Queue, string Type, string? To, string Body, string BodyEncoding, IReadOnlyList<string> Attachments)
{
    public static StagedView Of(Envelope envelope)
    {
        (string body, string encoding) = BodyText.Of(envelope.Body.Span);
        return new StagedView(envelope.Queue, envelope.Type, envelope.To?.ToString(), body, encoding, [.. envelope.Attachments.Select(static file => file.Name)]);
    }
}

/// <summary>The message that is due again.</summary>
internal sealed record ReplayView(string Id);

/// <summary>The story of a message (CL-7).</summary>
internal sealed record WhyView(string Id, string State, string Reason, IReadOnlyList<WhyLine> Timeline)
{
    public static WhyView Of(WhyReport report) => new(report.Id.ToString(), report.State, report.Reason, report.Timeline);
}

/// <summary>A conversation as the messages still kept tell it.</summary>
internal sealed record ConversationView
{
    public required string Id { get; init; }

    /// <summary><c>active</c>, <c>complete</c> or <c>killed</c>.</summary>
    public required string Status { get; init; }

    public long Open { get; init; }

    public long Failed { get; init; }

    public long Total { get; init; }

    public DateTimeOffset? FirstAt { get; init; }

    public DateTimeOffset? LastAt { get; init; }

    public DateTimeOffset? CompletedAt { get; init; }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, Converters = [typeof(InstantText)])]
[JsonSerializable(typeof(ListView<MessageView>))]
[JsonSerializable(typeof(MessageDetailView))]
[JsonSerializable(typeof(JournalStatsView))]
[JsonSerializable(typeof(WhyView))]
[JsonSerializable(typeof(ReplayRequest))]
[JsonSerializable(typeof(ReplayView))]
[JsonSerializable(typeof(DryRunView))]
[JsonSerializable(typeof(ConversationView))]
[JsonSerializable(typeof(ListView<ConversationView>))]
internal sealed partial class JournalJson : JsonSerializerContext;
