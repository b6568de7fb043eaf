namespace Postroom.Configuration;

/// <summary>One node of the settings: a <see cref="SettingValue"/>, <see cref="SettingList"/> or <see cref="SettingMap"/>. Immutable.</summary>
public abstract class SettingNode
{
    private protected SettingNode(SettingOrigin origin) => Origin = origin;

    /// <summary>Where it was written.</summary>
    public SettingOrigin Origin { get; }

    /// <summary>The text a list or map was read from when it came as JSON inside one value, so that a text setting can still have it; null otherwise.</summary>
    public string? Inline { get; init; }

    /// <summary>What an error message calls it: <c>a text</c>, <c>a list</c>, <c>a map</c>.</summary>
    internal abstract string Kind { get; }
}
