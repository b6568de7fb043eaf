namespace Postroom.Outbound;

/// <summary>What the built-in kinds of communicators do when a send left no answer.</summary>
internal static class BuiltInKinds
{
    /// <summary>Whether a kind sends again by default; custom kinds leave it to a person.</summary>
    public static bool SendsAgain(string kind) => kind is "email" or "maildrop" or "telegram" or "webhook" or "whatsapp" or "emulator";

    /// <summary>Whether communicators of a kind may bring messages in; of custom kinds nobody knows.</summary>
    public static bool MayReceive(string kind) => kind is not ("email" or "maildrop" or "webhook");

    /// <summary>How long one send may take: as it is set, and longer than usual for e-mail, whose servers may think for ten minutes after the end of a message (ML-10).</summary>
    public static TimeSpan SendTimeout(CommunicatorBackendConfig config)
    {
        TimeSpan set = config.Outbound.SendTimeout;
        return config.Type == "email" && set == new OutboundOptions().SendTimeout ? TimeSpan.FromMinutes(12) : set;
    }

    /// <summary>How many tries the lane of a kind makes, and how long it waits between them.</summary>
    public static QueueOptions LaneOptions(CommunicatorBackendConfig config)
    {
        (int attempts, BackoffOptions backoff) = config.LaneKind switch
        {
            "telegram" or "whatsapp" => (4, new BackoffOptions { Base = TimeSpan.FromSeconds(1), Max = TimeSpan.FromSeconds(4) }),
            // A server that greylists takes nothing again within a minute, and waits vary by a fifth.
            "email" => (10, new BackoffOptions { Base = TimeSpan.FromSeconds(75), Max = TimeSpan.FromHours(1) }),
            "webhook" => (10, new BackoffOptions()),
            "emulator" => (1, new BackoffOptions()),
            _ => (5, new BackoffOptions()),
        };
        return new QueueOptions
        {
            MaxAttempts = config.Retry.MaxAttempts ?? attempts,
            Backoff = config.Retry.Backoff ?? backoff,
            Limits = [.. config.Limits.Where(static limit => limit.Concurrency is not null).Select(static limit => limit with { Rate = null })], // rates hold where the send leaves
        };
    }
}
