using System.Collections.Concurrent;
using System.Diagnostics;

namespace Postroom.Diagnostics;

/// <summary>The first spans of messages that are tried again, for the links of later ones; the oldest are forgotten beyond 10,000. Safe for concurrent use.</summary>
internal sealed class FirstAttempts
{
    private const int Most = 10_000;

    private readonly ConcurrentDictionary<MessageId, ActivityContext> _contexts = new();
    private readonly ConcurrentQueue<MessageId> _order = new();

    public ActivityContext? Find(MessageId id) => _contexts.TryGetValue(id, out ActivityContext context) ? context : null;

    /// <summary>Keeps the first of a message; later ones of it change nothing.</summary>
    public void Keep(MessageId id, ActivityContext context)
    {
        if (!_contexts.TryAdd(id, context))
        {
            return;
        }

        _order.Enqueue(id);
        while (_order.Count > Most && _order.TryDequeue(out MessageId oldest))
        {
            _contexts.TryRemove(oldest, out _);
        }
    }

    public void Forget(MessageId id)
    {
        if (!_contexts.IsEmpty)
        {
            _contexts.TryRemove(id, out _);
        }
    }
}
