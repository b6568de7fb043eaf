using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Postroom.Diagnostics;
using Postroom.Workers;

namespace Postroom.Settling;

/// <summary>Hands outcomes to the store and reports them once they are committed. A worker does not wait for the commit.</summary>
/// <remarks>
/// While the store cannot write, finished outcomes stay here and are tried again until they are stored or the lease is lost;
/// the handler is not run again for them. At most a window of settlements awaits its commit.
/// </remarks>
internal sealed partial class Settler(
    IMessageStore store, AttemptReporter reporter, Redactor redactor, TimeProvider clock, Func<double> random, ILogger log, int window = 1_024) : IDisposable
{
    private static readonly Backoff Retry = new(TimeSpan.FromMilliseconds(50), 2, TimeSpan.FromSeconds(5), 0.2);

    private readonly SemaphoreSlim _room = new(window, window);
    private readonly ConcurrentDictionary<Task, bool> _unfinished = new();
    private readonly CancellationTokenSource _closing = new();

    /// <summary>Hands one outcome over; waits only while the window is full.</summary>
    public ValueTask SettleAsync(Attempt attempt, Settlement settlement, PoolCounters counters)
    {
        return _room.Wait(0) ? Continue(attempt, settlement, counters) : WaitAsync(attempt, settlement, counters);
    }

    /// <summary>Hands one outcome over without waiting, for an attempt that was given up.</summary>
    public void HandOver(Attempt attempt, Settlement settlement, PoolCounters counters) => Track(WaitAsync(attempt, settlement, counters).AsTask());

    /// <summary>Waits until everything handed over is stored or lost.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        while (!_unfinished.IsEmpty)
        {
            await Task.WhenAll(_unfinished.Keys).WaitAsync(cancellationToken);
        }
    }

    public void Dispose()
    {
        _closing.Cancel();
        _closing.Dispose();
        _room.Dispose();
    }

    private async ValueTask WaitAsync(Attempt attempt, Settlement settlement, PoolCounters counters)
    {
        await _room.WaitAsync(_closing.Token);
        await Continue(attempt, settlement, counters);
    }

    private ValueTask Continue(Attempt attempt, Settlement settlement, PoolCounters counters)
    {
        counters.BeginSettle();
        Settlement clean = Clean(settlement);
        ValueTask stored = StoreAsync(attempt, clean);
        if (stored.IsCompletedSuccessfully)
        {
            Finish(clean, counters);
            return reporter.ReportAsync(attempt, clean);
        }

        Track(FinishAsync(stored, attempt, clean, counters));
        return default;
    }

    private async Task FinishAsync(ValueTask stored, Attempt attempt, Settlement settlement, PoolCounters counters)
    {
        bool done = false;
        try
        {
            done = await UntilStoredAsync(stored, attempt, settlement);
        }
        catch (Exception e)
        {
            // The store refuses this outcome itself, so trying the same again is no use: the attempt counts as failed, and what it staged is dropped.
            LogRefused(e, attempt.Envelope.Id);
            attempt.Drop();
            settlement = Clean(RetryPolicy.Again(
                attempt.Lease, Backoff.Default, $"The outcome could not be stored: {e.Message}", FailureKind.Exception, random(), clock.GetUtcNow()));
            done = await UntilStoredAsync(StoreAsync(attempt, settlement), attempt, settlement);
        }
        finally
        {
            Finish(settlement, counters);
        }

        if (done)
        {
            await reporter.ReportAsync(attempt, settlement);
        }
    }

    private async ValueTask<bool> UntilStoredAsync(ValueTask stored, Attempt attempt, Settlement settlement)
    {
        for (int failures = 1; ; failures++)
        {
            try
            {
                await stored;
                return true;
            }
            catch (LeaseLostException e)
            {
                reporter.Lost(attempt, e);
                return false;
            }
            catch (StoreUnavailableException e)
            {
                if (failures == 1)
                {
                    LogWaiting(attempt.Envelope.Id, e.Message);
                }
            }
            catch (ObjectDisposedException) when (_closing.IsCancellationRequested)
            {
                return false; // Recovery finds the message as it was before this attempt.
            }

            try
            {
                await Task.Delay(Retry.After(Math.Min(failures, 10), random()), clock, _closing.Token);
            }
            catch (OperationCanceledException)
            {
                return false;
            }

            stored = StoreAsync(attempt, settlement);
        }
    }

    private ValueTask StoreAsync(Attempt attempt, Settlement settlement)
    {
        IReadOnlyList<Envelope> staged = attempt.StagedFor(settlement);
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

    private void Finish(Settlement settlement, PoolCounters counters)
    {
        counters.EndSettle(settlement);
        _room.Release();
    }

    private void Track(Task task)
    {
        if (task.IsCompletedSuccessfully)
        {
            return;
        }

        _unfinished.TryAdd(task, true);
        task.ContinueWith(
            static (ended, state) => ((Settler)state!).Ended(ended), this, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private void Ended(Task task)
    {
        _unfinished.TryRemove(task, out _);
        if (task.Exception is { } e && !_closing.IsCancellationRequested)
        {
            LogBroken(e.GetBaseException());
        }
    }

    [LoggerMessage(300, LogLevel.Warning, "The outcome of message {MessageId} cannot be stored now and is kept: {Why}")]
    private partial void LogWaiting(MessageId messageId, string why);

    [LoggerMessage(302, LogLevel.Error, "The outcome of message {MessageId} was refused by the store; its attempt counts as failed.")]
    private partial void LogRefused(Exception exception, MessageId messageId);

    [LoggerMessage(301, LogLevel.Error, "An outcome could not be handed over; its message is decided by the next attempt.")]
    private partial void LogBroken(Exception exception);
}
