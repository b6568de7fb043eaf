using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Postroom.Mail;

/// <summary>TLS to a mail server: 1.2 or later, chain and host name always checked (ML-1). There is no way to turn that off.</summary>
/// <remarks>Revocation is not asked for: mail servers of one's own often have no responder, and an unreachable one would stop all mail.</remarks>
internal static class MailTls
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

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
            X509Certificate2Collection extra = Load(caFile);
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = host,
#pragma warning disable CA5398 // The system's own choice may still include 1.0; the lowest version is promised.
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
#pragma warning restore CA5398
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                    RemoteCertificateValidationCallback = (_, certificate, chain, errors) => (complaint = Complaint(certificate, chain, errors, extra)) is null,
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

    private static X509Certificate2Collection Load(string? caFile)
    {
        X509Certificate2Collection extra = [];
        if (caFile is not null)
        {
            extra.ImportFromPemFile(caFile);
        }

        return extra;
    }

    private static string? Complaint(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors, X509Certificate2Collection extra)
    {
        if (errors == SslPolicyErrors.None)
        {
            return null;
        }

        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable) || certificate is not X509Certificate2 leaf)
        {
            return "there is none";
        }

        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            return "it is for another name";
        }

        if (extra.Count == 0)
        {
            return Status(chain);
        }

        using X509Chain own = new();
        own.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        own.ChainPolicy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
        own.ChainPolicy.CustomTrustStore.AddRange(extra);
        foreach (X509ChainElement element in chain?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
        {
            own.ChainPolicy.ExtraStore.Add(element.Certificate);
        }

        return own.Build(leaf) ? null : Status(own);
    }

    private static string Status(X509Chain? chain) => string.Join(", ", chain?.ChainStatus.Select(status => status.Status.ToString()).Distinct() ?? ["it has no chain"]);
}
