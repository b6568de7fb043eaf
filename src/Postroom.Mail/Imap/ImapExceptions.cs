namespace Postroom.Mail;

/// <summary>An IMAP server refused a command; the connection is whole.</summary>
/// <param name="server">Host and port.</param>
/// <param name="command">The command's name, without arguments.</param>
/// <param name="status">The server's word: <c>NO</c> or <c>BAD</c>.</param>
/// <param name="code">The response code, upper case, for example <c>AUTHENTICATIONFAILED</c> (RFC 5530); empty for none.</param>
/// <param name="text">What the server said.</param>
internal sealed class ImapCommandException(string server, string command, string status, string code, string text)
    : Exception($"IMAP {server} refused {command}: {status}{(code.Length == 0 ? "" : $" [{code}]")} {Names.Shorten(text)}")
{
    /// <summary>The response code; empty for none.</summary>
    public string Code => code;

    /// <summary>Whether the code says that it is about the account or the time, and not about what was asked for (RFC 5530; <c>THROTTLED</c> is Gmail's).</summary>
    public bool IsTemporary => code is "UNAVAILABLE" or "INUSE" or "OVERQUOTA" or "LIMIT" or "THROTTLED" or "CONTACTADMIN" or "EXPIRED" or "NOPERM"
        or "AUTHENTICATIONFAILED" or "AUTHORIZATIONFAILED" or "PRIVACYREQUIRED";

    /// <summary>What the server said.</summary>
    public string Text => text;
}

/// <summary>A connection to an IMAP server was not made, broke, or said what no IMAP server says; it is only closed.</summary>
/// <param name="message">What happened, without secrets.</param>
/// <param name="innerException">The cause; null for none.</param>
internal sealed class ImapConnectionException(string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>Whether an answer was longer than it may be: the part of a mail that is asked for has to be shorter.</summary>
    public bool IsTooLong { get; init; }

    /// <summary>What the server said, when the message shows some of it; null for none.</summary>
    public string? Said { get; init; }
}

/// <summary>An IMAP server refused the login. Trying again soon would lock the account.</summary>
/// <param name="message">What happened, without secrets.</param>
/// <param name="innerException">The cause; null for none.</param>
internal sealed class ImapLoginException(string message, Exception? innerException = null) : Exception(message, innerException);
