namespace Postroom.Tests.Messages;

/// <summary>Public bad and real input in a folder near the repository; a run without it has our own inputs only.</summary>
internal static class Corpora
{
    /// <summary>A folder of the corpora; null when it is not there.</summary>
    public static string? Folder(string path)
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string candidate = Path.Combine(folder.FullName, "shared", "corpora", path);
            if (Path.Exists(candidate))
            {
                return candidate;
            }
        }

        return null;
    }

    /// <summary>The files of a folder, in order; none when it is not there.</summary>
    public static IReadOnlyList<string> Files(string path, string pattern = "*")
    {
        return Folder(path) is { } folder ? [.. Directory.GetFiles(folder, pattern, SearchOption.AllDirectories).Order(StringComparer.Ordinal)] : [];
    }
}
