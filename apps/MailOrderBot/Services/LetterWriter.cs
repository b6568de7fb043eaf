using System.Net;
using System.Text;

namespace MailOrderBot.Services;

/// <summary>Writes one letter as plain text and as HTML at the same time. What it is given is text: it is escaped.</summary>
internal sealed class LetterWriter
{
    private const string Cell = "padding:2px 12px 2px 0";

    private readonly StringBuilder _text = new();
    private readonly StringBuilder _html = new();

    /// <summary>Adds a paragraph; its line ends stay.</summary>
    public LetterWriter Paragraph(string text)
    {
        string clean = Clean(text);
        _text.Append(clean).Append("\n\n");
        _html.Append("<p>").Append(Escape(clean)).Append("</p>\n");
        return this;
    }

    /// <summary>Adds a paragraph with a heading, when there is something to say.</summary>
    public LetterWriter Titled(string title, string? text)
    {
        if (text is null)
        {
            return this;
        }

        string clean = Clean(text);
        _text.Append(title).Append(clean.Contains('\n', StringComparison.Ordinal) ? "\n" : " ").Append(clean).Append("\n\n");
        _html.Append("<p><b>").Append(Escape(title)).Append("</b> ").Append(clean.Contains('\n', StringComparison.Ordinal) ? "<br>\n" : "").Append(Escape(clean)).Append("</p>\n");
        return this;
    }

    /// <summary>Adds a list; the first line of an item stands behind a bullet, the others below it.</summary>
    public LetterWriter List(IReadOnlyList<string> items)
    {
        _html.Append("<ul>\n");
        foreach (string item in items)
        {
            string clean = Clean(item);
            _text.Append("- ").Append(clean.Replace("\n", "\n  ", StringComparison.Ordinal)).Append('\n');
            _html.Append("<li>").Append(Escape(clean)).Append("</li>\n");
        }

        _text.Append('\n');
        _html.Append("</ul>\n");
        return this;
    }

    /// <summary>Adds a table without a heading row.</summary>
    /// <param name="rows">The rows, all of one width.</param>
    /// <param name="right">Which columns are flush right.</param>
    public LetterWriter Table(IReadOnlyList<string[]> rows, params bool[] right)
    {
        string[][] clean = [.. rows.Select(row => row.Select(cell => Clean(cell).Replace('\n', ' ')).ToArray())];
        int[] widths = [.. Enumerable.Range(0, right.Length).Select(column => clean.Max(row => row[column].Length))];
        _html.Append("<table>\n");
        foreach (string[] row in clean)
        {
            _text.Append("  ").AppendJoin("  ", row.Select((cell, column) => right[column] ? cell.PadLeft(widths[column]) : cell.PadRight(widths[column])));
            while (_text[^1] == ' ')
            {
                _text.Length--;
            }

            _text.Append('\n');
            _html.Append("<tr>");
            for (int column = 0; column < row.Length; column++)
            {
                _html.Append("<td style=\"").Append(Cell).Append(right[column] ? ";text-align:right" : "").Append("\">").Append(Escape(row[column])).Append("</td>");
            }

            _html.Append("</tr>\n");
        }

        _text.Append('\n');
        _html.Append("</table>\n");
        return this;
    }

    /// <summary>The letter.</summary>
    /// <param name="id">See <see cref="Letter.Id"/>.</param>
    public Letter ToLetter(string id) => new(id, _text.ToString().TrimEnd() + "\n", $"<!DOCTYPE html>\n<html><body>\n{_html}</body></html>\n");

    // What the customer wrote comes back without control characters and without what turns the reading direction.
    private static string Clean(string text)
    {
        StringBuilder clean = new(text.Length);
        foreach (Rune rune in text.ReplaceLineEndings("\n").TrimEnd().EnumerateRunes())
        {
            if (rune.Value == '\n' || (!Rune.IsControl(rune) && rune.Value is not ((>= 0x202A and <= 0x202E) or (>= 0x2066 and <= 0x2069) or 0x2028 or 0x2029)))
            {
                clean.Append(rune.ToString());
            }
            else if (rune.Value == '\t')
            {
                clean.Append(' ');
            }
        }

        return clean.ToString();
    }

    private static string Escape(string clean) => WebUtility.HtmlEncode(clean).Replace("\n", "<br>\n", StringComparison.Ordinal);
}
