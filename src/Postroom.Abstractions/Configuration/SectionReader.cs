using System.Globalization;

namespace Postroom.Configuration;

/// <summary>Reads the typed settings of one map, and reports everything wrong with them at once.</summary>
/// <remarks>
/// A section is described by code that asks for every setting it knows, with default and range; whatever was not asked for is an unknown
/// setting. A wrong setting is reported and its default used, so that reading goes on and all problems come together. Used by one thread.
/// </remarks>
public sealed partial class SectionReader
{
    private readonly BindingSession _session;
    private readonly SettingMap _map;
    private readonly SettingOrigin _origin;
    private readonly HashSet<string> _known = new(SettingKey.Comparer);
    private readonly List<string> _names = [];
    private readonly List<SectionReader> _children = [];
    private bool _open;

    internal SectionReader(BindingSession session, string path, SettingMap map, SettingOrigin origin)
    {
        _session = session;
        _map = map;
        _origin = origin;
        Path = path;
    }

    /// <summary>Where this map is, such as <c>workers.orders</c>; empty at the root.</summary>
    public string Path { get; }

    /// <summary>Whether nothing is written here, so that every setting has its default.</summary>
    public bool IsEmpty => _map.Entries.Count == 0 && _session.Descriptions is null;

    /// <summary>Reads a map on its own, outside a whole configuration; unknown settings are problems too.</summary>
    /// <typeparam name="T">What it becomes.</typeparam>
    /// <param name="map">The settings.</param>
    /// <param name="path">What error messages put before the names.</param>
    /// <param name="read">Reads every setting it knows.</param>
    /// <param name="problems">Gets every problem; the result is only usable when none is an error.</param>
    public static T Bind<T>(SettingMap map, string path, Func<SectionReader, T> read, ICollection<ConfigurationProblem> problems)
    {
        var session = new BindingSession();
        var reader = new SectionReader(session, path, map, map.Origin);
        T result = read(reader);
        reader.Finish();
        session.Problems.ForEach(problems.Add);
        return result;
    }

    /// <summary>Whether a setting is written with a value.</summary>
    /// <param name="name">The setting.</param>
    public bool Has(string name) => Find(name) is not (null or SettingValue { Text: null });

    /// <summary>Whether a setting refers to something that is missing, which is reported already.</summary>
    internal bool IsBroken(string name) => Find(name) is SettingValue { IsBroken: true };

    /// <summary>Where a setting is written; this map when it is not.</summary>
    /// <param name="name">The setting.</param>
    public SettingOrigin OriginOf(string name) => Find(name)?.Origin ?? _origin;

    /// <summary>The settings of a map below this one; empty when it is absent.</summary>
    /// <param name="name">The map's name.</param>
    /// <param name="example">What an error shows to whoever wrote something else, such as <c>{ base: 1s }</c>; null shows nothing.</param>
    public SectionReader ReadSection(string name, string? example = null)
    {
        SettingNode? node = Present(name);
        if (node is not (null or SettingMap))
        {
            AddError(name, $"{Key(name)} is {node.Kind}; it must be a map of settings{(example is null ? "" : $", such as {name}: {example}")}.");
        }

        return Child(SettingKey.Join(Path, name), node as SettingMap ?? SettingMap.Empty, node?.Origin ?? _origin);
    }

    /// <summary>Reads a list of maps; empty when it is absent.</summary>
    /// <typeparam name="T">What an item becomes.</typeparam>
    /// <param name="name">The list's name.</param>
    /// <param name="read">Reads one item.</param>
    public IReadOnlyList<T> ReadList<T>(string name, Func<SectionReader, T> read)
    {
        if (_session.Descriptions is not null)
        {
            _ = read(Child($"{Key(name)}[n]", SettingMap.Empty, _origin));
        }

        IReadOnlyList<SettingNode> items = Items(name) ?? [];
        var result = new List<T>(items.Count);
        for (int i = 0; i < items.Count; i++)
        {
            string path = string.Create(CultureInfo.InvariantCulture, $"{Key(name)}[{i}]");
            if (items[i] is SettingMap map)
            {
                result.Add(read(Child(path, map, map.Origin)));
            }
            else
            {
                _session.Problems.Add(new ConfigurationProblem(path, $"{path} is {items[i].Kind}; it must be a map of settings: {Form(read)}.", items[i].Origin));
            }
        }

        return result;
    }

    /// <summary>What an item of a list looks like, such as <c>{ name: …, role: … }</c>: what is asked for when nothing is written.</summary>
    private static string Form<T>(Func<SectionReader, T> read)
    {
        var asked = new SectionReader(new BindingSession(), "", SettingMap.Empty, SettingOrigin.Defaults);
        _ = read(asked);
        return $"{{ {string.Join(", ", asked._names.Select(name => $"{name}: …"))} }}";
    }

    /// <summary>Reads this map as named things: queues, pools, communicators.</summary>
    /// <typeparam name="T">What one of them becomes.</typeparam>
    /// <param name="kind">What an error calls one of them, such as <c>queue</c>; null leaves the names unchecked.</param>
    /// <param name="read">Gets the name and the settings below it.</param>
    public IReadOnlyDictionary<string, T> ReadNamed<T>(string? kind, Func<string, SectionReader, T> read)
    {
        var result = new Dictionary<string, T>(StringComparer.Ordinal);
        _open = true;
        if (_session.Descriptions is not null)
        {
            _ = read("{name}", Child($"{Path}.{{name}}", SettingMap.Empty, _origin));
        }

        foreach ((string name, SettingNode node) in _map.Entries)
        {
            if (kind is not null && !IsName(name))
            {
                AddError(name, $"'{name}' is no name for a {kind}. Names have 1 to 64 of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit.");
            }

            if (node is SettingMap or SettingValue { Text: null })
            {
                result.Add(name, read(name, Child(SettingKey.Join(Path, name), node as SettingMap ?? SettingMap.Empty, node.Origin)));
            }
            else
            {
                AddError(name, $"{Key(name)} is {node.Kind}; it must be a map of settings.");
            }
        }

        return result;
    }

