using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Postroom.Redis;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Redis;

/// <summary>The client against real servers (RD-8, RD-9).</summary>
public sealed class RedisClientTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true, RespKind.Map)]
    [InlineData(false, RespKind.Array)]
    public async Task RD_8_a_real_server_is_spoken_to_in_RESP3_and_RESP2(bool resp3, object map)
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisClient client = server.Connect(server.Endpoint() with { Resp3 = resp3, ClientName = "tester" });

        await client.CallAsync(new RespCommand("HSET", "h", "a", 1, "b", "zwei"), Cancel);
        RespValue hash = await client.CallAsync(new RespCommand("HGETALL", "h"), Cancel);
        RespValue name = await client.CallAsync(new RespCommand("CLIENT", "GETNAME"), Cancel);
        byte[] bytes = RandomNumberGenerator.GetBytes(3_000_000);
        await client.CallAsync(new RespCommand("SET", "big", bytes), Cancel);
        RespValue big = await client.CallAsync(new RespCommand("GET", "big"), Cancel);

        Assert.Equal(map, hash.Kind);
        Assert.Equal(1, hash.Find("a").AsInteger());
        Assert.Equal("zwei", hash.Find("b").AsText());
        Assert.Equal("tester", name.AsText());
        Assert.True(big.Bytes.Span.SequenceEqual(bytes));
    }

    [Fact]
    public async Task RD_8_many_callers_share_a_connection_and_each_gets_its_own_reply()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisClient client = server.Connect();

        await Task.WhenAll(Enumerable.Range(0, 32).Select(caller => Task.Run(async () =>
        {
            for (int i = 0; i < 100; i++)
            {
                string text = $"{caller}/{i}";
                Assert.Equal(text, (await client.CallAsync(new RespCommand("ECHO", text), Cancel)).AsText());
            }
        })));

        Assert.Equal(1, client.Connects);
    }

    [Fact]
    public async Task RD_8_every_type_of_a_real_server_in_RESP3_is_read()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisClient client = server.Connect();
        Dictionary<string, RespKind> expected = new()
        {
            ["string"] = RespKind.BulkString,
            ["integer"] = RespKind.Integer,
            ["double"] = RespKind.Double,
            ["null"] = RespKind.Null,
            ["array"] = RespKind.Array,
            ["set"] = RespKind.Set,
            ["map"] = RespKind.Map,
            ["bignum"] = RespKind.BigNumber,
            ["verbatim"] = RespKind.Verbatim,
            ["true"] = RespKind.Boolean,
            ["false"] = RespKind.Boolean,
            ["attrib"] = RespKind.BulkString,
        };

        foreach ((string type, RespKind kind) in expected)
        {
            RespValue value = await client.CallAsync(new RespCommand("DEBUG", "PROTOCOL", type), Cancel);
            Assert.Equal(kind, value.Kind);
            Assert.Equal(type == "attrib", value.Attributes is not null);
        }
    }

    [Fact]
    public async Task RD_8_an_ACL_user_signs_in_and_a_missing_permission_is_a_configuration_error()
    {
        await using RedisServer server = await RedisServer.StartAsync("--user", "default", "off", "--user", "worker", "on", ">p@ss", "~*", "+@all", "-flushall");
        await using RedisClient client = server.Connect(server.Endpoint($"redis://worker:p%40ss@127.0.0.1:{server.Port}/2"));
        await using RedisClient stranger = server.Connect(server.Endpoint($"redis://worker:s3cret@127.0.0.1:{server.Port}"));

        Assert.Equal("worker", (await client.CallAsync(new RespCommand("ACL", "WHOAMI"), Cancel)).AsText());
        Assert.Contains("db=2", (await client.CallAsync(new RespCommand("CLIENT", "INFO"), Cancel)).AsText());
        RedisException denied = await Assert.ThrowsAsync<RedisException>(() => client.CallAsync(new RespCommand("FLUSHALL"), Cancel).AsTask());
        RedisException wrong = await Assert.ThrowsAsync<RedisException>(() => stranger.CallAsync(new RespCommand("PING"), Cancel).AsTask());

        Assert.Equal(("NOPERM", RedisFault.Configuration), (denied.Code, denied.Fault));
        Assert.Equal(("WRONGPASS", RedisFault.Configuration), (wrong.Code, wrong.Fault));
        Assert.DoesNotContain("s3cret", wrong.Message);
        Assert.Same(denied, await Assert.ThrowsAsync<RedisException>(() => client.CallAsync(new RespCommand("FLUSHALL"), Cancel).AsTask())); // not asked again
        await client.CallAsync(new RespCommand("PING"), Cancel);
    }

    [Fact]
    public async Task RD_8_a_socket_of_this_machine_is_an_address()
    {
        string path = Path.Combine(Path.GetTempPath(), $"pr{Guid.NewGuid():n}"[..12] + ".sock");
        await using RedisServer server = await RedisServer.StartAsync("--unixsocket", path);
        await using RedisClient client = server.Connect(server.Endpoint($"unix://{path}?db=1"));

        Assert.Equal("PONG", (await client.CallAsync(new RespCommand("PING"), Cancel)).AsText());
        Assert.Contains("db=1", (await client.CallAsync(new RespCommand("CLIENT", "INFO"), Cancel)).AsText());
        File.Delete(path);
    }

    [Theory]
    [InlineData(FakeCertificate.Valid, true, null)]
    [InlineData(FakeCertificate.Valid, false, "redis.caFile")]
    [InlineData(FakeCertificate.WrongName, true, "another name")]
    [InlineData(FakeCertificate.Expired, true, "NotTimeValid")]
    [InlineData(FakeCertificate.SelfSigned, true, "refused")]
    public async Task RD_8_TLS_is_verified_by_the_systems_authorities_and_by_ones_own(FakeCertificate kind, bool ownAuthority, string? problem)
    {
        using TempFolder folder = new();
        await File.WriteAllTextAsync(folder.File("ca.pem"), FakeCertificates.AuthorityPem, Cancel);
        await File.WriteAllTextAsync(folder.File("cert.pem"), FakeCertificates.Get(kind).ExportCertificatePem(), Cancel);
        await File.WriteAllTextAsync(folder.File("key.pem"), FakeCertificates.Get(kind).GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem(), Cancel);
        int port = RedisServer.FreePort();
        await using RedisServer server = await RedisServer.StartAsync(
            "--tls-port", $"{port}", "--tls-cert-file", folder.File("cert.pem"), "--tls-key-file", folder.File("key.pem"), "--tls-ca-cert-file", folder.File("ca.pem"), "--tls-auth-clients", "no");
        RedisEndpoint endpoint = server.Endpoint($"rediss://localhost:{port}") with { CaFile = ownAuthority ? folder.File("ca.pem") : null };

        if (problem is null)
        {
            await using RespConnection connection = await RespHandshake.ConnectAsync(endpoint.Address, endpoint, TimeProvider.System, Cancel);
            Assert.Equal("PONG", (await connection.SendAsync(new RespCommand("PING"), default, Cancel)).AsText());
        }
        else
        {
            RedisConnectionException refused = await Assert.ThrowsAsync<RedisConnectionException>(
                () => RespHandshake.ConnectAsync(endpoint.Address, endpoint, TimeProvider.System, Cancel));
            Assert.Contains(problem, refused.Message);
        }
    }

    [Fact]
    public async Task RD_8_a_server_without_TLS_at_that_port_is_named()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        RedisEndpoint endpoint = server.Endpoint($"rediss://127.0.0.1:{server.Port}");

        RedisConnectionException refused = await Assert.ThrowsAsync<RedisConnectionException>(
            () => RespHandshake.ConnectAsync(endpoint.Address, endpoint with { Timeout = TimeSpan.FromSeconds(1) }, TimeProvider.System, Cancel));

        Assert.Contains($"Redis 127.0.0.1:{server.Port}", refused.Message);
    }

    [Fact]
    public async Task F42_a_server_killed_in_mid_pipeline_fails_what_was_in_flight_and_is_connected_to_again()
    {
        await using RedisServer server = await RedisServer.StartAsync("--appendonly", "yes", "--appendfsync", "always");
        await using RedisClient client = server.Connect();
        long done = 0;
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task<int>[] callers = [.. Enumerable.Range(0, 16).Select(_ => Task.Run(async () =>
        {
            int failed = 0;
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    await client.CallAsync(new RespCommand("INCR", "n"), Cancel);
                    Interlocked.Increment(ref done);
                }
                catch (RedisConnectionException)
                {
                    failed++;
                }
            }

            return failed;
        }))];

        await RuntimeHarness.UntilAsync(() => Interlocked.Read(ref done) > 200);
        server.Kill();
        await server.RestartAsync();
        long before = Interlocked.Read(ref done);
        await RuntimeHarness.UntilAsync(() => Interlocked.Read(ref done) > before + 200);
        await stop.CancelAsync();
        int[] failures = await Task.WhenAll(callers);
        long stored = (await client.CallAsync(new RespCommand("GET", "n"), Cancel)).AsInteger();

        Assert.InRange(stored, done, done + failures.Sum()); // what was answered is there; of what failed nobody knows
        Assert.InRange(failures.Sum(), 1, 16 * 8);
    }

    [Fact]
    public async Task F55_a_server_that_hangs_is_given_up_after_the_time_out_and_serves_again_when_it_goes_on()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisClient client = server.Connect(server.Endpoint() with { Timeout = TimeSpan.FromMilliseconds(300) });
        await client.CallAsync(new RespCommand("SET", "k", "v"), Cancel);

        server.Pause();
        long begun = Stopwatch.GetTimestamp();
        RedisConnectionException hung = await Assert.ThrowsAsync<RedisConnectionException>(() => client.CallAsync(new RespCommand("GET", "k"), Cancel).AsTask());
        TimeSpan took = Stopwatch.GetElapsedTime(begun);
        server.Resume();
        RespValue? reply = null;
        await RuntimeHarness.UntilAsync(async () =>
        {
            try
            {
                reply = await client.CallAsync(new RespCommand("GET", "k"), Cancel);
            }
            catch (RedisConnectionException)
            {
            }

            return reply is not null;
        });

        Assert.True(hung.MayHaveRun);
        Assert.InRange(took.TotalSeconds, 0.25, 3);
        Assert.Equal("v", reply!.Value.AsText());
    }

    [Fact]
    public async Task RD_8_the_master_is_found_by_Sentinels_again_after_a_failover()
    {
        await using RedisServer first = await RedisServer.StartAsync();
        await using RedisServer second = await RedisServer.StartAsync("--replicaof", $"127.0.0.1 {first.Port}");
        string config = Path.Combine(first.Folder, "sentinel.conf");
        await File.WriteAllTextAsync(config, $"sentinel monitor main 127.0.0.1 {first.Port} 1\nsentinel down-after-milliseconds main 200\nsentinel failover-timeout main 2000\n", Cancel);
        await using RedisServer sentinel = await RedisServer.StartSentinelAsync(config);
        await RuntimeHarness.UntilAsync(async () => (await sentinel.AskAsync("SENTINEL", "replicas", "main")).Items.Length == 1);
        RedisEndpoint endpoint = first.Endpoint() with
        {
            Sentinels = [RedisAddress.ParseHost($"127.0.0.1:{RedisServer.FreePort()}", RedisEndpoint.SentinelPort, tls: false), RedisAddress.ParseHost($"127.0.0.1:{sentinel.Port}", RedisEndpoint.SentinelPort, tls: false)],
            Master = "main",
        };
        await using RedisClient client = first.Connect(endpoint);

        await client.CallAsync(new RespCommand("SET", "k", "before"), Cancel);
        int before = client.Server!.Port;
        await RuntimeHarness.UntilAsync(async () => (await second.AskAsync("GET", "k")).AsText() == "before");
        first.Kill();
        await RuntimeHarness.UntilAsync(async () =>
        {
            try
            {
                await client.CallAsync(new RespCommand("SET", "k", "after"), Cancel);
                return true;
            }
            catch (Exception e) when (e is RedisConnectionException or RedisException { Fault: RedisFault.NotNow })
            {
                return false;
            }
        });

        Assert.Equal(first.Port, before);
        Assert.Equal(second.Port, client.Server!.Port);
        Assert.Equal("after", (await second.AskAsync("GET", "k")).AsText());
    }

    [Fact]
    public async Task F44_a_master_that_became_a_replica_is_left_for_the_one_that_is_named_now()
    {
        await using RedisServer server = await RedisServer.StartAsync();
        await using RedisClient client = server.Connect(server.Endpoint() with { Timeout = TimeSpan.FromMilliseconds(400) });
        await client.CallAsync(new RespCommand("SET", "k", "v"), Cancel);

        await server.AskAsync("REPLICAOF", "127.0.0.1", RedisServer.FreePort());
        Exception? refused = await Record.ExceptionAsync(() => client.CallAsync(new RespCommand("SET", "k", "w"), Cancel).AsTask());
        await server.AskAsync("REPLICAOF", "NO", "ONE");
        await RuntimeHarness.UntilAsync(async () => await Record.ExceptionAsync(() => client.CallAsync(new RespCommand("SET", "k", "x"), Cancel).AsTask()) is null);

        Assert.True(refused is RedisConnectionException { MayHaveRun: false } or RedisException { Fault: RedisFault.NotNow });
        Assert.Contains("READONLY", refused.Message);
        Assert.True(client.Connects > 1);
        Assert.Equal("x", (await server.AskAsync("GET", "k")).AsText());
    }
}
