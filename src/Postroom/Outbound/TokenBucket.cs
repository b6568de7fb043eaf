namespace Postroom.Outbound;

/// <summary>So many at once after a pause, and then one after the other at a rate. Guarded by its owner.</summary>
internal sealed class TokenBucket(Rate rate, int burst, double tokens, TimeProvider clock)
{
    private double _tokens = tokens;
    private long _at = clock.GetTimestamp();

    /// <summary>Whether it is full, so that forgetting it changes nothing.</summary>
    public bool IsFull
    {
        get
        {
            Fill();
            return _tokens >= burst;
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

    private void Fill()
    {
        long now = clock.GetTimestamp();
        _tokens = Math.Min(burst, _tokens + (clock.GetElapsedTime(_at, now) / rate.Period * rate.Count));
        _at = now;
    }
}
