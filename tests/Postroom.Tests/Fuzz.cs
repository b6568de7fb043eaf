using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace Postroom.Tests;

/// <summary>
/// Runs a property over and over, each time with the next seed: for three seconds among the other tests, and for 20 in a process of its own beside them (<c>./test</c>). The long form,
/// ten minutes for each:
/// <c>POSTROOM_FUZZ_SECONDS=600 tests/Postroom.Tests/bin/Release/net10.0/Postroom.Tests -class "*FuzzTests"</c>; <c>POSTROOM_FUZZ_SEED</c> repeats one.
/// </summary>
internal static class Fuzz
{
    private const double ShortForm = 3;
    private static readonly TimeSpan MostForOne = TimeSpan.FromSeconds(5);

    /// <summary>Runs it, and prints the first seed; a failure names its own.</summary>
    /// <param name="output">Where that is printed.</param>
    /// <param name="once">The property.</param>
    /// <param name="material">What it works on, in words.</param>
    /// <param name="seconds">How long the short form lasts.</param>
    public static void Run(ITestOutputHelper output, Action<Random> once, string material, double seconds = ShortForm)
    {
        double limit = Number("POSTROOM_FUZZ_SECONDS", seconds);
        int first = (int)Number("POSTROOM_FUZZ_SEED", Random.Shared.Next(1_000_000_000));
        long begun = Stopwatch.GetTimestamp();
        int seed = first;
        TimeSpan slowest = TimeSpan.Zero;
        output.WriteLine($"Seed {first}, {material}.");
        for (; Stopwatch.GetElapsedTime(begun).TotalSeconds < limit; seed++)
        {
            long one = Stopwatch.GetTimestamp();
            TimeSpan worked = Environment.CpuUsage.TotalTime;
            try
            {
                once(new Random(seed));
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"POSTROOM_FUZZ_SEED={seed.ToString(CultureInfo.InvariantCulture)} repeats it: {e.Message}", e);
            }

            // By the clock, or by the work of the process where that is less: beside other work a case may have to wait long for its turn.
            TimeSpan took = Least(Stopwatch.GetElapsedTime(one), Environment.CpuUsage.TotalTime - worked);
            slowest = took > slowest ? took : slowest;
            Assert.True(took < MostForOne, $"Seed {seed} took {took}.");
        }

        output.WriteLine($"{seed - first} cases, the slowest in {slowest.TotalMilliseconds:0} ms.");
    }

    /// <summary>Cuts, repeats, mixes and bends.</summary>
    public static byte[] Bend(byte[] seed, byte[][] words, Random random)
    {
        List<byte> bytes = [.. seed.AsSpan(0, random.Next(4) == 0 ? random.Next(seed.Length) : Math.Min(seed.Length, 60_000))];
        for (int bends = random.Next(1, 12); bends > 0; bends--)
        {
            int at = random.Next(bytes.Count + 1);
            switch (random.Next(5))
            {
                case 0 when bytes.Count > 0:
                    bytes[Math.Min(at, bytes.Count - 1)] = (byte)random.Next(256);
                    break;
                case 1 when bytes.Count > 0:
                    bytes.RemoveRange(Math.Min(at, bytes.Count - 1), Math.Min(random.Next(1, 40), bytes.Count - Math.Min(at, bytes.Count - 1)));
                    break;
                case 2:
                    byte[] word = words[random.Next(words.Length)];
                    bytes.InsertRange(at, Enumerable.Repeat(word, random.Next(20) == 0 ? random.Next(1, 3_000) : 1).SelectMany(static some => some));
                    break;
                case 3 when bytes.Count > 0:
                    int begin = random.Next(bytes.Count);
                    bytes.InsertRange(at, bytes.GetRange(begin, Math.Min(random.Next(1, 400), bytes.Count - begin)));
                    break;
                default:
                    bytes.InsertRange(at, words[random.Next(words.Length)]);
                    break;
            }
        }

        return [.. bytes];
    }

    private static TimeSpan Least(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private static double Number(string name, double fallback) => double.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out double number) ? number : fallback;
}
