using System.Text.RegularExpressions;
using Postroom.Host;
using Xunit;

namespace Postroom.Tests.Architecture;

/// <summary>A text that tells somebody what to run names what can be run.</summary>
public sealed partial class RemedyTests
{
    [Fact]
    public void Every_command_that_a_text_names_exists()
    {
        string[] sources = [.. Directory.EnumerateFiles(Repository.At("src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(File.ReadAllLines)
            .Where(line => !line.TrimStart().StartsWith("//", StringComparison.Ordinal))];
        string[] named = [.. sources.SelectMany(line => Command().Matches(line)).Select(match => match.Groups[1].Value).Distinct().Order(StringComparer.Ordinal)];

        Assert.Contains("doctor", named);
        Assert.All(named, words => Assert.True(PostroomCommand.Exists(words.Split(' ')), words));
    }

    // The word behind 'journal' is a command of its own; behind the others stand arguments.
    [GeneratedRegex("(?:'|: |; |such as )postroom (journal [a-z]+|[a-z]+)")]
    private static partial Regex Command();
}
