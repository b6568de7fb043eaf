namespace Postroom.ControlPlane;

/// <summary>The addresses that have shown a right key within a day, so that guessers elsewhere do not keep their people out. Safe for concurrent use.</summary>
/// <param name="clock">Measures the day.</param>
internal sealed class KnownAddresses(TimeProvider clock)
{
    /// <summary>How many are remembered; the longest known goes first.</summary>
    public const int Most = 1_000;

    private static readonly TimeSpan Life = TimeSpan.FromDays(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, long> _seen = new(StringComparer.Ordinal);

    /// <summary>Remembers an address from now on.</summary>
    public void Add(string address)
    {
        lock (_gate)
        {
            if (_seen.Count >= Most && !_seen.ContainsKey(address))
            {
                _seen.Remove(_seen.MinBy(static pair => pair.Value).Key);
            }

            _seen[address] = clock.GetTimestamp();
        }
    }

    /// <summary>Whether an address is remembered.</summary>
    public bool Contains(string address)
    {
        lock (_gate)
        {
            return _seen.TryGetValue(address, out long at) && clock.GetElapsedTime(at) < Life;
        }
    }
}
