namespace Postroom.Storage;

/// <content>The end of a lease: reserved before it is stored, applied after.</content>
internal sealed partial class QueueLane
{
    /// <summary>Records that an attempt begins. False when the lease was lost.</summary>
    /// <param name="message">The message, leased.</param>
    /// <param name="fence">The fence of the lease.</param>
    /// <param name="owner">Who begins it.</param>
    /// <param name="at">When, for the record.</param>
    public bool Begin(OpenMessage message, long fence, string owner, DateTimeOffset at)
    {
        lock (_gate)
        {
            if (message.Place != Place.Leased || message.Fence != fence)
            {
                return false;
            }

            if (!message.Begun)
            {
                // It was leased before the pause, and is given back; or its time ended before somebody came to it.
                if (_rules.Paused)
                {
                    return false;
                }

                if (message.SendStartedAt is null && message.IsExpired(at))
                {
                    Expire(message);
                    return false;
                }

                message.Begun = true;
                message.Attempt++;
                message.Owner = owner;
                message.BegunAt = _clock.GetTimestamp();
                message.DispatchedAt = at;
            }

            return true;
        }
    }

    /// <summary>Whether a lease is still held.</summary>
    public bool Holds(OpenMessage message, long fence)
    {
        lock (_gate)
        {
            return message.Place == Place.Leased && message.Fence == fence;
        }
    }

    /// <summary>Reserves a message for its settlement: nobody else can settle or take it while that is on its way to the medium.</summary>
    /// <param name="message">The message.</param>
    /// <param name="fence">The fence of the lease.</param>
    /// <param name="settlement">How the lease is to end, to tell a repeat from another end of the same lease; null when the fence alone decides.</param>
    /// <returns>False when this very settlement was applied before; the caller then answers that it is done.</returns>
    /// <exception cref="LeaseLostException">The lease was lost.</exception>
    public bool Reserve(OpenMessage message, long fence, Settlement? settlement = null)
    {
        lock (_gate)
        {
            if (message.Place == Place.Leased && message.Fence == fence)
            {
                Put(message, Place.Settling);
                return true;
            }

            if (message.SettledFence == fence && (settlement is null || message.SettledAs is null || message.SettledAs == SettlementOutcome.WordOf(settlement)))
            {
                return false;
            }

            throw new LeaseLostException(message.Envelope.Id, fence, message.SettledFence == fence ? $"it was settled before, as {message.SettledAs}."
                : message.Fence != fence
                ? $"it was leased again (fence {message.Fence})."
                : $"it is {message.State} now.");
        }
    }

    /// <summary>Takes a reservation back: the settlement could not be stored.</summary>
    public void Unreserve(OpenMessage message)
    {
        lock (_gate)
        {
            if (message.Place == Place.Settling)
            {
                Put(message, Place.Leased);
            }
        }
    }

    /// <summary>Moves a message on after its settlement is stored: its key goes on, or it waits, or it is ready again.</summary>
    /// <param name="message">The message, reserved.</param>
    /// <param name="outcome">What was stored.</param>
    /// <returns>False when an open message left the memory: its instant finds it on disk.</returns>
    public bool Settle(OpenMessage message, in SettlementOutcome outcome)
    {
        bool kept = true;
        Followup then;
        lock (_gate)
        {
            if (_limits is not null && message.IsWithinLimits)
            {
                _limits.Leave(message, unused: !message.Begun && outcome.State == MessageState.Pending);
            }

            Take(message, outcome);
            bool halts = message.State == MessageState.Failed && _rules.HaltOnFailure;
            KeyChain? chain = halts || message.State == MessageState.Pending ? _keys.ChainOf(message) : message.Chain;
            if (chain is not null)
            {
                chain.Leased = null;
            }

            if (message.State == MessageState.Pending)
            {
                kept = Return(message, chain, outcome.At);
            }
            else
            {
                Delist(message);
                if (chain is null)
                {
                    _keys.Ended(message);
                }
                else
                {
                    chain.Remove(message);
                    if (halts)
                    {
                        Halt(chain, message);
                    }

                    GoOn(chain);
                }
            }

            then = ServeWaiters();
        }

        Hand(then);
        return kept;
    }

    /// <summary>Takes a waiting message out, for an operator who gives it up.</summary>
    /// <returns>False when it is with a worker and <paramref name="force"/> is not set, or when it has ended or is being given up already.</returns>
    public bool Withdraw(OpenMessage message, bool force)
    {
        lock (_gate)
        {
            if (message.Place is Place.Settling or Place.Withdrawn
                || message.State is MessageState.Acked or MessageState.Failed
                || (message.Place is Place.Leased && !force))
            {
                return false;
            }

            TakeOut(message);
            return true;
        }
    }

    /// <summary>Lets a key go on after <see cref="Withdraw"/>, or the end of a message on disk, is stored.</summary>
    /// <param name="message">The message, failed.</param>
    /// <param name="halts">Whether its failure holds the key until an operator decides.</param>
    public void Withdrawn(OpenMessage message, bool halts = false)
    {
        Followup then;
        lock (_gate)
        {
            bool wasOnDisk = message.Place is Place.None;
            Put(message, Place.None);
            KeyChain? chain = message.Chain ?? (message.Envelope.OrderKey is { Length: > 0 } key ? halts ? _keys.GetOrAdd(key) : _keys.Find(key) : null);
            if (wasOnDisk && _parkedOnDisk > 0 && IsParked(message))
            {
                _parkedOnDisk--;
            }

            if (chain is not null)
            {
                if (halts)
                {
                    Halt(chain, message);
                }

                if (wasOnDisk && chain.OnDisk > 0 && chain.HeldSeq != message.Seq)
                {
                    Forget(chain); // one of them is gone
                }

                LetGo(message, chain);
            }

            then = ServeWaiters();
        }

        Hand(then);
    }

