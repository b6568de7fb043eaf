namespace Postroom.Mail;

/// <summary>
/// Lets so many replies an hour go to one address (SE-10): two programs that answer each other end there, also when neither marks its mail as automatic. In memory, so a
/// restart begins anew. Safe for concurrent use.
/// </summary>
/// <param name="most">How many.</param>
/// <param name="clock">Measures the hour.</param>
internal sealed class ReplyLimit(int most, TimeProvider clock)
{
    /// <summary>Addresses that are remembered; of more, the one that came first is forgotten.</summary>
    public const int MostAddresses = 10_000;

    private static readonly TimeSpan Window = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Line> _lines = new(StringComparer.OrdinalIgnoreCase);
    private readonly Queue<string> _order = new();

    /// <summary>How many addresses are remembered; for tests.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _lines.Count;
            }
        }
    }

    /// <summary>Counts a reply to everyone it goes to, or to nobody.</summary>
    /// <param name="recipients">Who gets it.</param>
    /// <param name="held">Whose limit keeps it, for the first reply that is kept; null otherwise.</param>
    /// <param name="at">When it was counted, for <see cref="GiveBack"/>.</param>
    /// <returns>How long it has to wait; zero when it was counted.</returns>
    public TimeSpan Take(IReadOnlyList<Mailbox> recipients, out string? held, out long at)
    {
        lock (_gate)
        {
            at = clock.GetTimestamp();
            held = null;
            TimeSpan wait = TimeSpan.Zero;
            foreach (Mailbox recipient in recipients)
            {
                Line line = Of(recipient.Address);
                TimeSpan own = line.Sent.Count < most ? TimeSpan.Zero : Window - clock.GetElapsedTime(line.Sent[0], at);
                if (own > TimeSpan.Zero && !line.IsTold)
                {
                    line.IsTold = true;
                    held = recipient.Address;
                }

                wait = own > wait ? own : wait;
            }

            foreach (Mailbox recipient in wait == TimeSpan.Zero ? recipients : [])
            {
                Line line = Of(recipient.Address);
                line.Sent.Add(at);
                line.IsTold = false;
            }

            return wait;
        }
    }

    /// <summary>A reply that was counted has certainly not reached some of its recipients.</summary>
    /// <param name="recipients">Those.</param>
    /// <param name="at">When it was counted.</param>
    public void GiveBack(IEnumerable<Mailbox> recipients, long at)
    {
        lock (_gate)
        {
            foreach (Mailbox recipient in recipients)
            {
                Of(recipient.Address).Sent.Remove(at);
            }
        }
    }

    /// <summary>The addresses that replies are held for now.</summary>
    public IReadOnlyList<string> Held()
    {
        lock (_gate)
        {
            return [.. _lines.Where(line => line.Value.IsTold && line.Value.Sent.Count >= most && clock.GetElapsedTime(line.Value.Sent[0]) < Window).Select(line => line.Key)];
        }
    }

    private Line Of(string address)
    {
        if (!_lines.TryGetValue(address, out Line? line))
        {
            if (_lines.Count >= MostAddresses)
            {
                _lines.Remove(_order.Dequeue());
            }

            _lines[address] = line = new Line();
            _order.Enqueue(address);
        }

        line.Sent.RemoveAll(at => clock.GetElapsedTime(at) >= Window);
        return line;
    }

    private sealed class Line
    {
        public List<long> Sent { get; } = [];

        public bool IsTold { get; set; }
    }
}
