namespace Postroom.Chat;

/// <summary>How long a recipient waits that got too much from this number: 4ⁿ seconds, n growing from 0 with each such answer until one is taken (WA-4). Safe for concurrent use.</summary>
internal sealed class PairPauses
{
    private const int MaxRecipients = 4_096;
    private const int MaxPower = 6; // a little over an hour

    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _powers = new(StringComparer.Ordinal);

    /// <summary>The wait after one more such answer.</summary>
    public TimeSpan Next(string recipient)
    {
        lock (_gate)
        {
            int power = _powers.GetValueOrDefault(recipient);
            if (_powers.Count >= MaxRecipients && power == 0)
            {
                _powers.Clear(); // so many at once is no memory worth keeping; waits begin anew at one second
            }

            _powers[recipient] = Math.Min(power + 1, MaxPower);
            return TimeSpan.FromSeconds(Math.Pow(4, power));
        }
    }

    /// <summary>A message was taken: the next wait is the first again.</summary>
    public void Reset(string recipient)
    {
        lock (_gate)
        {
            _powers.Remove(recipient);
        }
    }
}
