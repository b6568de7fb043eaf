namespace Postroom.Outbound;

/// <summary>The limits that one send falls under: those of its service, and those of the settings (QU-5).</summary>
internal static class SendLimits
{
    /// <summary>The limits of the service.</summary>
    public static IReadOnlyList<SendLimit> OfService(Envelope envelope, OutgoingMessage message, Registration target) =>
        target.Communicator is IRateLimits limited ? limited.LimitsOf(message, envelope.To is { Kind: AddressKind.Recipient } to ? to : null) : [];

    /// <summary>The limits of the communicator's settings.</summary>
    public static IReadOnlyList<SendLimit> OfSettings(Envelope envelope, Registration target)
    {
        List<SendLimit> all = [];
        foreach (QueueLimit limit in target.Config.Limits)
        {
            if (limit.Rate is { } rate && limit.Key.ValueOf(envelope) is { } key)
            {
                // With its rate: two limits of one key, such as so many a second and so many a day, are counted apart.
                all.Add(new SendLimit($"{limit.Key}={key} {rate}", rate, rate.Count));
            }
        }

        return all;
    }
}
