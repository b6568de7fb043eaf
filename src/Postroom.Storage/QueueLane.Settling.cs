namespace Postroom.Storage;

/// <content>The end of a lease: reserved before it is stored, applied after.</content>
internal sealed partial class QueueLane
{
    /// <summary>Records that an attempt begins. False when the lease was lost.</summary>
    public bool Begin(OpenMessage message, long fence, string owner)
    {
        lock (_gate)
        {
            if (message.Place != Place.Leased || message.Fence != fence)
            {
                return false;
            }

            if (!message.Begun)
            {
                message.Begun = true;
                message.Attempt++;
                message.Owner = owner;
                message.BegunAt = _clock.GetTimestamp();
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
                message.Place = Place.Settling;
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
                message.Place = Place.Leased;
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
        List<LeaseWaiter>? served;
        KeyChain? starving = null;
        bool room;
        lock (_gate)
        {
            Take(message, outcome);
            Dispatched--;
            KeyChain? chain = message.Chain;
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
                if (chain is not null)
                {
                    chain.Remove(message);
                    chain.Halted |= message.State == MessageState.Failed && _rules.HaltOnFailure;
                    starving = GoOn(chain);
                }
            }

            served = ServeWaiters();
            room = WantsMore();
        }

        Hand(served);
        if (starving is not null)
        {
            _owner.OnNeedFollowers(this, starving);
        }

        if (room)
        {
            _owner.OnRoom(this);
        }

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

            if (message.Place is Place.Leased)
            {
                Dispatched--;
            }

            if (message.Place is Place.Waiting or Place.Delayed)
            {
                Delayed--;
            }

            if (message.Place is Place.Parked)
            {
                _parked.Remove(message);
            }

            if (message.Place is not Place.None)
            {
                Delist(message);
            }

            message.Place = Place.Withdrawn;
            message.Fence = ++_fence;
            return true;
        }
    }

    /// <summary>Lets a key go on after <see cref="Withdraw"/> is stored.</summary>
    public void Withdrawn(OpenMessage message)
    {
        List<LeaseWaiter>? served;
        KeyChain? starving = null;
        lock (_gate)
        {
            if (message.Place is Place.Withdrawn)
            {
                message.Place = Place.None;
            }

            if (message.Chain is { } chain)
            {
                if (ReferenceEquals(chain.Leased, message))
                {
                    chain.Leased = null;
                }

                chain.Remove(message);
                starving = GoOn(chain);
            }

            served = ServeWaiters();
        }

        Hand(served);
        if (starving is not null)
        {
            _owner.OnNeedFollowers(this, starving);
        }
    }

    /// <summary>Holds a key because one of its messages failed in an earlier run.</summary>
    public void Halt(string key)
    {
        lock (_gate)
        {
            if (!_chains.TryGetValue(key, out KeyChain? chain))
            {
                _chains.Add(key, chain = new KeyChain(key) { OnDisk = _capacity == int.MaxValue ? 0 : -1 });
            }

            chain.Halted = true;
            CountBlocked(chain);
        }
    }

    /// <summary>Lets a halted key go on.</summary>
    public void Resume(string key)
    {
        List<LeaseWaiter>? served;
        KeyChain? starving = null;
        lock (_gate)
        {
            if (!_chains.TryGetValue(key, out KeyChain? chain) || !chain.Halted)
            {
                return;
            }

            chain.Halted = false;
            starving = GoOn(chain);
            served = ServeWaiters();
        }

        Hand(served);
        if (starving is not null)
        {
            _owner.OnNeedFollowers(this, starving);
        }
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
            if (chain is null && Delayed >= _capacity)
            {
                Delist(message);
                return false;
            }

            message.Place = Place.Waiting;
            Delayed++;
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

        message.Place = Place.Following;
        Elect(chain);
        return true;
    }

    /// <summary>Elects the next message of a key; drops the key when nothing is left. Returns it when its followers are on disk.</summary>
    private KeyChain? GoOn(KeyChain chain)
    {
        Elect(chain);
        if (chain.IsEmpty)
        {
            _chains.Remove(chain.Key);
            return null;
        }

        return chain.First is null && chain.OnDisk != 0 && !chain.Halted ? chain : null;
    }
}