    /// <summary>Takes what was not asked for so far, for things without a schema; nothing here is unknown afterwards.</summary>
    public SettingMap ReadRest()
    {
        _open = true;
        List<KeyValuePair<string, SettingNode>> rest = [.. _map.Entries.Where(entry => !_known.Contains(entry.Key))];
        foreach ((string name, SettingNode node) in rest)
        {
            RecordTree(Key(name), name, node);
        }

        return new SettingMap(rest, _origin);
    }

    /// <summary>Reports a setting as wrong.</summary>
    /// <param name="name">The setting; empty means this map as a whole.</param>
    /// <param name="message">What is wrong, why, and what to do; never a secret.</param>
    public void AddError(string name, string message) => Add(name, message, isNotice: false);

    /// <summary>Tells something about a setting that does not keep it from being used.</summary>
    /// <param name="name">The setting; empty means this map as a whole.</param>
    /// <param name="message">What the user should know.</param>
    public void AddNotice(string name, string message) => Add(name, message, isNotice: true);

    /// <summary>Reports every setting nobody asked for, here and below.</summary>
    internal void Finish()
    {
        if (!_open)
        {
            foreach ((string name, SettingNode node) in _map.Entries)
            {
                if (!_known.Contains(name))
                {
                    _session.Problems.Add(new ConfigurationProblem(Key(name), $"Unknown setting '{Key(name)}'. {NearestName.Hint(name, _names)}", node.Origin));
                }
            }
        }

        _children.ForEach(child => child.Finish());
    }

    private static bool IsName(string name)
    {
        if (name.Length is < 1 or > 64 || name[0] is '.' or '_' or '-')
        {
            return false;
        }

        foreach (char c in name)
        {
            if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c is not ('.' or '_' or '-'))
            {
                return false;
            }
        }

        return true;
    }

    private SectionReader Child(string path, SettingMap map, SettingOrigin origin)
    {
        var child = new SectionReader(_session, path, map, origin);
        _children.Add(child);
        return child;
    }

    private string Key(string name) => name.Length == 0 ? Path : SettingKey.Join(Path, name);

    private void Add(string name, string message, bool isNotice) =>
        _session.Problems.Add(new ConfigurationProblem(Key(name), message, name.Length == 0 ? _origin : OriginOf(name)) { IsNotice = isNotice });

    private SettingNode? Find(string name)
    {
        if (_known.Add(name))
        {
            _names.Add(name);
        }

        return _map.Find(name);
    }

    /// <summary>The node of a setting that is written with a value; null when it is absent, null or already reported as broken.</summary>
    private SettingNode? Present(string name) => Find(name) is { } node and not (SettingValue { Text: null } or SettingValue { IsBroken: true }) ? node : null;

    /// <summary>The items of a list, also when its layer wrote them by index or, where that is meant, wrote only one; null when it is absent or no list.</summary>
    private IReadOnlyList<SettingNode>? Items(string name, bool oneAlone = false)
    {
        switch (Present(name))
        {
            case null:
                return null;

            case SettingList list:
                return list.Items;

            case SettingMap map when Enumerable.Range(0, map.Entries.Count).All(i => map.Find(i.ToString(CultureInfo.InvariantCulture)) is not null):
                return [.. Enumerable.Range(0, map.Entries.Count).Select(i => map.Find(i.ToString(CultureInfo.InvariantCulture))!)];

            // What begins as a list and is none was meant as one.
            case SettingValue { Text: [not '[', ..] } one when oneAlone:
                return [one];

            case { } other:
                AddError(name, $"{Key(name)} is {other.Kind}; it must be a list, such as [a, b], or items numbered from 0 without a gap.");
                return null;
        }
    }

    private void Record(string name, string? text, SettingNode? node, bool isSecret = false)
    {
        // A node of null text hides earlier layers, so that the default counts: the layer that said so has won.
        _session.Readings.Add(new SettingReading(Key(name), text, node?.Origin ?? Find(name)?.Origin ?? SettingOrigin.Defaults, isSecret || node is SettingValue { IsSecret: true }));
    }

    private void RecordTree(string key, string name, SettingNode node)
    {
        switch (node)
        {
            case SettingMap map:
                foreach ((string child, SettingNode value) in map.Entries)
                {
                    RecordTree(SettingKey.Join(key, child), child, value);
                }

                break;

            case SettingList list:
                for (int i = 0; i < list.Items.Count; i++)
                {
                    RecordTree(string.Create(CultureInfo.InvariantCulture, $"{key}[{i}]"), name, list.Items[i]);
                }

                break;

            case SettingValue value:
                bool secret = value.IsSecret || SoundsSecret(name);
                if (secret && value.Text is { } text)
                {
                    _session.Secrets.Add(text);
                }

                _session.Readings.Add(new SettingReading(key, value.Text, value.Origin, secret));
                break;
        }
    }

    /// <summary>Without a schema only the name tells what must not be shown.</summary>
    private static bool SoundsSecret(string name)
    {
        string word = SettingKey.Canonical(name);
        return word.Contains("password", StringComparison.Ordinal) || word.Contains("secret", StringComparison.Ordinal)
            || word.EndsWith("token", StringComparison.Ordinal) || word.EndsWith("key", StringComparison.Ordinal)
            || word.EndsWith("hash", StringComparison.Ordinal) || word is "pass" or "pwd" or "sessionstring" or "authorization";
    }
}
