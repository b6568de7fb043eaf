namespace Postroom.Outbound;

/// <summary>Who is left alone for a while, because a service said that they were sent too much (LN-4): all messages to them wait, and not only the one that was refused. Safe for concurrent use.</summary>
internal sealed class RecipientPauses(TimeProvider clock)
{
    /// <summary>After a pause one message goes first; the next follows when the service has taken it, or after this time.</summary>
    public static readonly TimeSpan OneByOne = TimeSpan.FromSeconds(1);

    private const int Many = 10_000;

    /// <summary>A recipient to whom nothing was sent for so long after the pause is as any other.</summary>
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Pausing> _until = new(StringComparer.Ordinal);

    /// <summary>How many are remembered; for tests.</summary>
    internal int Count
    {
        get
        {
            lock (_gate)
            {
                return _until.Count;
            }
        }
    }

    /// <summary>Nothing goes to a recipient for so long.</summary>
    public void Pause(string key, TimeSpan wait)
    {
        lock (_gate)
        {
            long until = After(wait);
            if (!_until.TryGetValue(key, out Pausing known))
            {
                MakeRoom();
            }

            _until[key] = new Pausing(Math.Max(known.Until, until), IsOneByOne: false);
        }
    }

    /// <summary>How long nothing goes to a recipient; zero for now.</summary>
    public TimeSpan Look(string key)
    {
        lock (_gate)
        {
            return _until.TryGetValue(key, out Pausing pause) ? Left(pause.Until) : TimeSpan.Zero;
        }
    }

    /// <summary>As <see cref="Look"/>; the first for whom it is zero after a pause lets the others wait behind it.</summary>
    public TimeSpan Pass(string key)
    {
        lock (_gate)
        {
            if (!_until.TryGetValue(key, out Pausing pause))
            {
                return TimeSpan.Zero;
            }

            TimeSpan left = Left(pause.Until);
            if (left == TimeSpan.Zero)
            {
                _until[key] = new Pausing(After(OneByOne), IsOneByOne: true);
            }

            return left;
        }
    }

    /// <summary>The service took a message to a recipient: the others may follow. One that had left before the pause says nothing of it.</summary>
    public void Taken(string key)
    {
        lock (_gate)
        {
            if (_until.TryGetValue(key, out Pausing pause) && (pause.IsOneByOne || Left(pause.Until) == TimeSpan.Zero))
            {
                _until.Remove(key);
            }
        }
    }

    private void MakeRoom()
    {
        if (_until.Count < Many)
        {
            return;
        }

        long old = clock.GetTimestamp() - (long)(Memory.TotalSeconds * clock.TimestampFrequency);
        foreach (string forgotten in _until.Where(pair => pair.Value.Until < old).Select(static pair => pair.Key).ToArray())
        {
            _until.Remove(forgotten);
        }

        if (_until.Count >= Many)
        {
            _until.Remove(_until.MinBy(static pair => pair.Value.Until).Key);
        }
    }

    private long After(TimeSpan wait) => clock.GetTimestamp() + (long)(wait.TotalSeconds * clock.TimestampFrequency);

    private TimeSpan Left(long until) => until - clock.GetTimestamp() is var left and > 0 ? TimeSpan.FromSeconds((double)left / clock.TimestampFrequency) : TimeSpan.Zero;

    /// <summary>Until when a recipient is left alone, as an instant of the clock, and whether that is only for the one that goes first after a pause.</summary>
    private readonly record struct Pausing(long Until, bool IsOneByOne);
}
