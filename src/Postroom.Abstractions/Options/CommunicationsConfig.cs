namespace Postroom;

/// <summary>Which communicators there are and what holds for all of them. Bound from <c>communications</c>. Immutable.</summary>
public sealed record CommunicationsConfig
{
    /// <summary>Whether communicators are created and started. False unless set.</summary>
    public bool Enabled { get; init; }

    /// <summary>The communicators by name, in the order they were written.</summary>
    public IReadOnlyDictionary<string, CommunicatorBackendConfig> Backends { get; init; } = new Dictionary<string, CommunicatorBackendConfig>();

    /// <summary>What happens to a label nobody has. The message fails unless set.</summary>
    public UnroutablePolicy OnUnroutable { get; init; }

    /// <summary>The communicator for bare recipients without a last channel. Null, the default, uses the only one that takes recipients.</summary>
    public string? DefaultChannel { get; init; }

    /// <summary>Who takes incoming messages. Handlers unless set.</summary>
    public IncomingMode Incoming { get; init; }
}
