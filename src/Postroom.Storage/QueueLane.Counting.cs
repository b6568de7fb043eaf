namespace Postroom.Storage;

/// <content>Views for statistics: they look at what is in memory.</content>
internal sealed partial class QueueLane
{
    // Every message in memory in the order it came, linked through the messages themselves, so that one leaves without a search.
    private OpenMessage? _oldest;
    private OpenMessage? _youngest;

    /// <summary>When the oldest waiting message in memory was made; null when none waits.</summary>
    public DateTimeOffset? OldestPendingAt()
    {
        lock (_gate)
        {
            for (OpenMessage? message = _oldest; message is not null; message = message.Younger)
            {
                if (message.Place is not (Place.Leased or Place.Settling))
                {
                    return message.Envelope.CreatedAt;
                }
            }

            return null;
        }
    }

    /// <summary>Open messages in memory by payload type. Walks them all.</summary>
    public Dictionary<string, long> OpenByType()
    {
        Dictionary<string, long> counts = new(StringComparer.Ordinal);
        lock (_gate)
        {
            for (OpenMessage? message = _oldest; message is not null; message = message.Younger)
            {
                counts[message.Envelope.Type] = counts.GetValueOrDefault(message.Envelope.Type) + 1;
            }
        }

        return counts;
    }

    /// <summary>Messages with a worker whose attempt began before an instant of the monotonic clock, oldest first.</summary>
    public List<OpenMessage> InWorkSince(long timestamp)
    {
        List<OpenMessage> found = [];
        lock (_gate)
        {
            for (OpenMessage? message = _oldest; message is not null && found.Count < Dispatched; message = message.Younger)
            {
                if (message is { Place: Place.Leased, Begun: true } && message.BegunAt <= timestamp)
                {
                    found.Add(message);
                }
            }
        }

        return found;
    }

    private void Enlist(OpenMessage message)
    {
        message.Older = _youngest;
        message.Younger = null;
        if (_youngest is null)
        {
            _oldest = message;
        }
        else
        {
            _youngest.Younger = message;
        }

        _youngest = message;
        Count++;
        Weigh(message.Bytes);
    }

    private void Delist(OpenMessage message)
    {
        if (message.Older is null)
        {
            _oldest = message.Younger;
        }
        else
        {
            message.Older.Younger = message.Younger;
        }

        if (message.Younger is null)
        {
            _youngest = message.Older;
        }
        else
        {
            message.Younger.Older = message.Older;
        }

        message.Older = null;
        message.Younger = null;
        Put(message, Place.None);
        Count--;
        Weigh(-message.Bytes);
    }

    private void Weigh(long change)
    {
        _bytes += change;
        _budget?.Take(change);
    }
}
