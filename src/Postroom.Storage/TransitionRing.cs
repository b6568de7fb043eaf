using System.Runtime.CompilerServices;

namespace Postroom.Storage;

/// <summary>The last transitions of a store, for readers that follow live. Costs nothing until the first reader comes.</summary>
internal sealed class TransitionRing
{
    /// <summary>How many transitions are kept.</summary>
    public const int Capacity = 10_000;

    private readonly Lock _gate = new();
    private Transition[]? _ring;
    private long _next = 1;
    private TaskCompletionSource _arrived = NewSignal();
    private int _waiting;

    /// <summary>Whether anyone ever listened; writers skip their work until then.</summary>
    public bool IsOn => Volatile.Read(ref _ring) is not null;

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
        TaskCompletionSource? wake = null;
        lock (_gate)
        {
            if (_ring is null)
            {
                return;
            }

            _ring[_next % Capacity] = transition with { Number = _next };
            _next++;
            if (_waiting > 0)
            {
                wake = _arrived;
                _arrived = NewSignal();
                _waiting = 0;
            }
        }

        wake?.TrySetResult();
    }

    /// <summary>Follows from behind a number, or from now on.</summary>
    public IAsyncEnumerable<Transition> WatchAsync(Func<Transition, bool>? filter, long? afterNumber, CancellationToken cancellationToken)
    {
        // The position is taken now, not at the first read, so that nothing between the two is missed.
        long position;
        lock (_gate)
        {
            _ring ??= new Transition[Capacity];
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
                position = Math.Max(position, _next - Capacity);
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
}
