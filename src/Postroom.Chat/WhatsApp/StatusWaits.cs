namespace Postroom.Chat;

/// <summary>
/// Waits for status callbacks that prove sends without an answer (WA-5). Those that came in are remembered for a while, since a callback can be faster than the
/// question. Safe for concurrent use.
/// </summary>
internal sealed class StatusWaits
{
    /// <summary>How many questions wait at once; further ones are answered with unknown.</summary>
    public const int MaxWaits = 1_024;

    /// <summary>How many messages' callbacks are remembered; the oldest is forgotten first.</summary>
    public const int MaxRemembered = 8_192;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, DeliveryReceipt> _known = new(StringComparer.Ordinal);
    private readonly Queue<(string Key, DeliveryReceipt Receipt)> _order = new();
    private readonly Dictionary<string, Wait> _waits = new(StringComparer.Ordinal);

    /// <summary>Waits until a callback with the key has come.</summary>
    /// <param name="key">The key of the send.</param>
    /// <param name="cancellationToken">The time is over: the answer is unknown.</param>
    public async ValueTask<ProbeAnswer> FindAsync(string key, CancellationToken cancellationToken)
    {
        Wait? wait;
        lock (_gate)
        {
            if (_known.TryGetValue(key, out DeliveryReceipt? known))
            {
                return new ProbeAnswer.Found(known);
            }

            if (!_waits.TryGetValue(key, out wait))
            {
                if (_waits.Count >= MaxWaits)
                {
                    return new ProbeAnswer.Unknown();
                }

                _waits.Add(key, wait = new Wait());
            }

            wait.Askers++;
        }

        try
        {
            return new ProbeAnswer.Found(await wait.Told.Task.WaitAsync(cancellationToken));
        }
        catch (OperationCanceledException)
        {
            lock (_gate)
            {
                if (--wait.Askers == 0 && _waits.TryGetValue(key, out Wait? still) && still == wait)
                {
                    _waits.Remove(key);
                }
            }

            return new ProbeAnswer.Unknown();
        }
    }

    /// <summary>A new send with the key begins: what was told of an earlier one says nothing of it.</summary>
    /// <param name="key">The key of the send.</param>
    public void Forget(string key)
    {
        lock (_gate)
        {
            _known.Remove(key);
        }
    }

    /// <summary>Takes a callback.</summary>
    /// <param name="key">The key that it gives back.</param>
    /// <param name="receipt">What it says.</param>
    public void Tell(string key, DeliveryReceipt receipt)
    {
        lock (_gate)
        {
            if (!_known.TryGetValue(key, out DeliveryReceipt? told) || Replaces(told, receipt))
            {
                _known[key] = receipt;
                _order.Enqueue((key, receipt));
                if (_order.Count > MaxRemembered && _order.Dequeue() is var oldest && _known.TryGetValue(oldest.Key, out DeliveryReceipt? known) && ReferenceEquals(known, oldest.Receipt))
                {
                    _known.Remove(oldest.Key);
                }
            }

            if (_waits.Remove(key, out Wait? wait))
            {
                wait.Told.TrySetResult(receipt);
            }
        }
    }

    /// <summary>Callbacks come in any order. What gives a send up is the last word on it, and says nothing of another send with the key.</summary>
    private static bool Replaces(DeliveryReceipt told, DeliveryReceipt receipt) =>
        told.OutsideId == receipt.OutsideId ? receipt.Status == DeliveryStatus.Failed && told.Status != DeliveryStatus.Failed : told.Status == DeliveryStatus.Failed;

    private sealed class Wait
    {
        public TaskCompletionSource<DeliveryReceipt> Told { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Askers { get; set; } // under the gate
    }
}
