using System.Security.Cryptography;

namespace Postroom.Hosting;

/// <summary>The node's id: the machine's name and four random hex digits, made once and kept in the data directory.</summary>
internal static class NodeIdentity
{
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

        string file = Path.Combine(options.DataDirectory, "node");
        try
        {
            if (File.Exists(file) && File.ReadAllText(file).Trim() is { Length: > 0 and <= 128 } known)
            {
                return known;
            }

            string made = Make();
            DataDirectory.Create(options.DataDirectory);
            File.WriteAllText(file, made + "\n");
            return made;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Without a place to keep it, the id lasts for this run; only the owner texts of leases show it.
            return Make();
        }
    }

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
}
