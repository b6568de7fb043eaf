namespace Postroom.Configuration;

/// <summary>How a reload, an override or a step back ended.</summary>
public sealed record ReloadResult
{
    /// <summary>Whether the new settings are in force. When not, nothing has changed.</summary>
    public required bool Applied { get; init; }

    /// <summary>The version in force now.</summary>
    public required long Version { get; init; }

    /// <summary>The settings that differ from the former snapshot; empty when nothing did.</summary>
    public IReadOnlyList<SettingChange> Changes { get; init; } = [];

    /// <summary>Everything that kept the new settings from being used; empty when they are.</summary>
    public IReadOnlyList<ConfigurationProblem> Problems { get; init; } = [];

    /// <summary>Whether a step back found no former snapshot.</summary>
    public bool NothingToRestore { get; init; }

    /// <summary>The keys that take effect only after a restart.</summary>
    public IEnumerable<string> NeedsRestart => Changes.Where(change => change.NeedsRestart).Select(change => change.Key);
}
