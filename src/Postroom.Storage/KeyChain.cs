namespace Postroom.Storage;

/// <summary>The open messages of one order key, oldest first. At most one of them is leased; the others wait behind it.</summary>
internal sealed class KeyChain(string key)
{
    private List<MessageId>? _haltedBy;

    public string Key { get; } = key;

    public OpenMessage? First { get; private set; }

    public OpenMessage? Last { get; private set; }

    /// <summary>How many of its messages are in memory.</summary>
    public int Count { get; private set; }

    /// <summary>The one that is with a worker; null when none is.</summary>
    public OpenMessage? Leased { get; set; }

    /// <summary>The one that was made ready last; it may have moved on since.</summary>
    public OpenMessage? Elected { get; set; }

    /// <summary>Failed messages hold the key until an operator decides.</summary>
    public bool Halted => _haltedBy is { Count: > 0 };

    /// <summary>The message that waits on disk and holds the key: only older ones go before it. The largest number when there is none.</summary>
    public long HeldSeq { get; set; } = long.MaxValue;

    public bool IsHeld => HeldSeq != long.MaxValue;

    /// <summary>Followers that were left on disk; the store finds them when those in memory have ended. Negative when their number is not known.</summary>
    public long OnDisk { get; set; }

    /// <summary>Those begin at this number or later; the largest number when there are none. What is younger in memory waits until they have come.</summary>
    public long OnDiskFrom { get; set; } = long.MaxValue;

    /// <summary>Whether the store was asked for them.</summary>
    public bool AreFollowersWanted { get; set; }

    /// <summary>Followers up to this number are in <see cref="OnDisk"/>, or were never on disk only.</summary>
    public long CountedTo { get; set; }

    /// <summary>Whether the store has counted its followers on disk, so that later ones can be added.</summary>
    public bool IsCounted { get; set; }

    /// <summary>Whether the store was asked to.</summary>
    public bool IsCountWanted { get; set; }

    /// <summary>The followers that the lane counts as blocked now, so that the count is taken back exactly.</summary>
    public int CountedAsBlocked { get; set; }

    public bool IsEmpty => First is null && OnDisk == 0 && !Halted && !IsHeld;

    /// <summary>Whether the store has all of its messages and knows how many they are.</summary>
    public bool CanRest => First is null && IsHeld && OnDisk >= 0 && OnDiskFrom > HeldSeq && !Halted && !IsCountWanted && !AreFollowersWanted;

    /// <summary>Whether the next to go on is on disk.</summary>
    public bool IsStarving => OnDisk != 0 && Leased is null && !Halted && OnDiskFrom < HeldSeq && !(First is { } first && IsNext(first)) && First is not { Place: Place.Waiting or Place.Withdrawn };

    /// <summary>Whether nothing on disk goes before a message of this chain.</summary>
    public bool IsNext(OpenMessage message) => message.GoesFirst || (message.Seq < HeldSeq && message.Seq < OnDiskFrom);

    public void Halt(MessageId by)
    {
        _haltedBy ??= [];
        if (!_haltedBy.Contains(by))
        {
            _haltedBy.Add(by);
        }
    }

    public bool IsHaltedBy(MessageId message) => _haltedBy?.Contains(message) == true;

    /// <summary>Takes a failed message's hold back; false when it had none.</summary>
    public bool Free(MessageId by) => _haltedBy?.Remove(by) == true;

    /// <summary>Forgets what holds it and what it has on disk.</summary>
    public void Forget()
    {
        _haltedBy = null;
        HeldSeq = long.MaxValue;
        OnDisk = 0;
        OnDiskFrom = long.MaxValue;
        CountedTo = 0;
        CountedAsBlocked = 0;
        IsCounted = false;
        IsCountWanted = false;
    }

    /// <summary>Inserts by age, a replayed one before all others. Nearly always at the end, else at the head.</summary>
    public void Insert(OpenMessage message)
    {
        OpenMessage? before = First is { } first && GoesBefore(message, first) ? null : Last;
        while (before is not null && GoesBefore(message, before))
        {
            before = before.Previous;
        }

        message.Chain = this;
        message.Previous = before;
        message.Next = before is null ? First : before.Next;
        if (message.Next is null)
        {
            Last = message;
        }
        else
        {
            message.Next.Previous = message;
        }

        if (before is null)
        {
            First = message;
        }
        else
        {
            before.Next = message;
        }

        Count++;
    }

    private static bool GoesBefore(OpenMessage message, OpenMessage other) => message.GoesFirst == other.GoesFirst ? message.Seq < other.Seq : message.GoesFirst;

    public void Remove(OpenMessage message)
    {
        if (message.Previous is null)
        {
            First = message.Next;
        }
        else
        {
            message.Previous.Next = message.Next;
        }

        if (message.Next is null)
        {
            Last = message.Previous;
        }
        else
        {
            message.Next.Previous = message.Previous;
        }

        message.Previous = null;
        message.Next = null;
        message.Chain = null;
        Count--;
    }
}
