namespace Postroom;

/// <summary>Base of communicators: the name, the start state and the handler for what comes in.</summary>
public abstract class Communicator : ICommunicator
{
    /// <summary>Makes a communicator.</summary>
    /// <param name="name">Its configured name.</param>
    /// <exception cref="FormatException">The name breaks the rule of communicator names.</exception>
    protected Communicator(string name)
    {
        Name = Names.IsCommunicatorName(name)
            ? name
            : throw new FormatException($"'{Names.Shorten(name)}' is not a communicator name. {Names.CommunicatorRule}");
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public bool IsStarted { get; private set; }

    /// <inheritdoc/>
    public abstract CommunicatorCapabilities Capabilities { get; }

    /// <summary>Whether it hands over what comes in; false unless overridden.</summary>
    public virtual bool SupportsReceiving => false;

    /// <summary>Takes what comes in; null until the dispatcher has set it.</summary>
    protected Func<IncomingMessage, CancellationToken, ValueTask<AcceptResult>>? IncomingHandler { get; private set; }

    /// <summary>Sets who takes what comes in. The handler returns after the commit; only then may the service be told.</summary>
    public void SetIncomingHandler(Func<IncomingMessage, CancellationToken, ValueTask<AcceptResult>> handler) => IncomingHandler = handler;

    /// <summary>Takes messages and later receipts together; null until the dispatcher has set it.</summary>
    protected IIncomingSink? Incoming { get; private set; }

    /// <summary>What it keeps in the store; null until the dispatcher has set it.</summary>
    protected IChannelFacts? Facts { get; private set; }

    /// <summary>Sets what it keeps in the store. Called by the dispatcher.</summary>
    public void SetFacts(IChannelFacts facts) => Facts = facts;

    /// <summary>Sets who takes messages and later receipts together. Called by the dispatcher, beside <see cref="SetIncomingHandler"/>.</summary>
    public void SetIncomingSink(IIncomingSink sink) => Incoming = sink;

    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (!IsStarted)
        {
            await OnStartAsync(cancellationToken);
            IsStarted = true;
        }
    }

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (IsStarted)
        {
            IsStarted = false;
            await OnStopAsync(cancellationToken);
        }
    }

    /// <inheritdoc/>
    public abstract ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken);

    /// <summary>Connects; called once per start.</summary>
    protected virtual Task OnStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Waits for sends in progress and disconnects; called once per stop.</summary>
    protected virtual Task OnStopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
