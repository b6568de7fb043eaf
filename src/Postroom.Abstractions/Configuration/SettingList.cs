namespace Postroom.Configuration;

/// <summary>A list of settings. A later layer replaces it as a whole.</summary>
/// <param name="items">The items in order.</param>
/// <param name="origin">Where it was written.</param>
public sealed class SettingList(IReadOnlyList<SettingNode> items, SettingOrigin origin) : SettingNode(origin)
{
    /// <summary>The items in order.</summary>
    public IReadOnlyList<SettingNode> Items { get; } = items;

    internal override string Kind => "a list";

    /// <summary>The items, secrets masked.</summary>
    public override string ToString() => $"[{string.Join(", ", Items)}]";
}
