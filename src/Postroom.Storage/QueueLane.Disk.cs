namespace Postroom.Storage;

/// <content>What only stores with a disk behind them use: followers and bodies that come back from it.</content>
internal sealed partial class QueueLane
{
    /// <summary>Whether a key still needs its followers from disk; whoever asks brings them now.</summary>
    public bool TakeStarving(KeyChain chain)
    {
        lock (_gate)
        {
            chain.AreFollowersWanted = false;
            return chain.IsStarving && _keys.IsCurrent(chain);
        }
    }

    /// <summary>Says which followers of a key were found on disk; those taken are admitted next.</summary>
    /// <param name="chain">The chain of <see cref="ILaneOwner.OnNeedFollowers"/>.</param>
    /// <param name="taken">How many are taken.</param>
    /// <param name="next">The first that was left there; null when none was.</param>
    public void Followed(KeyChain chain, int taken, long? next)
    {
        lock (_gate)
        {
            chain.OnDiskFrom = next ?? long.MaxValue;
            chain.OnDisk = next is null ? 0 : chain.OnDisk > taken ? chain.OnDisk - taken : -1;
            chain.IsCounted &= chain.OnDisk >= 0;
            chain.IsCountWanted &= chain.OnDisk >= 0;
            CountBlocked(chain);
        }
    }

    /// <summary>Says that what <see cref="Followed"/> announced is admitted: the key goes on with it.</summary>
    public void Rejoined(KeyChain chain)
    {
        Followup then;
        lock (_gate)
        {
            if (_keys.IsCurrent(chain))
            {
                GoOn(chain);
            }

            then = ServeWaiters();
        }

        Hand(then);
    }

    /// <summary>Says how many open messages a key has, those in memory included, that do not wait for an instant of their own.</summary>
    /// <param name="chain">The chain of <see cref="ILaneOwner.OnNeedCount"/>.</param>
    /// <param name="open">How many.</param>
    /// <param name="upTo">The newest message when they were counted.</param>
    public void Counted(KeyChain chain, long open, long upTo)
    {
        lock (_gate)
        {
            if (_keys.IsCurrent(chain))
            {
                chain.OnDisk = Math.Max(0, open - chain.Count - (chain.IsHeld ? 1 : 0));
                chain.OnDiskFrom = chain.OnDisk == 0 ? long.MaxValue : chain.OnDiskFrom == long.MaxValue ? 0 : chain.OnDiskFrom;
                chain.CountedTo = upTo;
                chain.IsCounted = true;
                chain.IsCountWanted = false;
                CountBlocked(chain);
                _keys.Rest(chain);
            }
        }
    }

    /// <summary>A message was stored and not offered because the lane has not caught up; the followers of a counted key stay counted.</summary>
    /// <param name="message">The message.</param>
    /// <param name="delayed">Whether its instant has not come, so that it follows nobody yet.</param>
    public void LeftOnDisk(OpenMessage message, bool delayed)
    {
        lock (_gate)
        {
            _left?.Add(message.Envelope);
            if (delayed || _keys.CanBeAlone(message) || message.Envelope.OrderKey is not { Length: > 0 } key || _keys.Find(key) is not { } chain)
            {
                return;
            }

            if (chain.IsCounted && message.Seq > chain.CountedTo)
            {
                chain.OnDisk++;
                chain.OnDiskFrom = Math.Min(chain.OnDiskFrom, message.Seq);
                chain.CountedTo = message.Seq;
                CountBlocked(chain);
            }

            _keys.Rest(chain);
        }
    }

    /// <summary>Takes a follower of a key from disk: the key has nothing else in memory. It stays there when it would only wait or be parked, and there is no room for that.</summary>
    public Admission AdmitFollower(OpenMessage message) => Admit(message, fromDisk: true, always: true);

    /// <summary>Hands over the body that <see cref="ILaneOwner.OnNeedBody"/> asked for; without effect when the message moved on.</summary>
    public void Loaded(OpenMessage message, Envelope whole)
    {
        Followup then;
        lock (_gate)
        {
            if (!message.IsSlim || message.Place is Place.None or Place.Withdrawn)
            {
                return;
            }

            long before = message.Bytes;
            message.Fill(whole);
            Weigh(message.Bytes - before);
            if (message.Place == Place.Loading)
            {
                MakeReady(message);
            }

            then = ServeWaiters();
        }

        Hand(then);
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
        if (_capacity == int.MaxValue || message.IsSlim || (Delayed + At(Place.Limited) <= _capacity / 4 && _budget is not { IsHalfFull: true }))
        {
            return;
        }

        long before = message.Bytes;
        message.Slim();
        Weigh(message.Bytes - before);
    }
}
