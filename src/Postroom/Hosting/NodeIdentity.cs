using System.Security.Cryptography;

namespace Postroom.Hosting;

/// <summary>The node's id: the machine's name and four random hex digits, made once and kept in the data directory.</summary>
internal static class NodeIdentity
{
    /// <summary>The id that is configured or kept; otherwise a new one, which <see cref="Keep"/> keeps once the start has come as far as the store.</summary>
    public static string Get(RuntimeOptions options, bool durable)
    {
        if (options.Node is { Length: > 0 } configured)
        {
            return configured;
        }

        if (!durable)
        {
            return Make();
        }

        return Read(options) ?? Make();
    }

    /// <summary>Keeps an id for the next start, unless one is configured or kept. Without a place to keep it, it lasts for this run; only the owner texts of leases show it.</summary>
    public static void Keep(RuntimeOptions options, string node, bool durable)
    {
        if (!durable || options.Node is { Length: > 0 } || Read(options) is not null)
        {
            return;
        }

        try
        {
            DataDirectory.Create(options.DataDirectory);
            File.WriteAllText(FileOf(options), node + "\n");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }

    /// <summary>What was drawn by lot for the data directory, which tells nodes of one name apart; another one for each run where it cannot be kept.</summary>
    public static string Home(RuntimeOptions options)
    {
        string file = Path.Combine(options.DataDirectory, "home");
        string drawn = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
        try
        {
            DataDirectory.Create(options.DataDirectory);
            if (File.Exists(file) && File.ReadAllText(file).Trim() is { Length: 16 } kept && kept.All(char.IsAsciiHexDigitLower))
            {
                return kept;
            }

            File.WriteAllText(file, drawn + "\n");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }

        return drawn;
    }

    private static string? Read(RuntimeOptions options)
    {
        try
        {
            return File.Exists(FileOf(options)) && File.ReadAllText(FileOf(options)).Trim() is { Length: > 0 and <= 128 } known ? known : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string FileOf(RuntimeOptions options) => Path.Combine(options.DataDirectory, "node");

    private static string Make()
    {
        string machine = new([.. Environment.MachineName.ToLowerInvariant().Where(c => char.IsAsciiLetterOrDigit(c) || c == '-').Take(48)]);
        return $"{(machine.Length > 0 ? machine : "node")}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(2))}";
    }
}

/// <summary>The directory of the runtime's files, for its owner only.</summary>
internal static class DataDirectory
{
    public static void Create(string path)
    {
        if (Directory.Exists(path))
        {
            return;
        }

        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
        }
        else
        {
            Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    /// <summary>The full path of a file inside the directory, links in its path followed.</summary>
    /// <param name="directory">The data directory.</param>
    /// <param name="file">A path relative to it, or a full one; its folder exists.</param>
    /// <exception cref="ArgumentException">It is elsewhere, or has no folder.</exception>
    public static string Inside(string directory, string file)
    {
        string root = Resolved(Path.GetFullPath(directory));
        string full;
        try
        {
            full = Path.GetFullPath(file, Path.GetFullPath(directory));
        }
        catch (ArgumentException)
        {
            throw Outside();
        }

        string folder = Resolved(Path.GetDirectoryName(full) ?? throw Outside());
        return Path.GetFileName(full) is { Length: > 0 } name && (folder == root || folder.StartsWith(root + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            ? Path.Combine(folder, name)
            : throw Outside();

        ArgumentException Outside() => new($"'{Names.Shorten(file)}' is no file in the data directory ({directory}). Name one in it, such as backup.db; its folder has to exist.", nameof(file));
    }

    /// <summary>A folder without links on its way.</summary>
    private static string Resolved(string folder)
    {
        if (Path.GetDirectoryName(folder) is not { } parent)
        {
            return folder;
        }

        DirectoryInfo here = new(Path.Combine(Resolved(parent), Path.GetFileName(folder)));
        try
        {
            return here.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? here.FullName;
        }
        catch (IOException)
        {
            return here.FullName; // not there: whoever opens it says so
        }
    }
}
