using System.Globalization;
using MailOrderBot.Domain;
using Postroom;

namespace MailOrderBot.Sources;

/// <summary>Makes what the desk works on of a mail, from whatever source it came.</summary>
internal static class OrderMailReader
{
    private const int MaxAnswers = 100;
    private const int MaxKey = 900;
    private const int LongestText = 1024 * 1024; // where a message cuts it
    private const int MostNamed = 5;
    private static readonly string[] CsvTypes = ["text/csv", "application/csv", "text/comma-separated-values", "text/x-csv"];
    private static readonly string[] DocumentEnds = [".xlsx", ".xlsm", ".xls", ".xlsb", ".ods", ".numbers", ".pdf", ".doc", ".docx", ".odt", ".rtf", ".pages", ".tsv", ".txt"];
    private static readonly string[] Machines = ["mailer-daemon", "postmaster"];

    /// <summary>Reads a mail.</summary>
    /// <param name="mail">The mail.</param>
    /// <param name="envelope">The message it came in; it has the files.</param>
    /// <param name="ownAddresses">The shop's own addresses, in lower case.</param>
    public static OrderMail Read(MailMessage mail, Envelope envelope, IReadOnlyList<string> ownAddresses)
    {
        string sender = (mail.From?.Address ?? "").ToLowerInvariant();
        Attachment[] files = [.. envelope.Attachments.Where(IsCsv)];
        string key = mail.MessageId ?? envelope.DedupKey ?? envelope.Id.ToString();
        return new OrderMail
        {
            Key = key.Length <= MaxKey ? key : envelope.DedupKey is { Length: <= MaxKey } dedup ? dedup : envelope.Id.ToString(),
            Conversation = envelope.Conversation ?? key,
            Answers = [.. Answered(mail)],
            Sender = sender,
            SenderName = mail.From?.Name ?? "",
            Subject = mail.Subject,
            Text = mail.Text,
            Files = [.. files.Where(file => file.Data is not null).Select(file => new OrderFile(file.Name, file.Data!.Value, CharsetOf(file)))],
            Problems = [.. Problems(mail, files)],
            Remarks = [.. NotRead(envelope.Attachments)],
            Undelivered = mail.Bounce is { MessageId: { } id } bounce ? new Undelivered(LocalPart(id), bounce.Recipient, bounce.Reason) : null,
            Ignored = WhyIgnored(mail, envelope, sender, ownAddresses),
        };
    }

    /// <summary>Why nobody may answer a mail (MB-15, RFC 3834 §2); null when it may be answered.</summary>
    private static string? WhyIgnored(MailMessage mail, Envelope envelope, string sender, IReadOnlyList<string> ownAddresses)
    {
        return mail.IsBounce ? "it reports on a delivery"
            : mail.AutoSubmitted is { } word ? $"a machine sent it (Auto-Submitted: {word})"
            : mail.IsBulk ? "it went to many"
            : mail.Header("X-Auto-Response-Suppress") is not null || mail.Header("X-Autoreply") is not null || mail.Header("X-Autorespond") is not null ? "a machine sent it"
            : sender.Length == 0 || envelope.From is null ? "nobody can be answered"
            : Machines.Contains(sender.Split('@')[0]) ? "a mail server sent it"
            : ownAddresses.Contains(sender) || ownAddresses.Contains(envelope.From.Target, StringComparer.OrdinalIgnoreCase) || string.Equals(sender, mail.Account, StringComparison.OrdinalIgnoreCase) ? "it is from the shop's own address"
            : null;
    }

    /// <summary>The mails that this one answers, the latest first; those of the shop also by the part of their id that it chose.</summary>
    private static IEnumerable<string> Answered(MailMessage mail)
    {
        IEnumerable<string> ids = mail.References.Reverse();
        return (mail.InReplyTo is { } latest ? ids.Prepend(latest) : ids).Distinct(StringComparer.Ordinal).Take(MaxAnswers)
            .SelectMany(id => (string[])[id, LocalPart(id)]);
    }

    private static string LocalPart(string id) => id.Trim('<', '>').Split('@')[0];

    private static IEnumerable<string> Problems(MailMessage mail, Attachment[] files)
    {
        if (mail.Oversize)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"Your mail has {mail.Size} bytes, more than we read; its files were left out. Please send a shorter one.");
        }

        foreach (Attachment file in files.Where(file => file.Data is null))
        {
            yield return $"The file {file.Name} could not be read. Please send it again.";
        }

        if (mail.Text.Length >= LongestText)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"Your mail has more text than the {LongestText} characters that we read. Please split the order.");
        }
    }

    /// <summary>What may hold an order and is not read.</summary>
    private static IEnumerable<string> NotRead(IEnumerable<Attachment> all)
    {
        string[] unread = [.. all.Where(MayHoldOrder).Select(file => file.Name).Take(MostNamed)];
        if (unread.Length > 0)
        {
            yield return $"We did not read {string.Join(", ", unread)}: of files we read CSV only. If it has lines of an order, send them as text or as a CSV file.";
        }
    }

    private static bool IsCsv(Attachment file) =>
        CsvTypes.Contains(file.ContentType.Split(';')[0].Trim().ToLowerInvariant()) || file.Name.EndsWith(".csv", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether a file is one of those that people write orders in, and that is not read.</summary>
    private static bool MayHoldOrder(Attachment file) => !IsCsv(file) && !file.Name.StartsWith("ATT0", StringComparison.OrdinalIgnoreCase) && DocumentEnds.Contains(Path.GetExtension(file.Name).ToLowerInvariant());

    private static string? CharsetOf(Attachment file)
    {
        string? parameter = file.ContentType.Split(';').Skip(1).FirstOrDefault(part => part.TrimStart().StartsWith("charset=", StringComparison.OrdinalIgnoreCase));
        return parameter?[(parameter.IndexOf('=', StringComparison.Ordinal) + 1)..].Trim(' ', '"');
    }
}
