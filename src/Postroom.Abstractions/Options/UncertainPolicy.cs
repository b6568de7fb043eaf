namespace Postroom;

/// <summary>What happens to a send that left and whose end nobody can tell.</summary>
public enum UncertainPolicy
{
    /// <summary>It is sent again, at most <see cref="CommunicatorBackendConfig.UncertainRetries"/> times, marked as redelivered; then it is held.</summary>
    Retry,

    /// <summary>It ends Failed (uncertain) and is listed for a person, who confirms or replays it.</summary>
    Hold,

    /// <summary>The service is asked whether it has the message.</summary>
    Ask,
}
