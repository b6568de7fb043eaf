using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Postroom;

/// <summary>Whether the certificate of a server is trusted: chain and host name, by the system's authorities and those of a file.</summary>
internal static class ServerTrust
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    /// <summary>Reads the authorities of a file.</summary>
    /// <param name="caFile">Certificates in PEM that are trusted beside the system's; null for none.</param>
    public static X509Certificate2Collection Load(string? caFile)
    {
        X509Certificate2Collection extra = [];
        if (caFile is not null)
        {
            extra.ImportFromPemFile(caFile);
        }

        return extra;
    }

    /// <summary>Why a server's certificate is refused; null when it is not.</summary>
    public static string? Complaint(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors, X509Certificate2Collection extra)
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
