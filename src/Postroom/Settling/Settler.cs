using Microsoft.Extensions.Logging;
using Postroom.Diagnostics;
using Postroom.Intake;
using Postroom.Workers;

namespace Postroom.Settling;

/// <summary>Hands outcomes to the store and reports them once they are committed. A worker does not wait for the commit.</summary>
/// <remarks>
/// While the store cannot write, finished outcomes stay here and are tried again until they are stored or the lease is lost;
/// the handler is not run again for them. At most a window of a pool's settlements awaits its commit, so that a pool which is stuck holds up itself.
/// </remarks>
internal sealed partial class Settler(
    IMessageStore store, OriginMarks marks, AttemptReporter reporter, Redactor redactor, TimeProvider clock, Func<double> random, ILogger log)
{
    private static readonly Backoff Retry = new(TimeSpan.FromMilliseconds(50), 2, TimeSpan.FromSeconds(5), 0.2);

    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _gate = new();
    private TaskCompletionSource? _idle;
    private int _unfinished;

    /// <summary>The spans of attempts; null for none.</summary>
    public MessageSpans? Spans { get; init; }

    /// <summary>Puts the message on every line that its handler or communicator logs; null where nothing is logged.</summary>
    public IDisposable? OpenScope(Attempt attempt) =>
        log.IsEnabled(LogLevel.Critical) ? MessageScope.Open(log, attempt.Envelope.Id, attempt.Span?.TraceId.ToHexString() ?? TraceService.TraceIdOf(attempt.Envelope)) : null;

    /// <summary>Hands one outcome over; waits only while the window is full.</summary>
    public ValueTask SettleAsync(Attempt attempt, Settlement settlement, PoolCounters counters)
    {
        Spans?.BeginSettle(attempt, settlement);
        return counters.TryBeginSettle() ? Continue(attempt, settlement, counters) : WaitCountedAsync(attempt, settlement, counters);
    }

    /// <summary>Hands one outcome over without waiting, for an attempt that was given up.</summary>
    public void HandOver(Attempt attempt, Settlement settlement, PoolCounters counters)
    {
        Spans?.BeginSettle(attempt, settlement);
        Interlocked.Increment(ref _unfinished);
        _ = HandOverAsync(attempt, settlement, counters);
    }

    /// <summary>Gives back a lease whose attempt has not begun; goes on until the store has taken it, for leases do not end by themselves everywhere.</summary>
    public void GiveBack(MessageLease lease)
    {
        Interlocked.Increment(ref _unfinished);
        _ = GiveBackAsync(lease);
    }

    /// <summary>Ends an attempt that was given up and has come back: its outcome is decided already.</summary>
    public ValueTask DropAsync(Attempt attempt) => Guard(reporter.LateAsync(attempt));

    /// <summary>Whether <see cref="WaitForReportsAsync"/> would not wait.</summary>
    public bool HasRoomForReports => reporter.HasRoom;

    /// <summary>Waits while what is to be reported of earlier outcomes has piled up.</summary>
    public ValueTask WaitForReportsAsync(CancellationToken cancellationToken) => reporter.WaitForRoomAsync(cancellationToken);

    /// <summary>Waits until everything handed over is stored or lost.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        while (NextIdle() is { } idle)
        {
            await idle.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Tries nothing again any more; what is not stored is decided by recovery. May be called twice.</summary>
    public void Dispose() => _closing.Cancel();

    private async Task GiveBackAsync(MessageLease lease)
    {
        try
        {
            for (int failures = 1; ; failures++)
            {
                try
                {
                    await store.SettleAsync(lease, Settlement.Release, [], CancellationToken.None);
                    return;
                }
                catch (Exception e) when (e is LeaseLostException or ObjectDisposedException)
                {
                    return; // Somebody else decides, or the store is closed and recovery does.
                }
                catch (Exception e)
                {
                    if (failures == 1)
                    {
                        using IDisposable? scope = MessageScope.Open(log, lease.Envelope);
                        LogWaiting(lease.Envelope.Id, e.Message);
                    }
                }

                if (!await WaitAsync(failures))
                {
                    return;
                }
            }
        }
        finally
        {
            Ended();
        }
    }

    private async ValueTask WaitCountedAsync(Attempt attempt, Settlement settlement, PoolCounters counters)
    {
        Interlocked.Increment(ref _unfinished);
        try
        {
            await WaitAsync(attempt, settlement, counters);
        }
        finally
        {
            Ended();
        }
    }

    private async ValueTask WaitAsync(Attempt attempt, Settlement settlement, PoolCounters counters)
    {
        await counters.BeginSettleAsync(_closing.Token);
        await Continue(attempt, settlement, counters);
    }

    private async Task HandOverAsync(Attempt attempt, Settlement settlement, PoolCounters counters)
    {
        await Task.Yield(); // The watch calls this, and hooks may follow.
        try
        {
            await WaitAsync(attempt, settlement, counters);
        }
        catch (Exception e)
        {
            Broken(e);
        }
        finally
        {
            Ended();
        }
    }

    private ValueTask Continue(Attempt attempt, Settlement settlement, PoolCounters counters)
    {
        Settlement clean = Clean(settlement);
        ValueTask stored = BeginStore(attempt, clean);
        if (stored.IsCompletedSuccessfully)
        {
            counters.EndSettle(clean);
            return Report(attempt, clean);
        }

        Interlocked.Increment(ref _unfinished);
        _ = FinishAsync(stored, attempt, clean, counters);
        return default;
    }

    /// <summary>Reports an outcome that is stored; whatever goes wrong with the report is the report's.</summary>
    private ValueTask Report(Attempt attempt, Settlement settlement)
    {
        try
        {
            Spans?.EndSettle(attempt, settlement);
            ValueTask reported = reporter.ReportAsync(attempt, settlement);
            return reported.IsCompletedSuccessfully ? default : Guard(reported);
        }
        catch (Exception e)
        {
            Broken(e);
            return default;
        }
    }

    private async ValueTask Guard(ValueTask report)
    {
        try
        {
            await report;
        }
        catch (Exception e)
        {
            Broken(e);
        }
    }

    private async Task FinishAsync(ValueTask stored, Attempt attempt, Settlement settlement, PoolCounters counters)
    {
        try
        {
            bool done = false;
            try
            {
                await stored;
                done = true;
            }
            catch (Exception e)
            {
                (done, settlement) = await StoreAgainAsync(e, attempt, settlement);
            }
            finally
            {
                counters.EndSettle(done ? settlement : null);
            }

            if (done)
            {
                await Report(attempt, settlement);
            }
        }
        finally
        {
            Ended();
        }
    }

    /// <summary>Goes on after a failure until the outcome is stored or given up; says which outcome it was in the end.</summary>
    private async ValueTask<(bool Stored, Settlement Settlement)> StoreAgainAsync(Exception failure, Attempt attempt, Settlement settlement)
    {
        using IDisposable? scope = OpenScope(attempt);
        bool refused = false;
        for (int failures = 1; ; failures++)
        {
            switch (failure)
            {
                case LeaseLostException lost:
                    Spans?.EndSettle(attempt, null);
                    await Guard(reporter.LostAsync(attempt, lost));
                    return (false, settlement);
                case ObjectDisposedException when _closing.IsCancellationRequested:
                    return (false, settlement); // Recovery finds the message as it was before this attempt.
                case StoreUnavailableException when failures == 1:
                    LogWaiting(attempt.Envelope.Id, failure.Message);
                    break;
                case StoreUnavailableException:
                    break;
                case var _ when refused:
                    // Even the bare outcome is refused. It is tried until the runtime stops: giving up would hold the message for ever.
                    Broken(failure);
                    if (!await WaitAsync(failures))
                    {
                        return (false, settlement);
                    }

                    break;
                default:
                    // The store refuses this outcome itself, so trying the same again is no use: the attempt counts as failed, and what it staged is dropped.
                    refused = true;
                    LogRefused(failure, attempt.Envelope.Id);
                    settlement = Clean(Bare(attempt, settlement, failure));
                    attempt.Drop();
                    break;
            }

            if (failure is StoreUnavailableException && !await WaitAsync(failures))
            {
                return (false, settlement);
            }

            try
            {
                await BeginStore(attempt, settlement);
                return (true, settlement);
            }
            catch (Exception e)
            {
                failure = e;
            }
        }
    }

    /// <summary>
    /// What is left of an outcome whose additions the store refuses. A delivery that went out stays delivered, and one that may have gone out stays
    /// uncertain: neither is sent again for it.
    /// </summary>
    private Settlement Bare(Attempt attempt, Settlement settlement, Exception failure)
    {
        string reason = $"The outcome could not be stored: {failure.Message}";
        return settlement switch
        {
            Settlement.Acknowledged when attempt.Receipt is not null => settlement,
            Settlement.Retried { KeepsClaim: true } => Settlement.Fail(FailureKind.Uncertain, reason),
            _ => RetryPolicy.Again(attempt.Lease, Backoff.Default, reason, FailureKind.Exception, random(), clock.GetUtcNow()),
        };
    }

    /// <summary>Waits before the next try; false when the runtime closes.</summary>
    private async ValueTask<bool> WaitAsync(int failures)
    {
        try
        {
            await Task.Delay(Retry.After(Math.Min(failures, 10), random()), clock, _closing.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Starts to store; a store that refuses at once is no different from one that refuses later.</summary>
    private ValueTask BeginStore(Attempt attempt, Settlement settlement)
    {
        try
        {
            return StoreAsync(attempt, settlement);
        }
        catch (Exception e)
        {
            return ValueTask.FromException(e);
        }
    }

    private ValueTask StoreAsync(Attempt attempt, Settlement settlement)
    {
        IReadOnlyList<Envelope> staged = marks.With(attempt.StagedFor(settlement), attempt.Envelope, settlement);
        IReadOnlyList<FactChange> facts = attempt.Context?.FactsFor(settlement) ?? [];
        if (facts.Count == 0 && attempt.Receipt is null)
        {
            return store.SettleAsync(attempt.Lease, settlement, staged, CancellationToken.None);
        }

        return WriteAsync(new StoreWrite
        {
            Settlements = [new StoreSettlement(attempt.Lease, settlement) { Staged = staged, Receipt = attempt.Receipt }],
            Facts = facts,
        });
    }

    private async ValueTask WriteAsync(StoreWrite write) => await store.WriteAsync(write, CancellationToken.None);

    /// <summary>Error texts are redacted and cut before they reach the store.</summary>
    private Settlement Clean(Settlement settlement)
    {
        return settlement switch
        {
            Settlement.Failed failed => failed with { Reason = redactor.ErrorText(failed.Reason) },
            Settlement.Retried retried => retried with { Reason = redactor.ErrorText(retried.Reason) },
            _ => settlement,
        };
    }

    private void Ended()
    {
        if (Interlocked.Decrement(ref _unfinished) > 0)
        {
            return;
        }

        lock (_gate)
        {
            _idle?.TrySetResult();
            _idle = null;
        }
    }

    /// <summary>Completes when nothing is on its way; null when nothing is.</summary>
    private Task? NextIdle()
    {
        lock (_gate)
        {
            if (Volatile.Read(ref _unfinished) == 0)
            {
                return null;
            }

            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task;
        }
    }

    private void Broken(Exception e)
    {
        if (!_closing.IsCancellationRequested)
        {
            LogBroken(e);
        }
    }

    [LoggerMessage(300, LogLevel.Warning, "The outcome of message {MessageId} cannot be stored now and is kept: {Why}")]
    private partial void LogWaiting(MessageId messageId, string why);

    [LoggerMessage(302, LogLevel.Error, "The outcome of message {MessageId} was refused by the store; its attempt counts as failed.")]
    private partial void LogRefused(Exception exception, MessageId messageId);

    [LoggerMessage(301, LogLevel.Error, "An outcome could not be handed over; its message is decided by the next attempt.")]
    private partial void LogBroken(Exception exception);
}
