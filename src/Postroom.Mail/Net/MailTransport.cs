using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Postroom.Mail;

/// <summary>Connects to a mail server: every address of its name in turn, each with a time of its own (ML-1).</summary>
internal static class MailTransport
{
    private const int MaxAddresses = 16;

    /// <summary>How long finding the addresses, and then connecting to each, may take.</summary>
    public static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Connects.</summary>
    /// <param name="host">A name or an address.</param>
    /// <param name="port">The port.</param>
    /// <param name="clock">Ends the waits.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <exception cref="MailConnectionException">No address answered.</exception>
    public static async Task<Socket> ConnectAsync(string host, int port, TimeProvider clock, CancellationToken cancellationToken)
    {
        string place = string.Create(CultureInfo.InvariantCulture, $"{host}:{port}");
        Exception? last = null;
        foreach (IPAddress address in await AddressesAsync(host, place, clock, cancellationToken))
        {
            Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 60);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 15);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 4);
            try
            {
                using Deadline deadline = new(ConnectTimeout, clock, cancellationToken);
                await socket.ConnectAsync(new IPEndPoint(address, port), deadline.Token);
                return socket;
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                socket.Dispose();
                cancellationToken.ThrowIfCancellationRequested();
                last = e;
            }
        }

        throw new MailConnectionException(last is OperationCanceledException
            ? $"{place} did not take a connection within {ConnectTimeout.TotalSeconds:0} s. Check host, port and firewall."
            : $"{place} cannot be reached: {last?.Message ?? "its name has no address"}. Check host and port.", last);
    }

    private static async Task<IPAddress[]> AddressesAsync(string host, string place, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (IPAddress.TryParse(host, out IPAddress? literal))
        {
            return [literal];
        }

        try
        {
            using Deadline deadline = new(ConnectTimeout, clock, cancellationToken);
            IPAddress[] addresses = await Dns.GetHostAddressesAsync(host, deadline.Token);
            return addresses[..Math.Min(addresses.Length, MaxAddresses)];
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ArgumentException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new MailConnectionException($"The name of {place} cannot be resolved: {(e is OperationCanceledException ? "no answer in time" : e.Message)}. Check host, and the name server of this machine.", e);
        }
    }
}
