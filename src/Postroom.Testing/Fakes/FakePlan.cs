namespace Postroom.Testing;

/// <summary>Which faults a fake server shows next, step by step. Safe for concurrent use.</summary>
/// <typeparam name="TStep">Where it can fail.</typeparam>
/// <typeparam name="TFault">How it can fail.</typeparam>
internal sealed class FakePlan<TStep, TFault>
    where TStep : struct, Enum
    where TFault : class
{
    private readonly Lock _gate = new();
    private readonly Dictionary<TStep, Queue<TFault?>> _faults = [];
    private readonly Dictionary<TStep, TaskCompletionSource> _silences = [];

    /// <summary>Queues what happens the next times a step is reached; null is one time without a fault.</summary>
    public void Add(TStep step, IEnumerable<TFault?> faults)
    {
        lock (_gate)
        {
            Queue<TFault?> queue = _faults.TryGetValue(step, out Queue<TFault?>? known) ? known : _faults[step] = new Queue<TFault?>();
            foreach (TFault? fault in faults)
            {
                queue.Enqueue(fault);
            }
        }
    }

    /// <summary>What happens now that a step is reached; null for nothing.</summary>
    public TFault? Take(TStep step)
    {
        lock (_gate)
        {
            return _faults.TryGetValue(step, out Queue<TFault?>? queue) && queue.TryDequeue(out TFault? fault) ? fault : null;
        }
    }

    /// <summary>Completes once a client meets silence at a step.</summary>
    public TaskCompletionSource Silence(TStep step)
    {
        lock (_gate)
        {
            return _silences.TryGetValue(step, out TaskCompletionSource? known) ? known : _silences[step] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
