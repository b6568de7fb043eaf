using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Postroom.Mail;

/// <summary>TLS to a mail server: 1.2 or later, chain and host name always checked (ML-1). There is no way to turn that off.</summary>
/// <remarks>Revocation is not asked for: mail servers of one's own often have no responder, and an unreachable one would stop all mail.</remarks>
internal static class MailTls
{
    /// <summary>Shakes hands over a connection.</summary>
    /// <param name="transport">The plain connection; owned by the result.</param>
    /// <param name="host">The name that the certificate must have.</param>
    /// <param name="caFile">Certificates in PEM that are trusted beside the system's; null for none.</param>
    /// <param name="cancellationToken">Ends the handshake.</param>
    /// <exception cref="MailConnectionException">The certificate or the handshake is refused.</exception>
    public static async Task<SslStream> HandshakeAsync(Stream transport, string host, string? caFile, CancellationToken cancellationToken)
    {
        string? complaint = null;
        SslStream tls = new(transport, leaveInnerStreamOpen: false);
        try
        {
            X509Certificate2Collection extra = ServerTrust.Load(caFile);
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = host,
#pragma warning disable CA5398 // The system's own choice may still include 1.0; the lowest version is promised.
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
#pragma warning restore CA5398
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                    RemoteCertificateValidationCallback = (_, certificate, chain, errors) => (complaint = ServerTrust.Complaint(certificate, chain, errors, extra)) is null,
                },
                cancellationToken);
            return tls;
        }
        catch (Exception e) when (e is AuthenticationException or IOException or CryptographicException or UnauthorizedAccessException)
        {
            await tls.DisposeAsync();
            throw new MailConnectionException(complaint is null
                ? $"TLS with {host} failed: {e.Message}"
                : $"The certificate of {host} is refused: {complaint}. Use the name in the certificate as host, or name its authority in caFile.", e)
            {
                SpeaksNoTls = complaint is null,
            };
        }
        catch
        {
            await tls.DisposeAsync();
            throw;
        }
    }
}
