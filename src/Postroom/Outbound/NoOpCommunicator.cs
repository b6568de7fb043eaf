namespace Postroom;

/// <summary>Stands in for a communicator whose type is not known here: visible as degraded, its messages are held.</summary>
public sealed class NoOpCommunicator : ICommunicator
{
    /// <summary>Makes the stand-in.</summary>
    /// <param name="name">The configured name.</param>
    /// <param name="reason">Why nothing better is there.</param>
    public NoOpCommunicator(string name, string reason)
    {
        Name = name;
        Reason = reason;
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>Why nothing better is there.</summary>
    public string Reason { get; }

    /// <summary>Always true.</summary>
    public bool IsStarted => true;

    /// <summary>Always false.</summary>
    public bool SupportsReceiving { get; }

    /// <inheritdoc/>
    public CommunicatorCapabilities Capabilities { get; } = new() { TakesRecipients = false };

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Sends nothing and says so: receipt <see cref="DeliveryStatus.Skipped"/>.</summary>
    public ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        return new ValueTask<DeliveryReceipt>(new DeliveryReceipt { Status = DeliveryStatus.Skipped, Detail = Reason });
    }
}
