using System.Threading.Channels;

namespace Postroom.Workers;

/// <content>The pump: leases what the workers have room for, and gives back what none of them has begun.</content>
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
                await Runner.WaitUntilReadyAsync(pumping);
                await _settler.WaitForReportsAsync(pumping);
                if (!await _leases.Writer.WaitToWriteAsync(pumping))
                {
                    return;
                }

                int room = Math.Max(1, Math.Min(Options.Prefetch ?? Parallelism, _capacity) - _leases.Reader.Count);
                foreach (MessageLease lease in await _store.LeaseAsync(Options.Queue, room, _leaseTime, pumping))
                {
                    await _leases.Writer.WriteAsync(lease, CancellationToken.None);
                }
            }
            catch (OperationCanceledException) when (pumping.IsCancellationRequested)
            {
                ReleaseUnbegun(); // Paused, failed or stopping: the loop condition decides.
            }
            catch (ObjectDisposedException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>Gives back leases that no worker has begun.</summary>
    private void ReleaseUnbegun()
    {
        while (_leases.Reader.TryRead(out MessageLease? lease))
        {
            _settler.GiveBack(lease);
        }
    }

    private Channel<MessageLease> NewChannel()
    {
        return Channel.CreateBounded<MessageLease>(new BoundedChannelOptions(_capacity) { SingleWriter = true });
    }
}
