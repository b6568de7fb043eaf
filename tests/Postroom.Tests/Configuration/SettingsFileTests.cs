using System.Text;
using Postroom.Configuration;
using Xunit;

namespace Postroom.Tests.Configuration;

public sealed class SettingsFileTests
{
    [Theory]
    [InlineData("a: &x 1\n", 1, "anchor")]
    [InlineData("a: 1\nb: *x\n", 2, "alias")]
    [InlineData("a: !!str 1\n", 1, "tag")]
    [InlineData("a: !system.type x\n", 1, "tag")]
    [InlineData("a: 1\n\na: 2\n", 3, "written twice")]
    [InlineData("fromAddress: 1\nfrom_address: 2\n", 2, "written twice")]
    [InlineData("a: 1\n---\nb: 2\n", 2, "second document")]
    [InlineData("x:\n  <<: y\n", 2, "merge key")]
    [InlineData("? [a, b]\n: c\n", 1, "must be one text")]
    [InlineData("- a\n- b\n", 1, "settings are a map")]
    [InlineData("just text\n", 1, "settings are a map")]
    [InlineData("a: \"open\nb: 1\n", 1, "not YAML")]
    [InlineData("a: [1, 2\n", 2, "not YAML")]
    [InlineData("a:\n\t- b\n", 2, "not YAML")]
    [InlineData("a: b: c\n", 1, "not YAML")]
    [InlineData("modules: [welcome\ncommunications:\n  enabled: yes: no\n", 1, "the list that '[' begins here is not closed before line ")]
    public void Yaml_outside_the_subset_is_refused_with_line_and_column(string text, int line, string reason)
    {
        ConfigurationProblem problem = Refuse(text, "postroom.yaml");

        Assert.Contains(reason, problem.Message, StringComparison.Ordinal);
        Assert.True(line == problem.Origin.Line, problem.ToString());
        Assert.True(problem.Origin.Column > 0);
        Assert.Contains($"postroom.yaml:{line}:", problem.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Whatever_is_wrong_with_a_document_is_said_in_words_with_a_place()
    {
        string[] pieces = ["a", "b: c", ": ", "\n", "\n  ", "[", "]", "{", "}", ", ", "- ", "\"", "'", "#", "|", "> ", "? ", "&x ", "*x", "!t ", "%", "---", "...", "\t", "@", "`", "é"];
        Random random = new(11);
        for (int round = 0; round < 20_000; round++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(14)).Select(_ => pieces[random.Next(pieces.Length)]));
            try
            {
                _ = Parse(text, "a.yaml");
            }
            catch (ConfigurationException e)
            {
                Assert.All(e.Problems, problem => Assert.True(
                    problem.Origin is { Line: > 0, Column: > 0 } && problem.Message.Length > 30 && !problem.Message.Contains("Exception", StringComparison.Ordinal) && !problem.Message.EndsWith("YAML: ", StringComparison.Ordinal), $"{problem}\n{text}"));
            }
        }
    }

    [Theory]
    [InlineData("{\n  \"a\": 1,\n  \"A\": 2\n}", 3, "written twice")]
    [InlineData("{\n  \"a\": 1,\n}", 3, "is not JSON: a comma stands before the closing bracket, where JSON has none. Remove it.")]
    [InlineData("{\n  \"a\": [1,\n]}", 3, "a comma stands before the closing bracket")]
    [InlineData("{ // c\n}", 1, "not JSON")]
    [InlineData("{\n \"a\": ", 2, "not JSON")]
    [InlineData("[1]", 1, "settings are an object")]
    [InlineData("{}{}", 1, "not JSON")]
    [InlineData("", 1, "not JSON")]
    [InlineData("{\"a\": \"\\ud800\"}", 1, "half a character")]
    public void Json_that_is_not_strict_is_refused_with_line_and_column(string text, int line, string reason)
    {
        ConfigurationProblem problem = Refuse(text, "postroom.json");

        Assert.Contains(reason, problem.Message, StringComparison.Ordinal);
        Assert.Equal(line, problem.Origin.Line);
        Assert.True(problem.Origin.Column > 0);
    }

    [Fact]
    public void A_map_and_a_list_are_placed_where_their_names_are()
    {
        SettingMap map = Parse("stroe:\n  kind: sqlite\nmodules:\n  - welcome\n", "a.yaml");

        Assert.Equal([(1, 1), (3, 1)], map.Entries.Select(entry => (entry.Value.Origin.Line, entry.Value.Origin.Column)));
    }

