using System.Text.Json;

namespace Postroom.Tests.Messages;

/// <summary>Strings that break parsers: a few of our own, and the Big List of Naughty Strings when a corpora folder is near.</summary>
internal static class HostileStrings
{
    public static IEnumerable<string> All()
    {
        string[] own = ["", " ", "\0", "\r\n", "../../etc/passwd", "\u202Etxt.exe", "\uFEFFx", "a\u0301", "'; drop table messages; --", "<script>", "%00", "\U0001F468\u200D\U0001F469", new string('x', 5_000)];
        return FindCorpus() is { } file ? own.Concat(JsonSerializer.Deserialize<string[]>(File.ReadAllText(file))!) : own;
    }

    private static string? FindCorpus()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string file = Path.Combine(folder.FullName, "shared", "corpora", "strings", "blns.json");
            if (File.Exists(file))
            {
                return file;
            }
        }

        return null;
    }
}
