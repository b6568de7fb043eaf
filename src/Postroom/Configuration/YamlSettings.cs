using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Postroom.Configuration;

/// <summary>
/// Reads the YAML 1.2 core subset that settings use: maps, lists, plain, quoted and block scalars, comments.
/// </summary>
/// <remarks>
/// Anchors, aliases, tags, merge keys, duplicate keys, several documents and nesting beyond 32 are refused with line and column, so that a
/// file means what it shows. It works on the parser's events: nothing is ever built from an alias or by a type's name.
/// </remarks>
internal sealed class YamlSettings
{
    private readonly Scanner _scanner;
    private readonly Parser _parser;
    private readonly Stack<ParsingEvent> _open = new(); // lists and maps in brackets, the innermost on top
    private readonly string _layer;
    private readonly string _source;

    private YamlSettings(string text, string layer, string source)
    {
        _scanner = new Scanner(new StringReader(text), skipComments: true);
        _parser = new Parser(_scanner);
        _layer = layer;
        _source = source;
    }

    /// <exception cref="ConfigurationException">The text is no such document.</exception>
    public static SettingMap Parse(string text, string layer, string source)
    {
        var reader = new YamlSettings(text, layer, source);
        try
        {
            return reader.ReadStream();
        }
        catch (YamlException e)
        {
            (long line, long column) = e.Message.Contains("tab", StringComparison.Ordinal) ? FindTab(text, e.Start) : (e.Start.Line, e.Start.Column);
            throw SettingText.Refuse(layer, source, line, column, $"'{source}' is not YAML: {e.Message}");
        }
        catch (Exception e) when (e is not ConfigurationException and not OutOfMemoryException)
        {
            // The scanner indexes into broken documents; whatever that throws, the document is at fault.
            (Mark at, string why) = reader.WhereItBroke();
            throw SettingText.Refuse(layer, source, at.Line, at.Column, $"'{source}' is not YAML: {why}");
        }
    }

    /// <summary>Reads one value of the environment or the command line that is a list such as <c>[a, b]</c>, quotes or not.</summary>
    /// <returns>The list, or null when the text is something else: then it is a text.</returns>
    public static SettingNode? TryParseInlineList(string text, SettingOrigin origin)
    {
        if (text.Length > SettingText.MaxBytes || text.AsSpan().Trim() is not ['[', .., ']'])
        {
            return null;
        }

        try
        {
            // Under a name, so that it is read as a document of settings is.
            SettingMap document = Parse($"list: {text}", origin.Layer, origin.Source ?? "");
            return document.Entries is [{ Value: SettingList { Items: var items } }] ? new SettingList([.. items.Select(item => At(item, origin))], origin) { Inline = text } : null;
        }
        catch (ConfigurationException)
        {
            return null;
        }
    }

    /// <summary>The same node with another origin: lines of a value that has none lead nowhere.</summary>
    private static SettingNode At(SettingNode node, SettingOrigin origin) => node switch
    {
        SettingValue value => new SettingValue(value.Text, origin),
        SettingList list => new SettingList([.. list.Items.Select(item => At(item, origin))], origin),
        SettingMap map => new SettingMap([.. map.Entries.Select(entry => KeyValuePair.Create(entry.Key, At(entry.Value, origin)))], origin),
        _ => node,
    };

    /// <summary>Where the tab in the indentation is: the scanner only tells where the map around it begins.</summary>
    private static (long Line, long Column) FindTab(string text, Mark start)
    {
        long line = 0;
        foreach (ReadOnlySpan<char> content in text.AsSpan().EnumerateLines())
        {
            int indentation = content.IndexOfAnyExcept(' ');
            if (++line >= start.Line && indentation >= 0 && content[indentation] == '\t')
            {
                return (line, indentation + 1);
            }
        }

        return (start.Line, start.Column);
    }

    /// <summary>What to say of a document on which the scanner broke: it tells nothing itself, and does so within brackets that are not closed more than elsewhere.</summary>
    private (Mark At, string Why) WhereItBroke()
    {
        Mark broke = _scanner.CurrentPosition;
        if (!_open.TryPeek(out ParsingEvent? open))
        {
            return (broke, $"it cannot be read on from line {broke.Line}, column {broke.Column}. Look at the brackets, quotes and colons before that place.");
        }

        (string kind, char first, char last) = open is SequenceStart ? ("list", '[', ']') : ("map", '{', '}');
        return (open.Start, $"the {kind} that '{first}' begins here is not closed before line {broke.Line}, column {broke.Column}, where something stands that cannot be in it. "
            + $"Close it with '{last}', or put a text that holds a colon or a bracket into quotes.");
    }

