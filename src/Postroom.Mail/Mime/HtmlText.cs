using System.Net;
using System.Text;

namespace Postroom.Mail;

/// <summary>Makes plain text of HTML: tags dropped, links kept, quotes marked, scripts and styles removed. Work and memory are linear in the length.</summary>
internal static class HtmlText
{
    private const int MaxLink = 2_048; // longer ones are data, not places
    private const int DeepestQuote = 8;

    /// <summary>The text of a page as a reader sees it, with LF line ends.</summary>
    public static string Of(string html) => Read(html, keepsStruck: true, out _);

    /// <summary>The text of a page that counts: without what is struck out.</summary>
    /// <param name="html">The page.</param>
    /// <param name="hasStruck">Whether anything is struck out.</param>
    public static string WithoutStruck(string html, out bool hasStruck) => Read(html, keepsStruck: false, out hasStruck);

    private static string Read(string html, bool keepsStruck, out bool hasStruck)
    {
        HtmlHiding hiding = new();
        StringBuilder text = new(html.Length);
        TableRows rows = new(text);
        string? link = null;
        int linkBegin = 0;
        bool keepsLines = false;
        int at = 0;
        int lastClose = html.LastIndexOf('>');
        int depth = 0;
        List<(int From, int Depth)> quotes = [];
        while (at < html.Length)
        {
            int open = html.IndexOf('<', at);
            int end = open < 0 ? html.Length : open;
            if (hiding.Now == HtmlVisibility.Shown || (keepsStruck && hiding.Now == HtmlVisibility.Struck))
            {
                AppendText(text, html.AsSpan(at, end - at), keepsLines);
            }

            if (open < 0)
            {
                break;
            }

            if (html.AsSpan(open).StartsWith("<!--", StringComparison.Ordinal))
            {
                at = After(html, "-->", open + 4);
                continue;
            }

            // The end is looked for behind what begins a tag only: else each sign of "less" would walk to the end of the text.
            int close = open > lastClose || !IsTag(html, open) ? -1 : html.IndexOf('>', open);
            if (close < 0)
            {
                if (hiding.Now != HtmlVisibility.Hidden)
                {
                    text.Append('<');
                }

                at = open + 1;
                continue;
            }

            ReadOnlySpan<char> tag = html.AsSpan(open + 1, close - open - 1);
            string name = NameOf(tag);
            at = close + 1;
            if (name is "script" or "style" or "title")
            {
                at = After(html, ">", After(html, $"</{name}", at));
                continue;
            }

            HtmlVisibility visibility = hiding.Take(name, tag);
            if (visibility == HtmlVisibility.Hidden || (visibility == HtmlVisibility.Struck && !keepsStruck && name is "a" or "/a" or "li"))
            {
                continue; // Of what is struck out the breaks stay: they end the line before.
            }

            switch (name)
            {
                case "p" or "/p" or "h1" or "h2" or "h3" or "/h1" or "/h2" or "/h3" or "div" or "/div" or "br" or "hr" when rows.IsAtCellBegin:
                    break; // The cells of a row are one line, and what stands first in one breaks none.
                case "br":
                    text.Append('\n');
                    break;
                case "pre" or "/pre":
                    BreakLine(text);
                    keepsLines = name == "pre";
                    break;
                case "a":
                    (link, linkBegin) = (HrefOf(tag), text.Length);
                    break;
                case "/a" when link is not null:
                    linkBegin = Math.Min(linkBegin, text.Length); // A cell that ended gave blanks back.
                    if (!text.ToString(linkBegin, text.Length - linkBegin).Contains(link, StringComparison.Ordinal))
                    {
                        text.Append(" (").Append(link).Append(')');
                    }

                    link = null;
                    break;
                case "li":
                    BreakLine(text);
                    text.Append("- ");
                    break;
                case "p" or "/p" or "h1" or "h2" or "h3" or "/h1" or "/h2" or "/h3" or "ul" or "/ul" or "ol" or "/ol":
                    BreakLine(text);
                    BreakParagraph(text);
                    break;
                case "div" or "/div" or "/li" or "hr":
                    BreakLine(text);
                    break;
                case "table" or "/table" or "tr" or "/tr" or "td" or "th" or "/td" or "/th":
                    AppendTable(text, rows, name);
                    break;
                case "blockquote" or "/blockquote":
                    BreakLine(text);
                    rows.Keep();
                    depth = name[0] == '/' ? Math.Max(depth - 1, 0) : depth + 1;
                    quotes.Add((text.Length, Math.Min(depth, DeepestQuote)));
                    break;
            }
        }

        hasStruck = hiding.HasStruck;
        return quotes.Count == 0 ? text.ToString().Trim() : Quote(text.ToString().TrimEnd(), quotes);
    }

