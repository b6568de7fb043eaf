using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Redis;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;

namespace Postroom.Tests.Redis;

/// <summary>Commands and replies against a server that misbehaves on purpose (RD-8, RD-9).</summary>
public sealed class RespConnectionTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task RD_8_a_server_without_HELLO_is_spoken_to_in_RESP2()
    {
        await using ScriptedRedis server = new(async talk =>
        {
            await talk.GreetAsync();
            Assert.Equal("GET k", await talk.ReadAsync());
            await talk.SayAsync("$-1\r\n");
            await talk.Silence;
        });
        await using RedisClient client = server.Connect();

        Assert.True((await client.CallAsync(new RespCommand("GET", "k"), Cancel)).IsNull);
    }

    [Fact]
    public async Task RD_8_user_password_name_and_database_are_said_first()
    {
        List<string?> said = [];
        await using ScriptedRedis server = new(async talk =>
        {
            for (string? command = ""; command is not null && !command.StartsWith("SELECT", StringComparison.Ordinal);)
            {
                said.Add(command = await talk.ReadAsync());
                await talk.SayAsync(command!.StartsWith("HELLO", StringComparison.Ordinal) ? "-NOPROTO unsupported protocol version\r\n" : "+OK\r\n");
            }

            await talk.ReadAsync();
            await talk.SayAsync(":1\r\n");
            await talk.Silence;
        });
        await using RedisClient client = server.Connect(server.Endpoint with { Address = RedisAddress.Parse($"redis://me:p%20w@127.0.0.1:{server.Port}/3"), ClientName = "node-1" });

        await client.CallAsync(new RespCommand("DBSIZE"), Cancel);

        Assert.Equal(["HELLO 3 AUTH me p w", "AUTH me p w", "PING", "CLIENT SETNAME node-1", "SELECT 3"], said);
    }

    [Fact]
    public async Task F53_replies_that_come_byte_by_byte_belong_to_their_commands_in_order()
    {
        await using ScriptedRedis server = new(async talk =>
        {
            await talk.GreetAsync();
            while (await talk.ReadAsync() is { } command)
            {
                string text = command.Split(' ')[1];
                foreach (char c in $">2\r\n+noise\r\n:1\r\n|1\r\n+a\r\n:2\r\n${text.Length}\r\n{text}\r\n")
                {
                    await talk.SayAsync(c.ToString());
                }
            }
        });
        await using RedisClient client = server.Connect();

        RespValue[] replies = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => client.CallAsync(new RespCommand("ECHO", $"text-{i}"), Cancel).AsTask()));

        Assert.Equal(Enumerable.Range(0, 50).Select(i => $"text-{i}"), replies.Select(reply => reply.AsText()));
    }

    [Fact]
    public async Task F53_a_connection_cut_in_mid_reply_loses_what_was_in_flight_and_is_made_anew()
    {
        await using ScriptedRedis server = new(async talk =>
        {
            await talk.GreetAsync();
            await talk.ReadAsync();
            await talk.SayAsync(talk.Number == 1 ? "$5\r\nhal" : "$5\r\nwhole\r\n");
            if (talk.Number > 1)
            {
                await talk.Silence;
            }
        });
        await using RedisClient client = server.Connect();

        RedisConnectionException cut = await Assert.ThrowsAsync<RedisConnectionException>(() => client.CallAsync(new RespCommand("GET", "k"), Cancel).AsTask());
        RespValue reply = await client.CallAsync(new RespCommand("GET", "k"), Cancel);

        Assert.True(cut.MayHaveRun);
        Assert.Contains("in the middle of a reply", cut.Message);
        Assert.Equal("whole", reply.AsText());
    }

    [Fact]
    public async Task RD_9_a_late_reply_ends_the_connection_and_is_never_taken_for_another_commands()
    {
        await using ScriptedRedis server = new(async talk =>
        {
            await talk.GreetAsync();
            while (await talk.ReadAsync() is { } command)
            {
                if (command == "GET slow")
                {
                    await Task.Delay(400);
                }

                await talk.SayAsync($"+{command}\r\n");
            }
        });
        await using RedisClient client = server.Connect(server.Endpoint with { Timeout = TimeSpan.FromMilliseconds(200) });

        await client.CallAsync(new RespCommand("GET", "first"), Cancel);
        Task<RespValue> slow = client.CallAsync(new RespCommand("GET", "slow"), Cancel).AsTask();
        Task<RespValue> behind = client.CallAsync(new RespCommand("GET", "behind"), Cancel).AsTask();
        RedisConnectionException late = await Assert.ThrowsAsync<RedisConnectionException>(() => slow);
        await Assert.ThrowsAsync<RedisConnectionException>(() => behind);
        RespValue next = await client.CallAsync(new RespCommand("GET", "next"), Cancel);

        Assert.True(late.MayHaveRun);
        Assert.Contains("did not answer GET in 0.2 s", late.Message);
        Assert.Equal("GET next", next.AsText());
        Assert.Equal(2, client.Connects);
    }

    [Fact]
    public async Task RD_9_a_blocking_read_may_take_its_block_time_more()
    {
        await using ScriptedRedis server = new(async talk =>
        {
            await talk.GreetAsync();
            await talk.ReadAsync();
            await Task.Delay(300);
            await talk.SayAsync("*-1\r\n");
            await talk.Silence;
        });
        await using RedisClient client = server.Connect(server.Endpoint with { Timeout = TimeSpan.FromMilliseconds(200) });

        Assert.True((await client.CallAsync(new RespCommand("XREADGROUP"), Cancel, TimeSpan.FromSeconds(5))).IsNull);
        Assert.Equal(1, client.Connects);
    }

    [Fact]
    public async Task RD_8_a_caller_who_gives_up_does_not_shift_the_replies_of_the_others()
    {
        TaskCompletionSource go = new();
        await using ScriptedRedis server = new(async talk =>
        {
            await talk.GreetAsync();
            while (await talk.ReadAsync() is { } command)
            {
                await go.Task;
                await talk.SayAsync($"+{command}\r\n");
            }
        });
        await using RedisClient client = server.Connect();
        using CancellationTokenSource given = new();

        Task<RespValue> first = client.CallAsync(new RespCommand("GET", "1"), given.Token).AsTask();
        Task<RespValue> second = client.CallAsync(new RespCommand("GET", "2"), Cancel).AsTask();
        await given.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        go.SetResult();

        Assert.Equal("GET 2", (await second).AsText());
    }

    [Fact]
    public async Task RD_8_commands_in_flight_are_bounded_and_the_next_caller_waits()
    {
        TaskCompletionSource go = new();
        int read = 0;
        await using ScriptedRedis server = new(async talk =>
        {
            await talk.GreetAsync();
            while (await talk.ReadAsync() is not null)
            {
                if (Interlocked.Increment(ref read) == 1)
                {
                    await go.Task;
                }

                await talk.SayAsync(":1\r\n");
            }
        });
        RedisEndpoint endpoint = server.Endpoint with { MaxInFlight = 4 };
        await using RespConnection connection = await RespHandshake.ConnectAsync(endpoint.Address, endpoint, TimeProvider.System, Cancel);

        Task<RespValue>[] calls = [.. Enumerable.Range(0, 20).Select(_ => connection.SendAsync(new RespCommand("INCR", "k"), default, Cancel).AsTask())];
        int inFlight = connection.InFlight;
        go.SetResult();
        await Task.WhenAll(calls);

        Assert.Equal(4, inFlight);
        Assert.Equal(20, read);
    }

    [Fact]
    public async Task RD_8_a_reply_nobody_asked_for_ends_the_connection()
    {
        await using ScriptedRedis server = new(async talk =>
        {
            await talk.GreetAsync();
            await talk.SayAsync(talk.Number == 1 ? "+surprise\r\n" : "");
            while (await talk.ReadAsync() is { } command)
            {
                await talk.SayAsync($"+{command}\r\n");
            }
        });
        await using RespConnection connection = await RespHandshake.ConnectAsync(server.Endpoint.Address, server.Endpoint, TimeProvider.System, Cancel);

        await connection.Ending;

        Assert.Contains("no command waits for", connection.Ended!.Message);
    }

    [Fact]
    public async Task RD_9_a_refusal_that_means_not_now_is_tried_again_within_the_time_out()
    {
        int asked = 0;
        await using ScriptedRedis server = new(async talk =>
        {
            await talk.GreetAsync();
            while (await talk.ReadAsync() is not null)
            {
                await talk.SayAsync(++asked < 4 ? "-LOADING Redis is loading the dataset in memory\r\n" : ":7\r\n");
            }
        });
        await using RedisClient client = server.Connect();

        Assert.Equal(7, (await client.CallAsync(new RespCommand("GET", "k"), Cancel)).AsInteger());
        Assert.Equal(4, asked);
    }

    [Fact]
    public async Task F49_a_server_that_refuses_the_password_is_asked_again_after_5_seconds_and_not_before()
    {
        ManualClock clock = new();
        await using ScriptedRedis server = new(async talk =>
        {
            while (await talk.ReadAsync() is { } command)
            {
                await talk.SayAsync(command.StartsWith("HELLO", StringComparison.Ordinal) ? "-WRONGPASS invalid username-password pair or user is disabled.\r\n" : "+OK\r\n");
            }
        });
        await using RedisClient client = new(
            server.Endpoint with { Address = RedisAddress.Parse($"redis://me:s3cret@127.0.0.1:{server.Port}") }, clock, NullLogger.Instance, () => 0.5);

        RedisException refusal = await Assert.ThrowsAsync<RedisException>(() => client.CallAsync(new RespCommand("GET", "k"), Cancel).AsTask());
        for (int i = 0; i < 100; i++)
        {
            await Assert.ThrowsAsync<RedisException>(() => client.CallAsync(new RespCommand("GET", "k"), Cancel).AsTask());
        }

        Assert.Equal(RedisFault.Configuration, refusal.Fault);
        Assert.DoesNotContain("s3cret", refusal.ToString());
        Assert.Equal(1, server.Connections);

        // The wait begins a moment after callers are told, so the clock goes on until it is over.
        clock.Advance(TimeSpan.FromSeconds(5.1));
        await RuntimeHarness.UntilAsync(() =>
        {
            clock.Advance(TimeSpan.FromMilliseconds(100));
            return server.Connections == 2;
        });
    }
}
