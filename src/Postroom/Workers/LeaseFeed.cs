using System.Threading.Tasks.Sources;

namespace Postroom.Workers;

/// <summary>Hands the leases of one pool to its workers: a worker that has nothing to do takes some itself, and waits for the pump only when nothing is due.</summary>
/// <param name="takeNow">Leases what is due at this moment, on the caller's thread; null when nothing is, or when the pump has to ask.</param>
internal sealed class LeaseFeed(Func<IReadOnlyList<MessageLease>?> takeNow)
{
    private readonly Lock _gate = new();
    private readonly Queue<MessageLease> _unbegun = new();
    private readonly Queue<Seat> _waiting = new();
    private TaskCompletionSource? _wanted;
    private bool _held;
    private bool _closed;

    /// <summary>Leases that no worker has begun.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _unbegun.Count;
            }
        }
    }

    /// <summary>The next lease for a worker; null once the feed is closed.</summary>
    public ValueTask<MessageLease?> NextAsync(Seat seat)
    {
        lock (_gate)
        {
            if (_unbegun.TryDequeue(out MessageLease? lease) || _closed)
            {
                return new ValueTask<MessageLease?>(lease);
            }

            if (!_held && takeNow() is { } taken)
            {
                for (int i = 1; i < taken.Count; i++)
                {
                    Hand(taken[i]);
                }

                return new ValueTask<MessageLease?>(taken[0]);
            }

            _waiting.Enqueue(seat);
            _wanted?.TrySetResult();
            _wanted = null;
            return seat.Wait();
        }
    }

    /// <summary>Hands over what the pump leased; false when the pool is held meanwhile, and nothing was handed over.</summary>
    public bool Deliver(IReadOnlyList<MessageLease> leases)
    {
        lock (_gate)
        {
            if (_held)
            {
                return false;
            }

            for (int i = 0; i < leases.Count; i++)
            {
                Hand(leases[i]);
            }

            return true;
        }
    }

    /// <summary>Completes when a worker waits.</summary>
    public Task WaitUntilWantedAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_waiting.Count > 0)
            {
                return Task.CompletedTask;
            }

            _wanted ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _wanted.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Leases nothing from now on and gives out what nobody has begun.</summary>
    public MessageLease[] Hold()
    {
        lock (_gate)
        {
            _held = true;
            return Drain();
        }
    }

    /// <summary>Workers may take again.</summary>
    public void GoOn()
    {
        lock (_gate)
        {
            _held = false;
        }
    }

    /// <summary>Ends the waits of all workers, now and once what is left is begun.</summary>
    public void End()
    {
        lock (_gate)
        {
            _closed = true;
            while (_waiting.TryDequeue(out Seat? seat))
            {
                seat.Take(null);
            }
        }
    }

    private MessageLease[] Drain()
    {
        MessageLease[] unbegun = [.. _unbegun];
        _unbegun.Clear();
        return unbegun;
    }

    private void Hand(MessageLease lease)
    {
        if (_waiting.TryDequeue(out Seat? seat))
        {
            seat.Take(lease);
        }
        else
        {
            _unbegun.Enqueue(lease);
        }
    }

    /// <summary>Where one worker waits; used again for each wait, so that waiting allocates nothing.</summary>
    internal sealed class Seat : IValueTaskSource<MessageLease?>
    {
        private ManualResetValueTaskSourceCore<MessageLease?> _core = new() { RunContinuationsAsynchronously = true };

        public ValueTask<MessageLease?> Wait()
        {
            _core.Reset();
            return new ValueTask<MessageLease?>(this, _core.Version);
        }

        public void Take(MessageLease? lease) => _core.SetResult(lease);

        public MessageLease? GetResult(short token) => _core.GetResult(token);

        public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        {
            _core.OnCompleted(continuation, state, token, flags);
        }
    }
}
