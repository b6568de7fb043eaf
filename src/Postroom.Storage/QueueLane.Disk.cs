namespace Postroom.Storage;

/// <content>What only stores with a disk behind them use: followers and bodies that come back from it.</content>
internal sealed partial class QueueLane
{
    /// <summary>Says that the followers of a key that were on disk have been offered to the lane.</summary>
    /// <param name="chain">The chain of <see cref="ILaneOwner.OnNeedFollowers"/>.</param>
    /// <param name="loaded">How many were taken.</param>
    /// <param name="more">Whether others are left.</param>
    public void Followed(KeyChain chain, int loaded, bool more)
    {
        lock (_gate)
        {
            chain.OnDisk = !more ? 0 : chain.OnDisk > loaded ? chain.OnDisk - loaded : -1;
            chain.IsCounted &= chain.OnDisk >= 0;
            chain.IsCountWanted &= chain.OnDisk >= 0;
            CountBlocked(chain);
            if (chain.IsEmpty && _chains.TryGetValue(chain.Key, out KeyChain? current) && ReferenceEquals(current, chain))
            {
                _chains.Remove(chain.Key);
            }
        }
    }

    /// <summary>Says how many open messages a key has, those in memory included, that do not wait for an instant of their own.</summary>
    /// <param name="chain">The chain of <see cref="ILaneOwner.OnNeedCount"/>.</param>
    /// <param name="open">How many.</param>
    /// <param name="upTo">The newest message when they were counted.</param>
    public void Counted(KeyChain chain, long open, long upTo)
    {
        lock (_gate)
        {
            if (_chains.TryGetValue(chain.Key, out KeyChain? current) && ReferenceEquals(current, chain))
            {
                chain.OnDisk = Math.Max(0, open - chain.Count);
                chain.CountedTo = upTo;
                chain.IsCounted = true;
                chain.IsCountWanted = false;
                CountBlocked(chain);
            }
        }
    }

    /// <summary>A message was stored and not offered because the lane has not caught up; the followers of a counted key stay counted.</summary>
    public void LeftOnDisk(OpenMessage message)
    {
        if (message.Envelope.OrderKey is not { Length: > 0 } key)
        {
            return;
        }

        lock (_gate)
        {
            if (_chains.TryGetValue(key, out KeyChain? chain) && chain.IsCounted && message.Seq > chain.CountedTo)
            {
                chain.OnDisk++;
                chain.CountedTo = message.Seq;
                CountBlocked(chain);
            }
        }
    }

    /// <summary>Takes a follower of a key from disk, whatever the bounds say: the key has nothing else in memory.</summary>
    public void AdmitFollower(OpenMessage message) => Admit(message, fromDisk: true, always: true);

    /// <summary>Whether a key's messages in memory have all ended and followers are on disk.</summary>
    public bool IsStarving(KeyChain chain)
    {
        lock (_gate)
        {
            return chain.First is null && chain.OnDisk != 0 && !chain.Halted;
        }
    }

    /// <summary>Hands over the body that <see cref="ILaneOwner.OnNeedBody"/> asked for; without effect when the message moved on.</summary>
    public void Loaded(OpenMessage message, Envelope whole)
    {
        List<LeaseWaiter>? served;
        lock (_gate)
        {
            if (!message.IsSlim || message.Place is Place.None or Place.Withdrawn)
            {
                return;
            }

            long before = message.Bytes;
            message.Fill(whole);
            _budget?.Take(message.Bytes - before);
            if (message.Place == Place.Loading)
            {
                MakeReady(message);
            }

            served = ServeWaiters();
        }

        Hand(served);
    }

    /// <summary>Whether a message is in the lane, wherever.</summary>
    public bool Has(OpenMessage message)
    {
        lock (_gate)
        {
            return message.Place is not Place.None;
        }
    }

    private void LetBodyGo(OpenMessage message)
    {
        if (_capacity == int.MaxValue || message.IsSlim || (Delayed <= _capacity / 4 && _budget is not { IsHalfFull: true }))
        {
            return;
        }

        long before = message.Bytes;
        message.Slim();
        _budget?.Take(message.Bytes - before);
    }
}
