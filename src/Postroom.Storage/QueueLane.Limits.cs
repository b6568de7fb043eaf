namespace Postroom.Storage;

/// <content>Limits of the queue (QU-5): asked when a message is leased, and only where there are some.</content>
internal sealed partial class QueueLane
{
    /// <summary>
    /// How many windows of messages may wait at their limits, most of them without their bodies. What comes in from outside ends long before,
    /// at the queue's high water; beyond it the rest stays on disk, other keys included, until some have gone.
    /// </summary>
    private const int LimitedWindows = 16;

    private LaneLimits? _limits;

    /// <summary>Messages that wait at a limit.</summary>
    public int Limited => At(Place.Limited);

    /// <summary>How many keys the limits remember; for tests.</summary>
    internal int LimitedKeys => _limits?.Keys ?? 0;

    /// <summary>How many keys the limits have looked at to make room for others; for tests.</summary>
    internal long LimitLooks => _limits?.Looks ?? 0;

    private bool HasRoomToLimit => At(Place.Limited) < (long)_capacity * LimitedWindows;

    /// <summary>Which limit keeps a message; null when none does.</summary>
    public LimitWait? FindLimit(OpenMessage message)
    {
        lock (_gate)
        {
            return message.Place == Place.Limited ? _limits?.Find(message) : null;
        }
    }

    private void SetLimits(IReadOnlyList<QueueLimit> limits)
    {
        if (_limits?.Are(limits) ?? limits.Count == 0)
        {
            return;
        }

        _limits = null; // so that nothing is given back to it
        LaneLimits? next = limits.Count == 0 ? null : new LaneLimits(limits, _clock);
        for (OpenMessage? message = _oldest; message is not null; message = message.Younger)
        {
            message.IsWithinLimits = false;
            if (message.Place is Place.Leased or Place.Settling)
            {
                next?.Enter(message);
            }
            else if (message.Place == Place.Limited)
            {
                Put(message, Place.Following);
                MakeReady(message);
            }
        }

        _limits = next;
    }

    /// <summary>The next message that every limit lets go; those that have to wait make way for what is behind them.</summary>
    private OpenMessage? TakeWithinLimits()
    {
        // What is ready may turn out to have moved on; what its number held back goes then.
        while ((_limits!.TakeFreed(_ready.NextSeq) ?? _ready.Take() ?? _limits.TakeFreed(long.MaxValue)) is { } message)
        {
            if (message.Place == Place.Limited && (message.IsSlim || IsParked(message)))
            {
                MakeReady(message);
                continue;
            }

            if (message.IsWithinLimits || _limits.TryEnter(message))
            {
                return message;
            }

            Put(message, Place.Limited);
            LetBodyGo(message);
        }

        if (_limits.NextRefill is not null)
        {
            Arm();
        }

        return null;
    }

    /// <summary>A message that is no longer on its way to a worker, or with one, has no slots.</summary>
    private void LeaveLimits(OpenMessage message, Place place)
    {
        if (message.IsWithinLimits && place is not (Place.Loading or Place.Ready or Place.Leased or Place.Settling))
        {
            _limits!.Leave(message, unused: message.Place is Place.Loading or Place.Ready or Place.Limited);
        }

        else if (message.Place == Place.Limited && !message.IsWithinLimits && place != Place.Limited)
        {
            _limits!.Stale++;
            _limits.Tidy(At(Place.Limited));
        }
    }
}
