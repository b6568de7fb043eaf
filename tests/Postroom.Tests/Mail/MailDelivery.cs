namespace Postroom.Tests.Mail;

/// <summary>A delivery of one message that keeps its progress from attempt to attempt, as a lane does.</summary>
internal sealed class MailDelivery(Address? recipient = null) : DeliveryContext
{
    private readonly List<string> _progress = [];
    private int _attempt = 1;

    public override MessageId MessageId { get; } = MessageId.New();

    public override int Attempt => _attempt;

    public override bool Redelivered => _attempt > 1;

    public override Address? Recipient => recipient;

    public override string? Conversation => null;

    public override string IdempotencyKey => MessageId.ToString();

    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    public override Envelope Envelope => new(MessageId, "out.email", "notify", default)
    {
        Headers = Headers,
        CreatedAt = new DateTimeOffset(2026, 1, 15, 12, 0, 0, TimeSpan.Zero),
    };

    public override IReadOnlyList<string> Progress => [.. _progress];

    public MailDelivery Again()
    {
        _attempt++;
        BytesLeft = false;
        return this;
    }

    public override ValueTask SaveProgressAsync(string outsideId, CancellationToken cancellationToken)
    {
        _progress.Add(outsideId);
        return default;
    }
}
