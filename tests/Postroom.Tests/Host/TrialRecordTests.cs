using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Host;
using Postroom.Hosting;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Host;

/// <summary>Generations that end too soon (SPEC RS-13).</summary>
public sealed class TrialRecordTests
{
    [Fact]
    public void Rs13_three_bad_generations_in_a_row_make_the_fourth_careful()
    {
        using TempFolder folder = new();
        string file = folder.File("restart.json");
        for (int bad = 0; bad < 3; bad++)
        {
            // The first one came by a hot restart; a supervisor started the others.
            using TrialRecord trial = new(replaced: bad == 0, file);
            trial.EndBad($"cause {bad}");
        }

        using TrialRecord fourth = new(replaced: false, file);
        RestartOrigin origin = new();
        fourth.Configure(Settings(folder, TimeSpan.FromSeconds(30)), origin);

        Assert.Contains("cause 2", origin.Distrust, StringComparison.Ordinal);
        Assert.Contains("3 generations in a row", origin.Distrust, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rs13_one_that_lives_long_enough_is_trusted_and_a_wanted_end_does_not_count()
    {
        using TempFolder folder = new();
        string file = folder.File("restart.json");
        using (TrialRecord bad = new(replaced: true, file))
        {
            bad.EndBad("once");
        }

        using (TrialRecord wanted = new(replaced: true, file))
        {
            wanted.EndWanted();
            wanted.EndBad("too late to count");
        }

        Assert.Contains("\"bad\":1", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken), StringComparison.Ordinal);
        using TrialRecord good = new(replaced: false, file);
        RestartOrigin origin = new();
        good.Configure(Settings(folder, TimeSpan.FromMilliseconds(1)), origin);
        good.Ready();
        Assert.Contains("once", origin.Bad, StringComparison.Ordinal);
        Assert.Null(origin.Distrust);
        for (int i = 0; i < 1_000 && File.Exists(file); i++)
        {
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }

        Assert.False(File.Exists(file));
    }

    [Fact]
    public void A_record_that_cannot_be_forgotten_is_kept_and_ends_nothing()
    {
        using TempFolder folder = new();
        string file = folder.File("restart.json");
        using TrialRecord good = new(replaced: true, file);
        good.Configure(Settings(folder, TimeSpan.FromMilliseconds(1)), new RestartOrigin());
        Directory.CreateDirectory(file); // a folder is deleted by nobody who deletes a file

        good.Forget(); // a timer calls it, and a throw there would end the process

        Assert.True(Directory.Exists(file));
    }

    [Fact]
    public void Rs14_A_child_is_watched_in_the_place_of_its_parent()
    {
        StartLine line = new() { Program = "/bin/true", Words = ["/bin/true"], Own = 1, Folder = "/", Environment = new Dictionary<string, string> { [SystemdNotifier.WatchdogProcess] = "1", ["WATCHDOG_USEC"] = "1000000" } };
        using ListenSockets sockets = new();
        ProcessReplacer replacer = new(line, new HostArguments(), sockets, generation: 1, static () => null);
        Handover handover = new() { ProcessId = 1, Generation = 2, Statistics = new RestartStatistics { Id = "r", RequestedAt = DateTimeOffset.UnixEpoch, Before = new RunCounts() } };

        Dictionary<string, string> child = replacer.ChildEnvironment(handover);

        Assert.Equal("1000000", child["WATCHDOG_USEC"]);
        Assert.DoesNotContain(SystemdNotifier.WatchdogProcess, child.Keys);
        Assert.Contains(Handover.Variable, child.Keys);
    }

    [Fact]
    public void A_start_that_no_restart_began_is_not_on_trial()
    {
        using TempFolder folder = new();
        string file = folder.File("restart.json");
        using TrialRecord trial = new(replaced: false, file);

        trial.EndBad("a wrong setting");

        Assert.False(File.Exists(file));
    }

    private static ConfigurationSnapshot Settings(TempFolder folder, TimeSpan minUptime) => new(
        1,
        new Dictionary<string, object> { ["runtime"] = new RuntimeOptions { DataDirectory = folder.Path }, ["restart"] = new RestartOptions { MinUptime = minUptime } },
        [],
        [],
        new Redactor());
}
