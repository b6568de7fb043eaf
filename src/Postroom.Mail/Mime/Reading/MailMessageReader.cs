using System.Text;

namespace Postroom.Mail;

/// <summary>Reads a raw mail into a <see cref="MailMessage"/> (ML-11 to ML-13, ML-15). Safe for concurrent use.</summary>
/// <remarks>
/// Any bytes give a result: what is wrong is read as well as it can be and named in <see cref="MailMessage.Problems"/>. Work and memory are linear in the length;
/// at most 32 levels, 1,000 parts, 1,000 headers for each part and 64 KiB for each header are read. Of a mail beyond that, or with more than an envelope carries
/// as attachments, the raw bytes are kept as the attachment <c>message.eml</c> as far as they fit.
/// </remarks>
public static class MailMessageReader
{
    /// <summary>The name of the attachment that holds the raw mail.</summary>
    public const string RawName = "message.eml";

    /// <summary>The media type of a mail.</summary>
    public const string RawType = "message/rfc822";

    private const int MaxReferences = 100;
    private const int MaxHeadersKept = 200;
    private const int MaxHeaderText = 8_192;

    /// <summary>Reads a mail.</summary>
    /// <param name="raw">The mail as it lies in a mailbox, with CRLF or LF line ends.</param>
    /// <param name="receivedAt">When the mailbox got it.</param>
    /// <param name="keepRaw">Whether the raw mail is kept as an attachment too.</param>
    public static MailMessage Read(ReadOnlyMemory<byte> raw, DateTimeOffset receivedAt, bool keepRaw = false)
    {
        Problems problems = new();
        MimeEntity mail = MimeParser.Parse(raw, problems, out bool exceeded);
        BodyReader body = new(problems);
        body.Read(mail);
        if (keepRaw || exceeded || body.Overflowed)
        {
            body.KeepRaw(raw);
        }

        return Describe(mail, problems) with
        {
            ReceivedAt = receivedAt.ToUniversalTime(),
            Text = body.Text,
            Html = body.Html,
            Attachments = body.Attachments,
            Bounce = BounceReader.Read(mail, problems),
            Size = raw.Length,
            Problems = problems.Notes,
        };
    }

    /// <summary>Reads the beginning of a mail that is too long to be read as a whole (SR-14).</summary>
    /// <param name="beginning">The headers and the first bytes behind them.</param>
    /// <param name="receivedAt">When the mailbox got it.</param>
    /// <param name="size">The length of the whole mail in bytes.</param>
    public static MailMessage ReadBeginning(ReadOnlyMemory<byte> beginning, DateTimeOffset receivedAt, long size)
    {
        MailMessage mail = Read(beginning, receivedAt);
        return mail with { Oversize = true, Attachments = [], Size = size, Problems = [] };
    }

    private static MailMessage Describe(MimeEntity mail, Problems problems)
    {
        List<MailAddress> from = Addresses(mail, "From", problems);
        string? date = Text(mail, "Date", problems);
        DateTimeOffset? instant = date is null ? null : MailDate.Read(date);
        if (date is not null && instant is null)
        {
            problems.Add($"The date '{Names.Shorten(date)}' cannot be read.");
        }

        string? returnPath = mail.Header("Return-Path") is { } path ? AddressReader.Path(path.Span, problems) : null;
        string? automatic = Text(mail, "Auto-Submitted", problems)?.Split(';', '(')[0].Trim().ToLowerInvariant();
        return new MailMessage
        {
            MessageId = Ids(mail, "Message-ID", problems).FirstOrDefault(),
            InReplyTo = Ids(mail, "In-Reply-To", problems).FirstOrDefault(),
            References = Ids(mail, "References", problems),
            From = from.Count > 0 ? from[0] : null,
            Sender = Addresses(mail, "Sender", problems) is [var sender, ..] ? sender : null,
            ReplyTo = Addresses(mail, "Reply-To", problems),
            To = Addresses(mail, "To", problems),
            Cc = Addresses(mail, "Cc", problems),
            Subject = Text(mail, "Subject", problems) ?? "",
            Date = instant,
            Headers = HeadersOf(mail, problems),
            ReturnPath = returnPath,
            AutoSubmitted = automatic is null or "" or "no" ? null : automatic,
            IsBulk = IsBulk(mail, problems),
            IsBounce = returnPath?.Length == 0 || (mail.Type.Value == "multipart/report" && mail.Type.Parameter("report-type")?.ToLowerInvariant() is null or "delivery-status"),
        };
    }

    private static bool IsBulk(MimeEntity mail, Problems problems)
    {
        return mail.Header("List-Id") is not null || mail.Header("List-Post") is not null || mail.Header("List-Unsubscribe") is not null
            || Text(mail, "Precedence", problems)?.Trim().ToLowerInvariant() is "bulk" or "list" or "junk";
    }

    private static string? Text(MimeEntity mail, string name, Problems problems) => mail.Header(name) is { } value ? HeaderDecoder.Text(value.Span, problems) : null;

    /// <summary>The addresses of all headers of a name, since some programs write a long list as several headers.</summary>
    private static List<MailAddress> Addresses(MimeEntity mail, string name, Problems problems)
    {
        List<MailAddress> list = [];
        foreach (RawHeader header in mail.Headers)
        {
            if (header.Is(name) && list.Count < AddressReader.MaxAddresses)
            {
                list.AddRange(AddressReader.Read(header.Value.Span, problems));
            }
        }

        return list;
    }

    /// <summary>Message-IDs with their brackets; one without brackets gets them when it holds an at sign and no blank.</summary>
    private static List<string> Ids(MimeEntity mail, string name, Problems problems) => Ids(Text(mail, name, problems) ?? "");

    /// <summary>The Message-IDs in the value of a header.</summary>
    internal static List<string> Ids(string text)
    {
        List<string> ids = [];
        int at = 0;
        while (text.IndexOf('<', at) is >= 0 and var open && text.IndexOf('>', open) is > 0 and var close)
        {
            string id = string.Concat(text[open..(close + 1)].Where(c => !char.IsWhiteSpace(c)));
            if (id.Length is > 2 and <= 998)
            {
                ids.Add(id);
            }

            at = close + 1;
        }

        if (ids.Count == 0 && text.Trim() is { Length: > 2 and < 996 } bare && bare.Contains('@', StringComparison.Ordinal) && !bare.Any(c => char.IsWhiteSpace(c) || c is '<' or '>'))
        {
            ids.Add($"<{bare}>");
        }

        // The root and the mails before this one tell the thread; what lies between may go.
        return ids.Count <= MaxReferences ? ids : [.. ids.Take(MaxReferences / 2), .. ids.TakeLast(MaxReferences / 2)];
    }

    private static List<MailHeader> HeadersOf(MimeEntity mail, Problems problems)
    {
        List<MailHeader> headers = [];
        foreach (RawHeader header in mail.Headers.Take(MaxHeadersKept))
        {
            string value = HeaderDecoder.Text(header.Value.Span, problems);
            headers.Add(new MailHeader(header.Name, value.Length <= MaxHeaderText ? value : Cut(value)));
        }

        if (mail.Headers.Count > MaxHeadersKept)
        {
            problems.Add($"Of {mail.Headers.Count} headers the first {MaxHeadersKept} are kept.");
        }

        return headers;
    }

    private static string Cut(string value)
    {
        StringBuilder kept = new(value, 0, MaxHeaderText, MaxHeaderText);
        return char.IsHighSurrogate(kept[^1]) ? kept.ToString(0, MaxHeaderText - 1) : kept.ToString();
    }
}
