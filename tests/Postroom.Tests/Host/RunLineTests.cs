using Postroom.Host;
using Xunit;

namespace Postroom.Tests.Host;

/// <summary>A plain <c>run</c> line is read at once; everything else, errors included, is the parser's.</summary>
public sealed class RunLineTests
{
    [Fact]
    public void A_plain_line_is_read()
    {
        HostArguments arguments = RunLine.Read(["run", "--set", "a.b=1", "--config", "one.yaml", "--paused", "--set", "c.d=2", "--app-config", "two.yaml", "--quiet"])!;

        Assert.Equal(["a.b=1", "c.d=2"], arguments.Settings);
        Assert.Equal(("one.yaml", "two.yaml", true, true), (arguments.Config, arguments.AppConfig, arguments.Paused, arguments.Quiet));
    }

    [Theory]
    [InlineData("run --role gateway")]
    [InlineData("run --set runtime.role=gateway")]
    public void A_role_is_a_setting(string line) => Assert.Equal(["runtime.role=gateway"], RunLine.Read(line.Split(' '))!.Settings);

    [Theory]
    [InlineData("status")]
    [InlineData("run --help")]
    [InlineData("run --set")]
    [InlineData("run --set --paused")]
    [InlineData("run --set=a.b=1")]
    [InlineData("run --config one.yaml --config two.yaml")]
    [InlineData("run --paused false")]
    [InlineData("run @file")]
    [InlineData("run --url http://localhost")]
    [InlineData("--quiet run")]
    [InlineData("")]
    public void Any_other_line_is_left_to_the_parser(string line) => Assert.Null(RunLine.Read(line.Split(' ')));
}
