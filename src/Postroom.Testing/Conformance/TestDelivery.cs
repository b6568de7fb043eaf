namespace Postroom.Testing;

/// <summary>A delivery for tests of communicators: the first attempt of a message unless said otherwise.</summary>
/// <param name="message">What is sent; its recipient is the delivery's.</param>
public sealed class TestDelivery(OutgoingMessage message) : DeliveryContext
{
    private readonly List<string> _progress = [];

    /// <inheritdoc/>
    public override MessageId MessageId { get; } = MessageId.New();

    /// <inheritdoc/>
    public override int Attempt => Attempts;

    /// <summary>Which attempt it is; 1 unless set.</summary>
    public int Attempts { get; init; } = 1;

    /// <inheritdoc/>
    public override bool Redelivered => IsRepeat;

    /// <summary>Whether an earlier send left without an answer; false unless set.</summary>
    public bool IsRepeat { get; init; }

    /// <summary>Called in front of each part that is stored; null, the default, for nothing.</summary>
    public Action? Saving { get; set; }

    /// <inheritdoc/>
    public override Address? Recipient => message.To is { Kind: AddressKind.Recipient } to ? to : null;

    /// <inheritdoc/>
    public override string? Conversation => Recipient is { } to ? $"{to.Scheme}/{to.Target}" : null;

    /// <inheritdoc/>
    public override string IdempotencyKey => MessageId.ToString();

    /// <inheritdoc/>
    public override Envelope Envelope => new(MessageId, "out.test", PayloadTypes.Notify, default) { Conversation = Conversation };

    /// <inheritdoc/>
    public override IReadOnlyList<string> Progress => _progress;

    /// <inheritdoc/>
    public override ValueTask SaveProgressAsync(string outsideId, CancellationToken cancellationToken)
    {
        Saving?.Invoke();
        cancellationToken.ThrowIfCancellationRequested();
        _progress.Add(outsideId);
        return default;
    }
}
