using Postroom.Crash;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>The crash harness in a form short enough for every run of the tests. The long forms: <c>dotnet run --project tests/Postroom.Crash -c Release -- --kills 300 --seed 77</c>.</summary>
[Collection(Processes.Name)]
public sealed class CampaignTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Duration", "long")]
    public async Task Thirty_kills_at_random_moments_lose_nothing_invent_nothing_and_keep_the_order()
    {
        CampaignOptions options = CampaignOptions.Parse(["--kills", "30", "--seed", "77", "--window", "600"]);

        CampaignReport report = await Campaign.RunAsync(options, output.WriteLine, TestContext.Current.CancellationToken);

        output.WriteLine(report.ToString());
        Assert.True(report.Good, $"{string.Join('\n', report.Result.Violations)}\nKept in {options.Folder}.");
        Assert.Equal(30, report.Result.Kills);
        Assert.True(report.Result.Published > 100, report.ToString());
        Directory.Delete(options.Folder, recursive: true);
    }

    [Fact]
    [Trait("Duration", "long")]
    public async Task A_power_cut_takes_no_acknowledged_message_with_full_synchronization()
    {
        CampaignOptions options = CampaignOptions.Parse(["--power-cuts", "3", "--seed", "77"]);

        PowerCutReport report = await PowerCuts.RunAsync(options, output.WriteLine, TestContext.Current.CancellationToken);

        output.WriteLine(report.ToString());
        Assert.SkipWhen(report.Skipped is not null, report.Skipped ?? "");
        Assert.True(report.Good, $"{report}\n{string.Join('\n', report.Problems)}\nKept in {options.Folder}.");
        Assert.True(report.Acknowledged > 0, report.ToString());
        Directory.Delete(options.Folder, recursive: true);
    }

    [Fact]
    [Trait("Duration", "long")]
    public async Task A_power_cut_is_seen_to_take_acknowledged_messages_with_normal_synchronization()
    {
        // Without this one the test above could pass because the harness cannot see a loss.
        CampaignOptions options = CampaignOptions.Parse(["--power-cuts", "10", "--until-loss", "--synchronous", "normal", "--seed", "77"]);

        PowerCutReport report = await PowerCuts.RunAsync(options, output.WriteLine, TestContext.Current.CancellationToken);

        output.WriteLine(report.ToString());
        Assert.SkipWhen(report.Skipped is not null, report.Skipped ?? "");
        Assert.True(report.Lost > 0, report.ToString());
        Directory.Delete(options.Folder, recursive: true);
    }
}
