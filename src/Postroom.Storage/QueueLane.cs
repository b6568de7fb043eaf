namespace Postroom.Storage;

/// <summary>What became of a message that was offered to a lane.</summary>
internal enum Admission
{
    /// <summary>It is in memory.</summary>
    Taken,

    /// <summary>The lane is full or has not caught up; it stays on disk and comes in its turn.</summary>
    Full,

    /// <summary>Its type has no handler and too many wait already; it stays on disk until the rules change.</summary>
    Parked,

    /// <summary>Its instant has not come and too many wait already; it stays on disk until then.</summary>
    Later,

    /// <summary>It stays on disk behind the messages of its key.</summary>
    Follows,

    /// <summary>The lane is closed.</summary>
    Closed,
}

/// <summary>
/// One queue in memory: decides which message may be leased next. First in, first out per order key, parallel across keys;
/// a message that waits for a retry holds its own key only.
/// </summary>
/// <remarks>
/// Shared by every store whose queues have one owner. The medium is the store's: a lane is told of appends and of settlements
/// after they are stored. One short lock; leases are taken on the caller's thread. Retries run on the monotonic clock,
/// delays and expiry on the wall clock. One timer, armed only while something has a time.
/// </remarks>
internal sealed partial class QueueLane : IDisposable
{
    private readonly Lock _gate = new();
    private readonly ILaneOwner _owner;
    private readonly TimeProvider _clock;
    private readonly string _leaseOwner;
    private readonly int _capacity;
    private readonly LaneBudget? _budget;
    private readonly ReadyQueue _ready = new();
    private readonly KeyTable _keys;
    private readonly int[] _at = new int[Enum.GetValues<Place>().Length];
    private readonly LinkedList<LeaseWaiter> _waiters = new();
    private QueueRules _rules = new();
    private List<KeyChain>? _starving;
    private LeftKeys? _left; // since the lane overflowed; null while it has not, or began with a backlog that nobody has counted
    private LeftKeys? _spare; // of the last time
    private long _parkedOnDisk; // roughly: a discarded one may be counted out that was never counted in
    private long _parkedTo;
    private bool _leftParked;
    private long _bytes;
    private long _fence;
    private bool _closed;

    /// <summary>Makes a lane.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="owner">The store.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="leaseOwner">Node and run, the first part of every lease's owner.</param>
    /// <param name="firstFence">Fences start above this, so that they rise from run to run.</param>
    /// <param name="capacity">How many messages it holds before it leaves the rest on disk.</param>
    /// <param name="budget">The bytes that all lanes of the store share; null for no bound.</param>
    /// <param name="partOf">The part of the keys that a key belongs to, for <see cref="Drop"/>; null where all keys stay.</param>
    public QueueLane(
        string queue, ILaneOwner owner, TimeProvider clock, string leaseOwner, long firstFence, int capacity = int.MaxValue, LaneBudget? budget = null,
        Func<string, int>? partOf = null)
    {
        _keys = new KeyTable(partOf);
        Queue = queue;
        _owner = owner;
        _clock = clock;
        _leaseOwner = $"{leaseOwner}/{queue}";
        _fence = firstFence;
        _capacity = capacity;
        _budget = budget;
    }

    public string Queue { get; }

    /// <summary>Messages in memory, whatever their place.</summary>
    public int Count { get; private set; }

    /// <summary>Messages with a worker.</summary>
    public int Dispatched => At(Place.Leased) + At(Place.Settling);

    /// <summary>Messages in memory whose instant has not come, those that wait for a retry included.</summary>
    public int Delayed => At(Place.Waiting) + At(Place.Delayed);

    /// <summary>Messages whose type has no handler, those left on disk included.</summary>
    public long Parked => At(Place.Parked) + _parkedOnDisk;

    /// <summary>Messages behind a head that waits or is halted.</summary>
    public long Blocked { get; private set; }

    /// <summary>Messages were left on disk; everything later goes to disk too until the store has caught up.</summary>
    public bool Overflowed { get; private set; }

