namespace Postroom.Workers;

/// <content>How the pool is.</content>
internal sealed partial class WorkerPool
{
    public PoolStatus Status()
    {
        Worker[] workers = Workers();
        return new PoolStatus
        {
            Name = Name,
            Queue = Options.Queue,
            Parallelism = Parallelism,
            Busy = workers.Count(worker => worker.Current is not null),
            Stuck = Stuck,
            Processed = Counters.Processed,
            Failed = Counters.Failed,
            Restarts = Counters.Restarts,
            Settling = Counters.Settling,
            State = IsFaulted ? WorkerState.Faulted
                : _paused is not null ? WorkerState.Paused
                : _stopping.IsCancellationRequested ? (_pump.IsCompleted ? WorkerState.Stopped : WorkerState.Stopping)
                : workers.Any(worker => worker.Current is not null) ? WorkerState.Processing : WorkerState.Idle,
            LastError = Counters.LastError,
            Workers = [.. workers.OrderBy(worker => worker.Slot).Select(StatusOf)],
        };
    }

    private WorkerStatus StatusOf(Worker worker)
    {
        Attempt? attempt = worker.Current;
        return new WorkerStatus
        {
            Slot = worker.Slot,
            State = attempt is not null ? WorkerState.Processing : _paused is not null ? WorkerState.Paused : WorkerState.Idle,
            MessageId = attempt?.Envelope.Id,
            Since = _clock.GetUtcNow() - _clock.GetElapsedTime(worker.Since),
        };
    }
}
