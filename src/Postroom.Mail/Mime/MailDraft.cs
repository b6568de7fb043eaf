namespace Postroom.Mail;

/// <summary>A mail before it is written: every text checked, nothing encoded.</summary>
internal sealed record MailDraft
{
    /// <summary>The message's id, which makes the boundaries; the same on every retry.</summary>
    public required string Id { get; init; }

    /// <summary>The Message-ID with its brackets.</summary>
    public required string MessageId { get; init; }

    /// <summary>When the message was made, not when it is sent, so that a retry is the same mail.</summary>
    public required DateTimeOffset Date { get; init; }

    /// <summary>Who sends it.</summary>
    public required Mailbox From { get; init; }

    /// <summary>Who is asked to answer instead; null for the sender.</summary>
    public Mailbox? ReplyTo { get; init; }

    /// <summary>Who it is for; at least one.</summary>
    public required IReadOnlyList<Mailbox> To { get; init; }

    /// <summary>Who gets a copy.</summary>
    public IReadOnlyList<Mailbox> Cc { get; init; } = [];

    /// <summary>The subject.</summary>
    public required string Subject { get; init; }

    /// <summary>The Message-ID that it answers, with its brackets; null for none.</summary>
    public string? InReplyTo { get; init; }

    /// <summary>The Message-IDs of the thread, with their brackets.</summary>
    public IReadOnlyList<string> References { get; init; } = [];

    /// <summary>Further headers of free text, in order.</summary>
    public IReadOnlyList<(string Name, string Value)> Headers { get; init; } = [];

    /// <summary>The plain text.</summary>
    public required string Text { get; init; }

    /// <summary>The same as HTML; null for none.</summary>
    public string? Html { get; init; }

    /// <summary>Files with their bytes.</summary>
    public IReadOnlyList<Attachment> Attachments { get; init; } = [];

    /// <summary>Whether a header holds an address that only a server with SMTPUTF8 takes.</summary>
    public bool NeedsSmtpUtf8 => From.NeedsSmtpUtf8 || ReplyTo is { NeedsSmtpUtf8: true } || To.Any(to => to.NeedsSmtpUtf8) || Cc.Any(cc => cc.NeedsSmtpUtf8);
}
