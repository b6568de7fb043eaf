using Postroom.Configuration;

namespace Postroom;

/// <summary>The settings all sources have. Bound from <c>sources.{name}</c>; the type selects a derived record. Immutable.</summary>
public record SourceConfig
{
    /// <summary>The kind: <c>imap</c>, <c>maildir</c>, <c>folder</c>, <c>webhook</c> or a registered one.</summary>
    public required string Type { get; init; }

    /// <summary>Whether it runs. True unless set.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>The queue its messages go to. <c>in</c> unless set.</summary>
    public string Into { get; init; } = "in";

    /// <summary>The communicator that answers for it, because the source cannot send. Null, the default, leaves replies without a way.</summary>
    public string? ReplyVia { get; init; }

    /// <summary>The settings of a type without a schema of its own, secrets masked when printed; empty otherwise.</summary>
    public SettingMap Extra { get; init; } = SettingMap.Empty;
}
