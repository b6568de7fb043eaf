using Postroom.Intake;

namespace Postroom.Hosting;

/// <content>One source as it is supervised, and the sink that holds it back.</content>
internal sealed partial class SourceSupervisor
{
    /// <summary>A source with its loop and its state. Loop and token are changed under a lock on the entry; the rest locks for itself.</summary>
    internal sealed class Entry(IMessageSource source, string queue)
    {
        private readonly Lock _gate = new();
        private TaskCompletionSource? _paused;
        private bool _isHeldBack;
        private volatile bool _isLeft;
        private SourceStatus _status = new();
        private DateTimeOffset? _begunAt;

        public IMessageSource Source { get; } = source;

        public string Queue { get; } = queue;

        public CancellationTokenSource? Stop { get; set; }

        public Task Loop { get; set; } = Task.CompletedTask;

        /// <summary>Whether its stop took too long, so that it is left to itself.</summary>
        public bool IsLeft
        {
            get => _isLeft;
            set => _isLeft = value;
        }

        public SourceStatus Status
        {
            get
            {
                SourceStatus own = Source.Status;
                lock (_gate)
                {
                    return _status with { LastSuccessAt = own.LastSuccessAt ?? _status.LastSuccessAt, Interval = own.Interval, Lag = own.Lag, Checkpoint = own.Checkpoint };
                }
            }
        }

        /// <summary>Why it is degraded (HL-5): its last error is later than its last success, or it had no success for three intervals; null when it is not.</summary>
        public string? ProblemAt(DateTimeOffset now)
        {
            SourceStatus status = Status;
            if (status.State is SourceState.Stopped or SourceState.Paused)
            {
                return null;
            }

            if (status.State is SourceState.Backoff or SourceState.Failed || status.LastErrorAt > (status.LastSuccessAt ?? DateTimeOffset.MinValue))
            {
                return status.LastError;
            }

            return (status.LastSuccessAt ?? _begunAt) is { } since && status.Interval is { } interval && interval * 3 < now - since
                ? $"it had no success since {since.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC, more than three times its interval of {Duration.Format(interval)}"
                : null;
        }

        public Task? Paused
        {
            get
            {
                lock (_gate)
                {
                    return _paused?.Task;
                }
            }
        }

        public void Pause(DateTimeOffset now)
        {
            lock (_gate)
            {
                _paused ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                Move(_status.State, now);
            }
        }

        public void Resume(DateTimeOffset now)
        {
            lock (_gate)
            {
                _paused?.TrySetResult();
                _paused = null;
                Move(_status.State, now);
            }
        }

        /// <summary>Whether its queue is too full or the store cannot write, so that what it brings waits.</summary>
        public void HoldBack(bool heldBack, DateTimeOffset now)
        {
            lock (_gate)
            {
                _isHeldBack = heldBack;
                Move(_status.State, now);
            }
        }

        public void Set(SourceState state, DateTimeOffset now)
        {
            lock (_gate)
            {
                _begunAt = state == SourceState.Starting ? now : _begunAt;
                Move(state, now);
            }
        }

        public void Fail(string error, DateTimeOffset now)
        {
            lock (_gate)
            {
                _status = _status with { State = SourceState.Backoff, Since = now, LastError = error, LastErrorAt = now };
            }
        }

        public void CountRefused(int refused)
        {
            lock (_gate)
            {
                _status = _status with { Refused = _status.Refused + refused };
            }
        }

        public void Count(int produced, int duplicates, DateTimeOffset now)
        {
            lock (_gate)
            {
                _status = _status with
                {
                    Produced = _status.Produced + produced,
                    Duplicates = _status.Duplicates + duplicates,
                    LastSuccessAt = now,
                };
            }
        }

        /// <summary>One that runs is paused while something holds it back, whether it brings anything or not.</summary>
        private void Move(SourceState state, DateTimeOffset now)
        {
            if (state is SourceState.Running or SourceState.Paused)
            {
                state = _paused is not null || _isHeldBack ? SourceState.Paused : SourceState.Running;
            }

            if (state != _status.State)
            {
                _status = _status with { State = state, Since = now };
            }
        }
    }

    /// <summary>Holds a source back while it is paused, its queue is too full, or the store cannot write: the call waits, and nothing is acknowledged.</summary>
    private sealed class PacedSink(Entry entry, SourceSink inner, MessageIntake intake, TimeProvider clock, CancellationToken stopped) : IMessageSink
    {
        private static readonly TimeSpan Pause = TimeSpan.FromSeconds(60);
        private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);

        public ValueTask<ReadOnlyMemory<byte>?> GetCheckpointAsync(CancellationToken cancellationToken) => inner.GetCheckpointAsync(cancellationToken);

        public ValueTask<MessageState?> StateOfAsync(MessageId id, CancellationToken cancellationToken) => inner.StateOfAsync(id, cancellationToken);

        public ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, CancellationToken cancellationToken)
        {
            return entry.Source.AnswersAtOnce ? AcceptOrRefuseAsync(batch, checkpoint, cancellationToken) : AcceptInTimeAsync(batch, checkpoint, cancellationToken);
        }

        private async ValueTask<IReadOnlyList<AcceptResult>> AcceptOrRefuseAsync(IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, CancellationToken cancellationToken)
        {
            try
            {
                return entry.Paused is null
                    ? await StoreAsync(batch, checkpoint, cancellationToken)
                    : throw new IntakeClosedException(IntakeRefusal.Paused, Pause, $"Source '{entry.Source.Name}' is paused. Resume it to take what comes.");
            }
            catch (IntakeClosedException)
            {
                entry.CountRefused(batch.Count);
                throw;
            }
        }

        /// <summary>Whether its run was asked to end, did not, and is waited for no longer.</summary>
        private bool IsLeft => stopped.IsCancellationRequested && entry.IsLeft;

        private async ValueTask<IReadOnlyList<AcceptResult>> StoreAsync(IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, CancellationToken cancellationToken)
        {
            if (IsLeft)
            {
                throw new IntakeClosedException(IntakeRefusal.NotRunning, Pause, $"Source '{entry.Source.Name}' was stopped or taken away, did not end in time and is left to itself; what it brings is refused.");
            }

            IReadOnlyList<AcceptResult> results = await inner.AcceptAsync(batch, checkpoint, cancellationToken);
            int duplicates = results.Count(static result => result.Duplicate);
            entry.Count(results.Count - duplicates, duplicates, clock.GetUtcNow());
            return results;
        }

        private async ValueTask<IReadOnlyList<AcceptResult>> AcceptInTimeAsync(IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, CancellationToken cancellationToken)
        {
            try
            {
                while (true)
                {
                    if (entry.Paused is { } paused)
                    {
                        await paused.WaitAsync(cancellationToken);
                    }

                    try
                    {
                        return await StoreAsync(batch, checkpoint, cancellationToken);
                    }
                    catch (IntakeClosedException e) when (!IsLeft && e.Refusal is IntakeRefusal.HighWater or IntakeRefusal.StoreUnavailable or IntakeRefusal.NotRunning)
                    {
                        entry.HoldBack(true, clock.GetUtcNow());
                        do
                        {
                            await Task.Delay(Look, clock, cancellationToken);
                        }
                        while (intake.HighWaterMarks.IsAbove(entry.Queue));
                    }
                }
            }
            finally
            {
                entry.HoldBack(false, clock.GetUtcNow());
            }
        }
    }
}
