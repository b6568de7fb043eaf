namespace Postroom.Chat;

/// <summary>A request that did not succeed, classified. Its text holds no token.</summary>
internal sealed class TelegramException(DeliveryFailure failure, string message) : Exception(message)
{
    /// <summary>What kind of failure it is; for code 429 see <see cref="RetryAfter"/> instead.</summary>
    public DeliveryFailure Failure => failure;

    /// <summary>The service's code; null when there was no answer of its own.</summary>
    public int? Code { get; init; }

    /// <summary>How long the service asks to wait; null unless it does.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Where a group has gone; null unless it has.</summary>
    public long? MovedTo { get; init; }

    /// <summary>The service's words; empty for none.</summary>
    public string Description { get; init; } = "";

    /// <summary>Whether the answer was longer than is read.</summary>
    public bool IsTooLong { get; init; }

    /// <summary>The failure as a lane takes it.</summary>
    /// <param name="clock">Dates the wait.</param>
    /// <param name="about">What a wait is about.</param>
    public DeliveryException ToDelivery(TimeProvider clock, BotRefusal about)
    {
        return new DeliveryException(
            RetryAfter is { } wait ? new DeliveryFailure.RateLimited(clock.GetUtcNow() + wait, about != BotRefusal.OfChat) { IsGuess = about == BotRefusal.OfBotPerhaps } : failure, Message, this);
    }
}
