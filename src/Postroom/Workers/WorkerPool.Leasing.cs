namespace Postroom.Workers;

/// <content>How leases come: a worker takes what is due itself; the pump waits for more when workers wait.</content>
internal sealed partial class WorkerPool
{
    private async Task PumpAsync()
    {
        while (!_stopping.IsCancellationRequested && !IsFaulted)
        {
            Task? paused;
            CancellationToken pumping;
            lock (_gate)
            {
                paused = _paused?.Task;
                if (_pumping.IsCancellationRequested && paused is null && !_stopping.IsCancellationRequested)
                {
                    _pumping.Dispose();
                    _pumping = new CancellationTokenSource();
                }

                pumping = _pumping.Token;
            }

            if (paused is not null)
            {
                await paused;
                continue;
            }

            try
            {
                await _feed.WaitUntilWantedAsync(pumping);
                await Runner.WaitUntilReadyAsync(pumping);
                await _settler.WaitForReportsAsync(pumping);
                IReadOnlyList<MessageLease> leases = await _store.LeaseAsync(Options.Queue, Math.Max(1, Prefetch - _feed.Count), _leaseTime, pumping);
                if (!_feed.Deliver(leases))
                {
                    GiveBack(leases); // They came while the pool was being held.
                }
            }
            catch (OperationCanceledException) when (pumping.IsCancellationRequested)
            {
                // Paused, failed or stopping: the loop condition decides.
            }
            catch (ObjectDisposedException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>How many leases may be taken at once.</summary>
    private int Prefetch => Options.Prefetch ?? Parallelism;

    private IReadOnlyList<MessageLease>? TakeNow()
    {
        return _instant is not null && Runner.IsAlwaysReady && _settler.HasRoomForReports
            ? _instant.TryLease(Options.Queue, Prefetch)
            : null;
    }

    /// <summary>Lets workers take again, unless something else holds the pool. Called under the gate.</summary>
    private void AllowTaking()
    {
        if (_paused is null && !_faulted && !_stopping.IsCancellationRequested)
        {
            _feed.GoOn();
        }
    }

    /// <summary>Gives back leases that no worker has begun.</summary>
    private void GiveBack(IReadOnlyList<MessageLease> unbegun)
    {
        Counters.GaveBack(unbegun.Count);
        foreach (MessageLease lease in unbegun)
        {
            _settler.GiveBack(lease);
        }
    }
}
