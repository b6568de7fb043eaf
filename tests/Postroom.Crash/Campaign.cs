using System.Diagnostics;
using System.Globalization;

namespace Postroom.Crash;

/// <summary>Starts the crash application, kills it by plan, drains what is left, and has the checker judge.</summary>
public sealed class Campaign : IAsyncDisposable
{
    /// <summary>Workers of the crash application: nine queues with four each.</summary>
    public const int Workers = 36;

    /// <summary>How many settlements of the crash application may await their commit.</summary>
    public const int SettleWindow = 64;

    /// <summary>How many duplicates one kill may make.</summary>
    public const int Bound = Workers + SettleWindow;

    /// <summary>Calls without an answer at any time: one of each key, since a publisher killed in time does not get to repeat them all.</summary>
    private const int InDoubt = 8 * 4;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly CampaignOptions _options;
    private readonly Ledger _ledger;
    private readonly List<double> _starts = [];
    private readonly List<Violation> _found = [];
    private int _run;
    private int _kills;

    private Campaign(CampaignOptions options)
    {
        _options = options;
        _ledger = new Ledger(options.Folder);
    }

    private string Store => Path.Combine(_options.Folder, "data", "postroom.db");

    /// <summary>Runs a campaign to its end.</summary>
    /// <param name="options">What to do.</param>
    /// <param name="say">Takes lines of progress.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    public static async Task<CampaignReport> RunAsync(CampaignOptions options, Action<string> say, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(options.Folder);
        await using Campaign campaign = new(options);
        List<PlannedKill> plan = [];
        foreach (PlannedKill kill in KillPlan.Of(options.Seed))
        {
            cancellationToken.ThrowIfCancellationRequested();

            // A drain that ends before its kill is a run more, not a kill more.
            if (campaign._kills == options.Kills || campaign._found.Count > 0)
            {
                break;
            }

            plan.Add(kill);
            await campaign.KillAsync(kill);
            if (plan.Count % 20 == 0)
            {
                say(string.Create(CultureInfo.InvariantCulture, $"{campaign._kills} of {options.Kills} kills, {campaign._ledger.Stored} published"));
            }
        }

        CheckResult result = await campaign.JudgeAsync();
        CampaignReport report = new() { Options = options, Result = result with { Violations = [.. campaign._found, .. result.Violations] }, Starts = campaign._starts };
        await campaign.KeepAsync(report, plan);
        return report;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _ledger.DisposeAsync();

    private async Task KillAsync(PlannedKill kill)
    {
        Task<string> ready = _ledger.NextAsync("READY");
        long begun = Stopwatch.GetTimestamp();
        await using AppProcess app = Start("--rate", _options.Rate.ToString(CultureInfo.InvariantCulture));
        if (kill.Mode == KillMode.Recovery)
        {
            double usual = _starts.Count == 0 ? 400 : _starts.Order().ElementAt(_starts.Count / 2);

            // The application takes most of its start to load; recovery comes towards the end.
            await Task.WhenAny(ready, Task.Delay(TimeSpan.FromMilliseconds(usual * (0.4 + (0.7 * kill.At)))));
        }
        else
        {
            await ReadyAsync(app, ready);
            _starts.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            _ledger.Note(string.Create(CultureInfo.InvariantCulture, $"TOOK {_run} {_starts[^1]:F0}ms"));
            await Task.Delay(_options.Window * kill.At);
        }

        if (kill.Mode == KillMode.Drain)
        {
            _ledger.Note($"TERM {_run}");
            await app.SignalAsync("TERM");
            await Task.WhenAny(app.WaitAsync(), Task.Delay(TimeSpan.FromMilliseconds(500 * kill.After)));
        }

        await EndAsync(app, kill.Mode);
        await CheckCountsAsync();
    }

    private async Task EndAsync(AppProcess app, KillMode mode)
    {
        bool ended = app.HasExited;
        await app.KillAsync();
        await _ledger.ReadToEndAsync();
        bool killed = !ended && app.ExitCode == 137;
        _kills += killed ? 1 : 0;
        _ledger.Note(killed ? $"KILL {_run} {mode}" : $"EXIT {_run} {app.ExitCode}");
        if (!killed && (app.ExitCode != 0 || mode != KillMode.Drain))
        {
            _found.Add(new Violation("exit", $"Run {_run} ended by itself with {app.ExitCode}: {app.Output}"));
        }
    }

    private async Task ReadyAsync(AppProcess app, Task<string> ready)
    {
        Task first = await Task.WhenAny(ready, app.WaitAsync(), Task.Delay(Patience));
        if (first != ready)
        {
            _found.Add(new Violation("ready", $"Run {_run} was not ready{(app.HasExited ? $" and ended with {app.ExitCode}" : $" within {Patience}")}: {app.Output}"));
        }
    }

    /// <summary>After every kill: the store's own counts against the publishers' word.</summary>
    private async Task CheckCountsAsync()
    {
        if (!File.Exists(Store))
        {
            return;
        }

        long kept = (await JournalDump.ReadTotalsAsync(Store)).Where(pair => pair.Key.Queue != "kids").Sum(pair => pair.Value);
        if (kept < _ledger.Stored || kept > _ledger.Stored + InDoubt)
        {
            _found.Add(new Violation("I6", $"After run {_run} the store counts {kept} messages; {_ledger.Stored} were acknowledged and at most {InDoubt} are in doubt."));
        }
    }

    private async Task<CheckResult> JudgeAsync()
    {
        bool drained = false;
        if (_found.Count == 0)
        {
            Task<string> ready = _ledger.NextAsync("READY");
            Task<string> empty = _ledger.NextAsync("EMPTY");
            await using AppProcess app = Start("--until-empty");
            await ReadyAsync(app, ready);
            drained = await Task.WhenAny(empty, app.WaitAsync(), Task.Delay(Patience)) == empty;
            if (!drained)
            {
                _found.Add(new Violation("I1", $"Not everything was handled within {Patience}: {app.Output}"));
            }

            await app.SignalAsync("TERM");
            await Task.WhenAny(app.WaitAsync(), Task.Delay(Patience));
            await EndAsync(app, KillMode.Drain);
        }

        JournalDump journal = await JournalDump.ReadAsync(Store);
        return Checker.Check(_ledger.Read(), journal, Bound, drained);
    }

    private AppProcess Start(params IEnumerable<string> arguments)
    {
        _ledger.Note($"START {++_run}");
        return AppProcess.Start(_options.App, [
            "load", "--ledger", _ledger.SocketPath, "--seed", _options.Seed.ToString(CultureInfo.InvariantCulture), .. arguments,
            "--set", $"store.path={Store}", "--set", $"runtime.dataDirectory={Path.Combine(_options.Folder, "data")}", "--set", "server.urls=[\"http://127.0.0.1:0\"]",
            "--set", $"store.synchronous={_options.Synchronous}"]);
    }

    private async Task KeepAsync(CampaignReport report, IEnumerable<PlannedKill> plan)
    {
        if (report.Good && !_options.Keep)
        {
            return;
        }

        await File.WriteAllLinesAsync(Path.Combine(_options.Folder, "plan.txt"), plan.Select(kill => kill.ToString()));
        await File.WriteAllLinesAsync(Path.Combine(_options.Folder, "last-lines.txt"), _ledger.LastLines);
        await File.WriteAllLinesAsync(Path.Combine(_options.Folder, "violations.txt"), report.Result.Violations.Select(violation => violation.ToString()));
    }
}
