using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Postroom.Testing;

/// <summary>What is wrong with the certificate of a fake service.</summary>
public enum FakeCertificate
{
    /// <summary>Nothing: for <c>localhost</c>, 127.0.0.1 and ::1, by an authority of the process's own.</summary>
    Valid,

    /// <summary>By the same authority, for <c>wrong.example</c>.</summary>
    WrongName,

    /// <summary>By the same authority, until yesterday.</summary>
    Expired,

    /// <summary>By itself.</summary>
    SelfSigned,
}

/// <summary>An authority made once per process, and the certificates it gives to fake services. Nothing of it is ever written but the authority's own certificate.</summary>
internal static class FakeCertificates
{
    private static readonly TimeProvider Clock = TimeProvider.System;
    private static readonly Lazy<X509Certificate2> Authority = new(MakeAuthority);
    private static readonly Lazy<X509Certificate2>[] Made = [.. Enum.GetValues<FakeCertificate>().Select(kind => new Lazy<X509Certificate2>(() => Make(kind)))];

    /// <summary>The authority's certificate in PEM, for <c>caFile</c>.</summary>
    public static string AuthorityPem => Authority.Value.ExportCertificatePem();

    /// <summary>A certificate with its key.</summary>
    public static X509Certificate2 Get(FakeCertificate kind) => Made[(int)kind].Value;

    private static X509Certificate2 MakeAuthority()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=Postroom fake authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        DateTimeOffset now = Clock.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-30), now.AddDays(30));
    }

    private static X509Certificate2 Make(FakeCertificate kind)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=fake", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName(kind == FakeCertificate.WrongName ? "wrong.example" : "localhost");
        if (kind != FakeCertificate.WrongName)
        {
            names.AddIpAddress(IPAddress.Loopback);
            names.AddIpAddress(IPAddress.IPv6Loopback);
        }

        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false));
        DateTimeOffset now = Clock.GetUtcNow();
        DateTimeOffset until = now.AddDays(kind == FakeCertificate.Expired ? -1 : 20);
        if (kind == FakeCertificate.SelfSigned)
        {
            return request.CreateSelfSigned(now.AddDays(-20), until);
        }

        using X509Certificate2 signed = request.Create(Authority.Value, now.AddDays(-20), until, RandomNumberGenerator.GetBytes(12));
        return signed.CopyWithPrivateKey(key);
    }
}
