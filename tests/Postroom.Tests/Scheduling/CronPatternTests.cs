using System.Globalization;
using Postroom.Scheduling;
using Xunit;

namespace Postroom.Tests.Scheduling;

/// <summary>What cron patterns mean, and how their errors read (SR-18, SR-20).</summary>
public sealed class CronPatternTests
{
    [Theory]
    [InlineData("0 7 * * MON-FRI", "2026-01-16T07:00:00Z", "2026-01-19T07:00:00Z 2026-01-20T07:00:00Z")]
    [InlineData("*/20 8 * * *", "2026-01-15T08:10:00Z", "2026-01-15T08:20:00Z 2026-01-15T08:40:00Z 2026-01-16T08:00:00Z")]
    [InlineData("*/20 30 8 * * *", "2026-01-15T08:30:20Z", "2026-01-15T08:30:40Z 2026-01-16T08:30:00Z")]
    [InlineData("0 0 L * *", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z 2026-03-31T00:00:00Z")]
    [InlineData("0 12 L,15 2 *", "2028-01-01T00:00:00Z", "2028-02-15T12:00:00Z 2028-02-29T12:00:00Z")]
    [InlineData("0 0 * * 5L", "2026-01-01T00:00:00Z", "2026-01-30T00:00:00Z 2026-02-27T00:00:00Z")]
    [InlineData("0 0 13 * FRI", "2026-02-01T00:00:00Z", "2026-02-06T00:00:00Z 2026-02-13T00:00:00Z 2026-02-20T00:00:00Z")]
    [InlineData("0 0 29 FEB *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z")]
    [InlineData("0 0 * * SAT-SUN", "2026-01-15T00:00:00Z", "2026-01-17T00:00:00Z 2026-01-18T00:00:00Z 2026-01-24T00:00:00Z")]
    [InlineData("5/20 1,3-5/2 * jan,7 0", "2026-01-25T00:00:00Z", "2026-01-25T01:05:00Z 2026-01-25T01:25:00Z 2026-01-25T01:45:00Z 2026-01-25T03:05:00Z")]
    [InlineData("@hourly", "2026-01-15T00:00:00Z", "2026-01-15T01:00:00Z")]
    [InlineData("@daily", "2026-01-15T00:00:00Z", "2026-01-16T00:00:00Z")]
    [InlineData("@weekly", "2026-01-15T00:00:00Z", "2026-01-18T00:00:00Z")]
    [InlineData(" @Monthly ", "2026-01-15T00:00:00Z", "2026-02-01T00:00:00Z")]
    public void SR_18_a_pattern_names_these_instants(string cron, string after, string expected)
    {
        ScheduleTimes times = ScheduleTimes.Of(new ScheduleOptions { Cron = cron });

        Assert.Equal(expected.Split(' ').Select(At), Following(times, At(after)).Take(expected.Split(' ').Length));
    }

    [Theory]
    [InlineData("0 25 * * *", "the hour is '25', but '25' is none of its values, 0 to 23")]
    [InlineData("60 * * * *", "the minute is '60', but '60' is none of its values, 0 to 59")]
    [InlineData("x * * * * *", "the second is 'x'")]
    [InlineData("* * 0 * *", "the day of month is '0', but '0' is none of its values, 1 to 31")]
    [InlineData("* * * FOO *", "the month is 'FOO', but 'FOO' is none of its values, 1 to 12 or JAN to DEC")]
    [InlineData("* * * * 8", "the day of week is '8', but '8' is none of its values, 0 to 7 or SUN to SAT")]
    [InlineData("*/0 * * * *", "the step of '*/0' is 1 to 59")]
    [InlineData("*/1/2 * * * *", "the step of '*/1/2' is 1 to 59")]
    [InlineData("30-10 * * * *", "the range '30-10' runs backwards")]
    [InlineData("* * * * L", "'L' follows one day")]
    [InlineData("* * 3L * *", "'L', the last day of the month, stands alone")]
    [InlineData("1,, * * * *", "'' is none of its values")]
    [InlineData("* * * *", "it has 4 fields")]
    [InlineData("", "it has 0 fields")]
    [InlineData("@yearly", "it is none of the words @hourly, @daily, @weekly, @monthly")]
    [InlineData("0 0 30 2 *", "it never comes")]
    [InlineData("0 0 31 4,6,9,11 *", "it never comes")]
    public void SR_18_an_error_names_field_value_and_limits(string cron, string expected)
    {
        Assert.False(CronPattern.TryParse(cron, out _, out string? problem));
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z")] // 02:30 does not exist on 29 March: 03:00 summer time
    [InlineData("*/10 2 * * *", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z")] // six that do not exist are one instant
    [InlineData("0 2,3 * * *", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z")]
    [InlineData("30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z")] // 02:30 exists twice: the first
    [InlineData("0,30 2 * * *", "2026-10-25T00:10:00Z", "2026-10-25T00:30:00Z 2026-10-26T01:00:00Z")]
    [InlineData("30 * * * *", "2026-10-24T23:00:00Z", "2026-10-24T23:30:00Z 2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-25T02:30:00Z")]
    [InlineData("30 * * * *", "2026-03-28T23:00:00Z", "2026-03-28T23:30:00Z 2026-03-29T00:30:00Z 2026-03-29T01:30:00Z")]
    public void SR_20_a_change_of_the_clocks_in_Berlin_gives_these_instants(string cron, string after, string expected)
    {
        ScheduleTimes times = ScheduleTimes.Of(new ScheduleOptions { Cron = cron, TimeZone = "Europe/Berlin" });

        Assert.Equal(expected.Split(' ').Select(At), Following(times, At(after)).Take(expected.Split(' ').Length));
    }

    [Fact]
    public void SR_20_an_interval_follows_real_time_and_is_the_same_after_every_start()
    {
        ScheduleTimes times = ScheduleTimes.Of(new ScheduleOptions { Every = TimeSpan.FromMinutes(90), TimeZone = "Europe/Berlin" });

        Assert.Equal([At("2026-03-29T00:00:00Z"), At("2026-03-29T01:30:00Z"), At("2026-03-29T03:00:00Z")], Following(times, At("2026-03-28T23:59:59Z")).Take(3));
        Assert.Equal(At("2026-03-29T01:30:00Z"), times.Next(At("2026-03-29T00:00:00Z")));
        Assert.Equal(At("1969-12-31T22:30:00Z"), times.Next(At("1969-12-31T22:00:00Z")));
        Assert.Null(times.Next(DateTimeOffset.MaxValue));
        Assert.Null(ScheduleTimes.Of(new ScheduleOptions { Cron = "0 0 1 1 *" }).Next(At("9995-01-01T00:00:00Z")));
    }

    /// <summary>Against an enumerator that looks at every minute: years, zones with half-hour changes, changes at midnight, changes of the law and none at all.</summary>
    [Theory]
    [InlineData("UTC", 2023)]
    [InlineData("Europe/Berlin", 2024)]
    [InlineData("America/New_York", 2025)]
    [InlineData("Australia/Lord_Howe", 2024)]
    [InlineData("America/Sao_Paulo", 2018)]
    [InlineData("Africa/Cairo", 2024)]
    [InlineData("Africa/Casablanca", 2024)]
    [InlineData("Pacific/Apia", 2011)]
    [InlineData("Asia/Kathmandu", 2024)]
    [InlineData("America/Caracas", 2016)]
    public void SR_20_patterns_are_due_when_a_look_at_every_minute_says_so(string zoneName, int year)
    {
        Random random = new(HashCode.Combine(7, year));
        TimeZoneInfo zone = TimeZoneInfo.FindSystemTimeZoneById(zoneName);
        DateTimeOffset start = new(year, 1, 1, 0, 0, 0, TimeSpan.Zero);
        DateTime[] local = new DateTime[(365 * 24 * 60) + 1];
        for (int minute = 0; minute < local.Length; minute++)
        {
            DateTime utc = start.UtcDateTime.AddMinutes(minute - 1);
            local[minute] = DateTime.SpecifyKind(utc + zone.GetUtcOffset(utc), DateTimeKind.Unspecified);
        }

        HashSet<DateTime> been = [];
        bool[] isFirst = [.. local.Select(been.Add)];
        for (int i = 0; i < 20; i++)
        {
            string cron = SlowCron.Random(random);
            SlowCron slow = new(cron);
            DateTimeOffset[] expected = [.. slow.Due(local, isFirst).Select(minute => start.AddMinutes(minute - 1)).Where(at => at > start)];
            DateTimeOffset end = start.AddMinutes(local.Length - 2);
            DateTimeOffset[] found = [.. Following(ScheduleTimes.Of(new ScheduleOptions { Cron = cron, TimeZone = zoneName }), start).TakeWhile(at => at <= end)];
            Assert.True(expected.SequenceEqual(found), $"{cron} in {zoneName}: missing {string.Join(", ", expected.Except(found).Take(5))}; too many {string.Join(", ", found.Except(expected).Take(5))}");
        }
    }

    [Fact]
    public void A_pattern_with_seconds_is_due_when_a_look_at_every_second_says_so()
    {
        Random random = new(11);
        DateTimeOffset start = new(2026, 10, 24, 22, 0, 0, TimeSpan.Zero);
        TimeZoneInfo zone = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");
        for (int i = 0; i < 50; i++)
        {
            int[] seconds = [.. Enumerable.Range(0, 60).Where(_ => random.Next(8) == 0).DefaultIfEmpty(17)];
            string cron = $"{string.Join(',', seconds)} {random.Next(60)} {(random.Next(2) == 0 ? "*" : "2,3")} * * *";
            string[] fields = cron.Split(' ');
            List<DateTimeOffset> expected = [];
            HashSet<DateTime> been = [];
            for (DateTimeOffset at = start; at < start.AddHours(6); at = at.AddSeconds(1))
            {
                DateTime local = TimeZoneInfo.ConvertTime(at, zone).DateTime;
                bool first = been.Add(local);
                if (seconds.Contains(local.Second) && fields[1] == local.Minute.ToString(CultureInfo.InvariantCulture) && (fields[2] == "*" || (local.Hour is 2 or 3 && first)))
                {
                    expected.Add(at);
                }
            }

            ScheduleTimes times = ScheduleTimes.Of(new ScheduleOptions { Cron = cron, TimeZone = "Europe/Berlin" });
            Assert.Equal(expected, Following(times, start.AddSeconds(-1)).TakeWhile(at => at < start.AddHours(6)));
        }
    }

    private static DateTimeOffset At(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);

    private static IEnumerable<DateTimeOffset> Following(ScheduleTimes times, DateTimeOffset after)
    {
        for (DateTimeOffset? due = times.Next(after); due is { } at; due = times.Next(at))
        {
            yield return at;
        }
    }
}
