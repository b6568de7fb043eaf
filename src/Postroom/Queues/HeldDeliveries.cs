namespace Postroom;

/// <summary>The deliveries that one consumer holds: as many as it may, and each given back when its loop ends without having settled it.</summary>
/// <remarks>A delivery whose settlement is on its way belongs to that settlement; only when it cannot be stored is it given back. Safe for concurrent use.</remarks>
/// <param name="prefetch">How many it may hold.</param>
/// <param name="giveBack">Gives one back.</param>
/// <param name="changed">Is told of one more, or one less.</param>
internal sealed class HeldDeliveries(int prefetch, Action<MessageLease> giveBack, Action<int> changed) : IDeliveryHolder, IDisposable
{
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _room = new(prefetch, prefetch);
    private readonly Dictionary<long, Held> _held = [];
    private bool _ended;

    /// <summary>Waits until the consumer may hold one more.</summary>
    public Task WaitForRoomAsync(CancellationToken cancellationToken) => _room.WaitAsync(cancellationToken);

    /// <summary>Counts a lease as held.</summary>
    public void Add(MessageLease lease)
    {
        lock (_gate)
        {
            _held[lease.Fence] = new Held(lease);
        }

        changed(1);
    }

    /// <summary>A lease that was lost before it became a delivery.</summary>
    public void Drop(MessageLease lease)
    {
        lock (_gate)
        {
            LetGo(lease.Fence);
        }

        giveBack(lease);
    }

    public void Settling(Delivery delivery)
    {
        lock (_gate)
        {
            if (_held.TryGetValue(delivery.Lease.Fence, out Held? held))
            {
                held.Settlements++;
            }
        }
    }

    public void Settled(Delivery delivery, bool over)
    {
        lock (_gate)
        {
            if (!_held.TryGetValue(delivery.Lease.Fence, out Held? held))
            {
                return;
            }

            held.Settlements--;
            if (!over && (!_ended || held.Settlements > 0))
            {
                return; // The program may settle it again.
            }

            LetGo(delivery.Lease.Fence);
        }

        if (!over)
        {
            giveBack(delivery.Lease);
        }
    }

    /// <summary>The loop has ended: gives back what nobody is settling.</summary>
    public void Dispose()
    {
        MessageLease[] left;
        lock (_gate)
        {
            _ended = true;
            left = [.. _held.Values.Where(held => held.Settlements == 0).Select(held => held.Lease)];
            foreach (MessageLease lease in left)
            {
                LetGo(lease.Fence);
            }
        }

        _room.Dispose();
        foreach (MessageLease lease in left)
        {
            giveBack(lease);
        }
    }

    private void LetGo(long fence)
    {
        if (!_held.Remove(fence))
        {
            return;
        }

        changed(-1);
        if (!_ended)
        {
            _room.Release();
        }
    }

    private sealed class Held(MessageLease lease)
    {
        public MessageLease Lease { get; } = lease;

        /// <summary>Settlements on their way.</summary>
        public int Settlements { get; set; }
    }
}
