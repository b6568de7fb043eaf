namespace Postroom.Storage;

/// <summary>Messages that may be leased, oldest first: a ring for those that come in order, a small heap for those that come back.</summary>
/// <remarks>A message that is no longer ready stays where it is and is passed over when it comes up. Guarded by its lane's lock.</remarks>
internal sealed class ReadyQueue
{
    private readonly PriorityQueue<OpenMessage, long> _returned = new();
    private OpenMessage?[] _ring = new OpenMessage?[16];
    private int _head;
    private int _count;
    private long _lastSeq = long.MinValue;

    public void Add(OpenMessage message)
    {
        if (_count > 0 && message.Seq < _lastSeq)
        {
            _returned.Enqueue(message, message.Seq);
            return;
        }

        if (_count == _ring.Length)
        {
            Grow();
        }

        _ring[(_head + _count) & (_ring.Length - 1)] = message;
        _count++;
        _lastSeq = message.Seq;
    }

    /// <summary>The number of the oldest message that was added, whether it is still ready or not; the largest number when there is none.</summary>
    public long NextSeq => Math.Min(_count > 0 ? _ring[_head]!.Seq : long.MaxValue, _returned.TryPeek(out _, out long oldest) ? oldest : long.MaxValue);

    /// <summary>Takes the oldest message that is still ready; null when there is none.</summary>
    public OpenMessage? Take()
    {
        while (true)
        {
            OpenMessage? message = Next();
            if (message is null || message.Place == Place.Ready)
            {
                return message;
            }
        }
    }

    private OpenMessage? Next()
    {
        if (_count > 0 && (!_returned.TryPeek(out _, out long oldest) || _ring[_head]!.Seq < oldest))
        {
            OpenMessage message = _ring[_head]!;
            _ring[_head] = null;
            _head = (_head + 1) & (_ring.Length - 1);
            _count--;
            return message;
        }

        return _returned.TryDequeue(out OpenMessage? returned, out _) ? returned : null;
    }

    private void Grow()
    {
        OpenMessage?[] wider = new OpenMessage?[_ring.Length * 2];
        for (int i = 0; i < _count; i++)
        {
            wider[i] = _ring[(_head + i) & (_ring.Length - 1)];
        }

        _ring = wider;
        _head = 0;
    }
}
