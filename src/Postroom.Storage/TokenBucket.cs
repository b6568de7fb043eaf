namespace Postroom.Storage;

/// <summary>So many at once after a pause, and then one after the other at a rate. Guarded by its owner.</summary>
/// <param name="rate">How many per period flow back.</param>
/// <param name="burst">How many it holds.</param>
/// <param name="tokens">How many it had at <paramref name="since"/>.</param>
/// <param name="clock">Measures the time.</param>
/// <param name="since">An instant of the clock's timestamps; null for now.</param>
internal sealed class TokenBucket(Rate rate, int burst, double tokens, TimeProvider clock, long? since = null)
{
    private double _tokens = tokens;
    private long _at = since ?? clock.GetTimestamp();

    /// <summary>Whether it is full, so that forgetting it changes nothing.</summary>
    public bool IsFull => Level >= burst;

    /// <summary>How many there are, parts of one included.</summary>
    public double Level
    {
        get
        {
            Fill();
            return _tokens;
        }
    }

    /// <summary>How long until one may be taken; zero for now.</summary>
    public TimeSpan Wait
    {
        get
        {
            Fill();
            return _tokens >= 1 ? TimeSpan.Zero : (1 - _tokens) / rate.Count * rate.Period;
        }
    }

    /// <summary>Takes one, which may have been waited for.</summary>
    public void Take() => _tokens--;

    /// <summary>Gives one back that was not used.</summary>
    public void GiveBack() => _tokens = Math.Min(burst, _tokens + 1);

    private void Fill()
    {
        long now = clock.GetTimestamp();
        _tokens = Math.Min(burst, _tokens + (clock.GetElapsedTime(_at, now) / rate.Period * rate.Count));
        _at = now;
    }
}
