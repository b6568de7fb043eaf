using System.Text;
using MailOrderBot.Domain;
using Xunit;

namespace Postroom.Tests.Apps;

/// <summary>Anything at all for the reader of CSV orders (MB-6, AC-65): rows, or a problem that is told. <see cref="Fuzz"/> tells of the long form.</summary>
public sealed class CsvFuzzTests(ITestOutputHelper output)
{
    private const int MaxRows = 20_000;
    private static readonly string[] LineEnds = ["\n", "\r\n", "\r"];
    private static readonly char[] Delimiters = [',', ';', '\t'];

    private static readonly byte[][] Words =
    [
        .. new[] { "\"", "\"\"", ",", ";", "\t", "\n", "\r", "\r\n", " ", "\0", "sku", "quantity", "qty", "note", "TEA-001", "99999999999999999999", "-1", "1.5", "\u20AC", "\uD83D\uDE00", "\uFEFF" }.Select(Encoding.UTF8.GetBytes),
        [0xFF], [0x80], [0xFE, 0xFF], [0xFF, 0xFE],
    ];

    private static readonly byte[][] Seeds =
    [
        .. new[] { "sku,quantity,note\nTEA-001,3,\"a, \"\"b\"\"\"\nTEA-002,1,\n", "article;amount\r\n\"TEA\n001\";2\r\n", "item\tqty\rTEA-003\t12\r" }.Select(Encoding.UTF8.GetBytes),
        Encoding.Unicode.GetBytes("\uFEFFsku;quantity\nTEA-001;3\n"),
    ];

    [Fact]
    public void AC_65_MB_6_any_file_is_an_order_or_a_problem_that_is_told()
    {
        string?[] charsets = [null, "utf-8", "windows-1252", "utf-16", "x-none"];
        Fuzz.Run(
            output,
            random =>
            {
                byte[] bytes = Fuzz.Bend(Seeds[random.Next(Seeds.Length)], Words, random);
                OrderRequest request = CsvOrderReader.Read("order.csv", bytes, charsets[random.Next(charsets.Length)]);
                Assert.InRange(request.Lines.Count, 0, Math.Min(MaxRows, bytes.Length + 1));
                Assert.InRange(request.Problems.Count, 0, 1);
                Assert.True(request.Lines.Count == 0 || request.Problems.Count == 0);
                Assert.InRange(request.Note?.Length ?? 0, 0, 1_000);
            },
            $"{Seeds.Length} files");
    }

    [Fact]
    public void MB_6_any_table_that_is_written_as_RFC_4180_has_it_is_read_as_the_same()
    {
        Fuzz.Run(
            output,
            random =>
            {
                char delimiter = Delimiters[random.Next(Delimiters.Length)];
                string end = LineEnds[random.Next(LineEnds.Length)];
                int columns = random.Next(1, 6);
                string[][] table = [.. Enumerable.Range(0, random.Next(1, 30)).Select(_ => Enumerable.Range(0, columns).Select(column => column == 0 ? $"x{Text(random)}" : Text(random)).ToArray())];
                StringBuilder text = new();
                foreach (string[] row in table)
                {
                    text.AppendJoin(delimiter, row.Select(field => Written(field, delimiter, random))).Append(end);
                }

                IReadOnlyList<CsvRow> rows = CsvReader.Read(text.ToString(), delimiter, MaxRows);

                Assert.Equal(table, rows.Select(row => row.Fields.ToArray()));
                int line = 1;
                foreach (CsvRow row in rows)
                {
                    Assert.Equal(line, row.Line);
                    line += 1 + row.Fields.Sum(field => field.ReplaceLineEndings("\n").Count(c => c == '\n'));
                }
            },
            "tables made up");
    }

    private static string Text(Random random) => string.Concat(Enumerable.Range(0, random.Next(8)).Select(_ => random.Next(9) switch
    {
        0 => "\"",
        1 => ",",
        2 => ";",
        3 => "\t",
        4 => "\n",
        5 => "\r\n",
        6 => " ",
        7 => new Rune(random.Next(0xA1, 0xD7FF) is var rune && rune is 0x2028 or 0x2029 ? 0xE4 : rune).ToString(),
        _ => ((char)random.Next('0', 'z')).ToString(),
    }));

    /// <summary>In quotes where it has to be, and at times where it need not.</summary>
    private static string Written(string field, char delimiter, Random random) =>
        field.IndexOfAny(['"', '\n', '\r', delimiter]) >= 0 || random.Next(3) == 0 ? $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : field;
}
