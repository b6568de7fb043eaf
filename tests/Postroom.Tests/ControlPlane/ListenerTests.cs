using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postroom.ControlPlane;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.ControlPlane;

/// <summary>What answers where, and to how many (CF-10, SE-1, SE-2).</summary>
public sealed class ListenerTests
{
    [Fact]
    public async Task Cf10_where_admin_addresses_are_set_the_control_plane_and_the_dashboard_answer_there_only()
    {
        await using RealHttp http = await RealHttp.StartAsync(static app => { }, "server.adminUrls=[\"http://127.0.0.2:0\"]", "server.hosts=[127.0.0.1, 127.0.0.2]");
        string key = await http.KeyAsync(ApiRole.Admin);
        IReadOnlyList<string> addresses = http.Runtime.Services.GetRequiredService<ControlPlaneService>().Addresses;
        using HttpClient other = new() { BaseAddress = new Uri(addresses[1]) };
        List<string> wrong = [];
        int hidden = 0;

        foreach ((ApiRoute route, string path) in RouteMatrixTests.Paths(http).Where(one => !one.Path.EndsWith("/stop", StringComparison.Ordinal) && !one.Path.EndsWith("/drain", StringComparison.Ordinal)))
        {
            bool moved = path is "/metrics" or "/health" or "/organism" || path.StartsWith("/ui", StringComparison.Ordinal) || path.StartsWith("/api/v1/", StringComparison.Ordinal) || path.StartsWith("/organism/", StringComparison.Ordinal);
            hidden += moved ? 1 : 0;
            int there = await StatusAsync(other, route.Method, path);
            int here = route.Method is "GET" ? await StatusAsync(http.Client, route.Method, path, "no key") : 401;
            if (moved ? there != 404 || (route.Role is not null && here != 401) : there is 404 && path is "/webhook" or "/health/live" or "/health/ready")
            {
                wrong.Add($"{route.Method} {path}: {there} there, {here} here");
            }
        }

        Assert.Empty(wrong);
        Assert.InRange(hidden, 80, 200);
        Assert.StartsWith("http://127.0.0.2:", addresses[0], StringComparison.Ordinal); // what links and the command line go by
        Assert.Equal(200, (await http.CallAsync("GET", "/api/v1/status", key)).Status);
        Assert.Equal(200, await StatusAsync(http.Client, "GET", "/ui"));
        Assert.Equal(200, (await other.PostWebhookAsync("""{"sender":"7","msg_type":"chat","raw_msg":"hello"}"""u8.ToArray(), "application/json")).Status);

        async Task<int> StatusAsync(HttpClient client, string method, string path, string? with = null)
        {
            using HttpRequestMessage request = new(new HttpMethod(method), path);
            request.Headers.Authorization = with is null ? new("Bearer", key) : null;
            return (await client.AnswerAsync(request)).Status;
        }
    }

    [Fact]
    public async Task Se2_connections_beyond_those_of_one_address_are_closed_at_once_and_one_that_ends_makes_room()
    {
        await using RealHttp http = await RealHttp.StartAsync(static app => { }, "limits.connectionsPerAddress=3");
        Uri address = new(http.Runtime.Services.GetRequiredService<ControlPlaneService>().Addresses[0]);
        List<TcpClient> open = [];
        for (int n = 0; n < 3; n++)
        {
            open.Add(new TcpClient());
            Assert.True(await AnswersAsync(open[n], address));
        }

        using TcpClient beyond = new();
        bool answered = await AnswersAsync(beyond, address);
        using TcpClient elsewhere = new(new IPEndPoint(IPAddress.Parse("127.0.0.9"), 0));
        bool other = await AnswersAsync(elsewhere, address);
        bool kept = await AnswersAsync(open[2], address);
        open.ForEach(static one => one.Dispose());

        Assert.Equal((false, true, true), (answered, other, kept));
        await UntilAsync(async () =>
        {
            using TcpClient again = new();
            return await AnswersAsync(again, address);
        });
        Answer metrics = await http.CallAsync("GET", "/metrics", await http.KeyAsync(ApiRole.Viewer));
        Assert.Contains("postroom_http_refused_total{reason=\"connections\"}", metrics.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Se1_connections_beyond_those_of_all_are_closed_also_those_of_a_proxy_which_has_no_limit_of_its_own()
    {
        await using RealHttp http = await RealHttp.StartAsync(static app => { }, "limits.connections=4", "limits.connectionsPerAddress=1", "server.trustedProxies=[\"127.0.0.1\"]");
        Uri address = new(http.Runtime.Services.GetRequiredService<ControlPlaneService>().Addresses[0]);
        List<TcpClient> open = [];
        List<bool> answered = [];
        for (int n = 0; n < 5; n++)
        {
            open.Add(new TcpClient());
            answered.Add(await AnswersAsync(open[n], address));
        }

        open.ForEach(static one => one.Dispose());

        Assert.Equal([true, true, true, true, false], answered);
    }

    [Fact]
    public async Task Se2_what_is_refused_shares_a_line_of_the_log_a_minute_and_leaves_nothing_behind()
    {
        SteppedClock clock = new();
        LogLines lines = new();
        using ILoggerFactory loggers = LoggerFactory.Create(logging => logging.AddProvider(lines));
        ConnectionLimit limit = new(new LimitsOptions { ConnectionsPerAddress = 1 }, new TrustedProxies([]), new RuntimeDouble(clock), clock, loggers.CreateLogger<ConnectionLimit>());
        TaskCompletionSource end = new();
        int served = 0;
        ConnectionDelegate around = limit.Around(_ =>
        {
            served++;
            return end.Task;
        });

        Task first = ConnectAsync("::ffff:192.0.2.1"); // the same address, as a socket of both families tells it
        for (int n = 0; n < 5; n++)
        {
            await ConnectAsync("192.0.2.1");
        }

        clock.Advance(TimeSpan.FromSeconds(61));
        await ConnectAsync("192.0.2.1");
        Task other = ConnectAsync("192.0.2.2");
        int open = limit.Addresses;
        end.SetResult();
        await Task.WhenAll(first, other);

        Assert.Equal((2, 2, 0), (served, open, limit.Addresses));
        Assert.Equal(2, lines.Texts.Count);
        Assert.Contains("192.0.2.1 was closed at once: limits.connectionsPerAddress is 1, and as many are open (0 more", lines.Texts[0], StringComparison.Ordinal);
        Assert.Contains("(4 more", lines.Texts[1], StringComparison.Ordinal);

        async Task ConnectAsync(string address)
        {
            // Not disposed: its abort is still on its way then.
            await around(new DefaultConnectionContext { RemoteEndPoint = new IPEndPoint(IPAddress.Parse(address), 1) });
        }
    }

    /// <summary>Whether a connection answers a request; it stays open.</summary>
    private static async Task<bool> AnswersAsync(TcpClient client, Uri address)
    {
        try
        {
            if (!client.Connected)
            {
                await client.ConnectAsync(address.Host, address.Port, Cancel);
            }

            byte[] answer = new byte[4_096];
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes("GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), Cancel);
            return await client.GetStream().ReadAsync(answer, Cancel) > 0;
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            return false;
        }
    }
}
