using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Postroom.Redis;

/// <summary>Opens byte streams to servers: TCP, TLS, and sockets of this machine.</summary>
internal static class RedisTransport
{
    /// <summary>Connects, and shakes hands where the address says so.</summary>
    /// <param name="address">Where to.</param>
    /// <param name="caFile">Certificates in PEM that are trusted beside the system's; null for none.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="RedisConnectionException">The server cannot be reached, or its certificate is refused.</exception>
    public static async Task<Stream> ConnectAsync(RedisAddress address, string? caFile, CancellationToken cancellationToken)
    {
        Socket socket = address.IsSocket
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (address.IsSocket)
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(address.Host), cancellationToken);
            }
            else
            {
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
                await socket.ConnectAsync(address.Host, address.Port, cancellationToken);
            }

            NetworkStream stream = new(socket, ownsSocket: true);
            return address.Tls ? await HandshakeAsync(stream, address, caFile, cancellationToken) : stream;
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new RedisConnectionException($"Redis {address} cannot be reached: {e.Message}. Start the server, or set redis.url.", e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async Task<SslStream> HandshakeAsync(NetworkStream stream, RedisAddress address, string? caFile, CancellationToken cancellationToken)
    {
        string? complaint = null;
        SslStream tls = new(stream, leaveInnerStreamOpen: false);
        try
        {
            X509Certificate2Collection extra = ServerTrust.Load(caFile);
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = address.Host,
#pragma warning disable CA5398 // The system's own choice may still include 1.0; the lowest version is promised.
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
#pragma warning restore CA5398
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck, // an own authority often has no responder
                    RemoteCertificateValidationCallback = (_, certificate, chain, errors) => (complaint = ServerTrust.Complaint(certificate, chain, errors, extra)) is null,
                },
                cancellationToken);
            return tls;
        }
        catch (Exception e) when (e is AuthenticationException or IOException or CryptographicException or UnauthorizedAccessException)
        {
            await tls.DisposeAsync();
            throw new RedisConnectionException(
                complaint is null
                    ? $"TLS with Redis {address} failed: {e.Message} Does the server speak TLS at this port (tls-port)?"
                    : $"The certificate of Redis {address} is refused: {complaint}. Use the name in the certificate, or name its authority in redis.caFile.",
                e);
        }
        catch
        {
            await tls.DisposeAsync();
            throw;
        }
    }
}
