using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Postroom.Tests.Configuration;

public sealed class ValueTypeTests
{
    [Theory]
    [InlineData("250ms", 250)]
    [InlineData("30s", 30_000)]
    [InlineData("5m", 300_000)]
    [InlineData("1h30m", 5_400_000)]
    [InlineData("7d", 604_800_000)]
    [InlineData("1d2h3m4s5ms", 93_784_005)]
    [InlineData("90", 90_000)]
    [InlineData("0.5", 500)]
    [InlineData("1.5s", 1_500)]
    [InlineData(" 30s ", 30_000)]
    [InlineData("00:05:00", 300_000)]
    [InlineData("36:00:00", 129_600_000)]
    [InlineData("00:00:01.250", 1_250)]
    [InlineData("0", 0)]
    public void A_duration_is_read_in_each_of_its_forms(string text, long milliseconds) =>
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), Duration.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    [InlineData("-5s")]
    [InlineData("5 s")]
    [InlineData("5S")]
    [InlineData("5x")]
    [InlineData("30m1h")]
    [InlineData("1h1h")]
    [InlineData("1h30")]
    [InlineData("1:30")]
    [InlineData("00:60:00")]
    [InlineData("00:00:60")]
    [InlineData("99999999999999999999d")]
    [InlineData("10675200d")]
    [InlineData("infinite")]
    [InlineData("1e3s")]
    [InlineData("１s")]
    public void Anything_else_is_no_duration(string? text) => Assert.False(Duration.TryParse(text, allowInfinite: false, out _));

    [Fact]
    public void Infinite_is_a_duration_only_where_it_is_allowed()
    {
        Assert.Equal(Timeout.InfiniteTimeSpan, Duration.Parse("infinite", allowInfinite: true));
        Assert.Equal("infinite", Duration.Format(Timeout.InfiniteTimeSpan));
        Assert.Contains("or infinite", Assert.Throws<FormatException>(() => Duration.Parse("x", allowInfinite: true)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(250, "250ms")]
    [InlineData(90_000, "1m30s")]
    [InlineData(86_400_000, "1d")]
    public void A_duration_is_written_in_its_shortest_form(long milliseconds, string text) =>
        Assert.Equal(text, Duration.Format(TimeSpan.FromMilliseconds(milliseconds)));

    [Fact]
    public void Every_duration_survives_being_written_and_read() =>
        Prop.ForAll(ArbMap.Default.ArbFor<long>(), ticks =>
        {
            TimeSpan value = TimeSpan.FromTicks(ticks == long.MinValue ? 0 : Math.Abs(ticks));
            return Duration.Parse(Duration.Format(value)) == value;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_longest_duration_survives_being_written_and_read() =>
        Assert.Equal(TimeSpan.MaxValue, Duration.Parse(Duration.Format(TimeSpan.MaxValue)));

    [Theory]
    [InlineData("64KiB", 65_536)]
    [InlineData("25MiB", 26_214_400)]
    [InlineData("1GiB", 1_073_741_824)]
    [InlineData("1.5KiB", 1_536)]
    [InlineData("10 mib", 10_485_760)]
    [InlineData("512", 512)]
    [InlineData("512B", 512)]
    [InlineData("0", 0)]
    public void A_size_is_read_in_each_of_its_forms(string text, long bytes) => Assert.Equal(bytes, ByteSize.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    [InlineData("-1")]
    [InlineData("1KB")]
    [InlineData("1.5")]
    [InlineData("KiB")]
    [InlineData("9999999TiB")]
    [InlineData("99999999999999999999999999999999")]
    public void Anything_else_is_no_size(string? text) => Assert.False(ByteSize.TryParse(text, out _));

    [Fact]
    public void Every_size_survives_being_written_and_read() =>
        Prop.ForAll(ArbMap.Default.ArbFor<long>(), number =>
        {
            long value = number == long.MinValue ? 0 : Math.Abs(number);
            return ByteSize.Parse(ByteSize.Format(value)) == value && ByteSize.Parse(ByteSize.Format((value % 1000) << 20)) == (value % 1000) << 20;
        }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("30/s", 30, 1)]
    [InlineData("20/min", 20, 60)]
    [InlineData(" 100 / h ", 100, 3_600)]
    public void A_rate_is_read_in_each_of_its_forms(string text, int count, int seconds) =>
        Assert.Equal(new Rate(count, TimeSpan.FromSeconds(seconds)), Rate.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("30")]
    [InlineData("0/s")]
    [InlineData("-1/s")]
    [InlineData("30/d")]
    [InlineData("30/")]
    [InlineData("/s")]
    [InlineData("30/s/s")]
    [InlineData("9999999999/s")]
    public void Anything_else_is_no_rate(string text) => Assert.False(Rate.TryParse(text, out _));

    [Fact]
    public void Every_rate_survives_being_written_and_read() =>
        Prop.ForAll(ArbMap.Default.ArbFor<PositiveInt>(), Gen.Elements(1, 60, 3_600).ToArbitrary(), (count, seconds) =>
        {
            var rate = new Rate(count.Get, TimeSpan.FromSeconds(seconds));
            return Rate.Parse(rate.ToString()) == rate;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_secret_never_prints_itself()
    {
        var secret = new Secret("canary-value");
        var key = new ServerKey { Name = "ops", Key = secret };

        Assert.Equal("***", secret.ToString());
        Assert.DoesNotContain("canary", key.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("canary", System.Text.Json.JsonSerializer.Serialize(key), StringComparison.Ordinal);
        Assert.Equal(new Secret("canary-value"), secret);
        Assert.NotEqual(new Secret("other"), secret);
    }
}
