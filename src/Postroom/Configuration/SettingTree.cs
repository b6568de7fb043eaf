namespace Postroom.Configuration;

/// <summary>Puts settings together: layers over each other, and single settings by their path.</summary>
internal static class SettingTree
{
    /// <summary>Lays one map over another: maps merge, everything else replaces. Names keep the spelling of the earlier layer.</summary>
    public static SettingMap Merge(SettingMap earlier, SettingMap later)
    {
        var entries = new List<KeyValuePair<string, SettingNode>>(earlier.Entries.Count + later.Entries.Count);
        foreach ((string name, SettingNode node) in earlier.Entries)
        {
            entries.Add(KeyValuePair.Create(name, later.Find(name) is { } over ? MergeNode(node, over) : node));
        }

        foreach ((string name, SettingNode node) in later.Entries)
        {
            if (earlier.Find(name) is null && Settle(node) is { } settled)
            {
                entries.Add(KeyValuePair.Create(name, settled));
            }
        }

        return new SettingMap(entries, earlier.Entries.Count > 0 ? earlier.Origin : later.Origin) { FillsOnly = earlier.FillsOnly && later.FillsOnly };
    }

    /// <summary>Makes a map of one setting; the middle of the path becomes maps.</summary>
    public static SettingMap Single(IReadOnlyList<string> path, SettingNode value)
    {
        SettingNode node = value;
        for (int i = path.Count - 1; i >= 0; i--)
        {
            node = new SettingMap([KeyValuePair.Create(path[i], node)], value.Origin);
        }

        return (SettingMap)node;
    }

    /// <summary>Lays one setting over a map. Where the layer itself wrote two, the caller has checked for that.</summary>
    public static SettingMap With(SettingMap map, IReadOnlyList<string> path, SettingNode value) => Merge(map, Single(path, value));

    /// <summary>The node at a path, or null.</summary>
    public static SettingNode? Find(SettingMap map, IReadOnlyList<string> path)
    {
        SettingNode? node = map;
        foreach (string name in path)
        {
            node = (node as SettingMap)?.Find(name);
        }

        return node;
    }

    /// <summary>The map without the setting at a path; maps left empty go with it.</summary>
    public static SettingMap Without(SettingMap map, IReadOnlyList<string> path, int depth = 0)
    {
        var entries = new List<KeyValuePair<string, SettingNode>>();
        foreach ((string name, SettingNode node) in map.Entries)
        {
            if (!SettingKey.Comparer.Equals(name, path[depth]))
            {
                entries.Add(KeyValuePair.Create(name, node));
            }
            else if (depth < path.Count - 1 && node is SettingMap child && Without(child, path, depth + 1) is { Entries.Count: > 0 } rest)
            {
                entries.Add(KeyValuePair.Create<string, SettingNode>(name, rest));
            }
        }

        return new SettingMap(entries, map.Origin);
    }

    /// <summary>The value of the environment, the command line or an override: a list or map when it is one in JSON, a list also without quotes, else a text.</summary>
    public static SettingNode ReadInline(string text, SettingOrigin origin) =>
        (text.AsSpan().TrimStart() is ['[' or '{', ..] ? JsonSettings.TryParseInline(text, origin) ?? YamlSettings.TryParseInlineList(text, origin) : null) // else no parser is loaded
        ?? new SettingValue(text, origin);

    private static SettingNode MergeNode(SettingNode earlier, SettingNode later) => (earlier, later) switch
    {
        (SettingMap below, SettingMap above) => Merge(below, above),
        (_, SettingMap { FillsOnly: true }) => earlier,
        _ => Settle(later) ?? earlier,
    };

    /// <summary>Leaves out what only fills in where there is something to fill.</summary>
    private static SettingNode? Settle(SettingNode node) => node switch
    {
        SettingMap { FillsOnly: true } => null,
        SettingMap { Entries.Count: > 0 } map when map.Entries.Any(entry => entry.Value is SettingMap) => SettleMap(map),
        _ => node,
    };

    private static SettingMap? SettleMap(SettingMap map)
    {
        List<KeyValuePair<string, SettingNode>> kept = [];
        foreach ((string name, SettingNode node) in map.Entries)
        {
            if (Settle(node) is { } settled)
            {
                kept.Add(KeyValuePair.Create(name, settled));
            }
        }

        return kept.Count == 0 ? null : new SettingMap(kept, map.Origin) { Inline = map.Inline };
    }
}
