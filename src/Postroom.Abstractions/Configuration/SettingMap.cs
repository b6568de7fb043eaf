namespace Postroom.Configuration;

/// <summary>Named settings in the order they were written. Names are compared without case, <c>_</c> and <c>-</c>.</summary>
public sealed class SettingMap : SettingNode
{
    private readonly Dictionary<string, SettingNode> _byName;

    /// <summary>Makes a map.</summary>
    /// <param name="entries">Names and nodes.</param>
    /// <param name="origin">Where it was written.</param>
    /// <exception cref="ArgumentException">Two names are equal.</exception>
    public SettingMap(IReadOnlyList<KeyValuePair<string, SettingNode>> entries, SettingOrigin origin)
        : base(origin)
    {
        Entries = entries;
        _byName = new Dictionary<string, SettingNode>(entries.Count, SettingKey.Comparer);
        foreach ((string name, SettingNode node) in entries)
        {
            _byName.Add(name, node);
        }
    }

    /// <summary>A map without entries.</summary>
    public static SettingMap Empty { get; } = new([], SettingOrigin.Defaults);

    /// <summary>Names as written, with their nodes.</summary>
    public IReadOnlyList<KeyValuePair<string, SettingNode>> Entries { get; }

    /// <summary>Whether a merge skips it where no earlier layer has a map of this name: for short names that only fill in what exists.</summary>
    internal bool FillsOnly { get; init; }

    internal override string Kind => "a map";

    /// <summary>The node of a name, or null.</summary>
    /// <param name="name">The name in any spelling.</param>
    public SettingNode? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>The text of a name, or null when it is missing or no single value. For custom communicators and sources, which have no schema.</summary>
    /// <param name="name">The name in any spelling.</param>
    public string? GetText(string name) => Find(name) is { } node ? (node as SettingValue)?.Text ?? node.Inline : null;

    /// <summary>The entries, secrets masked.</summary>
    public override string ToString() => $"{{{string.Join(", ", Entries.Select(entry => $"{entry.Key}: {entry.Value}"))}}}";
}
