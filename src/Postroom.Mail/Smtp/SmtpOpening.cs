using System.Globalization;
using System.Net.Sockets;

namespace Postroom.Mail;

/// <summary>Opens a connection up to the point where a mail may be sent: greeting, EHLO, encryption, login.</summary>
internal static class SmtpOpening
{
    /// <summary>Opens a connection.</summary>
    /// <exception cref="MailConnectionException">It cannot be had, or not as safe as the settings ask; no credential was sent then.</exception>
    /// <exception cref="SmtpRefusedException">The server refuses its service or the login.</exception>
    /// <exception cref="DeliveryException">There is no common way to log in.</exception>
    public static async Task<SmtpConnection> OpenAsync(EmailCommunicatorConfig config, TimeProvider clock, CancellationToken cancellationToken)
    {
        MailEncryption encryption = MailEncryption.Of(config.Security, config.Port, config.HasLogin);
        Socket socket = await MailTransport.ConnectAsync(config.Host, config.Port, clock, cancellationToken);
        SmtpWire wire = new(
            string.Create(CultureInfo.InvariantCulture, $"{config.Host}:{config.Port}"), new NetworkStream(socket, ownsSocket: true), clock, config.Timeout);
        try
        {
            if (encryption.FromTheFirstByte)
            {
                await wire.EncryptAsync(config.Host, config.CaFile, cancellationToken);
            }

            SmtpReply greeting = await wire.ReadAsync("the greeting", wire.CommandTimeout, cancellationToken);
            Require(greeting, "the connection");
            SmtpExtensions extensions = await HelloAsync(wire, config.HeloName, cancellationToken);
            if (!wire.IsSecure && await StartTlsAsync(wire, encryption, extensions, config, cancellationToken))
            {
                extensions = await HelloAsync(wire, config.HeloName, cancellationToken);
            }

            await SmtpLogin.RunAsync(wire, extensions, config, cancellationToken);
            return new SmtpConnection(wire, extensions, socket, clock);
        }
        catch
        {
            await wire.DisposeAsync();
            throw;
        }
    }

    private static async ValueTask<bool> StartTlsAsync(SmtpWire wire, MailEncryption encryption, SmtpExtensions extensions, EmailCommunicatorConfig config, CancellationToken cancellationToken)
    {
        if (encryption.IsRequired && !extensions.StartTls)
        {
            throw new MailConnectionException($"{wire.Server} does not offer STARTTLS, which the settings require, so no credential and no mail was sent. Set security to implicit if the port speaks TLS from the first byte.");
        }

        if (!encryption.OnRequest || !extensions.StartTls)
        {
            return false;
        }

        SmtpReply reply = await wire.AskAsync("STARTTLS", cancellationToken);
        if (!reply.IsDone)
        {
            // Offered and then refused: going on in the open is what an attacker in between would want.
            throw new SmtpRefusedException(SmtpStep.Opening, "STARTTLS", reply);
        }

        await wire.EncryptAsync(config.Host, config.CaFile, cancellationToken);
        return true;
    }

    private static async ValueTask<SmtpExtensions> HelloAsync(SmtpWire wire, string name, CancellationToken cancellationToken)
    {
        SmtpReply reply = await wire.AskAsync($"EHLO {name}", cancellationToken);
        if (reply.IsDone)
        {
            return SmtpExtensions.Read(reply);
        }

        if (reply.Code is 500 or 501 or 502 or 504 or 550)
        {
            Require(await wire.AskAsync($"HELO {name}", cancellationToken), "HELO");
            return SmtpExtensions.None;
        }

        throw new SmtpRefusedException(SmtpStep.Opening, "EHLO", reply);
    }

    private static void Require(SmtpReply reply, string command)
    {
        if (!reply.IsDone)
        {
            throw new SmtpRefusedException(SmtpStep.Opening, command, reply);
        }
    }
}
