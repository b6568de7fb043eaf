using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;

namespace Postroom;

/// <summary>Changes a message to what a channel can show (CM-16), and says what was changed.</summary>
internal static partial class MessageFitter
{
    /// <summary>The message as the channel can show it.</summary>
    /// <param name="message">What was to be sent.</param>
    /// <param name="channel">What the channel can do.</param>
    /// <param name="degraded">What was changed, for the receipt; empty for nothing.</param>
    public static OutgoingMessage Fit(OutgoingMessage message, CommunicatorCapabilities channel, out IReadOnlyList<string> degraded)
    {
        List<string> changes = [];
        OutgoingMessage fitted = FitFormat(message, channel, changes);
        fitted = FitInteractive(fitted, channel, changes);
        fitted = FitAttachments(fitted, channel, changes);
        degraded = changes;
        return fitted;
    }

    private static OutgoingMessage FitFormat(OutgoingMessage message, CommunicatorCapabilities channel, List<string> changes)
    {
        if (message.Format == TextFormat.Text || channel.Formats.Contains(message.Format))
        {
            return message;
        }

        changes.Add($"format {message.Format.ToString().ToLowerInvariant()} became plain text");
        return message with { Format = TextFormat.Text, Message = message.Format == TextFormat.Html ? PlainOf(message.Message) : message.Message };
    }

    private static OutgoingMessage FitInteractive(OutgoingMessage message, CommunicatorCapabilities channel, List<string> changes)
    {
        switch (message.Interactive)
        {
            case Interactive.Buttons buttons when !channel.Buttons:
                changes.Add("buttons became a numbered list");
                return message with { Interactive = null, Message = Below(message.Message, Numbered(buttons.Items)) };
            case Interactive.List list when !channel.Lists:
                changes.Add("the list became a numbered list");
                return message with { Interactive = null, Message = Below(Above(list.Header, message.Message), Numbered(list.Sections), list.Footer) };
            case Interactive.CtaUrl link when !channel.Links:
                changes.Add("the link button became its address");
                return message with { Interactive = null, Message = Below(Above(link.Header, message.Message), link.Url.AbsoluteUri, link.Footer) };
            default:
                return message;
        }
    }

    private static OutgoingMessage FitAttachments(OutgoingMessage message, CommunicatorCapabilities channel, List<string> changes)
    {
        if (message.Attachments.Count == 0 || channel.Attachments)
        {
            return message;
        }

        changes.Add(message.Attachments.Count == 1 ? "the attachment became a line that names it" : $"{message.Attachments.Count} attachments became lines that name them");
        string lines = string.Join('\n', message.Attachments.Select(static file => string.Create(
            CultureInfo.InvariantCulture, $"[{file.Name}{(file.Length is { } length ? $", {length} bytes" : "")}: this channel takes no files]")));
        return message with { Attachments = [], Message = Below(message.Message, lines) };
    }

    private static string Numbered(IReadOnlyList<Interactive.Choice> choices)
    {
        return string.Join('\n', choices.Select(static (choice, index) => Line(index + 1, choice)));
    }

    private static string Numbered(IReadOnlyList<Interactive.Section> sections)
    {
        StringBuilder text = new();
        int number = 0;
        foreach (Interactive.Section section in sections)
        {
            if (section.Title.Length > 0)
            {
                text.Append(text.Length > 0 ? "\n" : "").Append(section.Title).Append('\n');
            }

            foreach (Interactive.Choice row in section.Rows)
            {
                text.Append(Line(++number, row)).Append('\n');
            }
        }

        return text.ToString().TrimEnd('\n');
    }

    private static string Line(int number, Interactive.Choice choice) =>
        string.Create(CultureInfo.InvariantCulture, $"{number}. {choice.Title}{(choice.Description is { } more ? $": {more}" : "")}");

    private static string Above(string? header, string text) => header is { Length: > 0 } ? text.Length > 0 ? $"{header}\n\n{text}" : header : text;

    private static string Below(string text, params ReadOnlySpan<string?> parts)
    {
        StringBuilder all = new(text);
        foreach (string? part in parts)
        {
            if (part is { Length: > 0 })
            {
                all.Append(all.Length > 0 ? "\n\n" : "").Append(part);
            }
        }

        return all.ToString();
    }

    /// <summary>The words of HTML: tags dropped, links kept behind their words, breaks and paragraphs as line ends.</summary>
    internal static string PlainOf(string html)
    {
        string text = Unseen().Replace(html, "");
        text = Link().Replace(text, static match =>
        {
            string address = match.Groups["address"].Value;
            string words = match.Groups["words"].Value;
            return words.Length == 0 || words == address ? address : $"{words} ({address})";
        });
        text = LineEnd().Replace(text, "\n");
        text = Tag().Replace(text, "");
        return WebUtility.HtmlDecode(ManyLines().Replace(text, "\n\n")).Trim('\n');
    }

    [GeneratedRegex(@"<script\b[^>]*>.*?</script\s*>|<style\b[^>]*>.*?</style\s*>|<!--.*?-->", RegexOptions.IgnoreCase | RegexOptions.Singleline | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Unseen();

    [GeneratedRegex("""<a\b[^>]*\bhref\s*=\s*["'](?<address>[^"']*)["'][^>]*>(?<words>[^<]*)</a\s*>""", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Link();

    [GeneratedRegex(@"<br\b[^>]*>|</(p|div|li|tr|h[1-6]|blockquote|pre)\s*>", RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex LineEnd();

    [GeneratedRegex("<[a-z/!][^>]*>", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Tag();

    [GeneratedRegex(@"\n[ \t]*(\n[ \t]*){2,}", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex ManyLines();
}
