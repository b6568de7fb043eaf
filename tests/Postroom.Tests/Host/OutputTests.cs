using Postroom.ControlPlane;
using Postroom.Host;
using Xunit;

namespace Postroom.Tests.Host;

/// <summary>What the command line prints for people.</summary>
public sealed class OutputTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(0, "0 bytes")]
    [InlineData(2_048, "2 KiB")]
    [InlineData(34_304, "33.5 KiB")]
    [InlineData(1_046_528, "1022 KiB")]
    [InlineData(26_214_400, "25 MiB")]
    public void A_size_has_three_digits_or_the_whole_number(long bytes, string expected) => Assert.Equal(expected, Output.Size(bytes));

    [Fact]
    public void An_attempt_of_which_little_is_known_leaves_no_blanks()
    {
        AttemptView whole = new(1, "attempt 1", Now, Now.AddSeconds(1), "failed", null, "no stock", "n/1/orders");

        Assert.Equal("  attempt 1: failed 2026-03-01 12:00:00.000 to 2026-03-01 12:00:01.000 with n/1/orders: no stock", ReadCommands.AttemptLine(whole));
        Assert.Equal("  attempt 1: acked until 2026-03-01 12:00:01.000", ReadCommands.AttemptLine(whole with { Outcome = "acked", StartedAt = null, Owner = null, Error = null }));
        Assert.Equal("  attempt 1: running since 2026-03-01 12:00:00.000", ReadCommands.AttemptLine(whole with { Outcome = "running", EndedAt = null, Owner = null, Error = null }));
        Assert.Equal("  attempt 1: died", ReadCommands.AttemptLine(whole with { Outcome = "died", StartedAt = null, EndedAt = null, Owner = "", Error = "" }));
    }
}
