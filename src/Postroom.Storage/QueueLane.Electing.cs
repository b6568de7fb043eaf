namespace Postroom.Storage;

/// <content>Which message of a key may be leased next, and which types wait for a handler.</content>
internal sealed partial class QueueLane
{
    private void Enter(OpenMessage message)
    {
        if (message.DueAt is null && message.Envelope is { NotBefore: null, ExpiresAt: null })
        {
            Join(message); // nearly all: no clock is read for them
            return;
        }

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
            Put(message, Place.Delayed);
            WatchCalendar(message, notBefore);
            return;
        }

        message.DueAt = null;
        Join(message);
    }

    /// <summary>A message that an earlier run left waiting for its retry goes on waiting, and holds its key.</summary>
    private void WaitAgain(OpenMessage message, TimeSpan delay)
    {
        Put(message, Place.Waiting);
        WatchRetry(message, delay);
        LetBodyGo(message);
        if (message.Envelope.OrderKey is { Length: > 0 } key)
        {
            Elect(Link(message, key));
        }
    }

    /// <summary>Puts a message into its chain; what held the key from disk is now this message.</summary>
    private KeyChain Link(OpenMessage message, string key)
    {
        KeyChain chain = _keys.GetOrAdd(key);
        chain.HeldSeq = chain.HeldSeq == message.Seq ? long.MaxValue : chain.HeldSeq;
        chain.Insert(message);
        return chain;
    }

    /// <summary>Takes out a message that is too late. Its owner is told later, when whoever moves the message now is done with it.</summary>
    private void Expire(OpenMessage message)
    {
        TakeOut(message);
        ThreadPool.UnsafeQueueUserWorkItem(static work => work.Lane._owner.OnExpired(work.Lane, work.Message), (Lane: this, Message: message), preferLocal: false);
    }

    /// <summary>A due message joins its key, or is ready when it has none.</summary>
    private void Join(OpenMessage message)
    {
        if (!message.IsSlim && !IsParked(message) && _keys.TryBeAlone(message))
        {
            MakeReady(message);
            return;
        }

        if (message.Envelope.OrderKey is not { Length: > 0 } key)
        {
            MakeReady(message);
            return;
        }

        Put(message, Place.Following);
        Elect(Link(message, key));
        if (message.Place == Place.Following && _budget is { IsHalfFull: true })
        {
            LetBodyGo(message);
        }
    }

    /// <summary>Makes the oldest message of a key ready, unless one of the key is with a worker, waits for a retry here or on disk, or halts it.</summary>
    private void Elect(KeyChain chain)
    {
        OpenMessage? first = chain.First;

        // A replayed or newly due message that is older, or one that waits for its retry, takes the place of the one elected before.
        if (chain.Elected is { Place: Place.Ready or Place.Loading or Place.Limited } elected && ReferenceEquals(elected.Chain, chain) && !ReferenceEquals(elected, first)
            && first is { Place: Place.Following or Place.Waiting })
        {
            Put(elected, Place.Following);
        }

        if (chain.Leased is null && !chain.Halted && first is { Place: Place.Following } && chain.IsNext(first))
        {
            chain.Elected = first;
            MakeReady(first);
        }
        else if (chain.IsStarving && !chain.AreFollowersWanted)
        {
            chain.AreFollowersWanted = true;
            (_starving ??= []).Add(chain);
        }

        CountBlocked(chain);
    }

    private void MakeReady(OpenMessage message)
    {
        if (IsParked(message))
        {
            Put(message, Place.Parked);
            return;
        }

        if (message.IsSlim)
        {
            Put(message, Place.Loading);
            ThreadPool.UnsafeQueueUserWorkItem(static work => work.Lane._owner.OnNeedBody(work.Lane, work.Message), (Lane: this, Message: message), preferLocal: false);
            return;
        }

        Put(message, Place.Ready);
        _ready.Add(message);
    }

    /// <summary>Parked messages stand again for election; those still without a handler are parked at once.</summary>
    private void Unpark()
    {
        for (OpenMessage? message = _oldest; message is not null && At(Place.Parked) > 0; message = message.Younger)
        {
            if (message.Place != Place.Parked || IsParked(message))
            {
                continue;
            }

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
    }

    /// <summary>Parks what was ready before its type lost its handler.</summary>
    private void ParkReady()
    {
        for (OpenMessage? message = _rules.ParkedTypes.Count == 0 ? null : _oldest; message is not null; message = message.Younger)
        {
            if (message.Place is Place.Ready or Place.Limited && IsParked(message))
            {
                _ = _keys.ChainOf(message);
                Put(message, Place.Parked);
            }
        }
    }

    private void CountBlocked(KeyChain chain)
    {
        bool waits = chain.First is { Place: Place.Waiting };
        bool blocked = chain.Halted || (chain.Leased is null && (waits || (chain.IsHeld && !(chain.First is { } first && (first.GoesFirst || first.Seq < chain.HeldSeq)))));
        if (blocked && !chain.IsCountWanted && !chain.IsCounted && (chain.OnDisk < 0 || Overflowed))
        {
            chain.IsCountWanted = true;
            ThreadPool.UnsafeQueueUserWorkItem(static work => work.Lane._owner.OnNeedCount(work.Lane, work.Chain), (Lane: this, Chain: chain), preferLocal: false);
        }

        int now = !blocked ? 0 : Math.Max(0, chain.Count - (waits ? 1 : 0)) + (int)Math.Clamp(chain.OnDisk, 0, int.MaxValue);
        Blocked += now - chain.CountedAsBlocked;
        chain.CountedAsBlocked = now;
    }
}
