using System.Globalization;

namespace Postroom.Crash;

/// <summary>What the power cuts found.</summary>
public sealed record PowerCutReport
{
    /// <summary>What was asked.</summary>
    public required CampaignOptions Options { get; init; }

    /// <summary>Why nothing was done; null when it was.</summary>
    public string? Skipped { get; init; }

    /// <summary>How many cuts were made.</summary>
    public int Cuts { get; init; }

    /// <summary>Acknowledged messages at the moment of each cut, together.</summary>
    public long Acknowledged { get; init; }

    /// <summary>Acknowledged messages that a cut took.</summary>
    public long Lost { get; init; }

    /// <summary>What went wrong beside that.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>Whether the promise of the mode holds: <c>full</c> loses nothing; <c>normal</c> may.</summary>
    public bool Good => Problems.Count == 0 && (Lost == 0 || Options.Synchronous != "full");

    /// <inheritdoc/>
    public override string ToString() => Skipped is not null
        ? $"power cuts skipped: {Skipped}"
        : string.Create(CultureInfo.InvariantCulture, $"cuts {Cuts} synchronous {Options.Synchronous} acknowledged {Acknowledged} lost {Lost} seed {Options.Seed}");
}

/// <summary>Cuts the power: the data is on a file system in a file, and at a random moment that file is copied as it is, without a sync.</summary>
/// <remarks>What the kernel had not written through is missing from the copy, as it would be from a disk after a power cut.</remarks>
public sealed class PowerCuts
{
    private readonly CampaignOptions _options;
    private readonly Random _chance;
    private readonly List<string> _problems = [];

    private static bool IsRoot => Environment.IsPrivilegedProcess;

    private PowerCuts(CampaignOptions options)
    {
        _options = options;
        _chance = new Random(options.Seed);
    }

    /// <summary>Runs the trials.</summary>
    public static async Task<PowerCutReport> RunAsync(CampaignOptions options, Action<string> say, CancellationToken cancellationToken)
    {
        if (await WhyNotAsync(options.Folder) is { } why)
        {
            return new PowerCutReport { Options = options, Skipped = why };
        }

        PowerCuts cuts = new(options);
        long acknowledged = 0;
        long lost = 0;
        int done = 0;
        while (done < options.PowerCuts && !(options.UntilLoss && lost > 0))
        {
            cancellationToken.ThrowIfCancellationRequested();
            (long had, long missing) = await cuts.CutAsync(done);
            acknowledged += had;
            lost += missing;
            done++;
            say(string.Create(CultureInfo.InvariantCulture, $"cut {done}: {had} acknowledged, {missing} lost"));
        }

        return new PowerCutReport { Options = options, Cuts = done, Acknowledged = acknowledged, Lost = lost, Problems = cuts._problems };
    }

    private static async Task<string?> WhyNotAsync(string folder)
    {
        if (!IsRoot && (await Shell.TryRunAsync("sudo", "-n", "true")).Code != 0)
        {
            return "only root may mount a file system, and sudo asks for a password.";
        }

        Directory.CreateDirectory(folder);
        string probe = Path.Combine(folder, "probe");
        try
        {
            await using Image image = await Image.CreateAsync(probe, megabytes: 16);
            return null;
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return $"no loop image can be mounted here ({e.Message.Split('\n')[0]}).";
        }
    }

