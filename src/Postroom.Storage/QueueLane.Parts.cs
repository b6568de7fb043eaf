namespace Postroom.Storage;

/// <content>What only stores use that share their queues with other nodes: a part of the keys comes and goes.</content>
internal sealed partial class QueueLane
{
    /// <summary>Lets messages go whose part of the keys is somebody else's from now on, and forgets what is known of those keys.</summary>
    /// <param name="part">The part.</param>
    /// <param name="messages">Its messages in memory.</param>
    /// <param name="force">Whether also those go that are with a worker, whose outcome is refused then; otherwise they stay until it is stored.</param>
    /// <returns>Those that went.</returns>
    public List<OpenMessage> Drop(int part, IEnumerable<OpenMessage> messages, bool force)
    {
        Followup then;
        List<OpenMessage> dropped = [];
        lock (_gate)
        {
            foreach (OpenMessage message in messages)
            {
                if (force || message.Place is not (Place.Leased or Place.Settling or Place.Withdrawn))
                {
                    TakeAway(message);
                    dropped.Add(message);
                }
            }

            foreach (int counted in _keys.Forget(part))
            {
                Blocked -= counted;
            }

            then = ServeWaiters();
        }

        Hand(then);
        return dropped;
    }

    /// <summary>Whether it would take a message that may be leased.</summary>
    public bool HasRoom
    {
        get
        {
            lock (_gate)
            {
                return !IsFull;
            }
        }
    }

    /// <summary>Says how many followers a key has beyond those in memory.</summary>
    /// <param name="chain">The chain of <see cref="ILaneOwner.OnNeedCount"/>.</param>
    /// <param name="left">How many.</param>
    public void CountedLeft(KeyChain chain, long left)
    {
        lock (_gate)
        {
            if (_keys.IsCurrent(chain))
            {
                chain.OnDisk = left;
                chain.OnDiskFrom = left == 0 ? long.MaxValue : chain.OnDiskFrom == long.MaxValue ? 0 : chain.OnDiskFrom;
                chain.IsCounted = true;
                chain.IsCountWanted = false;
                CountBlocked(chain);
                _keys.Rest(chain);
            }
        }
    }

    private void TakeAway(OpenMessage message)
    {
        if (message.Place is Place.None)
        {
            return;
        }

        KeyChain? chain = _keys.ChainOf(message);
        if (_limits is not null && message.IsWithinLimits)
        {
            _limits.Leave(message, unused: !message.Begun);
        }

        if (message.Older is not null || ReferenceEquals(_oldest, message))
        {
            Delist(message);
        }
        else
        {
            Put(message, Place.None); // it was being given up
        }

        message.Fence = ++_fence;
        if (chain is not null)
        {
            chain.Leased = ReferenceEquals(chain.Leased, message) ? null : chain.Leased;
            chain.Remove(message);
        }
    }
}
