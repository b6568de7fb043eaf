using System.Text;
using Postroom.Scheduling;
using Xunit;

namespace Postroom.Tests.Scheduling;

/// <summary>Anything at all for the reader of cron patterns (SR-18): times, or what is wrong with it. <see cref="Fuzz"/> tells of the long form.</summary>
public sealed class CronFuzzTests(ITestOutputHelper output)
{
    private static readonly byte[][] Words = [.. new[] { "*", "/", "-", ",", "L", "0", "7", "59", "60", "31", "99999999999", " ", "\t", "MON", "SUN", "JAN", "DEC", "@daily", "@", "?", "#", "W", "-1", "5L", "FRIL", "\u0661", "\0" }.Select(Encoding.UTF8.GetBytes)];

    [Fact]
    public void SR_18_any_text_is_a_pattern_whose_times_go_forward_or_has_a_problem_that_is_told()
    {
        Fuzz.Run(
            output,
            random =>
            {
                byte[] seed = Encoding.UTF8.GetBytes(random.Next(6) == 0 ? $"{random.Next(60)} {SlowCron.Random(random)}" : SlowCron.Random(random));
                string text = Encoding.UTF8.GetString(Fuzz.Bend(seed, Words, random));
                if (!CronPattern.TryParse(text, out CronPattern? pattern, out string? problem))
                {
                    Assert.NotEmpty(problem);
                    Assert.DoesNotContain(problem, c => c == '\0');
                    return;
                }

                DateTime from = Begin(random);
                DateTime before = from.AddYears(9);
                for (int i = 0; i < 20 && pattern.Find(from, before) is { } found; i++)
                {
                    Assert.InRange(found, from, before.AddSeconds(-1));
                    Assert.Equal(found, pattern.Find(found, before)); // it names itself
                    from = found.AddSeconds(1);
                }
            },
            "patterns that are bent");
    }

    [Fact]
    public void SR_18_any_pattern_names_the_times_that_going_through_every_minute_finds()
    {
        Fuzz.Run(
            output,
            random =>
            {
                string text = SlowCron.Random(random);
                DateTime begin = Begin(random);
                DateTime[] local = [.. Enumerable.Range(0, 3 * 24 * 60).Select(minute => begin.AddMinutes(minute))];
                DateTime[] slow = [.. new SlowCron(text).Due(local, [.. local.Select(_ => true)]).Select(minute => local[minute])];

                List<DateTime> quick = [];
                if (CronPattern.TryParse(text, out CronPattern? pattern, out _))
                {
                    for (DateTime? found = pattern.Find(local[1], local[^1].AddMinutes(1)); found is { } time; found = pattern.Find(time.AddSeconds(1), local[^1].AddMinutes(1)))
                    {
                        quick.Add(time);
                    }
                }

                Assert.True(slow.SequenceEqual(quick), $"'{text}' from {begin:o}: {slow.Length} times by minutes, {quick.Count} by the pattern.");
            },
            "patterns made up");
    }

    /// <summary>A minute of a year with or without a leap day; months that end matter more than others.</summary>
    private static DateTime Begin(Random random)
    {
        DateTime month = new(random.Next(2024, 2033), random.Next(1, 13), 1);
        return random.Next(2) == 0 ? month.AddMinutes(random.Next(28 * 24 * 60)) : month.AddMinutes(-random.Next(2 * 24 * 60));
    }
}
