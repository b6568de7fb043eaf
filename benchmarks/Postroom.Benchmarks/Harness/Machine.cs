using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Serialization;
using Postroom.Sqlite;

namespace Postroom.Benchmarks.Harness;

/// <summary>What the figures were taken on.</summary>
internal sealed record Machine
{
    public required int Cores { get; init; }

    public required string Processor { get; init; }

    public required double MemoryGiB { get; init; }

    public required string Kernel { get; init; }

    public required string Runtime { get; init; }

    public required string Sqlite { get; init; }

    public required string FileSystem { get; init; }

    public required string Commit { get; init; }

    public required string Command { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    public required double LoadAtStart { get; init; }

    public double? LoadAtEnd { get; set; }

    /// <summary>The share of the processors that other processes used while the measures ran; null where it is not known.</summary>
    public double? TakenByOthers { get; set; }

    /// <summary>Whether somebody else used the machine enough to spoil the figures.</summary>
    public bool IsBusy => LoadAtStart > Cores || TakenByOthers > 0.08;

    /// <summary>Size and versions in a line.</summary>
    [JsonIgnore]
    public string Summary => string.Create(
        CultureInfo.InvariantCulture, $"{Cores} cores ({Processor}), {MemoryGiB} GiB, {Kernel}, {FileSystem}; {Runtime}, SQLite {Sqlite}");

    public static Machine Describe(string command, string data) => new()
    {
        Cores = Environment.ProcessorCount,
        Processor = Proc.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(": ", 2)[1] ?? "unknown",
        MemoryGiB = Math.Round(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (double)(1L << 30), 1),
        Kernel = RuntimeInformation.OSDescription,
        Runtime = RuntimeInformation.FrameworkDescription,
        Sqlite = SqliteStore.LibraryVersion,
        FileSystem = FileSystemOf(data),
        Commit = Commit7(),
        Command = command,
        StartedAt = TimeProvider.System.GetUtcNow(),
        LoadAtStart = Load(),
    };

    /// <summary>The load average of the last minute; 0 where the system has none.</summary>
    public static double Load() => double.TryParse(Proc.ReadLines("/proc/loadavg").FirstOrDefault()?.Split(' ')[0], CultureInfo.InvariantCulture, out double load) ? load : 0;

    /// <summary>Processor time of all processes since the machine started, in seconds; null where it is not known.</summary>
    public static double? BusySeconds()
    {
        // user nice system idle iowait irq softirq steal, in hundredths of a second
        string[]? fields = Proc.ReadLines("/proc/stat").FirstOrDefault()?.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields is null ? null : new[] { 1, 2, 3, 6, 7, 8 }.Sum(field => double.Parse(fields[field], CultureInfo.InvariantCulture)) / 100;
    }

    /// <summary>Processor time of this process and the children that have ended, in seconds; null where it is not known.</summary>
    public static double? OwnSeconds()
    {
        // After the name in brackets: utime and stime are fields 14 and 15, those of ended children 16 and 17, in hundredths of a second.
        string? line = Proc.ReadLines("/proc/self/stat").FirstOrDefault();
        string[]? fields = line?[(line.LastIndexOf(')') + 2)..].Split(' ');
        return fields is null ? null : fields[11..15].Sum(field => double.Parse(field, CultureInfo.InvariantCulture)) / 100;
    }

    private static string FileSystemOf(string path)
    {
        string full = Path.GetFullPath(path);
        string[]? mount = Proc.ReadLines("/proc/mounts").Select(line => line.Split(' ')).Where(fields => full.StartsWith(fields[1], StringComparison.Ordinal)).MaxBy(fields => fields[1].Length);
        return mount is null ? "unknown" : $"{mount[2]} ({mount[0]})";
    }

    private static string Commit7()
    {
        try
        {
            string commit = Git("rev-parse --short=7 HEAD");
            return Git("status --porcelain --untracked-files=no").Length == 0 ? commit : $"{commit}-changed";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "unknown";
        }
    }

    private static string Git(string arguments)
    {
        using Process git = Process.Start(new ProcessStartInfo("git", arguments) { RedirectStandardOutput = true })!;
        string text = git.StandardOutput.ReadToEnd().Trim();
        git.WaitForExit();
        return text;
    }
}
