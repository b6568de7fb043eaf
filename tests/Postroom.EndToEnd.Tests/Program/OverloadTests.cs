using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;
using static Postroom.EndToEnd.Tests.Program.RealProgram;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>Callers that are slow or too many, against the real program.</summary>
[Collection(Processes.Name)]
public sealed class OverloadTests
{
    private const int SlowConnections = 400;
    private const int Senders = 16;
    private const int MessagesEach = 60;

    [Fact]
    public async Task AC_45_callers_that_never_finish_their_headers_keep_nobody_out_and_under_overload_accepted_equals_stored_and_memory_stays()
    {
        await using RealProgram program = new();
        await program.RunAsync("queues.in.highWater=200", "queues.in.lowWater=150");
        await LoadAsync(program, new ConcurrentBag<string>());
        long before = Memory(program);
        List<TcpClient> slow = await ConnectSlowlyAsync(program);
        ConcurrentBag<string> accepted = [];

        await LoadAsync(program, accepted);

        long after = Memory(program);
        slow.ForEach(client => client.Dispose());
        Assert.NotEmpty(accepted);
        await Parallel.ForEachAsync(accepted, Cancel, async (id, _) => await program.ApiAsync($"journal/{id}"));

        // Short runs still warm up, so a tenth is asked of the long form only; a leak for each connection or message would be far beyond this.
        Assert.True(after < before * 1.5, $"{before >> 20} MiB before, {after >> 20} MiB after.");
    }

    /// <summary>More than the program takes at once; what it refuses, it refuses with a time to come again.</summary>
    private static async Task LoadAsync(RealProgram program, ConcurrentBag<string> accepted)
    {
        await Parallel.ForAsync(0, Senders, Cancel, async (sender, _) =>
        {
            for (int i = 0; i < MessagesEach; i++)
            {
                using HttpResponseMessage answer = await program.SendAsync(new { sender = $"s{sender}", msg_type = "chat", raw_msg = $"text {i}", client_type = "test" }, $"{Guid.NewGuid():n}");
                if (answer.IsSuccessStatusCode)
                {
                    using System.Text.Json.JsonDocument body = System.Text.Json.JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel));
                    accepted.Add(body.RootElement.GetProperty("data").GetProperty("entry_id").GetString()!);
                }
                else
                {
                    Assert.True(answer.StatusCode is HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests, answer.StatusCode.ToString());
                    Assert.NotNull(answer.Headers.RetryAfter);
                }
            }
        });
    }

    private static async Task<List<TcpClient>> ConnectSlowlyAsync(RealProgram program)
    {
        List<TcpClient> slow = [];
        for (int i = 0; i < SlowConnections; i++)
        {
            TcpClient client = new();
            await client.ConnectAsync(IPAddress.Loopback, program.Port, Cancel);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"POST /webhook HTTP/1.1\r\nHost: 127.0.0.1:{program.Port}\r\nX-Slow: "), Cancel);
            slow.Add(client);
        }

        return slow;
    }

    private static long Memory(RealProgram program)
    {
        string line = File.ReadLines($"/proc/{program.Process.Id}/status").First(status => status.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture) * 1_024;
    }
}
