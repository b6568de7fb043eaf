using Postroom.Crash;
using Postroom.Lanes;
using Postroom.Tests.Testing;
using Xunit;

namespace Postroom.Tests.Outbound;

/// <summary>Short forms of what <c>dotnet run --project tests/Postroom.Lanes -c Release</c> measures at length.</summary>
[Collection(nameof(AloneInTheProcess))] // it looks at the memory of the process
public sealed class LaneCampaignTests(ITestOutputHelper output)
{
    [Fact]
    public async Task An_outage_loses_nothing_keeps_the_order_and_the_memory_flat_and_ends_with_a_ramp()
    {
        string folder = Directory.CreateTempSubdirectory("postroom-lanes-").FullName;

        OutageReport report = await Outage.RunAsync(folder, new OutageOptions { Messages = 600, Refused = TimeSpan.FromSeconds(0.5), Unavailable = TimeSpan.FromSeconds(1.5) });

        output.WriteLine(report.ToString());
        Assert.True(report.Problems.Count == 0, $"{string.Join('\n', report.Problems)}\nKept in {folder}.");
        Assert.Equal(report.Messages.Stored, report.Messages.Taken);
        Canaries.SearchAndDelete(folder);
    }
}
