using System.Diagnostics;
using System.Globalization;
using Postroom.Crash;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>The store file seen from outside the process.</summary>
[Collection(Processes.Name)]
public sealed class StoreTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Ac19_A_file_of_a_newer_schema_is_refused_with_exit_code_4()
    {
        await using RealProgram program = new();
        await program.RunAsync();
        await program.StopAsync();
        await Shell.RunAsync("sqlite3", program.Store, "update schema_version set version = 99");

        AppProcess refused = program.StartProcess(RealProgram.HostAssembly, ["run"], []);

        Assert.Equal(4, await refused.WaitAsync());
        Assert.Contains("99", refused.Output, StringComparison.Ordinal);
        Assert.Equal("99", await program.SqlAsync("select version from schema_version"));
    }

    [Fact]
    public async Task Ac19_A_migration_killed_at_any_step_resumes()
    {
        await using RealProgram program = new();
        await program.RunAsync("workers.router.parallelism=1");
        await program.UntilAsync(await program.PostAsync("1", "kept"), "acked");
        await program.StopAsync();

        foreach (string step in (string[])["copying", "copied", "kept", "1 changed", "1 stamped", "1 committed", "2 changed", "2 stamped", "2 committed"])
        {
            string folder = Directory.CreateDirectory(Path.Combine(program.Folder, step)).FullName;
            string store = Path.Combine(folder, "postroom.db");
            foreach (string file in Directory.GetFiles(Path.GetDirectoryName(program.Store)!, "postroom.db*"))
            {
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
            }

            AppProcess killed = program.StartProcess(CampaignOptions.DefaultApp, ["migrate", "--store", store, "--die-at", step], []);
            Assert.Equal(137, await killed.WaitAsync());
            AppProcess next = program.StartProcess(CampaignOptions.DefaultApp, ["migrate", "--store", store], []);
            Assert.True(await next.WaitAsync() == 0, $"{step}: {next.Output}");

            Assert.Equal("3", await Shell.RunAsync("sqlite3", "-readonly", store, "select version from schema_version"));
            Assert.Equal("ok", await Shell.RunAsync("sqlite3", "-readonly", store, "pragma integrity_check"));
            Assert.Equal("1", await Shell.RunAsync("sqlite3", "-readonly", store, "select count(*) from messages where cast(body as text) like '%\"kept\"%'"));
            Assert.Equal("1", await Shell.RunAsync("sqlite3", "-readonly", store + ".v1.bak", "select version from schema_version"));
        }
    }

    [Fact]
    public async Task Ac20_A_backup_taken_under_load_is_sound_and_holds_every_message_acknowledged_before_it()
    {
        await using RealProgram program = new();
        await program.RunAppAsync("load", "--rate", "800");
        await program.UntilAsync(() => Task.FromResult(program.Ledger.Stored > 500));
        string copy = Path.Combine(program.Folder, "copy.db");
        string[] acknowledged = [.. program.Ledger.Read().Select(line => line.Split(' ')).Where(words => words[1] == "OK").Select(words => words[2])];

        (int code, string text) = await program.CommandAsync("doctor", "--backup", copy);

        Assert.True(code == 0, text);
        Assert.False(program.Process.HasExited);
        Assert.Equal("ok", await Shell.RunAsync("sqlite3", "-readonly", copy, "pragma integrity_check"));
        JournalDump journal = await JournalDump.ReadAsync(copy);
        Assert.Empty(acknowledged.Except(journal.Rows.Select(row => row.Tag)));
        await program.KillAsync();

        // And it is a store: a runtime opens it and finishes what is open in it.
        Task<string> empty = program.Ledger.NextAsync("EMPTY");
        AppProcess opened = program.StartApp("load", "--until-empty", "--set", $"store.path={copy}");
        Assert.Same(empty, await Task.WhenAny(empty, opened.WaitAsync(), Task.Delay(TimeSpan.FromMinutes(1), RealProgram.Cancel)));
    }

    [Fact]
    [Trait("Duration", "long")]
    public async Task Ac10_A_million_open_messages_are_ready_and_the_first_is_dispatched_within_two_seconds_in_300_MB()
    {
        await using RealProgram program = new();
        Task<string> filled = program.Ledger.NextAsync("READY");
        AppProcess filler = program.StartApp("backlog", "--count", "1000000");
        Assert.Same(filled, await Task.WhenAny(filled, filler.WaitAsync(), Task.Delay(TimeSpan.FromMinutes(4), RealProgram.Cancel)));
        await program.StopAsync();

        // The best of three: on a machine that is busy with other things the start of a process alone takes long.
        TimeSpan best = TimeSpan.MaxValue;
        long resident = 0;
        for (int trial = 0; trial < 3 && best > TimeSpan.FromSeconds(2); trial++)
        {
            Task<string> ready = program.Ledger.NextAsync("READY");
            Task<string> first = program.Ledger.NextAsync("BEGIN first");
            long begun = Stopwatch.GetTimestamp();
            AppProcess app = program.StartApp("backlog");
            await Task.WhenAny(Task.WhenAll(ready, first), app.WaitAsync()).WaitAsync(TimeSpan.FromMinutes(1), RealProgram.Cancel);
            Assert.False(app.HasExited, app.Output);
            TimeSpan took = Stopwatch.GetElapsedTime(begun);
            best = took < best ? took : best;
            resident = Math.Max(resident, await ResidentAsync(app));
            await program.KillAsync();
        }

        output.WriteLine($"ready and first dispatch after {best.TotalMilliseconds:F0} ms, {resident} kB resident");
        Assert.InRange(best, TimeSpan.Zero, RealProgram.OnThisMachine(TimeSpan.FromSeconds(2)));
        Assert.InRange(resident, 1, 300_000);
    }

    internal static async Task<long> ResidentAsync(AppProcess process)
    {
        string[] status = await File.ReadAllLinesAsync($"/proc/{process.Id}/status", RealProgram.Cancel);
        string line = status.First(text => text.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.AsSpan(6).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture);
    }
}
