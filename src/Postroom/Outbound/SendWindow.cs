namespace Postroom.Outbound;

/// <summary>At most so many sends in any window of time, as services count them. Guarded by its owner.</summary>
/// <remarks>
/// A bucket that fills while nothing is sent would let twice its size through in one window: what it had saved, and what it gains meanwhile. A window never
/// does, and loses nothing while it is used up. It keeps the instants of the last sends; of a large limit, of groups of sends.
/// </remarks>
internal sealed class SendWindow
{
    private const int MostSlots = 128;

    /// <summary>The way to a service takes longer for one send than for another, so they arrive closer together than they left.</summary>
    private const double GuardPart = 0.05;

    private static readonly TimeSpan LongestGuard = TimeSpan.FromMilliseconds(100);

    private readonly TimeProvider _clock;
    private readonly TimeSpan _length;
    private readonly int _perSlot;
    private readonly long[] _slots; // a ring: when the last send of each slot was
    private int _current;
    private int _used; // of the current slot

    /// <summary>Makes a window.</summary>
    /// <param name="limit">How many sends in how long.</param>
    /// <param name="free">How many may leave at once; the others as if earlier ones had used them up at the limit's rate.</param>
    /// <param name="clock">Measures.</param>
    public SendWindow(SendLimit limit, int free, TimeProvider clock)
    {
        int burst = Math.Max(1, limit.Burst);
        TimeSpan exact = limit.Rate.Period / limit.Rate.Count * burst;
        TimeSpan guard = exact * GuardPart;
        _clock = clock;
        _length = exact + (guard < LongestGuard ? guard : LongestGuard);
        _perSlot = (burst + MostSlots - 1) / MostSlots;
        _slots = new long[Math.Max(1, burst / _perSlot)];
        long now = clock.GetTimestamp();
        for (int i = 0; i < _slots.Length; i++)
        {
            int earlier = Math.Max(0, i + 1 - free);
            _slots[i] = now - Ticks(_length) - 1 + (long)((double)Ticks(_length) / _slots.Length * earlier);
        }
    }

    /// <summary>Whether nothing was sent for a whole window, so that forgetting it changes nothing.</summary>
    public bool IsUnused => Left(_slots[(_current + (_used > 0 ? 0 : _slots.Length - 1)) % _slots.Length]) == TimeSpan.Zero;

    /// <summary>How long until one may leave when so many go before it; zero for now.</summary>
    public TimeSpan WaitBehind(int others)
    {
        int ahead = (_used + others) / _perSlot;
        bool isOpen = _used > 0 && ahead == 0;
        return isOpen ? TimeSpan.Zero : Left(_slots[(_current + ahead) % _slots.Length]) + (_length * (ahead / _slots.Length));
    }

    /// <summary>One is to leave; the slot it is noted in.</summary>
    public int Take()
    {
        int slot = _current;
        Leave(slot);
        if (++_used == _perSlot)
        {
            _used = 0;
            _current = (_current + 1) % _slots.Length;
        }

        return slot;
    }

    /// <summary>What took a slot leaves only now.</summary>
    public void Leave(int slot) => _slots[slot] = _clock.GetTimestamp();

    private TimeSpan Left(long at)
    {
        TimeSpan left = _length - _clock.GetElapsedTime(at);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private long Ticks(TimeSpan time) => (long)(time.TotalSeconds * _clock.TimestampFrequency);
}
