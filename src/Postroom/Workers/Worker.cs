using Postroom.Settling;

namespace Postroom.Workers;

/// <summary>Runs one lease at a time: begin, run, decide, settle. The report follows when the settlement's commit returns.</summary>
internal sealed class Worker(WorkerPool pool, int slot, IMessageStore store, IMessageRunner runner, Settler settler, TimeProvider clock)
{
    private static readonly TimeSpan BreathAfterRefusal = TimeSpan.FromMilliseconds(250);

    private readonly LeaseProgress.Begin _begin = new($"{pool.OwnerPrefix}/{slot}");
    private CancellationTokenSource _time = new();
    private readonly LeaseFeed.Seat _seat = new();
    private int _abandoned;

    /// <summary>Its number in the pool.</summary>
    public int Slot { get; } = slot;

    /// <summary>What it handles now; null when it waits.</summary>
    public Attempt? Current { get; private set; }

    /// <summary>Since when it does what it does.</summary>
    public long Since { get; private set; } = clock.GetTimestamp();

    /// <summary>Its handler ignored its time limit: the pool has put another worker in its place.</summary>
    public bool IsAbandoned => Volatile.Read(ref _abandoned) != 0;

    /// <summary>Takes leases until the pool closes or scales it away.</summary>
    public async Task RunAsync(LeaseFeed leases)
    {
        while (!IsAbandoned && pool.Keeps(this))
        {
            ValueTask<MessageLease?> next = leases.NextAsync(_seat);
            if (!next.IsCompleted)
            {
                Since = clock.GetTimestamp();
            }

            if (await next is not { } lease)
            {
                return;
            }

            if (!pool.Keeps(this))
            {
                settler.GiveBack(lease); // The pool was scaled down while this one waited.
                return;
            }

            if (!await RunAsync(lease))
            {
                Abandon();
                return;
            }
        }
    }

    /// <summary>Cancels the token of an attempt that still runs: its time is over, or the drain limit is near.</summary>
    public void CancelAttempt(Attempt attempt, CancelReason reason)
    {
        if (attempt.TryCancel(reason))
        {
            // Cancelling runs what the handler registered, and goes on with it: not on the caller's thread.
            ThreadPool.UnsafeQueueUserWorkItem(static cancelling => cancelling.Pool.CancelQuietly(cancelling.Time), (Pool: pool, attempt.Time), preferLocal: false);
        }
    }

    /// <summary>Gives the worker up, whose handler still runs or comes back at this moment.</summary>
    public void Abandon() => Volatile.Write(ref _abandoned, 1);

    /// <summary>Runs one lease; false when it was given up, and another worker is in this one's place.</summary>
    private async ValueTask<bool> RunAsync(MessageLease lease)
    {
        Attempt attempt = new(lease, Slot, clock.GetTimestamp(), _time);
        Enter(attempt); // Before it begins: whoever takes the message away after that finds the attempt and cancels it.
        if (!await BeginAsync(attempt))
        {
            return true;
        }

        AttemptEnd end = await EndOfAsync(attempt);
        attempt.ReturnedAt = clock.GetTimestamp();
        Leave(attempt);

        if (attempt.TryEnd())
        {
            ValueTask settles = settler.SettleAsync(attempt, pool.Decide(attempt, end), pool.Counters);
            await attempt.LetGoAsync(); // Only now: until the outcome is handed over, a process that ends does the work again.
            await settles;
            return true;
        }

        pool.Counters.LateOutcome();
        await attempt.LetGoAsync();
        await settler.DropAsync(attempt);
        return false;
    }

    private ValueTask<bool> BeginAsync(Attempt attempt)
    {
        ValueTask<bool> begins;
        try
        {
            begins = store.RenewAsync(attempt.Lease, _begin, CancellationToken.None);
            if (begins.IsCompletedSuccessfully)
            {
                // Its result is asked for once.
                bool began = begins.Result;
                return began ? new ValueTask<bool>(true) : BeginAsync(attempt, new ValueTask<bool>(false));
            }
        }
        catch (Exception e)
        {
            begins = ValueTask.FromException<bool>(e);
        }

        return BeginAsync(attempt, begins);
    }

    private async ValueTask<bool> BeginAsync(Attempt attempt, ValueTask<bool> begins)
    {
        try
        {
            if (await begins)
            {
                return true;
            }

            // Withdrawn by an operator between lease and begin, too late, or its queue is paused: then it is still held.
            Leave(attempt);
            settler.GiveBack(attempt.Lease);
            return false;
        }
        catch (StoreUnavailableException)
        {
            Leave(attempt);
            settler.GiveBack(attempt.Lease);
            await Task.Delay(BreathAfterRefusal, clock, CancellationToken.None);
            return false;
        }
        catch
        {
            // This loop dies and is started again; the lease, which would not end by time, must not die with it.
            Leave(attempt);
            settler.GiveBack(attempt.Lease);
            throw;
        }
    }

    private async ValueTask<AttemptEnd> EndOfAsync(Attempt attempt)
    {
        try
        {
            if (settler.Spans is { IsOn: true } spans)
            {
                spans.BeginAttempt(attempt); // current until this method returns
            }

            using IDisposable? scope = settler.OpenScope(attempt);
            return await runner.RunAsync(attempt);
        }
        catch (Exception e)
        {
            return new AttemptEnd.Threw(e);
        }
    }

    private void Enter(Attempt attempt)
    {
        Since = attempt.StartedAt;
        Current = attempt;
        pool.OnBusy();
    }

    private void Leave(Attempt attempt)
    {
        Current = null;

        // A cancellation that is still under way belongs to this attempt; the next one gets a source of its own.
        if (!attempt.Leave() || !_time.TryReset())
        {
            _time = new CancellationTokenSource();
        }
    }
}
