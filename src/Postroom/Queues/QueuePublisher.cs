using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Postroom.Intake;

namespace Postroom;

/// <summary>What a message inherits from the one whose handler produced it.</summary>
/// <param name="ParentId">The parent; null from outside a handler.</param>
/// <param name="Conversation">The parent's conversation; null for none.</param>
/// <param name="Hops">Handlers between this message and the outside.</param>
/// <param name="Parent">The parent itself; null from outside a handler.</param>
internal readonly record struct MessageOrigin(MessageId? ParentId, string? Conversation, int Hops, Envelope? Parent)
{
    /// <summary>From outside a handler. It is a part of what is current there, when somebody records that.</summary>
    public static MessageOrigin Outside => new(null, null, 0, null) { Span = Activity.Current is { Recorded: true } current ? current : null };

    /// <summary>The span it is made in; null for none.</summary>
    public Activity? Span { get; init; }

    /// <summary>What the message continues, as its header says it; null for nothing.</summary>
    public string? TraceParent => Span?.Id ?? (Parent is { Headers.Count: > 0 } parent ? parent.Header(HeaderNames.TraceParent) : null);

    /// <summary>The trace state beside <see cref="TraceParent"/>; null for none.</summary>
    public string? TraceState => Span is not null ? Span.TraceStateString : Parent is { Headers.Count: > 0 } parent ? parent.Header(HeaderNames.TraceState) : null;
}

/// <summary>Makes envelopes for queues: checks what a caller gives and fills in what the queue says.</summary>
internal sealed class QueuePublisher(QueueCatalog queues, LimitsOptions limits, TimeProvider clock)
{
    /// <summary>What a caller wants who says nothing.</summary>
    public static PublishOptions Defaults { get; } = new();

    /// <summary>Makes the envelope of a published message.</summary>
    /// <exception cref="AddressException">The queue is not declared.</exception>
    /// <exception cref="ArgumentException">The type, a header or the size is refused; the text names it.</exception>
    public Envelope Compose(string queue, QueueMessage message, PublishOptions options, MessageOrigin origin)
    {
        QueueOptions rules = queues.Require(queue);
        CheckType(message.Type);
        CheckBody(message.Body.Length);
        CheckHeaders(options.Headers, allowReserved: false);
        CheckLength(options.DedupKey, 512, "The dedup key");
        CheckLength(options.Conversation, 256, "The conversation");
        DateTimeOffset now = clock.GetUtcNow();
        string? conversation = options.Conversation ?? origin.Conversation;

        // Work for the same conversation is work for the same person: its handler can answer as the first one could, and no more than that one.
        Envelope? same = conversation is not null && origin.Parent is { } parent && parent.Conversation == conversation ? origin.Parent : null;
        string? automatic = same?.Header(HeaderNames.Automatic);
        IReadOnlyDictionary<string, string> headers = origin.TraceParent is { } trace && !options.Headers.ContainsKey(HeaderNames.TraceParent)
            ? TraceService.With(options.Headers, trace, origin.TraceState)
            : options.Headers;
        Envelope envelope = new(MessageId.New(), queue, message.Type, message.Body)
        {
            ContentType = message.ContentType,
            From = same?.From,
            Conversation = conversation,
            StartsConversation = conversation is null,
            DedupKey = options.DedupKey,
            Headers = automatic is null ? headers : new Dictionary<string, string>(headers, StringComparer.Ordinal) { [HeaderNames.Automatic] = automatic },
            ParentId = origin.ParentId,
            Hops = origin.Hops,
            CreatedAt = now,
            NotBefore = options.Delay is { } delay && delay > TimeSpan.Zero ? now + delay : null,
            ExpiresAt = (options.TimeToLive ?? rules.TimeToLive) is { } life ? now + life : null,
            MaxAttempts = options.MaxAttempts ?? rules.MaxAttempts,
        };
        return options.OrderKey is null && rules.Order.Kind == QueueOrderKind.Conversation
            ? envelope
            : envelope.WithKey(options.OrderKey ?? QueueCatalog.OrderKey(rules, envelope.Conversation, options.Headers));
    }

    /// <summary>Makes the completion action of a source.</summary>
    public Envelope ComposeMark(MarkRequest request, MessageOrigin origin)
    {
        string queue = MarkLanes.QueueOf(request.Source);
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(request, PostroomJson.Default.MarkRequest);
        return Compose(queue, new QueueMessage(PayloadTypes.SourceMark, body), new PublishOptions { OrderKey = request.Key }, origin);
    }

    public static void CheckType(string type)
    {
        if (!Names.IsPayloadType(type))
        {
            throw new ArgumentException($"'{Names.Shorten(type)}' is not a payload type. {Names.TypeRule}", nameof(type));
        }
    }

    public void CheckBody(long length)
    {
        if (length > limits.Body)
        {
            throw new ArgumentException($"The body has {length} bytes; the limit is {limits.Body} (limits.body). Send the data as a link, or raise the limit.");
        }
    }

    public static void CheckHeaders(IReadOnlyDictionary<string, string> headers, bool allowReserved)
    {
        if (headers.Count == 0)
        {
            return;
        }

        if (headers.Count > HeaderNames.MaxCount)
        {
            throw new ArgumentException($"The message has {headers.Count} headers; the limit is {HeaderNames.MaxCount}.");
        }

        int total = 0;
        foreach ((string name, string value) in headers)
        {
            if (name.Length is 0 or > 128 || name.Any(c => !char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c is not ('-' or '_' or '.')))
            {
                throw new ArgumentException($"'{Names.Shorten(name)}' is not a header name. Use lower-case letters, digits, '-', '_' and '.'.");
            }

            if (!allowReserved && HeaderNames.IsReserved(name))
            {
                throw new ArgumentException($"Header '{name}' is set by the runtime only. Leave it out.");
            }

            if (value.AsSpan().IndexOfAny('\r', '\n', '\0') >= 0)
            {
                throw new ArgumentException($"Header '{name}' holds CR, LF or NUL. Put such text into the body.");
            }

            int bytes = Encoding.UTF8.GetByteCount(value);
            total += bytes + name.Length;
            if (bytes > HeaderNames.MaxValueBytes || total > HeaderNames.MaxTotalBytes)
            {
                throw new ArgumentException(
                    $"Header '{name}' has {bytes} bytes, all together {total}; the limits are {HeaderNames.MaxValueBytes} and {HeaderNames.MaxTotalBytes}. Put such data into the body.");
            }
        }
    }

    public static void CheckLength(string? value, int limit, string what)
    {
        if (value?.Length > limit)
        {
            throw new ArgumentException($"{what} has {value.Length} characters; the limit is {limit}.");
        }
    }
}
