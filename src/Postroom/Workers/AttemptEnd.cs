namespace Postroom.Workers;

/// <summary>How an attempt came out, before anything is decided about it. Closed.</summary>
internal abstract record AttemptEnd
{
    private AttemptEnd()
    {
    }

    public static AttemptEnd Success { get; } = new Returned(HandlerResult.Completed);

    public static AttemptEnd Cancelled { get; } = new Stopped();

    /// <summary>The handler said so.</summary>
    public sealed record Returned(HandlerResult Result) : AttemptEnd;

    /// <summary>The handler threw.</summary>
    public sealed record Threw(Exception Exception) : AttemptEnd;

    /// <summary>The handler's time ran out.</summary>
    public sealed record TimedOut(TimeSpan Limit) : AttemptEnd;

    /// <summary>The runtime stops; the attempt is given back.</summary>
    public sealed record Stopped : AttemptEnd;

    /// <summary>The message cannot be handled at all.</summary>
    public sealed record Unfit(FailureKind Kind, string Reason) : AttemptEnd;

    /// <summary>A lane has already decided what the service's answer means.</summary>
    public sealed record Delivered(Settlement Settlement, DeliveryReceipt? Receipt) : AttemptEnd;
}
