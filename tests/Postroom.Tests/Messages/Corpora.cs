using Xunit;

namespace Postroom.Tests.Messages;

/// <summary>Public bad and real input in a folder near the repository; a run without it has our own inputs only, and says so by tests that are skipped.</summary>
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

    /// <summary>Skips the test when the corpora are not near: what it did by then was done with our own inputs. <c>./test</c> knows the reason by its first words.</summary>
    public static void SkipUnlessNear(string path) =>
        Assert.SkipUnless(Folder(path) is not null, $"No corpora: a folder 'shared/corpora/{path}' in a folder above the tests. CONTRIBUTING.md says what belongs there.");

    /// <summary>The files of a folder, in order; the test is skipped when it is not there.</summary>
    public static IReadOnlyList<string> Required(string path, string pattern = "*")
    {
        SkipUnlessNear(path);
        IReadOnlyList<string> files = Files(path, pattern);
        Assert.NotEmpty(files);
        return files;
    }

    /// <summary>The files of a folder, in order; none when it is not there.</summary>
    public static IReadOnlyList<string> Files(string path, string pattern = "*")
    {
        return Folder(path) is { } folder ? [.. Directory.GetFiles(folder, pattern, SearchOption.AllDirectories).Order(StringComparer.Ordinal)] : [];
    }
}
