using System.Text.Json.Serialization;

namespace Postroom;

/// <summary>A mail that was received; the body of <c>mail.received</c>. Immutable.</summary>
/// <remarks>What the sender wrote is data: no text here was checked beyond its form, and addresses are as they stood in the header.</remarks>
public sealed record MailMessage
{
    /// <summary>The Message-ID with its angle brackets; null when the mail has none.</summary>
    public string? MessageId { get; init; }

    /// <summary>The Message-ID of the mail that this one answers, with its brackets; null for none.</summary>
    public string? InReplyTo { get; init; }

    /// <summary>The Message-IDs of the thread, oldest first, with their brackets; empty for none.</summary>
    public IReadOnlyList<string> References { get; init; } = [];

    /// <summary>Who wrote it: the first address of <c>From</c>; null when there is none that can be read.</summary>
    public MailAddress? From { get; init; }

    /// <summary>Who sent it for the author; null when the header is absent.</summary>
    public MailAddress? Sender { get; init; }

    /// <summary>Where answers shall go; empty for <see cref="From"/>.</summary>
    public IReadOnlyList<MailAddress> ReplyTo { get; init; } = [];

    /// <summary>Whom it is for. Members of a group stand one by one.</summary>
    public IReadOnlyList<MailAddress> To { get; init; } = [];

    /// <summary>Who got a copy.</summary>
    public IReadOnlyList<MailAddress> Cc { get; init; } = [];

    /// <summary>The subject, decoded; empty for none.</summary>
    public string Subject { get; init; } = "";

    /// <summary>The instant that the mail gives; null when there is none that can be read.</summary>
    public DateTimeOffset? Date { get; init; }

    /// <summary>When the mailbox or the source got it.</summary>
    public DateTimeOffset ReceivedAt { get; init; }

    /// <summary>The text to read, with LF line ends: the plain text, or what the HTML says when there is no plain one, or when it has table rows or struck out text that the plain one cannot show. What is struck out or hidden in HTML is left out. Empty for none.</summary>
    public string Text { get; init; } = "";

    /// <summary>The HTML as it was sent, with LF line ends; null when the mail has none. Never safe to show without cleaning.</summary>
    public string? Html { get; init; }

    /// <summary>Files that came along. Kept beside the body when stored.</summary>
    [JsonIgnore]
    public IReadOnlyList<Attachment> Attachments { get; init; } = [];

    /// <summary>The headers of the mail itself, in order, unfolded and decoded.</summary>
    public IReadOnlyList<MailHeader> Headers { get; init; } = [];

    /// <summary>Where bounces go, without brackets; empty for <c>&lt;&gt;</c>, null when the header is absent.</summary>
    public string? ReturnPath { get; init; }

    /// <summary>The word of <c>Auto-Submitted</c> (RFC 3834), lower case; null when a person sent it, which the word <c>no</c> says too.</summary>
    public string? AutoSubmitted { get; init; }

    /// <summary>Whether it went to many: a list, or <c>Precedence</c> bulk, list or junk.</summary>
    public bool IsBulk { get; init; }

    /// <summary>Whether a mail server reports on a delivery (RFC 3464), or the mail has an empty return path.</summary>
    public bool IsBounce { get; init; }

    /// <summary>What a mail server reports as not delivered for good (RFC 3464); null for any other mail.</summary>
    public MailBounce? Bounce { get; init; }

    /// <summary>Whether it was longer than the source reads; then it has headers and the beginning of the text, and no files.</summary>
    public bool Oversize { get; init; }

    /// <summary>What was wrong with its form and how it was read all the same; empty for a sound mail. At most 50.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>The account it came in by, as the source names it; empty for none.</summary>
    public string Account { get; init; } = "";

    /// <summary>The mailbox; empty for none.</summary>
    public string Mailbox { get; init; } = "";

    /// <summary>The mailbox's UIDVALIDITY (RFC 3501 §2.3.1.1); null outside IMAP.</summary>
    public uint? UidValidity { get; init; }

    /// <summary>The mail's UID in its mailbox; null outside IMAP.</summary>
    public uint? Uid { get; init; }

    /// <summary>The length of the raw mail in bytes.</summary>
    public long Size { get; init; }

    /// <summary>The first value of a header, decoded; null when it is absent.</summary>
    /// <param name="name">The name, in any case.</param>
    public string? Header(string name)
    {
        foreach (MailHeader header in Headers)
        {
            if (string.Equals(header.Name, name, StringComparison.OrdinalIgnoreCase))
            {
                return header.Value;
            }
        }

        return null;
    }
}

/// <summary>What a mail server reports as not delivered for good.</summary>
/// <param name="MessageId">The Message-ID of the mail that was not delivered, with its brackets; null when the report does not tell.</param>
/// <param name="Recipient">Who did not get it; empty when the report does not tell.</param>
/// <param name="Reason">The status and the words of the server, such as <c>5.1.1 550 no such user</c>.</param>
public sealed record MailBounce(string? MessageId, string Recipient, string Reason);

/// <summary>One header of a mail.</summary>
/// <param name="Name">The name as written.</param>
/// <param name="Value">The value, unfolded and decoded.</param>
public sealed record MailHeader(string Name, string Value);

/// <summary>An address as it stood in a header.</summary>
/// <param name="Name">The name shown, decoded; empty for none.</param>
/// <param name="Address">The address, for example <c>ann@example.org</c>; a quoted local part keeps its quotes.</param>
public sealed record MailAddress(string Name, string Address)
{
    /// <summary>The address, with the name in front when there is one. For people, not for a header.</summary>
    public override string ToString() => Name.Length == 0 ? Address : $"{Name} <{Address}>";
}
