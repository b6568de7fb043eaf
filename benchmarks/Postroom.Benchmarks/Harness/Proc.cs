using System.Globalization;

namespace Postroom.Benchmarks.Harness;

/// <summary>What the kernel says of processes; nothing where there is no such file.</summary>
internal static class Proc
{
    /// <summary>The lines of a file; none when it is not there or its process has ended.</summary>
    public static string[] ReadLines(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllLines(path) : [];
        }
        catch (IOException)
        {
            return []; // a thread that ended between the two calls
        }
    }

    /// <summary>Resident memory of a process in MiB.</summary>
    public static double? ResidentMiB(int process) => Field($"/proc/{process}/status", "VmRSS") / 1_024;

    /// <summary>The most memory this process has had resident, in MiB.</summary>
    public static double? PeakResidentMiB() => Field("/proc/self/status", "VmHWM") / 1_024;

    /// <summary>Bytes that this process made the kernel write to a disk so far.</summary>
    public static double? WrittenBytes() => Field("/proc/self/io", "write_bytes");

    /// <summary>How often each thread of a process gave up its processor to wait.</summary>
    public static Dictionary<string, double> VoluntarySwitches(int process)
    {
        string tasks = $"/proc/{process}/task";
        return Directory.Exists(tasks)
            ? Directory.GetDirectories(tasks).ToDictionary(task => task, task => Field($"{task}/status", "voluntary_ctxt_switches") ?? 0)
            : [];
    }

    private static double? Field(string path, string name)
    {
        string? line = ReadLines(path).FirstOrDefault(line => line.StartsWith($"{name}:", StringComparison.Ordinal));
        return line is null ? null : double.Parse(line[(name.Length + 1)..].Replace(" kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
    }
}
