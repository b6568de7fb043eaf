using System.Globalization;
using System.Reflection;
using System.Text;

namespace Postroom.Host;

/// <summary>How this process was started: what a hot restart starts again (SPEC RS-10). Read once, before anything can change it.</summary>
internal sealed record StartLine
{
    /// <summary>The file that is executed, absolute, as it was named: a link is followed when it is executed.</summary>
    public required string Program { get; init; }

    /// <summary>All words, the first of which names the program; with the program itself where that is a host such as <c>dotnet</c>.</summary>
    public required IReadOnlyList<string> Words { get; init; }

    /// <summary>How many of <see cref="Words"/> are the program and not its arguments.</summary>
    public required int Own { get; init; }

    /// <summary>The working directory.</summary>
    public required string Folder { get; init; }

    /// <summary>The environment, without what changes how programs load.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>Every file that would be run: the program, and the assembly that a host runs.</summary>
    public IEnumerable<string> Files => Own > 1 ? [Program, Words[Own - 1]] : [Program];

    /// <summary>Reads how this process was started; null where the platform does not tell.</summary>
    public static StartLine? Read()
    {
        string[] arguments = System.Environment.GetCommandLineArgs();
        string folder = System.Environment.CurrentDirectory;
        if (arguments.Length == 0 || System.Environment.ProcessPath is not { } path)
        {
            return null;
        }

        List<string> words = OperatingSystem.IsLinux() ? LinuxWords() : [path, .. path.EndsWith(Path.GetFileNameWithoutExtension(arguments[0]), StringComparison.Ordinal) ? [] : (string[])[arguments[0]], .. arguments[1..]];
        int own = words.Count - (arguments.Length - 1);
        if (own < 1)
        {
            return null;
        }

        string program = Locate(words[0], folder) ?? path;
        if (own > 1)
        {
            // The assembly that the host runs: as it was named, so that a switched link leads to the new one.
            string named = Path.GetFullPath(words[own - 1], folder);
            words[own - 1] = File.Exists(named) ? named : Assembly.GetEntryAssembly()?.Location is { Length: > 0 } entry ? entry : named; // the program may have changed its folder before it came here
        }

        return new StartLine { Program = program, Words = words, Own = own, Folder = folder, Environment = Variables() };
    }

    private static List<string> LinuxWords()
    {
        string text = Encoding.UTF8.GetString(File.ReadAllBytes("/proc/self/cmdline"));
        return [.. text.TrimEnd('\0').Length == 0 ? [] : (text.EndsWith('\0') ? text[..^1] : text).Split('\0')];
    }

    /// <summary>The absolute path of a program as a shell finds it; links are left as they are.</summary>
    private static string? Locate(string word, string folder)
    {
        if (word.Contains('/', StringComparison.Ordinal))
        {
            return Path.GetFullPath(word, folder);
        }

        return (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(place => Path.GetFullPath(Path.Combine(place, word), folder))
            .FirstOrDefault(File.Exists);
    }

    private static Dictionary<string, string> Variables()
    {
        Dictionary<string, string> variables = new(StringComparer.Ordinal);
        foreach (System.Collections.DictionaryEntry entry in System.Environment.GetEnvironmentVariables())
        {
            string name = Convert.ToString(entry.Key, CultureInfo.InvariantCulture)!;
            if (name != Handover.Variable && !name.StartsWith("LD_", StringComparison.Ordinal) && !name.StartsWith("DYLD_", StringComparison.Ordinal))
            {
                variables[name] = (string?)entry.Value ?? "";
            }
        }

        return variables;
    }
}
