using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Postroom.Configuration;

namespace Postroom.Mail;

/// <summary>What is checked of the settings of every mail server.</summary>
internal static class MailServerChecks
{
    /// <summary>How the words of <c>security</c> are read.</summary>
    public static readonly (string Word, MailSecurity Value)[] SecurityWords =
        [("auto", MailSecurity.Auto), ("implicit", MailSecurity.Implicit), ("starttls", MailSecurity.StartTls), ("none", MailSecurity.None)];

    /// <summary>Checks host and extra certificates.</summary>
    public static void CheckServer(SectionReader reader, string host, string? caFile)
    {
        if (host.Length == 0 || host.Length > 253 || host.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)) || host.Contains('/', StringComparison.Ordinal))
        {
            reader.AddError("host", $"{reader.Path}.host is '{Names.Shorten(host)}', which is no host. Write a name such as mail.example.org, without scheme and port.");
        }

        if (caFile is null)
        {
            return;
        }

        try
        {
            X509Certificate2Collection certificates = [];
            certificates.ImportFromPemFile(caFile);
            if (certificates.Count == 0)
            {
                reader.AddError("caFile", $"{reader.Path}.caFile '{Names.Shorten(caFile)}' holds no certificate. It needs at least one in PEM (BEGIN CERTIFICATE).");
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            reader.AddError("caFile", $"{reader.Path}.caFile '{Names.Shorten(caFile)}' cannot be read as certificates in PEM: {e.Message}");
        }
    }

    /// <summary>Checks the credentials.</summary>
    public static void CheckLogin(SectionReader reader, string host, MailSecurity security, string username, Secret? password, Secret? accessToken)
    {
        bool hasLogin = username.Length > 0 && (password ?? accessToken) is { IsEmpty: false };
        if (HeaderText.Breaks(username))
        {
            reader.AddError("username", $"{reader.Path}.username has a line end or NUL, which no login takes. Take it out.");
        }

        if (password?.Reveal().Contains('\0', StringComparison.Ordinal) == true)
        {
            reader.AddError("password", $"{reader.Path}.password has a NUL, which no login takes.");
        }

        if (accessToken?.Reveal().Any(char.IsControl) == true)
        {
            reader.AddError("accessToken", $"{reader.Path}.accessToken has control characters, which no token has. Check how it was copied.");
        }

        if (hasLogin && security == MailSecurity.None && !MailEncryption.IsLoopback(host))
        {
            reader.AddError("security", $"{reader.Path}.security is none with credentials, which would send them to '{Names.Shorten(host)}' for all to read. Use auto, starttls or implicit, or remove the credentials.");
        }
    }
}