    /// <summary>Takes <see cref="Withdraw"/> back, because it could not be stored: the message is where it was before anybody else of its key can go.</summary>
    public void Restore(OpenMessage message)
    {
        Followup then;
        lock (_gate)
        {
            if (message.Place is not Place.Withdrawn)
            {
                return;
            }

            if (message.Chain is { } chain)
            {
                chain.Leased = ReferenceEquals(chain.Leased, message) ? null : chain.Leased;
                chain.Remove(message);
            }

            message.State = MessageState.Pending;
            message.Redelivered |= message.Begun;
            message.Begun = false;
            message.Owner = null;
            Enlist(message);
            Enter(message);
            then = ServeWaiters();
        }

        Hand(then);
    }

    /// <summary>Holds a key because one of its messages failed in an earlier run.</summary>
    public void Halt(string key, MessageId by)
    {
        lock (_gate)
        {
            bool known = _keys.Find(key) is not null;
            KeyChain chain = _keys.GetOrAdd(key);
            if (!known && _capacity != int.MaxValue)
            {
                (chain.OnDisk, chain.OnDiskFrom) = (-1, 0);
            }

            chain.Halt(by);
            CountBlocked(chain);
        }
    }

    /// <summary>An operator has decided on a failed message; a key that it held goes on unless others hold it.</summary>
    public void Resume(string? key, MessageId by)
    {
        Followup then;
        lock (_gate)
        {
            if (key is not { Length: > 0 } || _keys.Find(key) is not { } chain)
            {
                return;
            }

            _ = chain.Free(by);
            GoOn(chain);
            then = ServeWaiters();
        }

        Hand(then);
    }

    /// <summary>Whether a failed message holds its key, and so has to be kept.</summary>
    public bool IsHaltedBy(string? key, MessageId by)
    {
        lock (_gate)
        {
            if (key is not { Length: > 0 } || _keys.Find(key) is not { } chain)
            {
                return false;
            }

            _keys.Rest(chain);
            return chain.IsHaltedBy(by);
        }
    }

    /// <summary>Whether a message on disk is what holds its key.</summary>
    public bool IsHeldBy(string key, long seq)
    {
        lock (_gate)
        {
            if (_keys.Find(key) is not { } chain)
            {
                return false;
            }

            bool held = chain.HeldSeq == seq;
            _keys.Rest(chain);
            return held;
        }
    }

    /// <summary>Takes a message out of the lane; it stays in its chain, so that nothing of its key goes on before its failure is stored.</summary>
    private void TakeOut(OpenMessage message)
    {
        _ = _keys.ChainOf(message);
        if (message.Older is not null || ReferenceEquals(_oldest, message))
        {
            Delist(message);
        }

        Put(message, Place.Withdrawn);
        message.Fence = ++_fence;
    }

    private static void Halt(KeyChain chain, OpenMessage message)
    {
        chain.Halt(message.Envelope.Id);
        message.Halts = true;
    }

    private void LetGo(OpenMessage message, KeyChain chain)
    {
        chain.Leased = ReferenceEquals(chain.Leased, message) ? null : chain.Leased;
        chain.HeldSeq = chain.HeldSeq == message.Seq ? long.MaxValue : chain.HeldSeq;
        if (ReferenceEquals(message.Chain, chain))
        {
            chain.Remove(message);
        }

        GoOn(chain);
    }

    private static void Take(OpenMessage message, in SettlementOutcome outcome)
    {
        message.SettledFence = message.Fence;
        message.SettledAs = outcome.Word;
        message.State = outcome.State;
        message.Attempt = outcome.Attempt;
        message.Failures = outcome.Failures;
        message.DueAt = outcome.DueAt;
        message.FinishedAt = outcome.FinishedAt;
        message.FailureKind = outcome.State == MessageState.Failed ? outcome.Kind : null;
        message.Error = outcome.Error;
        message.SendStartedAt = outcome.SendStartedAt;
        message.Begun = false;
        message.Owner = null;
    }

    private bool Return(OpenMessage message, KeyChain? chain, DateTimeOffset now)
    {
        // Its instant came while a worker had it. A send whose outcome is open is settled by its lane.
        if (message.SendStartedAt is null && message.IsExpired(_clock.GetUtcNow()))
        {
            Expire(message);
            return true;
        }

        if (message.DueAt is { } due)
        {
            if (TryLeave(message, chain))
            {
                return false;
            }

            Put(message, Place.Waiting);
            WatchRetry(message, due - now);
            LetBodyGo(message);
            if (chain is not null)
            {
                CountBlocked(chain);
            }

            return true;
        }

        if (chain is null)
        {
            MakeReady(message);
            return true;
        }

        Put(message, Place.Following);
        Elect(chain);
        return true;
    }

    /// <summary>Elects the next message of a key; drops the key when nothing is left.</summary>
    private void GoOn(KeyChain chain)
    {
        Elect(chain);
        _keys.Rest(chain);
    }
}
