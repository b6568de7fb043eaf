using System.Runtime.CompilerServices;

namespace Postroom.Storage;

/// <summary>The last transitions of a store, for readers that follow live. Costs nothing until the first reader comes.</summary>
internal sealed class TransitionRing
{
    /// <summary>How many transitions are kept.</summary>
    public const int Capacity = 10_000;

    private readonly Lock _gate = new();
    private Transition[]? _ring;
    private Action<Transition>? _observers;
    private Action<Transition>? _failureObservers;
    private long _next = 1;
    private long _first = 1;
    private TaskCompletionSource _arrived = NewSignal();
    private int _waiting;

    /// <summary>Whether anyone ever followed or observes now; writers skip their work otherwise.</summary>
    public bool IsOn => Volatile.Read(ref _ring) is not null || Volatile.Read(ref _observers) is not null;

    /// <summary>Whether anyone is to be told of a move to a state.</summary>
    public bool Wants(MessageState to) => IsOn || (to == MessageState.Failed && Volatile.Read(ref _failureObservers) is not null);

    /// <summary>The number of the last transition.</summary>
    public long Last
    {
        get
        {
            lock (_gate)
            {
                return _next - 1;
            }
        }
    }

    public void Add(in Transition transition)
    {
        Transition numbered;
        TaskCompletionSource? wake = null;
        lock (_gate)
        {
            numbered = transition with { Number = _next };
            _ring?[_next % Capacity] = numbered;
            _next++;
            if (_waiting > 0)
            {
                wake = _arrived;
                _arrived = NewSignal();
                _waiting = 0;
            }
        }

        wake?.TrySetResult();
        Volatile.Read(ref _observers)?.Invoke(numbered);
        if (numbered.To == MessageState.Failed)
        {
            Volatile.Read(ref _failureObservers)?.Invoke(numbered);
        }
    }

    /// <summary>Calls an observer for every transition from now on, on the thread that adds it, until the result is disposed.</summary>
    public IDisposable Observe(Action<Transition> observer)
    {
        lock (_gate)
        {
            _observers += observer;
        }

        return new Observation(this, observer);
    }

    /// <summary>As <see cref="Observe"/>, for failures alone, which costs nothing for all other moves.</summary>
    public IDisposable ObserveFailures(Action<Transition> observer)
    {
        lock (_gate)
        {
            _failureObservers += observer;
        }

        return new Observation(this, observer);
    }

    /// <summary>Follows from behind a number, or from now on.</summary>
    public IAsyncEnumerable<Transition> WatchAsync(Func<Transition, bool>? filter, long? afterNumber, CancellationToken cancellationToken)
    {
        // The position is taken now, not at the first read, so that nothing between the two is missed.
        long position;
        lock (_gate)
        {
            if (_ring is null)
            {
                _ring = new Transition[Capacity];
                _first = _next;
            }

            position = afterNumber is { } after && after < _next ? after + 1 : _next;
        }

        return FollowAsync(filter, position, cancellationToken);
    }

    private async IAsyncEnumerable<Transition> FollowAsync(
        Func<Transition, bool>? filter, long position, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<Transition> slice = [];
        while (true)
        {
            Task? wait = null;
            lock (_gate)
            {
                position = Math.Max(position, Math.Max(_first, _next - Capacity));
                while (position < _next && slice.Count < 256)
                {
                    slice.Add(_ring![position % Capacity]);
                    position++;
                }

                if (slice.Count == 0)
                {
                    _waiting++;
                    wait = _arrived.Task;
                }
            }

            if (wait is not null)
            {
                await wait.WaitAsync(cancellationToken);
                continue;
            }

            foreach (Transition transition in slice)
            {
                if (filter is null || filter(transition))
                {
                    yield return transition;
                }
            }

            slice.Clear();
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private sealed class Observation(TransitionRing ring, Action<Transition> observer) : IDisposable
    {
        private int _disposed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
            {
                lock (ring._gate)
                {
                    ring._observers -= observer;
                    ring._failureObservers -= observer;
                }
            }
        }
    }
}
