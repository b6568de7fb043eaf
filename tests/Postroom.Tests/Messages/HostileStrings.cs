using System.Text.Json;

namespace Postroom.Tests.Messages;

/// <summary>Strings that break parsers: a few of our own, and the Big List of Naughty Strings when a corpora folder is near.</summary>
internal static class HostileStrings
{
    public static IEnumerable<string> All()
    {
        string[] own = ["", " ", "\0", "\r\n", "../../etc/passwd", "\u202Etxt.exe", "\uFEFFx", "a\u0301", "'; drop table messages; --", "<script>", "%00", "\U0001F468\u200D\U0001F469", new string('x', 5_000)];
        return Corpora.Folder("strings/blns.json") is { } file ? own.Concat(JsonSerializer.Deserialize<string[]>(File.ReadAllText(file))!) : own;
    }
}
