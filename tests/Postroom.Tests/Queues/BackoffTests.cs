using Xunit;

namespace Postroom.Tests.Queues;

public sealed class BackoffTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 4)]
    [InlineData(9, 256)]
    [InlineData(10, 300)]
    [InlineData(10_000, 300)]
    public void The_wait_doubles_up_to_its_maximum(int failures, double seconds)
    {
        Assert.Equal(TimeSpan.FromSeconds(seconds), Backoff.Default.After(failures, 0.5));
        Assert.Equal(TimeSpan.FromSeconds(seconds * 0.8), Backoff.Default.After(failures, 0));
        Assert.Equal(TimeSpan.FromSeconds(seconds * 1.2), Backoff.Default.After(failures, 1));
    }

    [Fact]
    public void Without_jitter_chance_does_not_matter()
    {
        Backoff fixedWait = new(TimeSpan.FromSeconds(3), 1, TimeSpan.FromSeconds(60), 0);

        Assert.All((double[])[0, 0.3, 1], random => Assert.Equal(TimeSpan.FromSeconds(3), fixedWait.After(7, random)));
    }
}
