namespace Postroom.Storage;

/// <content>Which message of a key may be leased next, and which types wait for a handler.</content>
internal sealed partial class QueueLane
{
    private void Enter(OpenMessage message)
    {
        DateTimeOffset now = _clock.GetUtcNow();
        if (message.IsExpired(now) && message.SendStartedAt is null)
        {
            Expire(message);
            return;
        }

        WatchExpiry(message);
        if (message.DueAt is { } due && due > now)
        {
            WaitAgain(message, due - now);
            return;
        }

        if (message.DueAt is null && message.Envelope.NotBefore is { } notBefore && notBefore > now)
        {
            message.Place = Place.Delayed;
            Delayed++;
            WatchCalendar(message, notBefore);
            return;
        }

        message.DueAt = null;
        Join(message);
    }

    /// <summary>A message that an earlier run left waiting for its retry goes on waiting, and holds its key.</summary>
    private void WaitAgain(OpenMessage message, TimeSpan delay)
    {
        message.Place = Place.Waiting;
        Delayed++;
        WatchRetry(message, delay);
        LetBodyGo(message);
        if (message.Envelope.OrderKey is { Length: > 0 } key)
        {
            KeyChain chain = ChainOf(key);
            chain.Insert(message);
            Elect(chain);
        }
    }

    private KeyChain ChainOf(string key)
    {
        if (!_chains.TryGetValue(key, out KeyChain? chain))
        {
            _chains.Add(key, chain = new KeyChain(key));
        }

        return chain;
    }

    /// <summary>Takes out a message that is too late. Its owner is told later, when whoever moves the message now is done with it.</summary>
    private void Expire(OpenMessage message)
    {
        Delist(message);
        message.Place = Place.Withdrawn;
        message.Fence = ++_fence;
        ThreadPool.UnsafeQueueUserWorkItem(static work => work.Lane._owner.OnExpired(work.Lane, work.Message), (Lane: this, Message: message), preferLocal: false);
    }

    /// <summary>A due message joins its key, or is ready when it has none.</summary>
    private void Join(OpenMessage message)
    {
        if (message.Envelope.OrderKey is not { Length: > 0 } key)
        {
            MakeReady(message);
            return;
        }

        KeyChain chain = ChainOf(key);
        message.Place = Place.Following;
        chain.Insert(message);
        Elect(chain);
    }

    /// <summary>Makes the oldest message of a key ready, unless one of the key is with a worker, waits for a retry, or halts it.</summary>
    private void Elect(KeyChain chain)
    {
        OpenMessage? first = chain.First;
        if (chain.Leased is null && !chain.Halted && first is { Place: Place.Following })
        {
            // A replayed or newly due message that is older takes the place of the one elected before.
            if (chain.Elected is { Place: Place.Ready or Place.Loading } elected && ReferenceEquals(elected.Chain, chain))
            {
                elected.Place = Place.Following;
            }

            chain.Elected = first;
            MakeReady(first);
        }

        CountBlocked(chain);
    }

    private void MakeReady(OpenMessage message)
    {
        if (_rules.ParkedTypes.Count > 0 && _rules.ParkedTypes.Contains(message.Envelope.Type))
        {
            message.Place = Place.Parked;
            _parked.Add(message);
            return;
        }

        if (message.IsSlim)
        {
            message.Place = Place.Loading;
            ThreadPool.UnsafeQueueUserWorkItem(static work => work.Lane._owner.OnNeedBody(work.Lane, work.Message), (Lane: this, Message: message), preferLocal: false);
            return;
        }

        message.Place = Place.Ready;
        _ready.Add(message);
    }

    /// <summary>Parked messages stand again for election; those still without a handler are parked at once.</summary>
    private void Unpark()
    {
        OpenMessage[] parked = [.. _parked];
        _parked.Clear();
        foreach (OpenMessage message in parked)
        {
            if (message.Chain is { } chain)
            {
                message.Place = Place.Following;
                Elect(chain);
            }
            else
            {
                MakeReady(message);
            }
        }
    }

    /// <summary>Parks what was ready before its type lost its handler.</summary>
    private void ParkReady()
    {
        if (_rules.ParkedTypes.Count == 0)
        {
            return;
        }

        for (OpenMessage? message = _oldest; message is not null; message = message.Younger)
        {
            if (message.Place == Place.Ready && _rules.ParkedTypes.Contains(message.Envelope.Type))
            {
                message.Place = Place.Parked;
                _parked.Add(message);
            }
        }
    }

    private void CountBlocked(KeyChain chain)
    {
        bool blocked = chain.Halted || (chain.Leased is null && chain.First is { Place: Place.Waiting });
        if (blocked && !chain.IsCountWanted && !chain.IsCounted && (chain.OnDisk < 0 || Overflowed))
        {
            chain.IsCountWanted = true;
            ThreadPool.UnsafeQueueUserWorkItem(static work => work.Lane._owner.OnNeedCount(work.Lane, work.Chain), (Lane: this, Chain: chain), preferLocal: false);
        }

        int now = !blocked ? 0 : Math.Max(0, chain.Count - (chain.Halted ? 0 : 1)) + (int)Math.Clamp(chain.OnDisk, 0, int.MaxValue);
        Blocked += now - chain.CountedAsBlocked;
        chain.CountedAsBlocked = now;
    }
}
