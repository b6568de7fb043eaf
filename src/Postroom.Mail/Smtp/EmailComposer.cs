using System.Text.Json;

namespace Postroom.Mail;

/// <summary>Makes a mail of a message (EM-4, EM-5), and refuses what cannot be one before anything is connected.</summary>
/// <param name="from">The sender.</param>
/// <param name="replyTo">Who is asked to answer instead; null for the sender.</param>
internal sealed class EmailComposer(Mailbox from, Mailbox? replyTo)
{
    private const string HtmlKey = "html";
    private const string MessageIdKey = "messageId";
    private const int MaxLocalPart = 64; // RFC 5321 §4.5.3.1.1

    /// <summary>Makes the mail.</summary>
    /// <param name="message">The message.</param>
    /// <param name="recipients">Who gets it.</param>
    /// <param name="context">Which delivery it is: its id and date make every retry the same mail.</param>
    /// <param name="degraded">Gets what was changed.</param>
    /// <exception cref="FormatException">A header would hold CR, LF or NUL.</exception>
    public MailDraft Compose(OutgoingMessage message, EmailRecipients recipients, DeliveryContext context, ICollection<string> degraded)
    {
        string? answered = MessageIdOf("In-Reply-To", context.Envelope.Header(HeaderNames.InReplyTo) ?? message.ReplyTo);
        (string text, string? html) = BodyOf(message);
        return new MailDraft
        {
            Id = context.MessageId.ToString(),
            MessageId = $"<{IdOf(message) ?? context.MessageId.ToString()}@{from.Domain}>",
            Date = context.Envelope.CreatedAt,
            From = from,
            ReplyTo = replyTo,
            To = recipients.To,
            Cc = recipients.Cc,
            Subject = Checked("Subject", message.Subject) ?? $"[{message.Severity.ToWord().ToUpperInvariant()}] Notification",
            InReplyTo = answered,
            References = ReferencesOf(context.Envelope.Header(HeaderNames.References), answered),
            Headers = [.. HeadersOf(message, isReply: answered is not null)],
            Text = WithLost(text, message, degraded),
            Html = html,
            Attachments = [.. message.Attachments.Where(file => file.Data is not null)],
        };
    }

    /// <summary>The part of the Message-ID before the domain, where the application chose one to know answers by.</summary>
    private static string? IdOf(OutgoingMessage message)
    {
        return message.Metadata.GetValueOrDefault(MessageIdKey) is not { ValueKind: JsonValueKind.String } given ? null
            : given.GetString() is { Length: > 0 and <= MaxLocalPart } id && id.All(c => HeaderText.IsAtom(c) || c == '.') && !id.StartsWith('.') && !id.EndsWith('.') && !id.Contains("..", StringComparison.Ordinal) ? id
            : throw new FormatException($"metadata.{MessageIdKey} is '{Names.Shorten(given.GetString()!)}', which cannot stand before the '@' of a Message-ID. Use 1 to {MaxLocalPart} letters, digits, '-' and '_'.");
    }

    private static (string Text, string? Html) BodyOf(OutgoingMessage message)
    {
        JsonElement given = message.Metadata.GetValueOrDefault(HtmlKey);
        return given.ValueKind == JsonValueKind.String ? (message.Message, given.GetString())
            : message.Format == TextFormat.Html || given.ValueKind == JsonValueKind.True ? (HtmlText.Of(message.Message), message.Message)
            : (message.Message, null);
    }

    /// <summary>A file that is only a provider's reference cannot be sent; a line names it (CM-16).</summary>
    private static string WithLost(string text, OutgoingMessage message, ICollection<string> degraded)
    {
        string[] lost = [.. message.Attachments.Where(file => file.Data is null).Select(file => $"[{file.Name}]")];
        foreach (string name in lost)
        {
            degraded.Add($"The file {name} is only a reference and is named in the text instead.");
        }

        return lost.Length == 0 ? text : $"{text}\n\n{string.Join('\n', lost)}";
    }

    private static IEnumerable<(string Name, string Value)> HeadersOf(OutgoingMessage message, bool isReply)
    {
        yield return ("Auto-Submitted", isReply ? "auto-replied" : "auto-generated"); // RFC 3834 §5
        if (Checked("X-Postroom-Source", message.Source) is { Length: > 0 } source)
        {
            yield return ("X-Postroom-Source", source);
        }

        if (message.Severity >= MessageSeverity.Error)
        {
            yield return ("Importance", "high");
        }
    }

    private static List<string> ReferencesOf(string? header, string? answered)
    {
        List<string> ids = [.. (Checked("References", header) ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries).Where(IsMessageId)];
        if (answered is not null && !ids.Contains(answered))
        {
            ids.Add(answered);
        }

        return ids;
    }

    /// <summary>A Message-ID with its brackets; null when it is none, such as the id of a chat message.</summary>
    private static string? MessageIdOf(string header, string? text)
    {
        string id = Checked(header, text)?.Trim() ?? "";
        string bracketed = id.StartsWith('<') ? id : $"<{id}>";
        return IsMessageId(bracketed) ? bracketed : null;
    }

    private static bool IsMessageId(string text) =>
        text is ['<', .. var id, '>'] && id.Length <= 900 && id.Contains('@', StringComparison.Ordinal) && id.All(c => c is > ' ' and <= '~' and not ('<' or '>'));

    private static string? Checked(string header, string? value) =>
        value is not null && HeaderText.Breaks(value) ? throw new FormatException($"{header} has a line end or NUL, which would begin another header. Take it out.") : value;
}
