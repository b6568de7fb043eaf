using System.Globalization;

namespace Postroom;

/// <summary>One message as it is stored and moved.</summary>
/// <remarks>
/// Immutable. What is usually absent lives in one optional object, so a plain message stays small. <see cref="Body"/> is an
/// array that belongs to this message alone; whoever made the envelope does not write to it any more.
/// </remarks>
public sealed record Envelope
{
    private const string Json = "application/json";
    private static readonly string InheritConversation = new('*', 1);
    private static readonly IReadOnlyDictionary<string, string> NoHeaders = new Dictionary<string, string>();

    private long _seq;
    private MessageId _id;
    private string? _conversation;
    private string? _orderKey = InheritConversation;
    private Rare? _rare;

    /// <summary>Makes an envelope with the parts every message has.</summary>
    /// <param name="id">The message's id, from <see cref="MessageId.New"/>.</param>
    /// <param name="queue">The queue it goes to.</param>
    /// <param name="type">Its payload type, for example <c>order.received</c>.</param>
    /// <param name="body">The payload's bytes.</param>
    public Envelope(MessageId id, string queue, string type, ReadOnlyMemory<byte> body)
    {
        _id = id;
        Queue = queue;
        Type = type;
        Body = body;
    }

    private Envelope(Envelope original)
    {
        _id = original._id;
        Queue = original.Queue;
        Type = original.Type;
        Body = original.Body;
        Direction = original.Direction;
        _conversation = original._conversation;
        StartsConversation = original.StartsConversation;
        MaxAttempts = original.MaxAttempts;
        Hops = original.Hops;
        _seq = original._seq;
        _orderKey = original._orderKey;
        _rare = original._rare is { } rare ? rare with { } : null;
    }

    /// <summary>The message's identity; the same through retries and restarts.</summary>
    public MessageId Id
    {
        get => _id;
        init
        {
            if (value != _id)
            {
                // What came from the id before stays as it was.
                (_conversation, StartsConversation) = (Conversation, false);
                (_rare ??= new Rare()).CreatedAt = CreatedAt.ToUnixTimeMilliseconds();
                _id = value;
            }
        }
    }

    /// <summary>Position in the store's total order of appends; cursor for paging and event ids. Set by the store; 0 before.</summary>
    public long Seq
    {
        get => _seq;
        init => _seq = value;
    }

    /// <summary>The queue that holds it.</summary>
    public string Queue { get; init; }

    /// <summary>The payload type: a stable string, never a CLR name. See <see cref="Names.IsPayloadType"/>.</summary>
    public string Type { get; init; }

    /// <summary>The payload's bytes; may be empty. At most <c>limits.body</c> (25 MiB).</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>The body's media type; <c>application/json</c> unless set.</summary>
    public string ContentType
    {
        get => _rare?.ContentType ?? Json;
        init
        {
            if (_rare is not null || value != Json)
            {
                (_rare ??= new Rare()).ContentType = value;
            }
        }
    }

    /// <summary>Which way it moves; <see cref="MessageDirection.Internal"/> unless set.</summary>
    public MessageDirection Direction { get; init; } = MessageDirection.Internal;

    /// <summary>Who sent it; written by the runtime, a handler cannot set it. Null when nobody outside did.</summary>
    public Address? From
    {
        get => _rare?.From;
        init
        {
            if (_rare is not null || value is not null)
            {
                (_rare ??= new Rare()).From = value;
            }
        }
    }

    /// <summary>Whom it is for; null for messages to a queue.</summary>
    public Address? To
    {
        get => _rare?.To;
        init
        {
            if (_rare is not null || value is not null)
            {
                (_rare ??= new Rare()).To = value;
            }
        }
    }

    /// <summary>The conversation it belongs to: opaque, at most 256 characters; null for none.</summary>
    public string? Conversation
    {
        get => _conversation ?? (StartsConversation ? Id.ToString() : null);
        init => (_conversation, StartsConversation) = (value, false);
    }

    /// <summary>It begins a conversation of its own, whose id is the message's; the text is made when somebody asks for it. Set after <see cref="Conversation"/>, which ends it.</summary>
    internal bool StartsConversation { get; init; }

    /// <summary>Its order key is that conversation, so that nobody but its descendants can share it.</summary>
    internal bool StartsKey => StartsConversation && IsKeyConversation;

    /// <summary>Whether the order key is the conversation.</summary>
    internal bool IsKeyConversation => ReferenceEquals(_orderKey, InheritConversation) || _orderKey == Conversation;

    /// <summary>
    /// Messages with the same key in the same queue are handled one after the other. Equal to <see cref="Conversation"/> unless set;
    /// null or empty means unordered.
    /// </summary>
    public string? OrderKey
    {
        get => ReferenceEquals(_orderKey, InheritConversation) ? Conversation : _orderKey;
        init => _orderKey = value;
    }

    /// <summary>Shared by the copies of one fan-out; null otherwise.</summary>
    public MessageId? GroupId
    {
        get => _rare?.GroupId;
        init
        {
            if (_rare is not null || value is not null)
            {
                (_rare ??= new Rare()).GroupId = value;
            }
        }
    }

    /// <summary>The message whose handler produced this one; null when none did.</summary>
    public MessageId? ParentId
    {
        get => _rare?.ParentId;
        init
        {
            if (_rare is not null || value is not null)
            {
                (_rare ??= new Rare()).ParentId = value;
            }
        }
    }

