using System.Globalization;
using Postroom.ControlPlane;

namespace Postroom.Host;

/// <summary>What <c>journal list</c> and <c>journal export</c> ask for; what is null or empty does not restrict.</summary>
internal sealed record JournalFilter
{
    public IReadOnlyList<string> States { get; init; } = [];

    public string? Queue { get; init; }

    public string? Conversation { get; init; }

    public string? From { get; init; }

    public string? To { get; init; }

    public string? Type { get; init; }

    public string? Direction { get; init; }

    public string? Kind { get; init; }

    public string? Group { get; init; }

    public DateTimeOffset? Since { get; init; }

    public DateTimeOffset? Until { get; init; }

    public string? Text { get; init; }

    public bool Ascending { get; init; }

    /// <summary>How many messages at most.</summary>
    public int Limit { get; init; } = 50;

    /// <summary>Behind which number the page begins; null for the first.</summary>
    public long? Cursor { get; init; }

    /// <summary>For the running runtime.</summary>
    public string ToQueryString(int limit, long? cursor)
    {
        List<string> parts = [string.Create(CultureInfo.InvariantCulture, $"limit={Math.Min(limit, 100)}")];
        Add("cursor", cursor?.ToString(CultureInfo.InvariantCulture));
        parts.AddRange(States.Select(static state => $"state={Uri.EscapeDataString(state)}"));
        Add("queue", Queue);
        Add("conversation", Conversation);
        Add("from", From);
        Add("to", To);
        Add("type", Type);
        Add("direction", Direction);
        Add("kind", Kind);
        Add("group", Group);
        Add("since", Since?.ToString("O", CultureInfo.InvariantCulture));
        Add("until", Until?.ToString("O", CultureInfo.InvariantCulture));
        Add("q", Text);
        Add("order", Ascending ? "asc" : null);
        return string.Join('&', parts);

        void Add(string name, string? value)
        {
            if (value is not null)
            {
                parts.Add($"{name}={Uri.EscapeDataString(value)}");
            }
        }
    }

    /// <summary>For a store file.</summary>
    public JournalQuery ToQuery(int limit, long? cursor) => new()
    {
        States = [.. States.Select(static state => Enum.Parse<MessageState>(state, ignoreCase: true))],
        Queue = Queue,
        Conversation = Conversation,
        From = From,
        To = To,
        Type = Type,
        Direction = Direction is { } direction ? Enum.Parse<MessageDirection>(direction, ignoreCase: true) : null,
        Kind = Kind is { } kind ? Enum.Parse<FailureKind>(kind, ignoreCase: true) : null,
        Group = Group is { } group ? MessageId.Parse(group) : null,
        Since = Since,
        Until = Until,
        Text = Text,
        Ascending = Ascending,
        Limit = limit,
        Cursor = cursor,
        WithTotal = false,
    };
}

/// <summary>A page of <c>journal list --json</c>.</summary>
/// <param name="Items">The messages.</param>
/// <param name="Next">For <c>--cursor</c>; null behind the last one.</param>
internal sealed record PageDocument(IReadOnlyList<MessageView> Items, long? Next);
