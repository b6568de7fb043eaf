using Microsoft.Extensions.Logging;
using Postroom.Settling;

namespace Postroom.Workers;

/// <summary>A pump that leases what its workers have room for, and the workers that run it.</summary>
/// <remarks>Pause, resume and scale are live. Stopping leases nothing new, hands back what never began, and waits for what runs.</remarks>
internal sealed partial class WorkerPool : IAsyncDisposable
{
    private readonly IMessageStore _store;
    private readonly Settler _settler;
    private readonly AttemptWatch _watch;
    private readonly TimeProvider _clock;
    private readonly TimeSpan _leaseTime;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private readonly List<Worker> _workers = [];
    private readonly List<Task> _loops = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly LeaseFeed _feed;
    private readonly IInstantLeases? _instant;
    private CancellationTokenSource _pumping = new();
    private TaskCompletionSource? _paused;
    private WorkerOptions _options;
    private Task _pump = Task.CompletedTask;
    private int _parallelism;
    private int _stuck;
    private bool _faulted;
    private bool _started;

    public WorkerPool(WorkerDefinition definition, IMessageStore store, Settler settler, AttemptWatch watch, string ownerPrefix, TimeProvider clock, ILogger log)
    {
        Name = definition.Name;
        _options = definition.Options;
        Runner = definition.Runner;
        _leaseTime = definition.LeaseTime;
        _parallelism = definition.Options.Parallelism;
        _store = store;
        _settler = settler;
        _watch = watch;
        _clock = clock;
        _log = log;
        OwnerPrefix = $"{ownerPrefix}/{definition.Name}";
        Counters = new PoolCounters(Options.SettleWindow);
        _instant = store as IInstantLeases;
        _feed = new LeaseFeed(TakeNow);
    }

    public string Name { get; }

    /// <summary>How it runs now; <see cref="Change"/> sets others.</summary>
    public WorkerOptions Options => Volatile.Read(ref _options);

    /// <summary>What does the work.</summary>
    public IMessageRunner Runner { get; }

    /// <summary>Node, run and pool: the first part of the owner of every attempt.</summary>
    public string OwnerPrefix { get; }

    public PoolCounters Counters { get; }

    /// <summary>Whether its attempts have a time limit.</summary>
    public bool HasLimit => Options.HandlerTimeout != Timeout.InfiniteTimeSpan;

    public int Stuck => Math.Max(0, Volatile.Read(ref _stuck)); // a handler may come back before it is counted

    public bool IsFaulted => Volatile.Read(ref _faulted);

    public bool IsPaused => Volatile.Read(ref _paused) is not null;

    public int Parallelism => Volatile.Read(ref _parallelism);

    /// <summary>It stops or has stopped; it does not start again.</summary>
    public bool IsStopping => _stopping.IsCancellationRequested;

    public void Start()
    {
        lock (_gate)
        {
            if (_started)
            {
                return;
            }

            _started = true;
            _watch.Add(this);
            FillSlots();

            _pump = Supervise("pump", PumpAsync);
        }
    }

    /// <summary>One of its workers has something to do.</summary>
    public void OnBusy()
    {
        if (HasLimit)
        {
            _watch.OnBusy();
        }
    }

    /// <summary>What an end means; a runner that cannot say makes it a failed attempt.</summary>
    public Settlement Decide(Attempt attempt, AttemptEnd end)
    {
        try
        {
            return Runner.Decide(attempt, end);
        }
        catch (Exception e)
        {
            string reason = $"The outcome could not be decided ({e.GetType().Name}).";
            return RetryPolicy.Again(attempt.Lease, Backoff.Default, reason, FailureKind.Exception, 0.5, _clock.GetUtcNow());
        }
    }

    /// <summary>Cancels the token of an attempt; what its handler registered may throw.</summary>
    public void CancelQuietly(CancellationTokenSource time)
    {
        try
        {
            time.Cancel();
        }
        catch (Exception e)
        {
            LogCancel(e, Name);
        }
    }

    /// <summary>Leases nothing new; what runs goes on.</summary>
    public void Pause()
    {
        MessageLease[] unbegun = [];
        lock (_gate)
        {
            if (_paused is null)
            {
                _paused = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _pumping.Cancel();
                unbegun = _feed.Hold();
            }
        }

        GiveBack(unbegun);
    }

    public void Resume()
    {
        lock (_gate)
        {
            _paused?.TrySetResult();
            _paused = null;
            AllowTaking();
        }
    }

    /// <summary>Changes how many messages are handled at a time; scaling down finishes what runs.</summary>
    public void Scale(int parallelism)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(parallelism, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(parallelism, 1_024);
        lock (_gate)
        {
            _parallelism = parallelism;
            FillSlots();
        }

        _watch.EnsureThreads();
    }

    /// <summary>Runs by other options from the next message on. Its queue and its window of settlements stay until a restart.</summary>
    public void Change(WorkerOptions options)
    {
        WorkerOptions before = Options;
        Volatile.Write(ref _options, options with { Queue = before.Queue, SettleWindow = before.SettleWindow });
        Runner.Change(Options);
        if (options.Parallelism != before.Parallelism)
        {
            Scale(options.Parallelism);
        }

        _watch.OnBusy(); // a shorter limit may be due sooner than the watch looks
    }