    /// <summary>The acknowledged message that this one repeats; null otherwise.</summary>
    public MessageId? ReplayOf
    {
        get => _rare?.ReplayOf;
        init
        {
            if (_rare is not null || value is not null)
            {
                (_rare ??= new Rare()).ReplayOf = value;
            }
        }
    }

    /// <summary>Reveals a repeat: unique per queue while it is kept, at most 512 characters; null for none.</summary>
    public string? DedupKey
    {
        get => _rare?.DedupKey;
        init
        {
            if (_rare is not null || value is not null)
            {
                (_rare ??= new Rare()).DedupKey = value;
            }
        }
    }

    /// <summary>Headers by lower-case name; see <see cref="HeaderNames"/> for the known ones and the limits. Empty unless set.</summary>
    public IReadOnlyDictionary<string, string> Headers
    {
        get => _rare?.Headers ?? NoHeaders;
        init
        {
            if (_rare is not null || value.Count > 0)
            {
                (_rare ??= new Rare()).Headers = value;
            }
        }
    }

    /// <summary>Files that travel with it; empty unless set.</summary>
    public IReadOnlyList<Attachment> Attachments
    {
        get => _rare?.Attachments ?? [];
        init
        {
            if (_rare is not null || value.Count > 0)
            {
                (_rare ??= new Rare()).Attachments = value;
            }
        }
    }

    /// <summary>When it was made, in UTC with millisecond precision. The instant in <see cref="Id"/> unless set.</summary>
    public DateTimeOffset CreatedAt
    {
        get => Instant(_rare?.CreatedAt) ?? _id.CreatedAt;
        init
        {
            if (_rare is not null || value.ToUnixTimeMilliseconds() != _id.CreatedAt.ToUnixTimeMilliseconds())
            {
                (_rare ??= new Rare()).CreatedAt = value.ToUnixTimeMilliseconds();
            }
        }
    }

    /// <summary>No lease before this instant; null for at once.</summary>
    public DateTimeOffset? NotBefore
    {
        get => Instant(_rare?.NotBefore);
        init
        {
            if (_rare is not null || value is not null)
            {
                (_rare ??= new Rare()).NotBefore = value?.ToUnixTimeMilliseconds();
            }
        }
    }

    /// <summary>A message still pending at this instant fails as <see cref="FailureKind.Expired"/>; null for never.</summary>
    public DateTimeOffset? ExpiresAt
    {
        get => Instant(_rare?.ExpiresAt);
        init
        {
            if (_rare is not null || value is not null)
            {
                (_rare ??= new Rare()).ExpiresAt = value?.ToUnixTimeMilliseconds();
            }
        }
    }

    /// <summary>How many failures it may have; fixed from the queue's policy when it is appended. 5 unless set.</summary>
    public int MaxAttempts { get; init; } = 5;

    /// <summary>How many handlers stand between this message and the outside: the parent's plus one.</summary>
    public int Hops { get; init; }

    /// <summary>The value of one header; null when it is absent.</summary>
    public string? Header(string name) => Headers.TryGetValue(name, out string? value) ? value : null;

    /// <summary>
    /// The envelope with its position in the store's order. Stamps this instance the first time, which no one else can have
    /// numbered yet, and copies it when it already carries another number.
    /// </summary>
    internal Envelope Stamp(long seq)
    {
        return Interlocked.CompareExchange(ref _seq, seq, 0) == 0 ? this : this with { Seq = seq };
    }

    /// <summary>Gives a new envelope another order key, in place: nobody else has it yet.</summary>
    internal Envelope WithKey(string? orderKey)
    {
        _orderKey = orderKey;
        return this;
    }

    /// <summary>The envelope without its body and without the data of its attachments, for views.</summary>
    internal Envelope WithoutBody()
    {
        return this with
        {
            Body = default,
            Attachments = [.. Attachments.Select(attachment => attachment with { Data = null })],
        };
    }

    /// <summary>The record of a message without its body and the bytes of its files, marked as erased.</summary>
    /// <param name="at">When.</param>
    /// <param name="personal">Whether names of files and what headers say of a person go as well (JN-12).</param>
    internal Envelope Erase(DateTimeOffset at, bool personal)
    {
        IEnumerable<KeyValuePair<string, string>> kept = personal ? Headers.Where(static header => HeaderNames.IsTechnical(header.Key)) : Headers;
        Dictionary<string, string> headers = new(kept, StringComparer.Ordinal) { [HeaderNames.Erased] = at.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture) };
        return (personal ? this with { Body = default, Attachments = [] } : WithoutBody()) with { Headers = headers };
    }

    private static DateTimeOffset? Instant(long? milliseconds)
    {
        return milliseconds is { } value ? DateTimeOffset.FromUnixTimeMilliseconds(value) : null;
    }

    private sealed record Rare
    {
        public string? ContentType { get; set; }

        public Address? From { get; set; }

        public Address? To { get; set; }

        public IReadOnlyDictionary<string, string>? Headers { get; set; }

        public long? CreatedAt { get; set; }

        public MessageId? GroupId { get; set; }

        public MessageId? ParentId { get; set; }

        public MessageId? ReplayOf { get; set; }

        public string? DedupKey { get; set; }

        public IReadOnlyList<Attachment>? Attachments { get; set; }

        public long? NotBefore { get; set; }

        public long? ExpiresAt { get; set; }
    }
}
