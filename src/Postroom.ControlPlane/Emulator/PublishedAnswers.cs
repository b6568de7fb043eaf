using System.Collections.Concurrent;

namespace Postroom.ControlPlane;

/// <summary>Which answers this process has shown, by their position; the latest ones only. Safe for concurrent use.</summary>
internal sealed class PublishedAnswers
{
    private const int Capacity = 10_000;

    private readonly ConcurrentDictionary<long, MessageId> _ids = new();
    private readonly ConcurrentQueue<long> _order = new();

    /// <summary>Notes an answer before it is shown, so that a stream that opens meanwhile finds it.</summary>
    public void Add(long seq, MessageId id)
    {
        if (!_ids.TryAdd(seq, id))
        {
            return;
        }

        _order.Enqueue(seq);
        while (_ids.Count > Capacity && _order.TryDequeue(out long oldest))
        {
            _ids.TryRemove(oldest, out _);
        }
    }

    /// <summary>The id of an answer that was shown; null when it was not, or long ago.</summary>
    public MessageId? Find(long seq) => _ids.TryGetValue(seq, out MessageId id) ? id : null;
}