    private SettingMap ReadStream()
    {
        Next<StreamStart>();
        ParsingEvent first = Next();
        if (first is StreamEnd)
        {
            return new SettingMap([], new SettingOrigin(_layer, _source, 1, 1));
        }

        SettingNode root = Read(Next(), depth: 1);
        Next<DocumentEnd>();
        if (Next() is not StreamEnd)
        {
            throw Refuse(_parser.Current!, "a second document begins here; settings are one document per file. Remove the '---' or use two files.");
        }

        return root switch
        {
            SettingMap map => map,
            SettingValue { Text: null } => new SettingMap([], root.Origin),
            _ => throw new ConfigurationException([new ConfigurationProblem("", $"'{_source}' is {root.Kind}; settings are a map, such as 'store: {{ kind: sqlite }}'.", root.Origin)]),
        };
    }

    private SettingNode Read(ParsingEvent parsed, int depth)
    {
        if (parsed is AnchorAlias)
        {
            throw Refuse(parsed, "an alias (*) is used here. Aliases are not read; write the value out.");
        }

        if (parsed is NodeEvent node)
        {
            if (!node.Anchor.IsEmpty)
            {
                throw Refuse(parsed, $"an anchor (&{Redactor.Cut(node.Anchor.Value, 40)}) is set here. Anchors are not read; write the value out where it is used.");
            }

            if (!node.Tag.IsEmpty)
            {
                throw Refuse(parsed, $"a tag ({Redactor.Cut(node.Tag.Value, 80)}) is set here. Tags are not read; remove it.");
            }
        }

        if (depth > SettingText.MaxDepth && parsed is (MappingStart or SequenceStart))
        {
            throw Refuse(parsed, "the document nests deeper than 32 levels here. No setting does.");
        }

        return parsed switch
        {
            Scalar scalar => new SettingValue(IsNull(scalar) ? null : scalar.Value, Origin(scalar)),
            MappingStart => ReadMap(parsed, depth),
            SequenceStart => ReadList(parsed, depth),
            _ => throw Refuse(parsed, "the document ends in the middle of a value. It may have been written only in part."),
        };
    }

    private SettingMap ReadMap(ParsingEvent start, int depth)
    {
        var entries = new List<KeyValuePair<string, SettingNode>>();
        bool isFlow = start is MappingStart { Style: MappingStyle.Flow };
        if (isFlow)
        {
            _open.Push(start);
        }

        var seen = new Dictionary<string, SettingOrigin>(SettingKey.Comparer);
        while (Next() is var parsed and not MappingEnd)
        {
            if (Read(parsed, depth + 1) is not SettingValue { Text: { Length: > 0 } name } key)
            {
                throw Refuse(parsed, "the name of a setting must be one text.");
            }

            if (name == "<<")
            {
                throw Refuse(parsed, "a merge key (<<) is used here. Merge keys are not read; write the settings out.");
            }

            if (!seen.TryAdd(name, key.Origin))
            {
                throw Refuse(parsed, $"'{Redactor.Cut(name, 80)}' is written twice; the first is in line {seen[name].Line}. Case, '_' and '-' do not count. Remove one.");
            }

            // A value's own place is its key's: that is the line a person looks for.
            SettingNode value = Read(Next(), depth + 1);
            entries.Add(KeyValuePair.Create(name, value switch
            {
                SettingValue scalar => new SettingValue(scalar.Text, key.Origin),
                SettingMap map => new SettingMap(map.Entries, key.Origin),
                SettingList list => new SettingList(list.Items, key.Origin),
                _ => value,
            }));
        }

        _ = isFlow && _open.TryPop(out _);
        return new SettingMap(entries, Origin(start));
    }

    private SettingList ReadList(ParsingEvent start, int depth)
    {
        var items = new List<SettingNode>();
        bool isFlow = start is SequenceStart { Style: SequenceStyle.Flow };
        if (isFlow)
        {
            _open.Push(start);
        }

        while (Next() is var parsed and not SequenceEnd)
        {
            items.Add(Read(parsed, depth + 1));
        }

        _ = isFlow && _open.TryPop(out _);
        return new SettingList(items, Origin(start));
    }

    /// <summary>The null of the core schema: only plain scalars, never quoted ones.</summary>
    private static bool IsNull(Scalar scalar) => scalar.Style == ScalarStyle.Plain && scalar.Value is ("" or "~" or "null" or "Null" or "NULL");

    private SettingOrigin Origin(ParsingEvent parsed) => new(_layer, _source, (int)parsed.Start.Line, (int)parsed.Start.Column);

    private ConfigurationException Refuse(ParsingEvent at, string why) =>
        SettingText.Refuse(_layer, _source, at.Start.Line, at.Start.Column, $"'{_source}': {why}");

    private ParsingEvent Next() => _parser.MoveNext() ? _parser.Current! : throw new YamlException("the document ends too early");

    private void Next<T>()
        where T : ParsingEvent
    {
        if (Next() is not T)
        {
            throw Refuse(_parser.Current!, "the document is not well formed here.");
        }
    }
}
