using System.Globalization;
using System.Text;

namespace Postroom.Testing;

/// <summary>Reads HTML as the service does (https://core.telegram.org/bots/api#html-style), with its words for what is wrong.</summary>
/// <param name="html">The text.</param>
internal sealed class FakeTelegramHtml(string html)
{
    private readonly StringBuilder _text = new();
    private readonly List<string> _entities = [];
    private readonly Stack<(string Name, int Start, int Offset)> _open = new();
    private int _at;

    /// <summary>What people see, and the stretches under tags.</summary>
    /// <exception cref="FormatException">The service would not parse it.</exception>
    public (string Text, IReadOnlyList<string> Entities) Read()
    {
        while (_at < html.Length)
        {
            switch (html[_at])
            {
                case '<' when html.AsSpan(_at).StartsWith("</"):
                    Close();
                    break;
                case '<':
                    Open();
                    break;
                case '&':
                    Entity();
                    break;
                default:
                    _text.Append(html[_at++]);
                    break;
            }
        }

        return _open.TryPeek(out (string Name, int Start, int Offset) left)
            ? throw Wrong($"Can't find end tag corresponding to start tag \"{left.Name}\"")
            : (_text.ToString(), _entities);
    }

    private static FormatException Wrong(string why) => new($"can't parse entities: {why}");

    private void Open()
    {
        int offset = _at++;
        string name = Word();
        List<(string Name, string Value)> attributes = [];
        while (true)
        {
            while (_at < html.Length && html[_at] is ' ' or '\n' or '\t')
            {
                _at++;
            }

            if (_at >= html.Length)
            {
                throw Wrong($"Unclosed start tag at byte offset {offset}");
            }

            if (html[_at] == '>')
            {
                _at++;
                break;
            }

            attributes.Add(Attribute(offset));
        }

        bool known = name switch
        {
            "b" or "strong" or "i" or "em" or "u" or "ins" or "s" or "strike" or "del" or "tg-spoiler" or "code" or "pre" or "blockquote" => true,
            "a" => attributes.Exists(attribute => attribute.Name == "href"),
            "span" => attributes is [("class", "tg-spoiler")] ? true : throw Wrong($"Tag \"span\" must have class \"tg-spoiler\" at byte offset {offset}"),
            "tg-emoji" => attributes.Exists(attribute => attribute.Name == "emoji-id"),
            _ => false,
        };
        _open.Push(known ? (name, _text.Length, offset) : throw Wrong($"Unsupported start tag \"{name}\" at byte offset {offset}"));
    }

    private (string Name, string Value) Attribute(int offset)
    {
        string name = Word();
        if (name.Length == 0)
        {
            throw Wrong($"Empty attribute name in the tag at byte offset {offset}");
        }

        if (_at >= html.Length || html[_at] != '=')
        {
            return (name, "");
        }

        _at++;
        char quote = _at < html.Length ? html[_at] : ' ';
        int end = quote is '"' or '\'' ? html.IndexOf(quote, _at + 1) : -1;
        if (end < 0)
        {
            throw Wrong($"Unexpected end of attribute at byte offset {offset}");
        }

        string value = html[(_at + 1)..end];
        _at = end + 1;
        return (name, value);
    }

    private void Close()
    {
        int offset = _at;
        _at += 2;
        string name = Word();
        if (_at >= html.Length || html[_at] != '>')
        {
            throw Wrong($"Unclosed end tag at byte offset {offset}");
        }

        _at++;
        if (!_open.TryPop(out (string Name, int Start, int Offset) open))
        {
            throw Wrong($"Unexpected end tag at byte offset {offset}");
        }

        if (open.Name != name)
        {
            throw Wrong($"Unmatched end tag at byte offset {offset}, expected \"</{open.Name}>\", found \"</{name}>\"");
        }

        _entities.Add($"{name}:{_text.ToString(open.Start, _text.Length - open.Start)}");
    }

    private string Word()
    {
        int start = _at;
        while (_at < html.Length && (char.IsAsciiLetterOrDigit(html[_at]) || html[_at] == '-'))
        {
            _at++;
        }

        return html[start.._at].ToLowerInvariant();
    }

    private void Entity()
    {
        int end = html.IndexOf(';', _at);
        string name = end < 0 ? "" : html[(_at + 1)..end];
        string? character = name switch
        {
            "lt" => "<",
            "gt" => ">",
            "amp" => "&",
            "quot" => "\"",
            ['#', .. var number] when int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int code) && Rune.IsValid(code) => new Rune(code).ToString(),
            _ => null,
        };
        _text.Append(character ?? "&");
        _at = character is null ? _at + 1 : end + 1;
    }
}
