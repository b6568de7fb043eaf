namespace Postroom.Chat;

/// <summary>
/// How long a recipient waits that got too much from this number: 4ⁿ seconds, n growing from 0 with each pause until a message is taken (WA-4). Messages that were on their
/// way together and are refused together make one pause. Safe for concurrent use.
/// </summary>
internal sealed class PairPauses(TimeProvider clock)
{
    private const int MaxRecipients = 4_096;
    private const int MaxPower = 6; // a little over an hour

    private readonly Lock _gate = new();
    private readonly Dictionary<string, (int Power, DateTimeOffset Until)> _pauses = new(StringComparer.Ordinal);

    /// <summary>The wait after one more such answer.</summary>
    public TimeSpan Next(string recipient)
    {
        lock (_gate)
        {
            DateTimeOffset now = clock.GetUtcNow();
            (int power, DateTimeOffset until) = _pauses.GetValueOrDefault(recipient);
            if (until > now)
            {
                return until - now;
            }

            if (_pauses.Count >= MaxRecipients && power == 0)
            {
                _pauses.Clear(); // so many at once is no memory worth keeping; waits begin anew at one second
            }

            TimeSpan wait = TimeSpan.FromSeconds(Math.Pow(4, power));
            _pauses[recipient] = (Math.Min(power + 1, MaxPower), now + wait);
            return wait;
        }
    }

    /// <summary>A message was taken: the next wait is the first again.</summary>
    public void Reset(string recipient)
    {
        lock (_gate)
        {
            _pauses.Remove(recipient);
        }
    }
}
