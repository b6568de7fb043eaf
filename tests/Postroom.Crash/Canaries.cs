using System.Text;

namespace Postroom.Crash;

/// <summary>
/// Looks for secrets in what a test leaves behind (AC-90). Every secret of every test and fake holds the word that is looked for, and no other text of a test does; settings
/// files, which have to hold secrets, are left out. What the runner of the tests writes is looked through by <c>./test</c>.
/// </summary>
public static class Canaries
{
    private static readonly string[] Endings = [".db", ".db-wal", ".log", ".mark", ".json.log"];
    private static readonly byte[][] Words = [.. new[] { "canary", "Canary", "CANARY" }.Select(Encoding.ASCII.GetBytes)];

    /// <summary>Looks through the stores and logs in a folder, and removes it.</summary>
    /// <exception cref="InvalidOperationException">One holds a secret; the folder is removed all the same.</exception>
    public static void SearchAndDelete(string folder)
    {
        try
        {
            Search(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Looks through the stores and logs in a folder.</summary>
    /// <exception cref="InvalidOperationException">One holds a secret.</exception>
    public static void Search(string folder)
    {
        foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Where(file => Endings.Any(ending => file.EndsWith(ending, StringComparison.Ordinal))))
        {
            Search(Path.GetFileName(file), File.ReadAllBytes(file));
        }
    }

    /// <summary>Looks through what a program wrote.</summary>
    public static void SearchText(string what, string text) => Search(what, Encoding.UTF8.GetBytes(text));

    private static void Search(string what, ReadOnlySpan<byte> bytes)
    {
        foreach (byte[] word in Words)
        {
            int at = bytes.IndexOf(word);
            if (at >= 0)
            {
                // Not the secret, nor what is around it: this text is part of what a run leaves behind.
                int line = bytes[..at].Count((byte)'\n') + 1;
                throw new InvalidOperationException($"A secret is in {what}, at byte {at} (line {line}). Find out who wrote it there; every secret of a test holds the word that was looked for.");
            }
        }
    }
}
