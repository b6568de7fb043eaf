namespace Postroom.Storage;

/// <content>
/// Which messages are in memory. What can be worked on has at least half of the capacity to itself, whatever else waits, follows or is parked:
/// these stay on disk beyond the other half, and their instant, their key or their handler finds them again.
/// </content>
internal sealed partial class QueueLane
{
    /// <summary>Messages that are ready, on their way to be, or with a worker.</summary>
    private int Runnable => At(Place.Ready) + At(Place.Loading) + Dispatched;

    /// <summary>Messages that wait for something else than an instant: for the message before them, or for a handler.</summary>
    private int Blocking => At(Place.Following) + At(Place.Parked);

    private bool IsFull => (Count - Delayed - At(Place.Limited) >= _capacity && Runnable >= _capacity / 2) || (IsOverBudget && Runnable > 0) || !HasRoomToLimit;

    /// <summary>Whether the lanes together hold too many bytes, and this one more than its share: a queue with small messages goes on beside one that is full of large ones.</summary>
    private bool IsOverBudget => _bytes >= Share && _budget is { IsFull: true };

    private const long Share = 4L << 20;

    private bool HasRoomToWait => Delayed < _capacity && _budget is not { IsFull: true };

    private bool HasRoomToBlock => Blocking < _capacity / 2 && _budget is not { IsFull: true };

    /// <summary>How many followers of a key are taken at once from disk: the head, and others as far as there is room.</summary>
    public int FollowerRoom
    {
        get
        {
            lock (_gate)
            {
                return HasRoomToBlock ? Math.Clamp((_capacity / 2) - Blocking, 1, MostFollowers) : 1;
            }
        }
    }

    private const int MostFollowers = 32;

    private Admission? Refusal(OpenMessage message, bool fromDisk, bool always)
    {
        if (!always && Overflowed && !fromDisk)
        {
            _left?.Add(message.Envelope);
            return Admission.Full;
        }

        bool waits = (message.DueAt ?? message.Envelope.NotBefore) is { } instant && instant > _clock.GetUtcNow();
        string? key = message.DueAt is null && !waits && !IsParked(message) && _keys.CanBeAlone(message) ? null
            : message.Envelope.OrderKey is { Length: > 0 } ordered ? ordered : null;
        bool holdsKey = key is not null && message.DueAt is not null;
        if (waits && (holdsKey || !always))
        {
            return HasRoomToWait || (holdsKey && !TryHold(message, key!)) ? null : Admission.Later;
        }

        if (IsParked(message) && !HasRoomToBlock && (key is null || TryHold(message, key)))
        {
            _leftParked = true;
            if (message.Seq > _parkedTo)
            {
                _parkedTo = message.Seq;
                _parkedOnDisk++;
            }

            return Admission.Parked;
        }

        if (always || holdsKey)
        {
            return !always && IsFull ? Fill(message, fromDisk) : null;
        }

        return key is not null && MustFollowOnDisk(key, message.Seq) ? Admission.Follows : IsFull ? Fill(message, fromDisk) : null;
    }

    private Admission Fill(OpenMessage message, bool fromDisk)
    {
        if (!Overflowed)
        {
            Overflowed = true;
            (_left, _spare) = (_spare ?? new LeftKeys(), null);
            _left.Clear();
        }

        if (!fromDisk)
        {
            _left?.Add(message.Envelope); // one from disk was counted when it was left there
        }

        return Admission.Full;
    }

    private bool IsParked(OpenMessage message) => _rules.ParkedTypes.Count > 0 && _rules.ParkedTypes.Contains(message.Envelope.Type);

    /// <summary>Lets a message on disk hold its key, when nothing of the key is in memory.</summary>
    private bool TryHold(OpenMessage message, string key)
    {
        KeyChain chain = _keys.GetOrAdd(key);
        bool free = chain.First is null && (!chain.IsHeld || chain.HeldSeq == message.Seq);
        if (free)
        {
            chain.HeldSeq = message.Seq;
            CountBlocked(chain);
        }

        _keys.Rest(chain);
        return free;
    }

    private bool MustFollowOnDisk(string key, long seq)
    {
        if (_keys.Find(key) is not { } chain)
        {
            return false;
        }

        // Once one follower of a key is on disk, all later ones are.
        bool stays = chain.IsHeld ? seq > chain.HeldSeq : chain.OnDisk != 0 && seq >= chain.OnDiskFrom || ((chain.Halted || chain.First is not null) && !(seq < chain.Last?.Seq) && !HasRoomToBlock);
        if (stays)
        {
            chain.OnDiskFrom = Math.Min(chain.OnDiskFrom, seq);
            if (chain.OnDisk >= 0 && seq > chain.CountedTo)
            {
                chain.OnDisk++;
                chain.CountedTo = seq;
            }
            else if (chain.OnDisk == 0)
            {
                Forget(chain); // it was delayed when they were counted
            }

            CountBlocked(chain);
        }

        _keys.Rest(chain);
        return stays;
    }

    /// <summary>A waiting message leaves the memory; its key stays held. False when it has to stay.</summary>
    private bool TryLeave(OpenMessage message, KeyChain? chain)
    {
        if (HasRoomToWait || (chain is not null && (chain.Count > 1 || chain.IsHeld || message.GoesFirst)))
        {
            return false;
        }

        Delist(message);
        if (chain is not null)
        {
            chain.Remove(message);
            chain.HeldSeq = message.Seq;
            CountBlocked(chain);
            _keys.Rest(chain);
        }

        return true;
    }

    /// <summary>What the chain has on disk is to be counted again.</summary>
    private static void Forget(KeyChain chain)
    {
        chain.OnDisk = -1;
        chain.IsCounted = false;
    }

    private int At(Place place) => _at[(int)place];

    /// <summary>The one way a message changes its place, so that the counts are right.</summary>
    private void Put(OpenMessage message, Place place)
    {
        _at[(int)message.Place]--;
        _at[(int)place]++;
        if (_limits is not null)
        {
            LeaveLimits(message, place);
        }

        message.Place = place;
    }
}
