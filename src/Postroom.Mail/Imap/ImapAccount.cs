using System.Globalization;

namespace Postroom.Mail;

/// <summary>Where a mailbox is and how to get in.</summary>
internal sealed record ImapAccount
{
    /// <summary>The server's name or address; its certificate must be for it.</summary>
    public required string Host { get; init; }

    /// <summary>The port.</summary>
    public int Port { get; init; } = 993;

    /// <summary>How the connection is encrypted.</summary>
    public MailSecurity Security { get; init; }

    /// <summary>The name to log in with.</summary>
    public string Username { get; init; } = "";

    /// <summary>The password; null for none.</summary>
    public Secret? Password { get; init; }

    /// <summary>An OAuth 2 token instead of the password; null for none.</summary>
    public Secret? AccessToken { get; init; }

    /// <summary>Certificates in PEM trusted beside the system's; null for none.</summary>
    public string? CaFile { get; init; }

    /// <summary>The longest literal in bytes.</summary>
    public long MaxLiteral { get; init; } = 26 * 1024 * 1024;

    /// <summary>How long the server may be silent while it owes an answer.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Host and port, for messages.</summary>
    public string Server => string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port}");

    /// <summary>Whether there is something to log in with.</summary>
    public bool HasLogin => Username.Length > 0 && (AccessToken ?? Password) is { IsEmpty: false };
}