    [Fact]
    public void Yaml_scalars_keep_their_text_and_only_plain_nulls_are_null()
    {
        SettingMap map = Parse("a: 'null'\nb: null\nc:\nd: ~\ne: |\n  two\n  lines\nf: \"x\\ty\" # comment\ng: 0x10\nh: yes\n", "a.yaml");

        Assert.Equal("null", map.GetText("a"));
        Assert.All(["b", "c", "d"], name => Assert.Null(map.GetText(name)));
        Assert.Equal("two\nlines\n", map.GetText("e"));
        Assert.Equal("x\ty", map.GetText("f"));
        Assert.Equal("0x10", map.GetText("g"));
        Assert.Equal("yes", map.GetText("h"));
        Assert.Equal(new SettingOrigin("file", "a.yaml", 4, 1), map.Find("d")!.Origin);
    }

    [Theory]
    [InlineData("a.yaml")]
    [InlineData("a.json")]
    public void Nesting_stops_at_32_levels(string name)
    {
        string Nested(int depth) => string.Concat(Enumerable.Repeat("{\"a\":", depth)) + "1" + new string('}', depth);

        Assert.NotNull(Parse(Nested(32), name));
        Refuse(Nested(33), name);
        Refuse(Nested(100_000), name);
        Refuse(string.Concat(Enumerable.Repeat("[", 200_000)), name);
    }

    [Fact]
    public void An_alias_bomb_is_refused_at_its_first_anchor_without_growing()
    {
        var bomb = new StringBuilder("a0: &a0 [x, x, x]\n");
        for (int i = 1; i < 100; i++)
        {
            bomb.Append(System.Globalization.CultureInfo.InvariantCulture, $"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]\n");
        }

        ConfigurationProblem problem = Refuse(bomb.ToString(), "bomb.yaml");

        Assert.Equal(1, problem.Origin.Line);
        Assert.Contains("anchor", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_of_5_MiB_is_refused_before_it_is_parsed()
    {
        ConfigurationProblem problem = Refuse("a: " + new string('x', 5 << 20), "big.yaml");

        Assert.Contains("at most 4 MiB", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_not_utf8_is_refused_with_its_line()
    {
        ConfigurationException refused = Assert.Throws<ConfigurationException>(() => SettingText.Parse(new byte[] { (byte)'a', (byte)':', (byte)'\n', 0xC3 }, "file", "a.yaml"));

        Assert.Equal(2, refused.Problems[0].Origin.Line);
        Assert.Contains("UTF-8", refused.Problems[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Whatever_the_bytes_are_the_answer_is_settings_or_a_problem()
    {
        string sample = "a: { b: [1, \"two\", 'three'], c: |\n  text\n }\n? x\n: - y\n# end\n---\n&a !t *b %YAML\n";
        var random = new Random(7);
        for (int i = 0; i < 3_000; i++)
        {
            char[] text = sample.ToCharArray();
            for (int n = 0; n < 4; n++)
            {
                text[random.Next(text.Length)] = sample[random.Next(sample.Length)];
            }

            string broken = new string(text)[..random.Next(1, text.Length)];
            Record.Exception(() => Parse(broken, i % 2 == 0 ? "a.yaml" : "a.json")).ShouldBeNullOrConfigurationException(broken);
        }
    }

    [Fact]
    public void A_file_cut_anywhere_never_does_anything_but_parse_or_be_refused()
    {
        const string Text = "store: { kind: sqlite, path: \"data/x.db\" }\nqueues:\n  in:\n    lease: 30s\n    limits: [ { key: from, rate: 60/h } ]\n";
        for (int length = 0; length < Text.Length; length++)
        {
            Record.Exception(() => Parse(Text[..length], "a.yaml")).ShouldBeNullOrConfigurationException(Text[..length]);
        }
    }

    [Theory]
    [InlineData("- ")]
    [InlineData("? ")]
    [InlineData("[")]
    [InlineData("{a: ")]
    [InlineData("\"")]
    [InlineData("a")]
    [InlineData("a: |\n ")]
    [InlineData("!")]
    [InlineData("# \n")]
    [InlineData("\n")]
    [InlineData("a: b ")]
    [InlineData("%")]
    [InlineData("'\\x ")]
    public void A_hostile_file_of_full_size_is_answered_in_time(string piece)
    {
        string text = string.Concat(Enumerable.Repeat(piece, SettingText.MaxBytes / piece.Length));
        var watch = System.Diagnostics.Stopwatch.StartNew();

        Record.Exception(() => Parse(text, "a.yaml")).ShouldBeNullOrConfigurationException(piece);

        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10), $"took {watch.Elapsed}");
    }

    private static SettingMap Parse(string text, string source) => SettingText.Parse(Encoding.UTF8.GetBytes(text), "file", source);

    private static ConfigurationProblem Refuse(string text, string source) =>
        Assert.Single(Assert.Throws<ConfigurationException>(() => Parse(text, source)).Problems);
}

internal static class RecordedExceptions
{
    public static void ShouldBeNullOrConfigurationException(this Exception? exception, string text) =>
        Assert.True(exception is null or ConfigurationException, $"{exception} for:\n{text}");
}
