using System.Text;

namespace Postroom.Mail;

/// <summary>Reads what a mail server reports as not delivered for good (RFC 3462, RFC 3464): whose mail, to whom, and why.</summary>
internal static class BounceReader
{
    private const int MaxReport = 64 * 1024; // bytes
    private const int MaxWords = 300;

    /// <summary>Reads a mail; null when it reports no failure.</summary>
    public static MailBounce? Read(MimeEntity mail, Problems problems)
    {
        if (mail.Type.Value != "multipart/report" || mail.Parts.FirstOrDefault(static part => part.Type.Value is "message/delivery-status" or "message/global-delivery-status") is not { } report)
        {
            return null;
        }

        // The first group is about the server; each further one is about a recipient.
        foreach (Dictionary<string, string> group in Groups(TextOf(report, problems)))
        {
            if (group.GetValueOrDefault("action")?.StartsWith("failed", StringComparison.OrdinalIgnoreCase) == true)
            {
                string recipient = AddressOf(group.GetValueOrDefault("final-recipient") ?? group.GetValueOrDefault("original-recipient") ?? "");
                string reason = $"{group.GetValueOrDefault("status")} {AddressOf(group.GetValueOrDefault("diagnostic-code") ?? "")}".Trim();
                return new MailBounce(IdOf(mail, problems), Names.Shorten(recipient, 254), reason.Length == 0 ? "the report gives no reason" : Names.Shorten(reason, MaxWords));
            }
        }

        return null;
    }

    /// <summary>The mail it is about stands in the report as a whole or with its headers; else the report may answer it.</summary>
    private static string? IdOf(MimeEntity mail, Problems problems)
    {
        foreach (MimeEntity part in mail.Parts)
        {
            string? id = part.Mail?.Header("Message-ID") is { } value ? HeaderDecoder.Text(value.Span, problems)
                : part.Type.Value is "text/rfc822-headers" or "message/global-headers" ? Groups(TextOf(part, problems)).FirstOrDefault()?.GetValueOrDefault("message-id")
                : null;
            if (id is not null && MailMessageReader.Ids(id) is [var found, ..])
            {
                return found;
            }
        }

        return mail.Header("In-Reply-To") is { } answered && MailMessageReader.Ids(HeaderDecoder.Text(answered.Span, problems)) is [var last, ..] ? last : null;
    }

    private static string TextOf(MimeEntity part, Problems problems)
    {
        ReadOnlyMemory<byte> bytes = TransferDecoding.Decode(part.Body, part.TransferEncoding, problems);
        return Encoding.Latin1.GetString(bytes.Span[..Math.Min(bytes.Length, MaxReport)]);
    }

    /// <summary>Groups of headers with blank lines between them; the first of a name counts.</summary>
    private static List<Dictionary<string, string>> Groups(string text)
    {
        List<Dictionary<string, string>> groups = [];
        Dictionary<string, string> group = [];
        string? name = null;
        foreach (string line in text.ReplaceLineEndings("\n").Split('\n').Append(""))
        {
            if (line.Length == 0)
            {
                if (group.Count > 0)
                {
                    groups.Add(group);
                }

                (group, name) = ([], null);
            }
            else if (line[0] is ' ' or '\t')
            {
                if (name is not null && group[name].Length < MaxWords)
                {
                    group[name] += $" {line.Trim()}";
                }
            }
            else if (line.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon)
            {
                name = line[..colon].Trim().ToLowerInvariant();
                name = group.TryAdd(name, line[(colon + 1)..].Trim()) ? name : null;
            }
        }

        return groups;
    }

    /// <summary>The value behind its type, such as <c>rfc822; ann@example.org</c>.</summary>
    private static string AddressOf(string value) => value[(value.IndexOf(';', StringComparison.Ordinal) + 1)..].Trim();
}
