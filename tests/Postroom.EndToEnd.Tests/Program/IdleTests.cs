using System.Globalization;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>A runtime without work sleeps.</summary>
[Collection(Processes.Name)]
public sealed class IdleTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Ac31_An_idle_runtime_fires_no_timer_of_its_own_in_ten_seconds()
    {
        await using RealProgram program = new();
        await program.RunAsync();
        string id = await program.PostAsync("1031", "warm up");
        await program.UntilAsync(id, "acked");

        // What a start leaves behind ends first: compilation in the background, the five seconds that a probe of readiness may take, a connection
        // kept alive, and the instant at which the start would have stopped waiting for a communicator (10 s). .NET wakes its timer thread
        // then although the timer is long gone.
        await Task.Delay(TimeSpan.FromSeconds(12), RealProgram.Cancel);
        Dictionary<string, (string Name, long Wakes)> before = Threads(program.Process.Id);
        await Task.Delay(TimeSpan.FromSeconds(10), RealProgram.Cancel);
        Dictionary<string, (string Name, long Wakes)> after = Threads(program.Process.Id);

        (string Name, long Wakes)[] woken =
        [
            .. after.Select(pair => (pair.Value.Name, pair.Value.Wakes - (before.TryGetValue(pair.Key, out (string Name, long Wakes) old) ? old.Wakes : 0)))
                .Where(thread => thread.Item2 > 0),
        ];
        output.WriteLine(string.Join('\n', woken.Select(thread => $"{thread.Name}: {thread.Wakes}")));

        // Every timer of .NET fires on one thread, which sleeps without limit while none is due. The web server has a thread of its own for its clock.
        Assert.DoesNotContain(woken, thread => thread.Name.Contains(".NET Timer", StringComparison.Ordinal));
        Assert.DoesNotContain(woken, thread => thread.Name.Contains("ostroom", StringComparison.Ordinal));
        Assert.InRange(woken.Where(thread => thread.Name.Contains(".NET TP Worker", StringComparison.Ordinal)).Sum(thread => thread.Wakes), 0, 10);
        Assert.InRange(await StoreTests.ResidentAsync(program.Process), 1, 100_000);
    }

    private static Dictionary<string, (string Name, long Wakes)> Threads(int process)
    {
        Dictionary<string, (string, long)> threads = [];
        foreach (string folder in Directory.GetDirectories($"/proc/{process}/task"))
        {
            try
            {
                string wakes = File.ReadLines(Path.Combine(folder, "status")).First(line => line.StartsWith("voluntary_ctxt_switches:", StringComparison.Ordinal));
                threads[folder] = (File.ReadAllText(Path.Combine(folder, "comm")).Trim(), long.Parse(wakes.AsSpan(24).Trim(), CultureInfo.InvariantCulture));
            }
            catch (IOException)
            {
                // The thread ended meanwhile.
            }
        }

        return threads;
    }
}
