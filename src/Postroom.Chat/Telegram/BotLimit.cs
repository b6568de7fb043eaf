namespace Postroom.Chat;

/// <summary>What a refusal of too many messages is about.</summary>
internal enum BotRefusal
{
    /// <summary>The chat.</summary>
    OfChat,

    /// <summary>The bot: its limit is used up.</summary>
    OfBot,

    /// <summary>The bot, as it seems: several chats are refused together.</summary>
    OfBotPerhaps,
}

/// <summary>
/// Sees when a refusal of too many messages is about the whole bot, which the service does not say: its limit is used up, or several chats are refused together, as when
/// another program sends with the same token. Safe for concurrent use.
/// </summary>
/// <param name="clock">Measures the window.</param>
/// <param name="limit">How many sends the service allows in a second.</param>
internal sealed class BotLimit(TimeProvider clock, int limit)
{
    private const int Several = 3;
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Together = TimeSpan.FromSeconds(5);
    private readonly Lock _gate = new();
    private readonly Queue<long> _begun = new();
    private readonly List<(string Chat, long At)> _refused = [];

    /// <summary>Notes a refusal of too many messages.</summary>
    /// <param name="chat">The chat that the message was for.</param>
    /// <returns>What it is about.</returns>
    public BotRefusal Refused(string chat)
    {
        lock (_gate)
        {
            _refused.RemoveAll(one => one.Chat == chat || clock.GetElapsedTime(one.At) > Together);
            _refused.Add((chat, clock.GetTimestamp()));
            bool isUsed = _begun.Count == limit && clock.GetElapsedTime(_begun.Peek()) <= Window;
            if (!isUsed && _refused.Count < Several)
            {
                return BotRefusal.OfChat;
            }

            _refused.Clear();
            return isUsed ? BotRefusal.OfBot : BotRefusal.OfBotPerhaps;
        }
    }

    /// <summary>Notes a request of a send.</summary>
    public void Note()
    {
        lock (_gate)
        {
            if (_begun.Count == limit)
            {
                _begun.Dequeue();
            }

            _begun.Enqueue(clock.GetTimestamp());
        }
    }
}
