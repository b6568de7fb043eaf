using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Postroom.Mail;

/// <summary>Makes a message of a mail: type <c>mail.received</c>, in the conversation of its thread, recognised by its Message-ID (SR-11, EN-5).</summary>
internal static class MailTranslation
{
    private const int MaxConversation = 256;
    private const int MaxDedupKey = 512;
    private const int MaxHeader = 4_096;
    private const int MaxReferences = 8_000;
    private const int MaxBody = 8 * 1024 * 1024;
    private const int MaxTextWhenCut = 1024 * 1024;
    private const int MaxAddressesWhenCut = 50;

    /// <summary>Makes the message.</summary>
    /// <param name="mail">The mail.</param>
    /// <param name="queue">The queue it goes to.</param>
    /// <param name="replyVia">The communicator that answers; null when nobody can.</param>
    /// <param name="originKey">What the source knows the mail by; null when the origin is not to be told.</param>
    /// <param name="raw">The raw mail, for a key when it has no Message-ID.</param>
    public static SourceMessage ToSource(MailMessage mail, string queue, string? replyVia, string? originKey, ReadOnlySpan<byte> raw)
    {
        Dictionary<string, string> headers = [];
        Add(headers, HeaderNames.Account, mail.Account);
        Add(headers, HeaderNames.Subject, mail.Subject);
        Add(headers, HeaderNames.ChannelMessageId, mail.MessageId);
        Add(headers, HeaderNames.InReplyTo, mail.InReplyTo);
        Add(headers, HeaderNames.References, ReferencesOf(mail.References));
        Add(headers, HeaderNames.Automatic, mail.IsBounce ? "bounce" : mail.AutoSubmitted ?? (mail.IsBulk ? "bulk" : null));
        return new SourceMessage(queue, PayloadTypes.MailReceived, BodyOf(mail))
        {
            From = SenderOf(mail, replyVia),
            Conversation = Fit(RootOf(mail), MaxConversation),
            DedupKey = KeyOf(mail, raw),
            OriginKey = originKey,
            Headers = headers,
            Attachments = mail.Attachments,
            Receipts = mail.Bounce is { MessageId: { } undelivered } bounce ? [ReceiptOf(undelivered, bounce, mail.ReceivedAt)] : [],
        };
    }

    /// <summary>The key that reveals a repeat: by Message-ID, else by what makes this mail this one.</summary>
    public static string KeyOf(MailMessage mail, ReadOnlySpan<byte> raw)
    {
        if (mail.MessageId is { } id)
        {
            return Fit($"mail:{mail.Account}:{id}", MaxDedupKey)!;
        }

        // Without the headers that each way of transport adds, so that a second copy has the same key.
        int body = raw.IndexOf("\r\n\r\n"u8) is >= 0 and var crlf ? crlf : Math.Max(0, raw.IndexOf("\n\n"u8));
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{mail.Header("Date")}\n{mail.From?.Address}\n{mail.Subject}\n"));
        hash.AppendData(raw[body..]);
        return Fit($"mail:{mail.Account}:sha256:{Convert.ToHexStringLower(hash.GetHashAndReset())}", MaxDedupKey)!;
    }

    /// <summary>What a report says of the mail it is about, which is known to its communicator by its Message-ID.</summary>
    private static LateReceipt ReceiptOf(string messageId, MailBounce bounce, DateTimeOffset at) => new(new DeliveryReceipt
    {
        Status = DeliveryStatus.Failed,
        OutsideId = messageId,
        At = at,
        Recipients = bounce.Recipient.Length > 0 ? [new RecipientResult(bounce.Recipient, Accepted: false, bounce.Reason)] : [],
        Detail = bounce.Recipient.Length > 0 ? $"{bounce.Recipient}: {bounce.Reason}" : bounce.Reason,
    });

    private static string? RootOf(MailMessage mail) => mail.References is [var root, ..] ? root : mail.InReplyTo ?? mail.MessageId;

    /// <summary>Who is answered: <c>Reply-To</c>, else <c>From</c>; nobody when neither can be written to.</summary>
    private static Address? SenderOf(MailMessage mail, string? replyVia)
    {
        MailAddress? sender = mail.ReplyTo is [var first, ..] ? first : mail.From;
        return sender is not null && Mailbox.TryParse(sender.Address, out Mailbox? mailbox) ? Address.ForRecipient(replyVia ?? "unknown", mailbox.Address) : null;
    }

    /// <summary>The thread's ids as they fit a header: the first, and as many of the last.</summary>
    private static string? ReferencesOf(IReadOnlyList<string> references)
    {
        if (references.Count == 0)
        {
            return null;
        }

        string? root = references[0].Length <= MaxReferences / 2 ? references[0] : null;
        List<string> last = [];
        int length = root?.Length ?? 0;
        foreach (string id in references.Skip(1).Reverse())
        {
            length += id.Length + 1;
            if (length > MaxReferences)
            {
                break;
            }

            last.Insert(0, id);
        }

        return root is null ? string.Join(' ', last) : string.Join(' ', last.Prepend(root));
    }

    /// <summary>The mail as JSON; one that would be too long for a message is cut, and says so.</summary>
    private static byte[] BodyOf(MailMessage mail)
    {
        byte[] body = mail.Text.Length + (mail.Html?.Length ?? 0) > MaxBody ? [] : JsonSerializer.SerializeToUtf8Bytes(mail, PostroomJson.Default.MailMessage);
        if (body.Length is > 0 and <= MaxBody)
        {
            return body;
        }

        mail = mail with
        {
            Text = Cut(mail.Text),
            Html = null,
            Problems = [.. mail.Problems, $"The text is cut after {MaxTextWhenCut} characters and the HTML left out: a message has at most {MaxBody} bytes."],
        };
        body = JsonSerializer.SerializeToUtf8Bytes(mail, PostroomJson.Default.MailMessage);
        return body.Length <= MaxBody ? body : JsonSerializer.SerializeToUtf8Bytes(
            mail with
            {
                Headers = [],
                To = [.. mail.To.Take(MaxAddressesWhenCut)],
                Cc = [.. mail.Cc.Take(MaxAddressesWhenCut)],
                ReplyTo = [.. mail.ReplyTo.Take(MaxAddressesWhenCut)],
                Problems = [.. mail.Problems, $"The headers are left out, and of addresses the first {MaxAddressesWhenCut} are kept."],
            },
            PostroomJson.Default.MailMessage);
    }

    private static string Cut(string text, int most = MaxTextWhenCut) => text.Length <= most ? text : text[..(char.IsHighSurrogate(text[most - 1]) ? most - 1 : most)];

    private static string? Fit(string? text, int max) => text is null || text.Length <= max ? text : $"sha256:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}";

    private static void Add(Dictionary<string, string> headers, string name, string? value)
    {
        if (string.IsNullOrEmpty(value) || (name == HeaderNames.ChannelMessageId && value.Length > MaxHeader))
        {
            return;
        }

        string line = value.Replace('\r', ' ').Replace('\n', ' ').Replace("\0", "", StringComparison.Ordinal);
        headers[name] = name == HeaderNames.References || Encoding.UTF8.GetByteCount(line) <= MaxHeader ? line : Cut(line, MaxHeader / 4);
    }
}
