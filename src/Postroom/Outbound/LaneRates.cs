namespace Postroom.Outbound;

/// <summary>The limits of one lane, by key, and the messages that were told when their turn comes. Safe for concurrent use.</summary>
internal sealed class LaneRates(TimeProvider clock)
{
    /// <summary>A shorter wait is spent in the lane's own slot, which costs no write.</summary>
    public static readonly TimeSpan ShortWait = TimeSpan.FromSeconds(1);

    /// <summary>The farthest turn that is given out: a limit that is changed meanwhile holds soon for all.</summary>
    private static readonly TimeSpan FarthestTurn = TimeSpan.FromMinutes(1);

    /// <summary>How long a turn is kept for a message that does not come.</summary>
    private static readonly TimeSpan Courtesy = TimeSpan.FromSeconds(1);

    /// <summary>Beyond it unused windows are forgotten; one that is in use cannot be.</summary>
    private const int Many = 10_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Line> _lines = new(StringComparer.Ordinal);

    /// <summary>How many keys are known; for tests.</summary>
    internal int Count
    {
        get
        {
            lock (_gate)
            {
                return _lines.Count;
            }
        }
    }

    /// <summary>How long until a send may leave, without taking anything.</summary>
    public TimeSpan Look(MessageId message, IReadOnlyList<SendLimit> service, IReadOnlyList<SendLimit> settings) => Take(message, service, settings, takes: false, out _);

    /// <summary>Takes one from every limit that a send falls under, or none.</summary>
    /// <param name="message">What is to be sent: told a turn of more than <see cref="ShortWait"/>, it has that turn when it comes again.</param>
    /// <param name="service">Limits of the service: a new one lets one through, for an earlier run may have used up the rest.</param>
    /// <param name="settings">Limits of the settings: a new one lets none through (QU-5).</param>
    /// <returns>How long to wait before trying again; zero when they were taken.</returns>
    public TimeSpan Take(MessageId message, IReadOnlyList<SendLimit> service, IReadOnlyList<SendLimit> settings) => Take(message, service, settings, out _);

    /// <summary>As without the last parameter, and says what <see cref="Leave"/> needs.</summary>
    public TimeSpan Take(MessageId message, IReadOnlyList<SendLimit> service, IReadOnlyList<SendLimit> settings, out IReadOnlyList<(SendWindow Window, int Slot)> turn) =>
        Take(message, service, settings, takes: true, out turn);

    /// <summary>A send whose turn was taken leaves only now: what came between does not bring it closer to the next.</summary>
    public void Leave(IReadOnlyList<(SendWindow Window, int Slot)> turn)
    {
        lock (_gate)
        {
            foreach ((SendWindow window, int slot) in turn)
            {
                window.Leave(slot);
            }
        }
    }

    private TimeSpan Take(MessageId message, IReadOnlyList<SendLimit> service, IReadOnlyList<SendLimit> settings, bool takes, out IReadOnlyList<(SendWindow Window, int Slot)> turn)
    {
        turn = [];
        if (service.Count + settings.Count == 0)
        {
            return TimeSpan.Zero;
        }

        lock (_gate)
        {
            Line[] lines = [.. service.Select(limit => Of(limit, 1)), .. settings.Select(limit => Of(limit, 0))];
            TimeSpan wait = TimeSpan.Zero;
            Line longest = lines[0];
            foreach (Line line in lines)
            {
                TimeSpan own = line.Wait(message);
                (wait, longest) = own > wait ? (own, line) : (wait, longest);
            }

            if (wait == TimeSpan.Zero)
            {
                turn = takes ? Array.ConvertAll(lines, line => line.Take(message)) : [];
            }
            else if (wait > FarthestTurn)
            {
                wait = FarthestTurn;
            }
            else if (wait > ShortWait)
            {
                longest.Promise(message, wait);
            }

            return wait;
        }
    }

    private Line Of(SendLimit limit, int free)
    {
        if (_lines.TryGetValue(limit.Key, out Line? known) && known.Limit == limit)
        {
            return known;
        }

        if (_lines.Count >= Many)
        {
            foreach (string unused in _lines.Where(static pair => pair.Value.IsUnused).Select(static pair => pair.Key).ToArray())
            {
                _lines.Remove(unused);
            }
        }

        return _lines[limit.Key] = new Line(limit, free, clock);
    }

    /// <summary>One limit, and who waits for it outside of the lane.</summary>
    private sealed class Line(SendLimit limit, int free, TimeProvider clock)
    {
        private readonly SendWindow _window = new(limit, free, clock);
        private readonly Queue<(MessageId Message, long At)> _turns = new(); // soonest first
        private readonly HashSet<MessageId> _promised = [];

        public SendLimit Limit { get; } = limit;

        public bool IsUnused
        {
            get
            {
                Tidy();
                return _turns.Count == 0 && _window.IsUnused;
            }
        }

        /// <summary>Behind those who were told a turn; a message that was told one itself only waits for the window.</summary>
        public TimeSpan Wait(MessageId message)
        {
            Tidy();
            return _window.WaitBehind(_promised.Contains(message) ? 0 : _promised.Count);
        }

        public (SendWindow Window, int Slot) Take(MessageId message)
        {
            _promised.Remove(message);
            return (_window, _window.Take());
        }

        public void Promise(MessageId message, TimeSpan wait)
        {
            if (_promised.Add(message))
            {
                _turns.Enqueue((message, clock.GetTimestamp() + (long)(wait.TotalSeconds * clock.TimestampFrequency)));
            }
        }

        /// <summary>Forgets the turns that were taken, or that nobody came for.</summary>
        private void Tidy()
        {
            while (_turns.TryPeek(out (MessageId Message, long At) turn) && (!_promised.Contains(turn.Message) || clock.GetElapsedTime(turn.At) > Courtesy))
            {
                _promised.Remove(turn.Message);
                _turns.Dequeue();
            }
        }
    }
}
