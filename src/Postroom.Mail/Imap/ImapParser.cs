using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Postroom.Mail;

/// <summary>Takes one answer apart: its line, in which each literal is a number in braces and a line end, and the literals (RFC 3501 §9).</summary>
internal ref struct ImapParser
{
    /// <summary>How deep lists may lie within each other (ML-5).</summary>
    public const int MaxDepth = 32;

    /// <summary>The most results of one search (ML-5).</summary>
    public const int MaxResults = 1_000_000;

    private readonly ReadOnlySpan<byte> _line;
    private readonly IReadOnlyList<byte[]> _literals;
    private int _at;
    private int _literal;

    private ImapParser(ReadOnlySpan<byte> line, IReadOnlyList<byte[]> literals)
    {
        _line = line;
        _literals = literals;
    }

    /// <summary>Reads an answer.</summary>
    /// <param name="line">The line without its end.</param>
    /// <param name="literals">The literals, in order.</param>
    /// <exception cref="FormatException">It is none.</exception>
    public static ImapResponse Read(ReadOnlySpan<byte> line, IReadOnlyList<byte[]> literals) => new ImapParser(line, literals).Read();

    private ImapResponse Read()
    {
        string tag = Word();
        if (tag == "+")
        {
            Blanks();
            return new ImapResponse { Tag = tag, Text = Encoding.UTF8.GetString(_line[_at..]) };
        }

        Blanks();
        string name = Word().ToUpperInvariant();
        if (tag.Length == 0 || name.Length == 0)
        {
            throw new FormatException("it has no tag or no name");
        }

        if (name is "OK" or "NO" or "BAD" or "BYE" or "PREAUTH")
        {
            return Status(tag, name);
        }

        if (tag != "*")
        {
            throw new FormatException("a command ends with OK, NO or BAD");
        }

        uint? number = null;
        if (uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out uint count))
        {
            Blanks();
            (number, name) = (count, Word().ToUpperInvariant());
        }

        return name == "SEARCH"
            ? new ImapResponse { Tag = tag, Name = name, Numbers = Results() }
            : new ImapResponse { Tag = tag, Name = name, Number = number, Values = IsKnown(name) ? All() : [] };
    }

    /// <summary>What is used here; other data may have forms of its own and is skipped (ML-4).</summary>
    private static bool IsKnown(string name) => name is "FETCH" or "LIST" or "LSUB" or "FLAGS" or "CAPABILITY" or "ENABLED" or "STATUS";

    private ImapResponse Status(string tag, string name)
    {
        Blanks();
        (string code, string argument) = ("", "");
        if (_at < _line.Length && _line[_at] == '[' && _line[_at..].IndexOf((byte)']') is > 0 and var length)
        {
            string inside = Encoding.UTF8.GetString(_line.Slice(_at + 1, length - 1));
            _at += length + 1;
            int blank = inside.IndexOf(' ', StringComparison.Ordinal);
            (code, argument) = blank < 0 ? (inside, "") : (inside[..blank], inside[(blank + 1)..].Trim());

            // PERMANENTFLAGS may hold brackets inside its list.
            if (argument.StartsWith('(') && !argument.EndsWith(')') && _line[_at..].IndexOf(")]"u8) is >= 0 and var more)
            {
                argument += "]" + Encoding.UTF8.GetString(_line.Slice(_at, more + 1));
                _at += more + 2;
            }
        }

        Blanks();
        return new ImapResponse { Tag = tag, Name = name, Code = code.ToUpperInvariant(), CodeArgument = argument, Text = Encoding.UTF8.GetString(_line[_at..]) };
    }

    private List<ImapValue> All()
    {
        List<ImapValue> values = [];
        Blanks();
        while (_at < _line.Length)
        {
            values.Add(Value(0));
            Blanks();
        }

        return values;
    }

    /// <summary>The numbers of a search; Gmail and servers with CONDSTORE end with a list that is no result.</summary>
    private List<uint> Results()
    {
        List<uint> numbers = [];
        Blanks();
        while (_at < _line.Length && Utf8Parser.TryParse(_line[_at..], out uint number, out int length) && length > 0)
        {
            if (numbers.Count == MaxResults)
            {
                throw new FormatException($"it has more than {MaxResults} results");
            }

            numbers.Add(number);
            _at += length;
            Blanks();
        }

        return _at == _line.Length || _line[_at] == '(' ? numbers : throw new FormatException("a result is no number");
    }

    private ImapValue Value(int depth)
    {
        switch (_line[_at])
        {
            case (byte)'(':
                return List(depth);
            case (byte)'"':
                return new ImapValue(ImapKind.Text, Quoted(), []);
            case (byte)'{' or (byte)'~' when Literal() is { } literal:
                return new ImapValue(ImapKind.Text, literal, []);
            default:
                return Atom();
        }
    }

    private ImapValue List(int depth)
    {
        if (depth >= MaxDepth)
        {
            throw new FormatException($"it has lists deeper than {MaxDepth}");
        }

        List<ImapValue> items = [];
        _at++;
        while (true)
        {
            Blanks();
            if (_at >= _line.Length)
            {
                throw new FormatException("a list has no end");
            }

            if (_line[_at] == ')')
            {
                _at++;
                return new ImapValue(ImapKind.List, default, items);
            }

            items.Add(Value(depth + 1));
        }
    }

    private byte[] Quoted()
    {
        int end = ++_at;
        bool escaped = false;
        while (end < _line.Length && _line[end] != '"')
        {
            escaped |= _line[end] == '\\';
            end += _line[end] == '\\' ? 2 : 1;
        }

        if (end >= _line.Length)
        {
            throw new FormatException("a quoted text has no end");
        }

        ReadOnlySpan<byte> raw = _line[_at..end];
        _at = end + 1;
        if (!escaped)
        {
            return raw.ToArray();
        }

        List<byte> plain = new(raw.Length);
        for (int i = 0; i < raw.Length; i++)
        {
            i += raw[i] == '\\' && i + 1 < raw.Length ? 1 : 0;
            plain.Add(raw[i]);
        }

        return [.. plain];
    }

    /// <summary>The literal that begins here; null when a brace begins none.</summary>
    private byte[]? Literal()
    {
        int open = _line[_at] == '~' ? _at + 1 : _at; // a binary literal (RFC 3516 §4.4)
        int close = _line[open..].IndexOf((byte)'}');
        if (close < 0 || _line[open] != '{' || !_line[(open + close + 1)..].StartsWith("\r\n"u8) || _literal >= _literals.Count)
        {
            return null;
        }

        _at = open + close + 3;
        return _literals[_literal++];
    }

    /// <summary>A word; a section in brackets belongs to it, with the blanks in there: <c>BODY[HEADER.FIELDS (DATE)]</c>.</summary>
    private ImapValue Atom()
    {
        int begin = _at;
        int open = 0;
        while (_at < _line.Length && (open > 0 || _line[_at] is not ((byte)' ' or (byte)'(' or (byte)')' or (byte)'"' or (byte)'\r')))
        {
            open += _line[_at] == '[' ? 1 : _line[_at] == ']' && open > 0 ? -1 : 0;
            _at++;
        }

        if (_at == begin)
        {
            throw new FormatException($"a '{(char)_line[_at]}' stands where none can");
        }

        byte[] word = _line[begin.._at].ToArray();
        return System.Text.Ascii.EqualsIgnoreCase(word, "NIL"u8) ? ImapValue.Nil : new ImapValue(ImapKind.Atom, word, []);
    }

    private string Word()
    {
        int begin = _at;
        while (_at < _line.Length && _line[_at] != ' ')
        {
            _at++;
        }

        return Encoding.UTF8.GetString(_line[begin.._at]);
    }

    private void Blanks()
    {
        while (_at < _line.Length && _line[_at] == ' ')
        {
            _at++;
        }
    }
}
