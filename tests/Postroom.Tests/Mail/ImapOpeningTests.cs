using System.Net;
using System.Net.Sockets;
using Postroom.Mail;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>A setting of <c>security</c> that does not fit the port is told soon, with the word to write.</summary>
public sealed class ImapOpeningTests
{
    [Fact]
    public async Task A_port_that_waits_for_a_handshake_is_given_up_after_15_s_and_implicit_is_named()
    {
        using TcpListener silent = Listen();
        ManualClock clock = new();

        ImapConnectionException e = await FailAsync(silent, MailSecurity.StartTls, clock);

        Assert.True(clock.Elapsed <= TimeSpan.FromSeconds(15), $"{clock.Elapsed}");
        Assert.Contains("If the port speaks TLS from the first byte, as 993 does, set security to implicit", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_that_greets_in_the_open_is_told_at_once_and_starttls_is_named()
    {
        TcpListener open = Listen();
        Task greeting = GreetAsync(open);

        ImapConnectionException e = await FailAsync(open, MailSecurity.Implicit, new ManualClock());
        await greeting;
        open.Stop();

        Assert.Contains("If the port speaks TLS only after STARTTLS, as 143 does, set security to starttls", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_that_says_nothing_at_all_to_a_handshake_is_given_up_after_15_s()
    {
        using TcpListener silent = Listen();
        ManualClock clock = new();

        ImapConnectionException e = await FailAsync(silent, MailSecurity.Implicit, clock);

        Assert.True(clock.Elapsed <= TimeSpan.FromSeconds(15), $"{clock.Elapsed}");
        Assert.Contains("set security to starttls; otherwise check host and port", e.Message, StringComparison.Ordinal);
    }

    private static TcpListener Listen()
    {
        TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return listener;
    }

    private static async Task GreetAsync(TcpListener listener)
    {
        using TcpClient client = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        NetworkStream stream = client.GetStream();
        await stream.WriteAsync("* OK IMAP4rev1 ready to serve\r\n"u8.ToArray(), TestContext.Current.CancellationToken);
        client.Client.Shutdown(SocketShutdown.Send);
        try
        {
            while (await stream.ReadAsync(new byte[1_024], TestContext.Current.CancellationToken) > 0)
            {
                // What the handshake says.
            }
        }
        catch (IOException)
        {
            // It was told enough.
        }
    }

    private static async Task<ImapConnectionException> FailAsync(TcpListener listener, MailSecurity security, ManualClock clock)
    {
        ImapAccount account = new()
        {
            Host = "127.0.0.1",
            Port = ((IPEndPoint)listener.LocalEndpoint).Port,
            Security = security,
            Username = "ann",
            Password = new Secret("secret-canary"),
            Timeout = TimeSpan.FromMinutes(1),
            MaxLiteral = 1 << 20,
        };
        Task<ImapConnection> opening = ImapOpening.OpenAsync(account, clock, null, TestContext.Current.CancellationToken);

        // The clock moves in one step and only once the wait is on: a step between reading the clock and arming the wait would be added to it.
        int looks = 0;
        while (await Task.WhenAny(opening, Task.Delay(50, TestContext.Current.CancellationToken)) != opening)
        {
            looks = clock.ArmedTimers > 0 ? looks + 1 : 0;
            if (looks == 10)
            {
                clock.Advance(TimeSpan.FromSeconds(15));
            }
        }

        return await Assert.ThrowsAsync<ImapConnectionException>(() => opening);
    }
}
