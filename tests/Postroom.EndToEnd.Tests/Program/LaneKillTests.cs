using Postroom.Crash;
using Postroom.Lanes;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>
/// A process is killed while it sends. The long forms: <c>dotnet run --project tests/Postroom.Lanes -c Release -- steps</c> for every step, and
/// <c>-- kills --kills 100 --seed 77</c> for random moments.
/// </summary>
[Collection(Processes.Name)]
public sealed class LaneKillTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Ac3_A_kill_around_a_send_makes_at_most_one_further_send_with_retry_none_with_hold_and_a_confirmed_one_makes_no_call()
    {
        string folder = Directory.CreateTempSubdirectory("postroom-lanes-").FullName;
        LaneStep[] steps = [.. StepKills.All.Where(step => step.Name is "after the claim, before the call" or "taken, not answered" or "answered, before the settle")];
        Assert.Equal(3, steps.Length);

        StepReport report = await StepKills.RunAsync(folder, steps, output.WriteLine);

        output.WriteLine(report.ToString());
        Assert.True(report.Problems.Count == 0, $"{string.Join('\n', report.Problems)}\nKept in {folder}.");
        Canaries.SearchAndDelete(folder);
    }

    [Fact]
    public async Task Ac3_Ac61_A_kill_within_a_mail_or_before_its_answer_makes_at_most_one_further_mail_which_is_the_same_or_leaves_it_uncertain()
    {
        string folder = Directory.CreateTempSubdirectory("postroom-lanes-").FullName;

        MailKill[] kills = [.. MailKills.All.Where(kill => kill.Name is "in DATA" or "after the dot, before the answer, of the repeat too")];
        Assert.Equal(2, kills.Length);

        StepReport report = await MailKills.RunAsync(folder, kills, output.WriteLine);

        output.WriteLine(report.ToString());
        Assert.True(report.Problems.Count == 0, $"{string.Join('\n', report.Problems)}\nKept in {folder}.");
        Canaries.SearchAndDelete(folder);
    }

    [Fact]
    public async Task Ac52_Ac54_A_kill_between_parts_goes_on_behind_the_last_stored_one_and_a_kill_before_the_confirmation_makes_no_second_message()
    {
        string folder = Directory.CreateTempSubdirectory("postroom-lanes-").FullName;

        StepReport report = await PartKills.RunAsync(folder, output.WriteLine);

        output.WriteLine(report.ToString());
        Assert.True(report.Problems.Count == 0, $"{string.Join('\n', report.Problems)}\nKept in {folder}.");
        Canaries.SearchAndDelete(folder);
    }
}
