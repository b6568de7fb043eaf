using System.Buffers;
using System.Globalization;
using System.Text;

namespace Postroom.Chat;

/// <summary>
/// Reads HTML for Telegram (TG-3): the tags of https://core.telegram.org/bots/api#html-style are kept, attributes they do not have are dropped, and
/// everything else is text. Tags left open are closed; a closing tag without an opening one is text.
/// </summary>
internal static class TelegramHtml
{
    private const int LongestTag = 4_096;
    private static readonly SearchValues<char> EndsOfValue = SearchValues.Create(" \t\n>\"'<");

    /// <summary>Reads a text.</summary>
    public static FormattedText Read(string html)
    {
        string source = Characters.Clean(html);
        FormattedTextBuilder result = new();
        int at = 0;
        while (at < source.Length)
        {
            int next = source.AsSpan(at).IndexOfAny('<', '&');
            next = next < 0 ? source.Length : at + next;
            result.Add(source.AsSpan(at, next - at));
            at = next;
            if (at == source.Length)
            {
                break;
            }

            int length = source[at] == '<' ? TakeTag(result, source.AsSpan(at)) : TakeEntity(result, source.AsSpan(at));
            if (length == 0)
            {
                result.Add(source.AsSpan(at, 1));
                length = 1;
            }

            at += length;
        }

        return result.Build();
    }

    /// <summary>Whether a link may be written: an absolute address of a kind that a chat opens.</summary>
    public static bool IsLink(string url)
    {
        return url.Length <= 2_048
            && Uri.TryCreate(url, UriKind.Absolute, out Uri? address)
            && address.Scheme is "http" or "https" or "tg" or "mailto" or "tel";
    }

    /// <summary>The opening tag of a link.</summary>
    public static string LinkTag(string url) => $"<a href=\"{FormattedText.Escape(url)}\">";

    /// <summary>Takes a tag; gives its length, or 0 when it is text.</summary>
    private static int TakeTag(FormattedTextBuilder result, ReadOnlySpan<char> rest)
    {
        bool closes = rest.Length > 1 && rest[1] == '/';
        int at = closes ? 2 : 1;
        int nameEnd = at;
        while (nameEnd < rest.Length && nameEnd - at <= 10 && (char.IsAsciiLetterOrDigit(rest[nameEnd]) || rest[nameEnd] == '-'))
        {
            nameEnd++;
        }

        if (NameOf(rest[at..nameEnd]) is not { } name || ReadAttributes(rest[..Math.Min(rest.Length, LongestTag)], nameEnd) is not var (attributes, end))
        {
            return 0;
        }

        if (closes)
        {
            if (attributes.Count > 0 || !result.IsOpen(name))
            {
                return 0;
            }

            result.Close(name);
            return end;
        }

        if (!result.CanOpen || !MayOpen(result, name) || TagOf(name, attributes) is not { } tag)
        {
            return 0;
        }

        result.Open(tag, name);
        return end;
    }

    private static string? NameOf(ReadOnlySpan<char> written)
    {
        Span<char> lower = stackalloc char[16];
        int length = written.Length <= lower.Length ? written.ToLowerInvariant(lower) : 0;
        return lower[..length] switch
        {
            "b" or "strong" => "b",
            "i" or "em" => "i",
            "u" or "ins" => "u",
            "s" or "strike" or "del" => "s",
            "span" => "span",
            "tg-spoiler" => "tg-spoiler",
            "a" => "a",
            "tg-emoji" => "tg-emoji",
            "code" => "code",
            "pre" => "pre",
            "blockquote" => "blockquote",
            _ => null,
        };
    }

    /// <summary>Code holds no other tags, except its language inside <c>pre</c>; links and quotes do not hold their like.</summary>
    private static bool MayOpen(FormattedTextBuilder result, string name)
    {
        return result.Innermost switch
        {
            "code" => false,
            "pre" => name == "code",
            _ => name is not ("a" or "blockquote" or "pre") || !result.IsOpen(name),
        };
    }

