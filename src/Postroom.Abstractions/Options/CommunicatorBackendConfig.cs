using Postroom.Configuration;

namespace Postroom;

/// <summary>The settings all communicators have. Bound from <c>communications.backends.{name}</c>; the type selects a derived record. Immutable.</summary>
public record CommunicatorBackendConfig
{
    /// <summary>The kind: <c>telegram</c>, <c>whatsapp</c>, <c>email</c>, <c>emulator</c>, <c>webhook</c> or a registered one.</summary>
    public required string Type { get; init; }

    /// <summary>Whether it is created at all. True unless set.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>The labels it takes messages for; case-sensitive, never empty. <c>default</c> unless set.</summary>
    public IReadOnlyList<string> Labels { get; init; } = ["default"];

    /// <summary>What happens while it has not started. Messages are held unless set.</summary>
    public UnavailablePolicy OnUnavailable { get; init; }

    /// <summary>What happens to a send of uncertain end. Null, the default, is what the kind says.</summary>
    public UncertainPolicy? Uncertain { get; init; }

    /// <summary>How often <see cref="UncertainPolicy.Retry"/> sends again. 0 to 100; 1 unless set.</summary>
    public int UncertainRetries { get; init; } = 1;

    /// <summary>How long <see cref="UncertainPolicy.Ask"/> waits for an answer. Null, the default, is what the kind says.</summary>
    public TimeSpan? AskTimeout { get; init; }

    /// <summary>How deliveries are tried again; null members are what the kind says.</summary>
    public RetryConfig Retry { get; init; } = new();

    /// <summary>Bounds per key on its lane. None unless set.</summary>
    public IReadOnlyList<QueueLimit> Limits { get; init; } = [];

    /// <summary>How many sends may be in flight. 1 to 1,024; null, the default, is <see cref="OutboundOptions.MaxInFlight"/>.</summary>
    public int? MaxInFlight { get; init; }

    /// <summary>The lane's options: those of <c>outbound</c> with what the communicator overrides.</summary>
    public OutboundOptions Outbound { get; init; } = new();

    /// <summary>The kind whose retries its lane makes (LN-9): its own, unless it stands for another.</summary>
    internal virtual string LaneKind => Type;

    /// <summary>The settings of a type without a schema of its own, secrets masked when printed; empty otherwise.</summary>
    public SettingMap Extra { get; init; } = SettingMap.Empty;
}