    public QueueRules Rules
    {
        get
        {
            lock (_gate)
            {
                return _rules;
            }
        }
    }

    /// <summary>Takes a stored message, unless it stays on disk: then the lane is overflowed, or its key, its instant or its handler finds it again.</summary>
    /// <param name="message">The message, pending.</param>
    /// <param name="fromDisk">Whether the store is catching up, so that an overflowed lane takes it.</param>
    /// <param name="always">Whether it is taken unless it would only wait: a replayed message is older than what the store catches up with.</param>
    public Admission Admit(OpenMessage message, bool fromDisk = false, bool always = false)
    {
        Followup then;
        lock (_gate)
        {
            if (_closed)
            {
                return Admission.Closed;
            }

            if (Refusal(message, fromDisk, always) is { } refusal)
            {
                return refusal;
            }

            Enlist(message);
            Enter(message);
            then = ServeWaiters();
        }

        Hand(then);
        return Admission.Taken;
    }

    /// <summary>Leaves everything on disk until the store has caught up; for a store that starts with a backlog.</summary>
    public void Overflow()
    {
        lock (_gate)
        {
            Overflowed = true;
            (_spare, _left) = (_left ?? _spare, null);
        }
    }

    /// <summary>The store has caught up: nothing that is not in memory is left on disk, but for followers and delayed messages.</summary>
    public void CaughtUp()
    {
        lock (_gate)
        {
            Overflowed = false;
            (_spare, _left) = (_left ?? _spare, null);
        }
    }

    /// <summary>Waits until messages may be leased and takes up to <paramref name="max"/>.</summary>
    public ValueTask<IReadOnlyList<MessageLease>> LeaseAsync(int max, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        cancellationToken.ThrowIfCancellationRequested();
        LeaseWaiter? waiter = null;
        bool room;
        IReadOnlyList<MessageLease>? leases;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            leases = _waiters.Count == 0 ? TakeReady(max) : null;
            room = (leases is not null || _limits is not null) && WantsMore(); // what went to its limit has made room too
            if (leases is null)
            {
                waiter = new LeaseWaiter(max);
                LinkedListNode<LeaseWaiter> node = _waiters.AddLast(waiter);
                if (cancellationToken.CanBeCanceled)
                {
                    waiter.Cancellation = cancellationToken.UnsafeRegister(static (state, token) =>
                    {
                        (QueueLane lane, LinkedListNode<LeaseWaiter> waiting) = ((QueueLane, LinkedListNode<LeaseWaiter>))state!;
                        lane.Abandon(waiting, token);
                    }, (this, node));
                }
            }
        }

        if (room)
        {
            _owner.OnRoom(this);
        }