    /// <summary>The tag as it is sent; null when an attribute that makes it is missing or refused.</summary>
    private static string? TagOf(string name, Dictionary<string, string> attributes)
    {
        switch (name)
        {
            case "a":
                return attributes.TryGetValue("href", out string? url) && IsLink(url) ? LinkTag(url) : null;
            case "span":
                return attributes.GetValueOrDefault("class") == "tg-spoiler" ? "<span class=\"tg-spoiler\">" : null;
            case "tg-emoji":
                return attributes.TryGetValue("emoji-id", out string? id) && id.Length <= 20 && id.AsSpan().ContainsOnly(char.IsAsciiDigit) ? $"<tg-emoji emoji-id=\"{id}\">" : null;
            case "code":
                return attributes.TryGetValue("class", out string? language) && language.StartsWith("language-", StringComparison.Ordinal) ? CodeTag(language["language-".Length..]) : "<code>";
            case "blockquote":
                return attributes.ContainsKey("expandable") ? "<blockquote expandable>" : "<blockquote>";
            default:
                return $"<{name}>";
        }
    }

    /// <summary>The opening tag of code in a language; plain when the language is none.</summary>
    public static string CodeTag(string language)
    {
        return language.Length <= 32 && language.AsSpan().ContainsOnly(static c => char.IsAsciiLetterOrDigit(c) || c is '+' or '-' or '#' or '.' or '_')
            ? $"<code class=\"language-{language}\">"
            : "<code>";
    }

    /// <summary>Reads what stands between a tag's name and its end; null when it is no tag.</summary>
    private static (Dictionary<string, string> Attributes, int End)? ReadAttributes(ReadOnlySpan<char> tag, int at)
    {
        Dictionary<string, string> attributes = new(StringComparer.OrdinalIgnoreCase);
        while (true)
        {
            int before = at;
            at = SkipBlanks(tag, at);
            if (at >= tag.Length)
            {
                return null;
            }

            if (tag[at] == '>')
            {
                return (attributes, at + 1);
            }

            int nameStart = at;
            while (at < tag.Length && (char.IsAsciiLetterOrDigit(tag[at]) || tag[at] is '-' or '_' or ':'))
            {
                at++;
            }

            if (at == nameStart || nameStart == before)
            {
                return null;
            }

            string name = tag[nameStart..at].ToString();
            string value = "";
            if (at < tag.Length && tag[at] == '=')
            {
                at++;
                bool quoted = at < tag.Length && tag[at] is '"' or '\'';
                int valueStart = quoted ? at + 1 : at;
                int length = valueStart > tag.Length ? -1
                    : quoted ? tag[valueStart..].IndexOf(tag[at])
                    : tag[valueStart..].IndexOfAny(EndsOfValue);
                if (length < 0)
                {
                    return null;
                }

                value = Decode(tag.Slice(valueStart, length));
                at = valueStart + length + (quoted ? 1 : 0);
            }

            attributes.TryAdd(name, value);
        }
    }

    private static int SkipBlanks(ReadOnlySpan<char> text, int at)
    {
        while (at < text.Length && text[at] is ' ' or '\t' or '\n')
        {
            at++;
        }

        return at;
    }

    private static string Decode(ReadOnlySpan<char> value)
    {
        StringBuilder text = new(value.Length);
        while (!value.IsEmpty)
        {
            (string? character, int length) = value[0] == '&' ? EntityAt(value) : (null, 0);
            text.Append(character is null ? value[..1] : character);
            value = value[(character is null ? 1 : length)..];
        }

        return text.ToString();
    }

    private static int TakeEntity(FormattedTextBuilder result, ReadOnlySpan<char> rest)
    {
        (string? character, int length) = EntityAt(rest);
        result.Add(character);
        return character is null ? 0 : length;
    }

    /// <summary>The character that an entity stands for, of those the service knows; null when it is text.</summary>
    private static (string? Character, int Length) EntityAt(ReadOnlySpan<char> rest)
    {
        int end = rest[..Math.Min(rest.Length, 12)].IndexOf(';');
        if (end < 2)
        {
            return (null, 0);
        }

        ReadOnlySpan<char> name = rest[1..end];
        string? character = name switch
        {
            "lt" => "<",
            "gt" => ">",
            "amp" => "&",
            "quot" => "\"",
            _ when name[0] == '#' => OfNumber(name[1..]),
            _ => null,
        };
        return (character, end + 1);
    }

    private static string? OfNumber(ReadOnlySpan<char> number)
    {
        bool parsed = number is ['x' or 'X', .. var hexadecimal]
            ? int.TryParse(hexadecimal, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int code)
            : int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out code);

        // Line ends other than LF would make the visible text differ from what was measured.
        return parsed && Rune.IsValid(code) && (code >= ' ' || code is '\t' or '\n') && code is not (0x85 or 0x2028 or 0x2029) ? new Rune(code).ToString() : null;
    }
}