    private static void AppendTable(StringBuilder text, TableRows rows, string name)
    {
        switch (name)
        {
            case "table" or "/table":
                if (name == "/table")
                {
                    rows.EndCell();
                }

                BreakLine(text);
                BreakParagraph(text);
                rows.Nest(name == "table");
                break;
            case "tr" or "/tr":
                rows.EndCell();
                BreakLine(text);
                rows.BeginRow();
                break;
            case "td" or "th":
                rows.BeginCell();
                break;
            default:
                rows.EndCell();
                break;
        }
    }

    /// <summary>Puts <c>&gt;</c> before each line of a quote, once for each quote it stands in, as mail programs do in plain text.</summary>
    private static string Quote(string text, List<(int From, int Depth)> quotes)
    {
        StringBuilder result = new(text.Length);
        int next = 0;
        int depth = 0;
        for (int begin = 0; begin < text.Length;)
        {
            while (next < quotes.Count && quotes[next].From <= begin)
            {
                depth = quotes[next++].Depth;
            }

            int end = text.IndexOf('\n', begin);
            end = end < 0 ? text.Length : end;
            result.Append('>', depth);
            if (depth > 0 && end > begin)
            {
                result.Append(' ');
            }

            result.Append(text, begin, end - begin).Append('\n');
            begin = end + 1;
        }

        return result.ToString().Trim();
    }

    private static bool IsTag(string html, int open) => open + 1 < html.Length && (char.IsAsciiLetter(html[open + 1]) || html[open + 1] is '/' or '!' or '?');

    private static int After(string html, string end, int from)
    {
        int found = from >= html.Length ? -1 : html.IndexOf(end, from, StringComparison.OrdinalIgnoreCase);
        return found < 0 ? html.Length : found + end.Length;
    }

    private static string NameOf(ReadOnlySpan<char> tag)
    {
        int length = 0;
        while (length < tag.Length && (char.IsAsciiLetterOrDigit(tag[length]) || (length == 0 && tag[0] == '/')))
        {
            length++;
        }

        return tag[..length].ToString().ToLowerInvariant();
    }

    private static string? HrefOf(ReadOnlySpan<char> tag)
    {
        int at = tag.IndexOf("href=", StringComparison.OrdinalIgnoreCase);
        if (at < 0)
        {
            return null;
        }

        ReadOnlySpan<char> value = tag[(at + 5)..];
        int end = value is ['"' or '\'', ..] ? value[1..].IndexOf(value[0]) + 1 : value.IndexOf(' ');
        string link = WebUtility.HtmlDecode((end < 0 ? value : value[..end]).Trim("\"'").ToString());
        return link.Length is > 0 and <= MaxLink && link[0] != '#' ? link : null;
    }

    private static void AppendText(StringBuilder text, ReadOnlySpan<char> raw, bool keepsLines)
    {
        foreach (char c in WebUtility.HtmlDecode(raw.ToString()))
        {
            if (c == '\n' && keepsLines)
            {
                text.Append(c);
            }
            else if (c is not (' ' or '\t' or '\r' or '\n' or '\u00A0'))
            {
                _ = c == '\0' ? text : text.Append(c);
            }
            else if (text.Length > 0 && text[^1] is not (' ' or '\n' or '\t'))
            {
                text.Append(' ');
            }
        }
    }

    private static void BreakLine(StringBuilder text)
    {
        if (text.Length > 0 && text[^1] != '\n')
        {
            text.Append('\n');
        }
    }

    private static void BreakParagraph(StringBuilder text)
    {
        if (text.Length > 1 && text[^2] != '\n')
        {
            text.Append('\n');
        }
    }
}