        return waiter is null ? new ValueTask<IReadOnlyList<MessageLease>>(leases!) : new ValueTask<IReadOnlyList<MessageLease>>(waiter.Task);
    }

    /// <summary>Takes up to <paramref name="max"/> that may be leased now; null when there is none, or when others wait.</summary>
    public IReadOnlyList<MessageLease>? TryLease(int max)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        bool room;
        IReadOnlyList<MessageLease>? leases;
        lock (_gate)
        {
            leases = _waiters.Count == 0 ? TakeReady(max) : null;
            room = (leases is not null || _limits is not null) && WantsMore();
        }

        if (room)
        {
            _owner.OnRoom(this);
        }

        return leases;
    }

    /// <summary>Sets the rules; what they free is leased at once.</summary>
    public void SetRules(QueueRules rules)
    {
        Followup then;
        bool rewind;
        lock (_gate)
        {
            _rules = rules;
            SetLimits(rules.Limits);
            Unpark();
            ParkReady();
            rewind = _leftParked;
            _leftParked = false;
            (_parkedOnDisk, _parkedTo) = (0, 0);
            then = ServeWaiters();
        }

        Hand(then);
        if (rewind)
        {
            _owner.OnUnparked(this);
        }
    }

    /// <summary>How many messages of a key are in memory or on disk, or more than that but fewer than <paramref name="atMost"/>; negative when the store has to count.</summary>
    /// <param name="key">The key.</param>
    /// <param name="atMost">More than so many in memory need no count of the rest.</param>
    public long CountKey(string key, int atMost)
    {
        lock (_gate)
        {
            long left = !Overflowed ? 0 : _left?.AtMost(key) ?? atMost;
            if (_keys.Find(key) is not { } chain)
            {
                return left < atMost ? left : -1;
            }

            long known = chain.Count + chain.OnDisk + (chain.IsHeld ? 1 : 0);
            long count = chain.Count >= atMost ? chain.Count
                : chain.OnDisk < 0 ? -1
                : !Overflowed || chain.IsCounted ? known
                : known + left < atMost ? known + left
                : -1;
            _keys.Rest(chain);
            return count;
        }
    }

    /// <summary>Ends all waiting calls; nothing is leased any more.</summary>
    public void Dispose()
    {
        List<LeaseWaiter> waiting;
        lock (_gate)
        {
            _closed = true;
            waiting = [.. _waiters];
            _waiters.Clear();
            DisposeTimer();
        }

        foreach (LeaseWaiter waiter in waiting)
        {
            waiter.Cancellation.Unregister();
            waiter.TrySetException(new ObjectDisposedException($"Queue '{Queue}'", "The store is closed."));
        }
    }

    private List<MessageLease>? TakeReady(int max)
    {
        if (_rules.Paused || _closed)
        {
            return null;
        }

        List<MessageLease>? leases = null;
        while (max > 0 && (_limits is null ? _ready.Take() : TakeWithinLimits()) is { } message)
        {
            (leases ??= new List<MessageLease>(Math.Min(max, 16))).Add(Lease(message));
            max--;
        }

        return leases;
    }

    private MessageLease Lease(OpenMessage message)
    {
        Put(message, Place.Leased);
        message.State = MessageState.Dispatched;
        message.Fence = ++_fence;
        message.Begun = false;
        message.Owner = _leaseOwner;
        message.DueAt = null;
        if (message.Chain is { } chain)
        {
            chain.Leased = message;
        }

        return new MessageLease
        {
            Envelope = message.Envelope,
            Entry = message,
            Attempt = message.Attempt + 1,
            Failures = message.Failures,
            Fence = message.Fence,
            Owner = _leaseOwner,
            Redelivered = message.Redelivered,
            SendStartedAt = message.SendStartedAt,
            UnansweredSends = message.UnansweredSends,
            Replays = message.Replays,
            Progress = message.Progress,
        };
    }

    /// <summary>Decides who gets what there is now; what follows from that is done outside the lock, by <see cref="Hand"/>.</summary>
    private Followup ServeWaiters()
    {
        List<LeaseWaiter>? served = null;
        while (_waiters.First is { } node && TakeReady(node.Value.Max) is { } leases)
        {
            _waiters.RemoveFirst();
            node.Value.Served = leases;
            (served ??= []).Add(node.Value);
        }

        Followup then = new(served, _starving, WantsMore());
        _starving = null;
        return then;
    }

    private void Hand(in Followup then)
    {
        if (then.Served is { } served)
        {
            foreach (LeaseWaiter waiter in served)
            {
                waiter.Cancellation.Unregister();
                waiter.TrySetResult(waiter.Served!);
            }
        }

        if (then.Starving is { } starving)
        {
            foreach (KeyChain chain in starving)
            {
                _owner.OnNeedFollowers(this, chain);
            }
        }

        if (then.WantsMore)
        {
            _owner.OnRoom(this);
        }
    }

    private void Abandon(LinkedListNode<LeaseWaiter> node, CancellationToken token)
    {
        lock (_gate)
        {
            if (node.List is null)
            {
                return;
            }

            _waiters.Remove(node);
        }

        node.Value.TrySetCanceled(token);
    }

    private bool WantsMore() => Overflowed && HasRoomToLimit && (Runnable == 0 || (Runnable < _capacity / 2 && !IsOverBudget));

    /// <summary>What is to be done outside the lock.</summary>
    private readonly record struct Followup(List<LeaseWaiter>? Served, List<KeyChain>? Starving, bool WantsMore);
}
