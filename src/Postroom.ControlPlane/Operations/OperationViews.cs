using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom.ControlPlane;

/// <summary>That something is done.</summary>
internal sealed record DoneView(string Result);

/// <summary>Why something is asked for; for the record.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record ReasonRequest(string? Reason = null);

/// <summary>What a drain of the whole is asked.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record DrainRequest(string? Reason = null, int? TimeoutSeconds = null);

/// <summary>How a drain ended.</summary>
internal sealed record DrainView(int InWork);

/// <summary>How many messages the caller expects to be given up.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record PurgeRequest(long? Confirm = null, string? Reason = null);

/// <summary>How many messages the caller expects to be touched.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record ConfirmRequest(long? Confirm = null);

/// <summary>How many messages were erased.</summary>
internal sealed record ErasedView(long Erased);

/// <summary>Where a copy of the store goes.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record BackupRequest(string? File = null);

/// <summary>A copy of the store.</summary>
internal sealed record BackupView(string File, long Bytes, long DurationMs);

/// <summary>How many were given up.</summary>
internal sealed record DiscardedView(long Discarded);

/// <summary>How many messages a pool is to handle at a time.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record ScaleRequest(int? Parallelism = null);

/// <summary>How many messages a poll brought.</summary>
internal sealed record PollView(int Produced);

/// <summary>To whom a test message goes, and what it says.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record TestRequest(string? To = null, string? Message = null);

/// <summary>How a test message ended.</summary>
internal sealed record TestView(string Id, ReceiptView Receipt);

/// <summary>A signal to show.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record SignalRequest(string? Kind = null, string? To = null, string? Ttl = null, string? State = null);

/// <summary>Giving a message up.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record DiscardRequest(string? Reason = null, bool Force = false);

/// <summary>What is removed by a compaction.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record CompactRequest(string? OlderThan = null, bool Vacuum = false);

/// <summary>What a compaction removed.</summary>
internal sealed record CompactView(long Removed);

/// <summary>A message to be sent; what is left out is as in <see cref="OutgoingMessage"/>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record SendRequest
{
    public string? Message { get; init; }

    public string? Label { get; init; }

    public string? To { get; init; }

    public string? Source { get; init; }

    public string? Severity { get; init; }

    public string? Subject { get; init; }

    public TextFormat? Format { get; init; }

    public Dictionary<string, JsonElement>? Metadata { get; init; }

    public IReadOnlyList<SendFile>? Attachments { get; init; }

    public Interactive? Interactive { get; init; }

    public string? ReplyTo { get; init; }

    public string? IdempotencyKey { get; init; }

    public string? ExpiresAfter { get; init; }

    public bool AllowAutoReply { get; init; }

    /// <exception cref="BadRequestException">A field cannot be used.</exception>
    public OutgoingMessage ToMessage() => new(Message ?? "")
    {
        Label = Label is null or "" ? "default" : Label,
        To = To is null ? null : Address.TryParse(To, out Address? to) ? to : throw new BadRequestException("to", $"to is '{Names.Shorten(To)}', which is no address. Write communicator:recipient, such as telegram:4711."),
        Source = Source,
        Severity = Severity is null ? MessageSeverity.Info
            : Enum.GetValues<MessageSeverity>().Where(one => one.ToWord() == Severity).Select(one => (MessageSeverity?)one).FirstOrDefault()
            ?? throw new BadRequestException("severity", $"severity is {string.Join(", ", Enum.GetValues<MessageSeverity>().Select(one => one.ToWord()))}."),
        Subject = Subject,
        Format = Format ?? TextFormat.Text,
        Metadata = Metadata ?? [],
        Attachments = [.. (Attachments ?? []).Select(file => file.ToAttachment())],
        Interactive = Interactive,
        ReplyTo = ReplyTo,
        IdempotencyKey = IdempotencyKey,
        ExpiresAfter = ExpiresAfter is null ? null
            : Duration.TryParse(ExpiresAfter, allowInfinite: false, out TimeSpan life) && life > TimeSpan.Zero ? life
            : throw new BadRequestException("expiresAfter", "expiresAfter is a duration, such as 10m."),
        AllowAutoReply = AllowAutoReply,
    };
}

/// <summary>A file that goes along, its bytes as base64.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record SendFile(string? Name = null, string? ContentType = null, byte[]? Data = null)
{
    public Attachment ToAttachment() => Attachment.FromBytes(
        Name is { Length: > 0 } ? Name : throw new BadRequestException("attachments", "Each attachment has a name."),
        Data ?? throw new BadRequestException("attachments", "Each attachment has its bytes as base64 in data."),
        ContentType is { Length: > 0 } ? ContentType : null);
}

/// <summary>The copies of a sent message.</summary>
internal sealed record SendView(string GroupId, IReadOnlyList<string> Ids, int Routed);

/// <summary>A message for a queue.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record InjectRequest(
    string? Queue = null, string? Type = null, JsonElement? Body = null, string? From = null, string? Conversation = null, string? IdempotencyKey = null, DateTimeOffset? NotBefore = null);

/// <summary>What was injected.</summary>
internal sealed record InjectView(string Id, string? Conversation, bool Duplicate);

/// <summary>One audit row.</summary>
internal sealed record AuditRowView(DateTimeOffset At, string User, string Role, string Remote, string Action, string Target, string Result, string? MessageId, JsonElement? Detail);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true, Converters = [typeof(InstantText)])]
[JsonSerializable(typeof(DoneView))]
[JsonSerializable(typeof(ReasonRequest))]
[JsonSerializable(typeof(DrainRequest))]
[JsonSerializable(typeof(DrainView))]
[JsonSerializable(typeof(ConfirmRequest))]
[JsonSerializable(typeof(ErasedView))]
[JsonSerializable(typeof(BackupRequest))]
[JsonSerializable(typeof(BackupView))]
[JsonSerializable(typeof(PurgeRequest))]
[JsonSerializable(typeof(DiscardedView))]
[JsonSerializable(typeof(ScaleRequest))]
[JsonSerializable(typeof(PollView))]
[JsonSerializable(typeof(TestRequest))]
[JsonSerializable(typeof(TestView))]
[JsonSerializable(typeof(SignalRequest))]
[JsonSerializable(typeof(DiscardRequest))]
[JsonSerializable(typeof(CompactRequest))]
[JsonSerializable(typeof(CompactView))]
[JsonSerializable(typeof(SendRequest))]
[JsonSerializable(typeof(SendView))]
[JsonSerializable(typeof(InjectRequest))]
[JsonSerializable(typeof(InjectView))]
[JsonSerializable(typeof(ListView<AuditRowView>))]
internal sealed partial class OperationJson : JsonSerializerContext;
