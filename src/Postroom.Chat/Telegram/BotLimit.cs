namespace Postroom.Chat;

/// <summary>Sees when a service's limit for the whole bot is used up. Safe for concurrent use.</summary>
/// <param name="clock">Measures the window.</param>
/// <param name="limit">How many sends the service allows in a second.</param>
internal sealed class BotLimit(TimeProvider clock, int limit)
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(1);
    private readonly Lock _gate = new();
    private readonly Queue<long> _begun = new();

    /// <summary>Whether as many sends began within the last second as the limit allows.</summary>
    public bool IsUsed
    {
        get
        {
            lock (_gate)
            {
                return _begun.Count == limit && clock.GetElapsedTime(_begun.Peek()) <= Window;
            }
        }
    }

    /// <summary>Notes a request of a send.</summary>
    public void Note()
    {
        lock (_gate)
        {
            if (_begun.Count == limit)
            {
                _begun.Dequeue();
            }

            _begun.Enqueue(clock.GetTimestamp());
        }
    }
}
