using System.Text;

namespace Postroom.Crash;

/// <summary>
/// Looks for secrets in what a test leaves behind (AC-90). Every secret of every test and fake holds the word that is looked for, in clear or in base64, and no other text of a test does; settings
/// files, which have to hold secrets, are left out. What the runner of the tests writes is looked through by <c>./test</c>.
/// </summary>
public static class Canaries
{
    private static readonly string[] Endings = [".db", ".db-wal", ".log", ".mark", ".json.log", ".jsonl"];
    private static readonly byte[][] Words = [.. new[] { "canary", "Canary", "CANARY" }.SelectMany(static word => Base64Of(word).Prepend(word)).Select(Encoding.ASCII.GetBytes)];

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

    /// <summary>What of a word stands in base64 whatever is around it, in each of the three places that it may have in a group of three bytes; the same in base64url.</summary>
    public static IEnumerable<string> Base64Of(string word)
    {
        for (int before = 0; before < 3; before++)
        {
            string whole = Convert.ToBase64String(Encoding.ASCII.GetBytes($"{new string('\0', before)}{word}\0\0\0"));
            int begin = ((before * 8) + 5) / 6;
            yield return whole[begin..((before + word.Length) * 8 / 6)];
        }
    }

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
