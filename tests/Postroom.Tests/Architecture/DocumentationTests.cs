using System.Reflection;
using System.Text.RegularExpressions;
using Xunit;

namespace Postroom.Tests.Architecture;

/// <summary>What the pages name exists: relative links, and the words in code style that are names of types, members, files or commands.</summary>
public sealed partial class DocumentationTests
{
    private static readonly string[] Assemblies = ["Postroom.Abstractions", "Postroom.Storage", "Postroom", "Postroom.Sqlite", "Postroom.Redis", "Postroom.Chat", "Postroom.Mail", "Postroom.ControlPlane", "Postroom.Testing", "Postroom.Host", "MailOrderBot"];

    public static TheoryData<string> Pages()
    {
        TheoryData<string> pages = [];
        foreach (string page in Files("README.md", "CONTRIBUTING.md", "CHANGELOG.md").Concat(Directory.EnumerateFiles(Repository.At("docs"), "*.md", SearchOption.AllDirectories)))
        {
            pages.Add(Path.GetRelativePath(Repository.Root, page));
        }

        return pages;
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_relative_link_leads_somewhere(string page)
    {
        string path = Repository.At(page);
        List<string> broken = [];
        foreach (Match link in Link().Matches(File.ReadAllText(path)))
        {
            string target = link.Groups[1].Value.Split('#')[0];
            if (target.Length > 0 && !target.Contains("://", StringComparison.Ordinal) && !Path.Exists(Path.Combine(Path.GetDirectoryName(path)!, target)))
            {
                broken.Add(target);
            }
        }

        Assert.Empty(broken);
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_name_in_code_style_exists(string page)
    {
        // The page for readers from other systems lists names of both sides, and parts that are still to come.
        if (Path.GetFileName(page) == "coming-from.md")
        {
            return;
        }

        HashSet<string> names = Names();
        List<string> unknown = [];
        foreach (Match code in Code().Matches(WithoutBlocks(File.ReadAllText(Repository.At(page)))))
        {
            string text = code.Groups[1].Value;
            if (TypeName().IsMatch(text) && !text.Split('.').All(part => names.Contains(part)))
            {
                unknown.Add(text);
            }
            else if (FileName().IsMatch(text) && !text.Contains('{', StringComparison.Ordinal) && !Path.Exists(Repository.At(text.StartsWith("./", StringComparison.Ordinal) ? text[2..] : text)) && !IsRuntimeFile(text))
            {
                unknown.Add(text);
            }
        }

        Assert.Empty(unknown);
    }

    [Fact]
    public void The_programs_of_the_readme_are_the_samples()
    {
        string readme = File.ReadAllText(Repository.At("README.md")).ReplaceLineEndings("\n");
        foreach (string sample in (string[])["handler.cs", "receive.cs"])
        {
            string code = File.ReadAllText(Repository.At("samples", sample)).ReplaceLineEndings("\n");
            Assert.Contains($"```csharp\n{code.TrimEnd()}\n```", readme, StringComparison.Ordinal);
        }
    }

    /// <summary>What a page shows in C# is compiled and run somewhere: it stands word for word in a sample or a test.</summary>
    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_block_of_code_is_part_of_a_sample_or_a_test(string page)
    {
        string[] sources = [.. Directory.EnumerateFiles(Repository.At("samples"), "*.cs").Concat(Directory.EnumerateFiles(Repository.At("tests/Postroom.Tests"), "*Tests.cs", SearchOption.AllDirectories))
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal))
            .Select(file => File.ReadAllText(file).ReplaceLineEndings("\n"))];
        Assert.All(
            CSharp().Matches(File.ReadAllText(Repository.At(page)).ReplaceLineEndings("\n")).Select(match => match.Groups[1].Value.TrimEnd()),
            block => Assert.Contains(sources, source => source.Contains(block, StringComparison.Ordinal)));
    }

    private static IEnumerable<string> Files(params string[] names) => names.Select(name => Repository.At(name));

    /// <summary>Files that a running program makes, files of a user, and rates such as 30/s.</summary>
    private static bool IsRuntimeFile(string name)
    {
        return name is "postroom.yaml" or "data/" or "traces/traces.jsonl" || char.IsAsciiDigit(name[0]) || name.StartsWith("data/", StringComparison.Ordinal) || name.StartsWith("/api", StringComparison.Ordinal) || name.EndsWith(".db", StringComparison.Ordinal);
    }

    private static HashSet<string> Names()
    {
        const BindingFlags All = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        HashSet<string> names = new(StringComparer.Ordinal) { "Postroom", "Sqlite", "TimeProvider", "JsonTypeInfo", "Async" };
        names.UnionWith(Assemblies);
        foreach (Type type in Assemblies.SelectMany(assembly => Assembly.Load(assembly).GetTypes()))
        {
            names.Add(type.Name.Split('`')[0]);
            names.UnionWith(type.GetMembers(All).Select(member => member.Name));
            names.UnionWith((type.Namespace ?? "").Split('.'));
        }

        names.UnionWith(Assemblies.SelectMany(assembly => assembly.Split('.')));
        names.UnionWith(["Host", "Testing", "Hosting", "Abstractions", "Storage"]);
        return names;
    }

    private static string WithoutBlocks(string text) => Block().Replace(text, "");

    [GeneratedRegex(@"\]\(([^)\s]+)\)", RegexOptions.NonBacktracking)]
    private static partial Regex Link();

    [GeneratedRegex("`([^`\n]+)`", RegexOptions.NonBacktracking)]
    private static partial Regex Code();

    [GeneratedRegex("```csharp\n([^`]*)```", RegexOptions.NonBacktracking)]
    private static partial Regex CSharp();

    [GeneratedRegex("```[^`]*```", RegexOptions.NonBacktracking)]
    private static partial Regex Block();

    [GeneratedRegex(@"^[A-Z]+[a-z][A-Za-z]*(\.[A-Z][A-Za-z]+)*$", RegexOptions.NonBacktracking)]
    private static partial Regex TypeName();

    [GeneratedRegex(@"^(\./)?[\w.-]+(/[\w.-]*)+$", RegexOptions.NonBacktracking)]
    private static partial Regex FileName();
}
