namespace Postroom.Testing;

/// <summary>A chat of a <see cref="FakeTelegramServer"/>, with what people see in it.</summary>
/// <param name="id">Its number.</param>
/// <param name="type"><c>private</c>, <c>group</c>, <c>supergroup</c> or <c>channel</c>.</param>
/// <param name="userName">Its public name, without <c>@</c>; null for none.</param>
public sealed class FakeTelegramChat(long id, string type, string? userName)
{
    private readonly Lock _gate = new();
    private readonly List<FakeTelegramMessage> _messages = [];
    private readonly List<string> _actions = [];
    private readonly Dictionary<int, string> _reactions = [];

    /// <summary>Its number.</summary>
    public long Id => id;

    /// <summary><c>private</c>, <c>group</c>, <c>supergroup</c> or <c>channel</c>.</summary>
    public string Type => type;

    /// <summary>Its public name, without <c>@</c>; null for none.</summary>
    public string? UserName => userName;

    /// <summary>Its topics by number; empty unless set, and then <c>message_thread_id</c> is refused.</summary>
    public IReadOnlyList<int> Topics { get; init; } = [];

    /// <summary>Whether its person has blocked the bot; false unless set.</summary>
    public bool IsBlocked { get; set; }

    /// <summary>The supergroup that it has become; null unless set, and then every send is refused with <c>migrate_to_chat_id</c>.</summary>
    public long? MovedTo { get; set; }

    /// <summary>The messages of the bot, in the order they came.</summary>
    public IReadOnlyList<FakeTelegramMessage> Messages
    {
        get
        {
            lock (_gate)
            {
                return [.. _messages];
            }
        }
    }

    /// <summary>The actions shown, such as <c>typing</c>, in the order they came.</summary>
    public IReadOnlyList<string> Actions
    {
        get
        {
            lock (_gate)
            {
                return [.. _actions];
            }
        }
    }

    /// <summary>The bot's reactions by the number of the message.</summary>
    public IReadOnlyDictionary<int, string> Reactions
    {
        get
        {
            lock (_gate)
            {
                return new Dictionary<int, string>(_reactions);
            }
        }
    }

    internal void Add(FakeTelegramMessage message)
    {
        lock (_gate)
        {
            _messages.Add(message);
        }
    }

    internal void Show(string action)
    {
        lock (_gate)
        {
            _actions.Add(action);
        }
    }

    internal void React(int message, string? emoji)
    {
        lock (_gate)
        {
            _ = _reactions.Remove(message);
            if (emoji is not null)
            {
                _reactions[message] = emoji;
            }
        }
    }
}

/// <summary>One message in a chat.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Kind">The field it has, such as <c>text</c> or <c>photo</c>.</param>
/// <param name="Text">What people read: the text or caption without its markup.</param>
public sealed record FakeTelegramMessage(int Id, string Kind, string Text)
{
    /// <summary>The text as it was sent, with its markup.</summary>
    public string Source { get; init; } = "";

    /// <summary>The stretches under a tag as people see them, each <c>{tag}:{text}</c>, in the order in which they close.</summary>
    public IReadOnlyList<string> Entities { get; init; } = [];

    /// <summary>The topic; null for none.</summary>
    public int? Topic { get; init; }

    /// <summary>The message that it answers; null for none, also when that one is gone.</summary>
    public int? ReplyTo { get; init; }

    /// <summary>Whether it made no sound.</summary>
    public bool IsSilent { get; init; }

    /// <summary>The buttons, in rows: what is shown, and the data or link behind it.</summary>
    public IReadOnlyList<IReadOnlyList<(string Text, string Target)>> Buttons { get; init; } = [];

    /// <summary>The file's name; null for a text and for a file sent by its id.</summary>
    public string? FileName { get; init; }

    /// <summary>The file's media type as the bot told it; null for none.</summary>
    public string? FileType { get; init; }

    /// <summary>The file's bytes; empty for a text.</summary>
    public ReadOnlyMemory<byte> File { get; init; }
}

/// <summary>One call of a method.</summary>
/// <param name="Method">The method.</param>
/// <param name="Parameters">Its parameters; objects and lists as JSON.</param>
/// <param name="At">When it came, on the server's clock.</param>
public sealed record FakeTelegramCall(string Method, IReadOnlyDictionary<string, string> Parameters, DateTimeOffset At);
