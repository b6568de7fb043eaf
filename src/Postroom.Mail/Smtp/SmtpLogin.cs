using System.Text;

namespace Postroom.Mail;

/// <summary>Logs in (RFC 4954): XOAUTH2 with a token, otherwise PLAIN, or LOGIN where that is all there is.</summary>
internal static class SmtpLogin
{
    /// <summary>Logs in when the settings have credentials.</summary>
    /// <exception cref="SmtpRefusedException">The server refuses them.</exception>
    /// <exception cref="DeliveryException">The server offers no way that fits them.</exception>
    public static async ValueTask RunAsync(SmtpWire wire, SmtpExtensions extensions, EmailCommunicatorConfig config, CancellationToken cancellationToken)
    {
        if (!config.HasLogin)
        {
            return;
        }

        SmtpReply reply = (config.AccessToken, config.Password) switch
        {
            ({ } token, _) when Offers("XOAUTH2") => await TokenAsync(wire, config.Username, token, cancellationToken),
            (null, { } password) when Offers("PLAIN") => await wire.AskSecretAsync($"AUTH PLAIN {Base64($"\0{config.Username}\0{password.Reveal()}")}", cancellationToken),
            (null, { } password) when Offers("LOGIN") => await NameAndPasswordAsync(wire, config.Username, password, cancellationToken),
            _ => throw SmtpFailures.NoLogin(wire.Server, extensions, config),
        };
        if (!reply.IsDone)
        {
            throw new SmtpRefusedException(SmtpStep.Login, "AUTH", reply);
        }

        bool Offers(string way) => extensions.Logins.Contains(way);
    }

    private static async ValueTask<SmtpReply> TokenAsync(SmtpWire wire, string username, Secret token, CancellationToken cancellationToken)
    {
        SmtpReply reply = await wire.AskSecretAsync($"AUTH XOAUTH2 {Base64($"user={username}\u0001auth=Bearer {token.Reveal()}\u0001\u0001")}", cancellationToken);

        // The reason of a refusal comes as a challenge; an empty line asks for the refusal itself.
        return reply.IsMore ? await wire.AskSecretAsync("", cancellationToken) : reply;
    }

    private static async ValueTask<SmtpReply> NameAndPasswordAsync(SmtpWire wire, string username, Secret password, CancellationToken cancellationToken)
    {
        SmtpReply reply = await wire.AskSecretAsync("AUTH LOGIN", cancellationToken);
        reply = reply.IsMore ? await wire.AskSecretAsync(Base64(username), cancellationToken) : reply;
        return reply.IsMore ? await wire.AskSecretAsync(Base64(password.Reveal()), cancellationToken) : reply;
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}