    /// <summary>Clears a failure: deaths are forgotten and the loops run again.</summary>
    public void Restart()
    {
        lock (_gate)
        {
            if (!_faulted)
            {
                return;
            }

            _faulted = false;
            _deaths.Clear();
            AllowTaking();
            FillSlots();

            // The pump that saw the failure may still be on its way out; two at once would lease twice.
            Task former = _pump;
            _pump = Supervise("pump", async () =>
            {
                await former.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                await PumpAsync();
            });
        }
    }

    /// <summary>Whether a worker still belongs to the pool; one beyond the parallelism ends.</summary>
    public bool Keeps(Worker worker)
    {
        if (worker.Slot < Parallelism)
        {
            return true;
        }

        lock (_gate)
        {
            // Scaled up again meanwhile: nobody was put in its place, because it was there.
            if (worker.Slot < _parallelism)
            {
                return true;
            }

            _workers.Remove(worker);
            return false;
        }
    }

    /// <summary>Asks a running attempt of a message to end. True when it was found.</summary>
    public bool Cancel(MessageId id)
    {
        foreach (Worker worker in Workers())
        {
            if (worker.Current is { } attempt && attempt.Envelope.Id == id)
            {
                worker.CancelAttempt(attempt, CancelReason.Operator);
                return true;
            }
        }

        return false;
    }

    /// <summary>Takes a worker out whose handler ignored its limit: the message is retried, the slot gets a new worker.</summary>
    public void Replace(Worker worker, Attempt attempt)
    {
        if (!attempt.TryEnd())
        {
            return;
        }

        worker.Abandon();

        lock (_gate)
        {
            _workers.Remove(worker);
            if (Interlocked.Increment(ref _stuck) > 2 * _parallelism)
            {
                Fault($"more than {2 * _parallelism} handlers ignored their time limit and still run");
            }
            else if (worker.Slot < _parallelism && !_stopping.IsCancellationRequested)
            {
                AddWorker(worker.Slot);
            }
        }

        using IDisposable? scope = _settler.OpenScope(attempt);
        LogAbandoned(Name, attempt.Envelope.Id, attempt.Lease.Attempt);
        attempt.Context?.Close();
        Settlement settlement = Decide(attempt, new AttemptEnd.TimedOut(Options.HandlerTimeout));
        _settler.HandOver(attempt, settlement, Counters);
    }

    /// <summary>Leases nothing new and waits for what runs; near the end of the limit, which may be infinite, tokens are cancelled. True when nothing was left.</summary>
    public async Task<bool> StopAsync(TimeSpan drain, TimeSpan cancelGrace, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _stopping.Cancel();
            _pumping.Cancel();
            _paused?.TrySetResult();
        }

        GiveBack(_feed.Hold());
        await _pump.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        GiveBack(_feed.Hold());
        _feed.End();

        Task all = Task.WhenAll(Loops());
        TimeSpan patience = drain == Timeout.InfiniteTimeSpan ? drain : drain > cancelGrace ? drain - cancelGrace : TimeSpan.Zero;
        if (!await EndsWithinAsync(all, patience, cancellationToken))
        {
            foreach (Worker worker in Workers())
            {
                if (worker.Current is { } attempt)
                {
                    worker.CancelAttempt(attempt, CancelReason.Stopping);
                }
            }

            await EndsWithinAsync(all, drain < cancelGrace ? drain : cancelGrace, cancellationToken);
        }

        _watch.Remove(this);
        return all.IsCompleted && Stuck == 0;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.Zero, TimeSpan.Zero, CancellationToken.None);
        _stopping.Dispose();
        _pumping.Dispose();
    }

    /// <summary>The workers at this moment.</summary>
    public Worker[] Workers()
    {
        lock (_gate)
        {
            return [.. _workers];
        }
    }

    /// <summary>Gives every free slot a worker once the pool runs. Called under the gate.</summary>
    private void FillSlots()
    {
        for (int slot = 0; slot < _parallelism && _started && !_stopping.IsCancellationRequested; slot++)
        {
            if (!_workers.Exists(worker => worker.Slot == slot && !worker.IsAbandoned))
            {
                AddWorker(slot);
            }
        }
    }

    private void AddWorker(int slot)
    {
        Worker worker = new(this, slot, _store, Runner, _settler, _clock);
        _workers.Add(worker);
        _loops.RemoveAll(loop => loop.IsCompleted);
        _loops.Add(Supervise($"worker {slot}", async () =>
        {
            try
            {
                await worker.RunAsync(_feed);
            }
            finally
            {
                if (worker.IsAbandoned)
                {
                    Interlocked.Decrement(ref _stuck);
                }
            }
        }, () => Remove(worker)));
    }

    /// <summary>A worker whose loop has ended for good makes room for another in its slot.</summary>
    private void Remove(Worker worker)
    {
        lock (_gate)
        {
            _workers.Remove(worker);
        }
    }

    private Task[] Loops()
    {
        lock (_gate)
        {
            return [.. _loops];
        }
    }

    private async Task<bool> EndsWithinAsync(Task task, TimeSpan limit, CancellationToken cancellationToken)
    {
        if (task.IsCompleted)
        {
            return true;
        }

        try
        {
            await task.WaitAsync(limit, _clock, cancellationToken);
            return true;
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            return false;
        }
    }
}