    private async Task<(long Acknowledged, long Lost)> CutAsync(int number)
    {
        string folder = Path.Combine(_options.Folder, $"cut{number}");
        Directory.CreateDirectory(folder);
        await using Ledger ledger = new(folder);
        HashSet<string> acknowledged;
        string cut = Path.Combine(folder, "cut.img");
        await using (Image image = await Image.CreateAsync(Path.Combine(folder, "disk"), megabytes: 256))
        {
            // A loop device flushes slowly when the machine is busy, so the time counts from the first commit.
            Task<string> first = ledger.NextAsync("OK ");
            await using AppProcess app = Start(ledger, image.Mount, "--rate", "2000");
            await Task.WhenAny(first, app.WaitAsync());
            await Task.Delay(TimeSpan.FromMilliseconds(300 + (1_200 * _chance.NextDouble())));

            // What was acknowledged before the copy begins must be in it.
            acknowledged = [.. Acknowledged(ledger)];
            await Shell.RunAsync("cp", "--sparse=always", image.File, cut);
            await app.KillAsync();
            await ledger.ReadToEndAsync();
        }

        long missing = await RecoverAsync(ledger, cut, acknowledged, Path.Combine(folder, "after"));
        if (missing == 0 && _problems.Count == 0 && !_options.Keep)
        {
            await ledger.DisposeAsync();
            Directory.Delete(folder, recursive: true);
        }

        return (acknowledged.Count, missing);
    }

    private async Task<long> RecoverAsync(Ledger ledger, string cut, HashSet<string> acknowledged, string mount)
    {
        await using Image image = await Image.MountAsync(cut, mount);
        string store = Path.Combine(image.Mount, "postroom.db");
        Task<string> ready = ledger.NextAsync("READY");
        await using (AppProcess app = Start(ledger, image.Mount))
        {
            Task first = await Task.WhenAny(ready, app.WaitAsync(), Task.Delay(TimeSpan.FromMinutes(1)));
            bool told = app.HasExited && app.ExitCode == 4;
            if (first != ready && !(told && _options.Synchronous != "full"))
            {
                _problems.Add($"After the cut the application did not start: {app.Output}");
            }
        }

        if (!File.Exists(store))
        {
            return acknowledged.Count;
        }

        try
        {
            JournalDump journal = await JournalDump.ReadAsync(store);
            return acknowledged.Except(journal.Rows.Select(row => row.Tag)).Count();
        }
        catch (InvalidOperationException) when (_options.Synchronous != "full")
        {
            return acknowledged.Count; // Not even the tables are there.
        }
    }

    private static IEnumerable<string> Acknowledged(Ledger ledger)
    {
        return [.. ledger.Read().Select(line => line.Split(' ')).Where(words => words.Length > 2 && words[1] == "OK").Select(words => words[2])];
    }

    private AppProcess Start(Ledger ledger, string data, params IEnumerable<string> arguments)
    {
        return AppProcess.Start(_options.App, [
            "load", "--ledger", ledger.SocketPath, "--seed", "1", .. arguments,
            "--set", $"store.path={Path.Combine(data, "postroom.db")}", "--set", $"runtime.dataDirectory={data}", "--set", "server.urls=[\"http://127.0.0.1:0\"]",
            "--set", $"store.synchronous={_options.Synchronous}", "--set", "store.reserve=1MiB"]);
    }

    /// <summary>A file system in a file.</summary>
    private sealed class Image : IAsyncDisposable
    {
        private Image(string file, string mount)
        {
            File = file;
            Mount = mount;
        }

        public string File { get; }

        public string Mount { get; }

        public static async Task<Image> CreateAsync(string path, int megabytes)
        {
            string file = path + ".img";
            await Shell.RunAsync("truncate", "-s", $"{megabytes}M", file);
            await Shell.RunAsync("mkfs.ext4", "-q", "-F", file);
            return await MountAsync(file, path);
        }

        public static async Task<Image> MountAsync(string file, string mount)
        {
            Directory.CreateDirectory(mount);
            await AsRootAsync("mount", "-o", "loop", file, mount);
            if (!IsRoot)
            {
                await AsRootAsync("chown", Environment.UserName, mount);
            }

            return new Image(file, mount);
        }

        public async ValueTask DisposeAsync() => await AsRootAsync("umount", Mount);

        private static Task<string> AsRootAsync(params string[] command) => IsRoot ? Shell.RunAsync(command[0], command[1..]) : Shell.RunAsync("sudo", ["-n", .. command]);
    }
}
