namespace Postroom.Outbound;

/// <summary>Keeps an answer to a mail in the thread of that mail (RFC 5322 §3.6.4, SPEC MB-14).</summary>
internal static class MailThread
{
    private const string Prefix = "Re: ";
    private const int LastKept = 10;
    private const int MaxLength = 4_096; // A header of a message holds 8 KiB.

    /// <summary>The subject of an answer: that of the input with one <c>Re:</c>; null when the input has none, as chats have.</summary>
    public static string? ReplySubject(Envelope input)
    {
        return input.Header(HeaderNames.Subject) is not { Length: > 0 } subject ? null : subject.StartsWith("re:", StringComparison.OrdinalIgnoreCase) ? subject : Prefix + subject;
    }

    /// <summary>The references of an answer: those of the input and its own id, the first and the last ten of them; null when the input is no mail.</summary>
    public static string? References(Envelope input)
    {
        if (input.Type != PayloadTypes.MailReceived || input.Header(HeaderNames.ChannelMessageId) is not { } id)
        {
            return null;
        }

        List<string> ids = [.. (input.Header(HeaderNames.References) ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries).Where(reference => reference != id), id];
        while (ids.Count > LastKept + 1 || (ids.Count > 1 && ids.Sum(reference => reference.Length + 1) > MaxLength))
        {
            ids.RemoveAt(1);
        }

        return string.Join(' ', ids);
    }
}
