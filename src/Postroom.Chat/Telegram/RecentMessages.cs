namespace Postroom.Chat;

/// <summary>
/// Which message of a chat the latest updates brought. Repeats are found by the number of the update (TG-9), which a handler's answer then names as what
/// it answers; the service wants the number of the message. Safe for concurrent use.
/// </summary>
internal sealed class RecentMessages
{
    private const int Most = 4_096;
    private readonly Lock _gate = new();
    private readonly Dictionary<(string Chat, string Update), int> _messages = [];
    private readonly Queue<(string Chat, string Update)> _order = new();

    /// <summary>Remembers an update; the oldest one is forgotten for it.</summary>
    public void Note(string chat, string update, int message)
    {
        lock (_gate)
        {
            if (!_messages.TryAdd((chat, update), message))
            {
                return;
            }

            _order.Enqueue((chat, update));
            if (_order.Count > Most)
            {
                _messages.Remove(_order.Dequeue());
            }
        }
    }

    /// <summary>The message that an id names, be it its own or that of its update; null when it is no number of a message.</summary>
    public int? Find(string chat, string? id)
    {
        lock (_gate)
        {
            return id is not null && _messages.TryGetValue((chat, id), out int message) ? message : TelegramChat.NumberOf(id);
        }
    }
}
