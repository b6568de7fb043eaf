namespace Postroom.Storage;

/// <content>Instants: retries on the monotonic clock, delays and expiry on the wall clock.</content>
internal sealed partial class QueueLane
{
    // Entries are not taken out when a message moves on by other means; they are passed over when their time comes, or dropped when they are many.
    private readonly PriorityQueue<OpenMessage, long> _retries = new();
    private readonly PriorityQueue<OpenMessage, long> _calendar = new();
    private ITimer? _timer;
    private long _timerDue = long.MaxValue;

    // A timer takes at most 49 days.
    private static readonly TimeSpan LongestTimer = TimeSpan.FromDays(24);

    // The wall clock may be set, and goes on while the machine sleeps: an instant of the calendar is looked at again at least so often.
    private static readonly TimeSpan CalendarInterval = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(36_500);

    private void WatchRetry(OpenMessage message, TimeSpan delay)
    {
        TimeSpan wait = delay < LongestWait ? delay : LongestWait;
        long due = _clock.GetTimestamp() + (long)(wait.TotalSeconds * _clock.TimestampFrequency);
        message.RetriesAt = due;
        Tidy(_retries);
        _retries.Enqueue(message, due);
        Arm();
    }

    private void WatchCalendar(OpenMessage message, DateTimeOffset at)
    {
        Tidy(_calendar);
        _calendar.Enqueue(message, at.ToUnixTimeMilliseconds());
        Arm();
    }

    /// <summary>Drops the messages that have left the lane once they are the larger part: a time to live of a day would else keep a day's messages in memory.</summary>
    private void Tidy(PriorityQueue<OpenMessage, long> instants)
    {
        if (instants.Count <= (4L * Count) + 1_024)
        {
            return;
        }

        (OpenMessage Message, long Due)[] kept =
            [.. instants.UnorderedItems.Where(entry => entry.Element.Place is not (Place.None or Place.Withdrawn)).Select(entry => (entry.Element, entry.Priority))];
        instants.Clear();
        instants.EnqueueRange(kept);
    }

    /// <summary>Instants kept, those of messages that have left included; for tests.</summary>
    internal int Instants
    {
        get
        {
            lock (_gate)
            {
                return _calendar.Count + _retries.Count;
            }
        }
    }

    private void WatchExpiry(OpenMessage message)
    {
        if (message.Envelope.ExpiresAt is { } end)
        {
            WatchCalendar(message, end);
        }
    }

    private void Arm()
    {
        if (_closed)
        {
            return;
        }

        long now = _clock.GetTimestamp();
        long due = long.MaxValue;
        if (_retries.TryPeek(out _, out long retry))
        {
            due = Math.Min(retry, now + (long)(LongestTimer.TotalSeconds * _clock.TimestampFrequency));
        }

        if (_limits?.NextRefill is { } refill)
        {
            due = Math.Min(due, refill);
        }

        if (_calendar.TryPeek(out _, out long instant))
        {
            double seconds = Math.Max(0, (instant - _clock.GetUtcNow().ToUnixTimeMilliseconds()) / 1000.0);
            due = Math.Min(due, now + (long)Math.Ceiling(Math.Min(seconds, CalendarInterval.TotalSeconds) * _clock.TimestampFrequency));
        }

        if (due == _timerDue)
        {
            return;
        }

        _timerDue = due;
        TimeSpan wait = due == long.MaxValue
            ? Timeout.InfiniteTimeSpan
            : TimeSpan.FromMilliseconds(Math.Ceiling(Math.Max(0, (due - now) * 1000.0 / _clock.TimestampFrequency)));
        if (_timer is null)
        {
            _timer = _clock.CreateTimer(static lane => ((QueueLane)lane!).OnTimer(), this, wait, Timeout.InfiniteTimeSpan);
        }
        else
        {
            _timer.Change(wait, Timeout.InfiniteTimeSpan);
        }
    }

    private void OnTimer()
    {
        Followup then;
        List<OpenMessage>? expired = null;
        lock (_gate)
        {
            _timerDue = long.MaxValue;
            long now = _clock.GetTimestamp();
            while (_retries.TryPeek(out OpenMessage? message, out long due) && due <= now)
            {
                _retries.Dequeue();
                if (message.Place == Place.Waiting && message.RetriesAt == due)
                {
                    ComeBack(message);
                }
            }

            _limits?.Refill(now);
            DateTimeOffset wall = _clock.GetUtcNow();
            while (_calendar.TryPeek(out OpenMessage? message, out long instant) && instant <= wall.ToUnixTimeMilliseconds())
            {
                _calendar.Dequeue();
                OnInstant(message, wall, ref expired);
            }

            Arm();
            then = ServeWaiters();
        }

        Hand(then);
        foreach (OpenMessage message in expired ?? [])
        {
            _owner.OnExpired(this, message);
        }
    }

    private void ComeBack(OpenMessage message)
    {
        message.DueAt = null;
        if (message.Chain is { } chain)
        {
            Put(message, Place.Following);
            Elect(chain);
        }
        else
        {
            MakeReady(message);
        }
    }

    private void OnInstant(OpenMessage message, DateTimeOffset now, ref List<OpenMessage>? expired)
    {
        // A message with a worker, or with a send whose outcome is open, is settled by them.
        if (message.IsExpired(now) && message.Place is not (Place.None or Place.Leased or Place.Settling or Place.Withdrawn) && message.SendStartedAt is null)
        {
            TakeOut(message);
            (expired ??= []).Add(message);
        }
        else if (message.Place == Place.Delayed && message.Envelope.NotBefore is { } notBefore && notBefore <= now)
        {
            Join(message);
        }
    }

    private void DisposeTimer() => _timer?.Dispose();
}
