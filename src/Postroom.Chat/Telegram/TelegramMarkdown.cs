namespace Postroom.Chat;

/// <summary>
/// Turns Markdown into what Telegram shows (TG-3): bold, italic, strikethrough, ||spoiler||, code, fenced code, links, quotes; headings become bold
/// and list marks bullets. A mark without its partner is text, and so is all HTML.
/// </summary>
internal static class TelegramMarkdown
{
    /// <summary>Reads a text.</summary>
    public static FormattedText Read(string markdown)
    {
        string[] lines = Characters.Clean(markdown).Split('\n');
        FormattedTextBuilder result = new();
        for (int i = 0; i < lines.Length; i++)
        {
            if (i > 0)
            {
                result.Add("\n");
            }

            if (lines[i].StartsWith("```", StringComparison.Ordinal) && !lines[i].AsSpan(3).Contains('`'))
            {
                i = AddFence(result, lines, i);
            }
            else if (lines[i].StartsWith('>'))
            {
                i = AddQuote(result, lines, i);
            }
            else
            {
                AddLine(result, lines[i]);
            }
        }

        return result.Build();
    }

    private static int AddFence(FormattedTextBuilder result, string[] lines, int at)
    {
        string language = lines[at][3..].Trim();
        result.Open("<pre>", "pre");
        if (language.Length > 0)
        {
            result.Open(TelegramHtml.CodeTag(language), "code");
        }

        int first = ++at;
        for (; at < lines.Length && lines[at].TrimEnd() != "```"; at++)
        {
            result.Add(at > first ? "\n" : "");
            result.Add(lines[at]);
        }

        result.Close("pre");
        return at;
    }

    private static int AddQuote(FormattedTextBuilder result, string[] lines, int at)
    {
        result.Open("<blockquote>", "blockquote");
        int first = at;
        for (; at < lines.Length && lines[at].StartsWith('>'); at++)
        {
            result.Add(at > first ? "\n" : "");
            AddLine(result, lines[at].StartsWith("> ", StringComparison.Ordinal) ? lines[at][2..] : lines[at][1..]);
        }

        result.Close("blockquote");
        return at - 1;
    }

    private static void AddLine(FormattedTextBuilder result, string line)
    {
        string text = line.TrimStart(' ');
        int indent = line.Length - text.Length;
        int heading = text.AsSpan().IndexOfAnyExcept('#');
        if (heading is >= 1 and <= 6 && text[heading] == ' ')
        {
            result.Open("<b>", "b");
            MarkdownLine.AddTo(result, text[heading..].Trim());
            result.Close("b");
            return;
        }

        result.Add(line.AsSpan(0, indent));
        if (text.Length > 1 && text[0] is '-' or '*' or '+' && text[1] == ' ')
        {
            result.Add("• ");
            text = text[2..];
        }

        MarkdownLine.AddTo(result, text);
    }
}
