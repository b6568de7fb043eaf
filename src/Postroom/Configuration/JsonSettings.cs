using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Postroom.Configuration;

/// <summary>Reads settings written as JSON: no comments, no trailing commas, duplicate keys refused, nesting at most 32.</summary>
internal ref struct JsonSettings
{
    private readonly ReadOnlySpan<byte> _bytes;
    private readonly string _layer;
    private readonly string? _source;
    private readonly bool _inline;
    private Utf8JsonReader _reader;
    private int _line;
    private int _lineStart;
    private int _counted;

    private JsonSettings(ReadOnlySpan<byte> bytes, string layer, string? source, bool inline)
    {
        _bytes = bytes;
        _layer = layer;
        _source = source;
        _inline = inline;
        _line = 1;
        _reader = new Utf8JsonReader(bytes, new JsonReaderOptions { CommentHandling = JsonCommentHandling.Disallow, MaxDepth = SettingText.MaxDepth });
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="ConfigurationException">It is no JSON object.</exception>
    public static SettingMap Parse(ReadOnlyMemory<byte> bytes, string layer, string source)
    {
        var settings = new JsonSettings(bytes.Span, layer, source, inline: false);
        try
        {
            SettingNode root = settings.ReadDocument();
            return root as SettingMap
                ?? throw new ConfigurationException([new ConfigurationProblem("", $"'{source}' is {root.Kind}; settings are an object, such as {{\"store\": {{\"kind\": \"sqlite\"}}}}.", root.Origin)]);
        }
        catch (JsonException e)
        {
            throw SettingText.Refuse(layer, source, (e.LineNumber ?? 0) + 1, (e.BytePositionInLine ?? 0) + 1, $"'{source}' is not JSON: {Reason(e)}");
        }
    }

    /// <summary>Reads one value of the environment or the command line that is a JSON list or object.</summary>
    /// <returns>The list or map, or null when the text is something else: then it is a text.</returns>
    public static SettingNode? TryParseInline(string text, SettingOrigin origin)
    {
        if (text.Length > SettingText.MaxBytes || text.AsSpan().Trim() is not (['[', .., ']'] or ['{', .., '}']))
        {
            return null;
        }

        try
        {
            return new JsonSettings(Encoding.UTF8.GetBytes(text), origin.Layer, origin.Source, inline: true).ReadDocument(text);
        }
        catch (Exception e) when (e is JsonException or ConfigurationException)
        {
            return null;
        }
    }

    private SettingNode ReadDocument(string? inline = null)
    {
        Read();
        SettingNode root = ReadNode();
        if (_reader.Read())
        {
            throw new JsonException("a second value begins here", null, null, null);
        }

        return root switch
        {
            _ when inline is null => root,
            SettingMap map => new SettingMap(map.Entries, map.Origin) { Inline = inline },
            SettingList list => new SettingList(list.Items, list.Origin) { Inline = inline },
            _ => root,
        };
    }

    private SettingNode ReadNode()
    {
        SettingOrigin origin = Origin();
        switch (_reader.TokenType)
        {
            case JsonTokenType.StartObject:
                return ReadMap(origin);

            case JsonTokenType.StartArray:
                var items = new List<SettingNode>();
                while (Read() != JsonTokenType.EndArray)
                {
                    items.Add(ReadNode());
                }

                return new SettingList(items, origin);

            case JsonTokenType.Null:
                return new SettingValue(null, origin);

            case JsonTokenType.String:
                return new SettingValue(Text(), origin);

            default:
                return new SettingValue(Encoding.UTF8.GetString(_reader.HasValueSequence ? _reader.ValueSequence.ToArray() : _reader.ValueSpan), origin);
        }
    }

    private SettingMap ReadMap(SettingOrigin origin)
    {
        var entries = new List<KeyValuePair<string, SettingNode>>();
        var seen = new Dictionary<string, SettingOrigin>(SettingKey.Comparer);
        while (Read() != JsonTokenType.EndObject)
        {
            SettingOrigin at = Origin();
            string name = Text();
            if (!seen.TryAdd(name, at))
            {
                throw SettingText.Refuse(_layer, _source, at.Line, at.Column,
                    $"'{_source}': '{Redactor.Cut(name, 80)}' is written twice; the first is in line {seen[name].Line}. Case, '_' and '-' do not count. Remove one.");
            }

            Read();
            SettingNode value = ReadNode();
            entries.Add(KeyValuePair.Create(name, value is SettingValue scalar ? new SettingValue(scalar.Text, at) : value));
        }

        return new SettingMap(entries, origin);
    }

    private JsonTokenType Read() => _reader.Read() ? _reader.TokenType : throw new JsonException("the document is empty", null, 0, 0);

    private string Text()
    {
        try
        {
            return _reader.GetString() ?? "";
        }
        catch (InvalidOperationException)
        {
            throw new JsonException("a text has half a character (a lone surrogate)", null, _line - 1, _reader.TokenStartIndex - _lineStart);
        }
    }

    /// <summary>Where the present token begins; lines are counted on from the former token, so a document is counted once.</summary>
    private SettingOrigin Origin()
    {
        if (_inline)
        {
            return new SettingOrigin(_layer, _source);
        }

        int at = (int)_reader.TokenStartIndex;
        for (; _counted < at; _counted++)
        {
            if (_bytes[_counted] == '\n')
            {
                _line++;
                _lineStart = _counted + 1;
            }
        }

        return new SettingOrigin(_layer, _source, _line, at - _lineStart + 1);
    }

    /// <summary>The reader's reason without its own numbering of lines and its advice to programmers.</summary>
    private static string Reason(JsonException e)
    {
        if (e.Message.Contains("trailing comma", StringComparison.Ordinal))
        {
            return "a comma stands before the closing bracket, where JSON has none. Remove it.";
        }

        int numbering = e.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return numbering < 0 ? e.Message : e.Message[..numbering];
    }
}
