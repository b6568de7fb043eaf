using Postroom.Host;
using Xunit;

namespace Postroom.Tests.Host;

/// <summary>RS-4: a program of one's own is asked whether it would start.</summary>
public sealed class ProgramCheckTests
{
    [Theory]
    [InlineData("exit 0", "ended by itself")]
    [InlineData("echo usage; exit 0", "ended by itself")]
    [InlineData("echo broken >&2; exit 3", "broken")]
    [InlineData("test \"$POSTROOM_PREFLIGHT\" && echo 'postroom: the configuration is valid'", null)]
    public async Task Rs4_a_program_that_ends_without_having_come_to_its_start_has_checked_nothing(string script, string? problem)
    {
        StartLine line = new()
        {
            Program = "/bin/sh",
            Words = ["/bin/sh", "-c", script],
            Own = 1,
            Folder = Path.GetTempPath(),
            Environment = new Dictionary<string, string>(),
        };

        IReadOnlyList<string> problems = await new ProgramCheck(line, arguments: null).RunAsync(TestContext.Current.CancellationToken);

        if (problem is null)
        {
            Assert.Empty(problems);
        }
        else
        {
            Assert.Contains(problem, Assert.Single(problems), StringComparison.Ordinal);
        }
    }
}
