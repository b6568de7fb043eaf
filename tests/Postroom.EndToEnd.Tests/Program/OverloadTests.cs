using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;
using static Postroom.EndToEnd.Tests.Program.RealProgram;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>
/// Callers that are slow or too many, against the real program. <c>./test</c> runs a short form. The long form, ten minutes after three that warm up, is what AC-45 asks for:
/// <c>POSTROOM_OVERLOAD_SECONDS=600 tests/Postroom.EndToEnd.Tests/bin/Release/net10.0/Postroom.EndToEnd.Tests -method "*AC_45*"</c>.
/// </summary>
[Collection(Processes.Name)]
public sealed class OverloadTests(ITestOutputHelper output)
{
    private const int MostSlowConnections = 2_000;
    private const int OtherFiles = 500;
    private const int Senders = 16;
    private const int MessagesEach = 60;
    private const int MostAsked = 20_000; // ids whose message is looked up; of all the number is compared
    private const int ShortRounds = 4;
    private const int ShortWarmUp = 1;
    private const int ShortWindow = 1; // rounds
    private const int Window = 15;
    private const double WarmUp = 0.3; // of the long form, before it
    private static readonly TimeSpan InTime = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Hung = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task AC_45_callers_that_never_finish_their_headers_keep_nobody_out_and_under_overload_accepted_equals_stored_and_memory_stays()
    {
        int slowConnections = SlowConnections();
        await using RealProgram program = new();
        await program.RunAsync("queues.in.highWater=10", "queues.in.lowWater=5");
        ConcurrentBag<string> accepted = [];
        List<TcpClient> slow = [];
        List<long> memory = [];
        int refused = 0;
        int warm = 0;
        double seconds = double.TryParse(Environment.GetEnvironmentVariable("POSTROOM_OVERLOAD_SECONDS"), CultureInfo.InvariantCulture, out double many) ? many : 0;
        bool isLong = seconds > 0;
        long begun = Stopwatch.GetTimestamp();
        while (memory.Count < ShortRounds || Stopwatch.GetElapsedTime(begun).TotalSeconds < seconds * (1 + WarmUp))
        {
            slow.ForEach(client => client.Dispose()); // the program hangs up on them in the end: new ones come
            slow = await ConnectSlowlyAsync(program, slowConnections);
            (int refusedNow, int inTime) = await LoadAsync(program, accepted);
            refused += refusedNow;
            memory.Add(Memory(program));
            warm = !isLong ? ShortWarmUp : Stopwatch.GetElapsedTime(begun).TotalSeconds < seconds * WarmUp ? memory.Count : warm;
            Assert.True(inTime >= Senders * MessagesEach / 2, $"Only {inTime} of {Senders * MessagesEach} were answered within {InTime}.");
        }

        // Between two collections memory rises and falls: the least of some rounds is what is kept.
        int window = isLong ? Window : ShortWindow;
        long before = memory.Skip(warm).Take(window).Min();
        long after = memory.TakeLast(window).Min();
        int served = accepted.Count;
        slow.ForEach(client => client.Dispose());
        output.WriteLine($"{slowConnections} slow connections; {served} accepted in {memory.Count} loads, {refused} refused; {before >> 20} MiB after {warm}, {after >> 20} MiB in the end.");
        Assert.True(served >= Senders * MessagesEach / 5, $"Only {served} of {memory.Count * Senders * MessagesEach} were served."); // the others were told when to come again
        Assert.Equal(memory.Count * Senders * MessagesEach, served + refused);
        Assert.Equal(served, accepted.Distinct().Count());
        await Parallel.ForEachAsync(accepted.Where((_, i) => i % Math.Max(1, served / MostAsked) == 0), Cancel, async (id, _) => await program.ApiAsync($"journal/{id}"));
        Assert.Equal(served.ToString(CultureInfo.InvariantCulture), (await program.SqlAsync("select count(*) from messages m join names n on n.id = m.queue where n.name = 'in'")).Trim());

        // In the first minutes caches fill, so a tenth is asked of the long form alone.
        Assert.True(after <= before * (isLong ? 1.1 : 1.25), $"{before >> 20} MiB before, {after >> 20} MiB after.");
    }

    /// <summary>As many as open files allow: 2,000 where a process may have 2,500.</summary>
    private static int SlowConnections()
    {
        string[] limits = File.ReadLines("/proc/self/limits").First(line => line.StartsWith("Max open files", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return int.TryParse(limits[3], CultureInfo.InvariantCulture, out int files) ? Math.Min(MostSlowConnections, files - OtherFiles) : MostSlowConnections;
    }

    /// <summary>More than the program takes at once; what it refuses, it refuses with a time to come again, and it leaves nobody without an answer.</summary>
    private static async Task<(int Refused, int InTime)> LoadAsync(RealProgram program, ConcurrentBag<string> accepted)
    {
        int refused = 0;
        int inTime = 0;
        await Parallel.ForAsync(0, Senders, new ParallelOptions { MaxDegreeOfParallelism = Senders, CancellationToken = Cancel }, async (sender, _) =>
        {
            for (int i = 0; i < MessagesEach; i++)
            {
                long begun = Stopwatch.GetTimestamp();
                using HttpResponseMessage answer = await program.SendAsync(new { sender = $"s{sender}", msg_type = "chat", raw_msg = $"text {i}", client_type = "test" }, $"{Guid.NewGuid():n}");
                TimeSpan took = Stopwatch.GetElapsedTime(begun);
                Assert.True(took < Hung, $"An answer took {took}.");
                if (took < InTime)
                {
                    Interlocked.Increment(ref inTime);
                }

                if (answer.IsSuccessStatusCode)
                {
                    accepted.Add(IdOf(await answer.Content.ReadAsStringAsync(Cancel)));
                }
                else
                {
                    Assert.True(answer.StatusCode is HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests, answer.StatusCode.ToString());
                    Assert.NotNull(answer.Headers.RetryAfter);
                    Interlocked.Increment(ref refused);
                }
            }
        });
        return (refused, inTime);
    }

    private static async Task<List<TcpClient>> ConnectSlowlyAsync(RealProgram program, int count)
    {
        List<TcpClient> slow = [];
        for (int i = 0; i < count; i++)
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
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1_024;
    }
}
