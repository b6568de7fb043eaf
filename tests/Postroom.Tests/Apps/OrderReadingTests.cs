using System.Text;
using FsCheck;
using FsCheck.Fluent;
using MailOrderBot.Domain;
using Xunit;

namespace Postroom.Tests.Apps;

/// <summary>What the bot reads out of a mail (MB-6, MB-7, MB-13).</summary>
public sealed class OrderReadingTests
{
    [Theory]
    [InlineData("3 x TEA-001", "TEA-001", "3")]
    [InlineData("3x TEA-001", "TEA-001", "3")]
    [InlineData("3xTEA-001", "TEA-001", "3")]
    [InlineData("3 × TEA-001", "TEA-001", "3")]
    [InlineData("3 TEA-001", "TEA-001", "3")]
    [InlineData("TEA-001 3", "TEA-001", "3")]
    [InlineData("TEA-001: 3", "TEA-001", "3")]
    [InlineData("TEA-001 x 3", "TEA-001", "3")]
    [InlineData("TEA-001 x3 pcs.", "TEA-001", "3")]
    [InlineData("3 pieces of Green tea", "Green tea", "3")]
    [InlineData("- 3 x Green tea", "Green tea", "3")]
    [InlineData("* Green tea 3", "Green tea", "3")]
    [InlineData("  • Green tea: 3", "Green tea", "3")]
    [InlineData("2) 3 x Green tea", "Green tea", "3")]
    [InlineData("3 xylophones", "xylophones", "3")]
    [InlineData("2.5 x TEA-001", "TEA-001", "2.5")]
    [InlineData("-2 x TEA-001", "TEA-001", "-2")]
    [InlineData("3 Stück TEA-001", "TEA-001", "3")]
    [InlineData("3 Stk. TEA-001", "TEA-001", "3")]
    [InlineData("3 stk TEA-001", "TEA-001", "3")]
    [InlineData("TEA-001: 3 Stück", "TEA-001", "3")]
    [InlineData("TEA-001 3x", "TEA-001", "3")]
    [InlineData("*4 x CUP-010*", "CUP-010", "4")]
    [InlineData("_4 x CUP-010_", "CUP-010", "4")]
    [InlineData("* *4 x CUP-010*", "CUP-010", "4")]
    [InlineData("*4* *CUP-010*", "CUP-010", "4")]
    [InlineData("4 x **CUP-010**", "CUP-010", "4")]
    [InlineData("3*TEA-001", "TEA-001", "3")]
    [InlineData("•4 x CUP-010", "CUP-010", "4")]
    [InlineData("1. 4 x CUP-010", "CUP-010", "4")]
    [InlineData("TEA-001 (2)", "TEA-001", "2")]
    [InlineData("TEA-001 (x2)", "TEA-001", "2")]
    [InlineData("TEA-001 [2 pcs]", "TEA-001", "2")]
    [InlineData("Qty: 2 TEA-002", "TEA-002", "2")]
    [InlineData("Menge 2 TEA-002", "TEA-002", "2")]
    [InlineData("TEA-002, qty: 2", "TEA-002", "2")]
    [InlineData("CUP-010\t4", "CUP-010", "4")]
    public void MB_7_an_order_line_is_read_in_every_form(string line, string article, string quantity)
    {
        Assert.Contains(new LineReading(article, quantity), BodyOrderReader.ReadLine(line)!.Readings);
    }

    [Theory]
    [InlineData("")]
    [InlineData("please send us")]
    [InlineData("100% cotton is fine")]
    [InlineData("3")]
    [InlineData("-- 3 --")]
    public void MB_7_a_line_without_an_article_and_a_quantity_is_none(string line) => Assert.Null(BodyOrderReader.ReadLine(line));

    [Fact]
    public void MB_7_fields_are_read_and_quotes_and_signature_are_left_out()
    {
        OrderRequest request = BodyOrders.Read(
            """
            Hello,

            3 x TEA-001
            Reference: PO 4711
            Ship to: Ann
            Garden Street 5
            10115 Berlin

            Note: ring twice
            note: or knock
            TEA-002: 1

            On Mon, 2 Mar 2026 at 09:00 Shop <shop@example.test>
            wrote:
            > 9 x TEA-009
            > Reference: quoted
            4 x TEA-003

            -- 
            8 x TEA-008
            """);

        Assert.Equal(["3 x TEA-001", "TEA-002: 1", "4 x TEA-003"], request.Lines.Select(line => line.Raw));
        Assert.Equal(("PO 4711", "Ann\nGarden Street 5\n10115 Berlin", "ring twice\nor knock"), (request.Reference, request.ShipTo, request.Note));
    }

    [Theory]
    [InlineData("On Mon, 2 Mar 2026 Shop wrote:\n9 x TEA-009\n")] // a program that does not mark what it quotes
    [InlineData("Am 02.03.2026 um 09:00 schrieb Shop:\n9 x TEA-009\n")]
    [InlineData("-----Original Message-----\n9 x TEA-009\n")]
    [InlineData("From: Shop\nSent: Monday\nTo: Ann\n9 x TEA-009\n")]
    public void MB_7_what_stands_below_the_header_of_a_quote_is_not_the_senders(string quoted)
    {
        Assert.Equal(["3 x TEA-001"], BodyOrders.Read($"3 x TEA-001\n\n{quoted}").Lines.Select(line => line.Raw));
    }

    [Fact]
    public void MB_7_whatever_the_text_reading_ends_and_gives_lines_of_the_text()
    {
        string[] pieces = ["3", " x ", "TEA", "\n", "> ", "-- ", ":", "On ", " wrote:", "Ship to:", "\t", "×", "é", "\0", "-", "1,5", "pcs", "\r\n", "😀"];
        Random random = new(7);
        for (int round = 0; round < 3_000; round++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(40)).Select(_ => pieces[random.Next(pieces.Length)]));

            OrderRequest request = BodyOrders.Read(text);

            string flat = text.Replace('\u00A0', ' ');
            Assert.All(request.Lines, line => Assert.True(line.Readings.Count is 1 or 2 && line.Readings.All(reading => flat.Contains(reading.Article, StringComparison.Ordinal) && flat.Contains(reading.Quantity, StringComparison.Ordinal)), text));
        }
    }

    [Fact]
    public void A_long_line_and_many_lines_are_read_in_linear_time()
    {
        long begun = System.Diagnostics.Stopwatch.GetTimestamp();

        Assert.Empty(BodyOrders.Read(new string('x', 5_000_000)).Lines);
        Assert.Equal(20_000, BodyOrders.Read(string.Concat(Enumerable.Repeat("1 x y\n", 100_000))).Lines.Count);
        Assert.Empty(BodyOrders.Read(string.Concat(Enumerable.Repeat("On On ", 500_000))).Lines);

        Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(10));
    }

    [Theory]
    [InlineData("CANCEL MO-2026-000001", "", "MO-2026-000001")]
    [InlineData("cancel mo-2026-000001.", "", "MO-2026-000001")]
    [InlineData("Re: Tea", " Cancel  MO-2026-000001 ", "MO-2026-000001")]
    [InlineData("Re: CANCEL MO-2026-000001", "thanks", null)]
    [InlineData("CANCEL MO-26-1", "please cancel MO-2026-000001 soon", null)]
    [InlineData("Order", "Hello,\n\nthis was a mistake.\nCANCEL MO-2026-000001\nAnn", "MO-2026-000001")]
    [InlineData("Order", "Hello,\n\n> CANCEL MO-2026-000001\nAnn", null)]
    [InlineData("Order", "thanks\n\nTo cancel it, answer within 30 minutes with this line:\nCANCEL MO-2026-000001", null)] // the shop's letter, quoted without a mark
    public void MB_13_an_order_is_cancelled_by_subject_or_a_line_of_its_own(string subject, string text, string? number) =>
        Assert.Equal(number is null ? [] : [number], new OrderMail { Key = "k", Conversation = "c", Sender = "s", Subject = subject, Text = text }.ReadRequest(CancellationToken.None).Cancels);

    [Fact]
    public void MB_6_csv_that_was_written_by_the_rules_is_read_back_as_it_was()
    {
        Prop.ForAll((NonEmptyArray<NonEmptyArray<NonNull<string>>> table, int choice) =>
        {
            char delimiter = ",;\t"[(choice & int.MaxValue) % 3];
            string[][] rows = [.. table.Get.Select(row => row.Get.Select(field => field.Get.ReplaceLineEndings("\r\n")).ToArray()).Where(row => !row.All(string.IsNullOrWhiteSpace))];
            string text = string.Concat(rows.Select(row => string.Join(delimiter, row.Select(field => $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"")) + "\r\n"));

            return rows.SelectMany(row => row).SequenceEqual(CsvReader.Read(text, delimiter, 10_000).SelectMany(row => row.Fields));
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void MB_6_whatever_the_bytes_a_file_is_read_or_refused()
    {
        Prop.ForAll((byte[] bytes, bool header) =>
        {
            byte[] file = header ? [.. "sku,quantity\n"u8, .. bytes] : bytes;
            OrderRequest request = CsvOrderReader.Read("order.csv", file, null);
            return request.Problems.Count == 1 || request.Lines.All(line => line.IsCertain);
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData("sku;qty\nA;1\n", ';')]
    [InlineData("sku\tqty\nA\t1\n", '\t')]
    [InlineData("\"sku;a\",qty\nA,1\n", ',')]
    [InlineData("sku\n", ',')]
    public void MB_6_the_delimiter_is_the_one_of_the_majority(string text, char delimiter) => Assert.Equal(delimiter, CsvReader.DelimiterOf(text));

    [Theory]
    [InlineData("utf-8", null)]
    [InlineData("iso-8859-1", "iso-8859-1")]
    [InlineData("windows-1252", null)]
    [InlineData("utf-16", null)]
    [InlineData("iso-8859-15", "ISO-8859-15")]
    public void MB_6_a_file_is_text_in_the_charset_of_its_mark_or_declaration(string charset, string? declared)
    {
        Encoding encoding = charset.StartsWith("utf", StringComparison.Ordinal) ? Encoding.GetEncoding(charset) : CodePagesEncodingProvider.Instance.GetEncoding(charset) ?? Encoding.GetEncoding(charset);
        byte[] bytes = [.. encoding.GetPreamble(), .. encoding.GetBytes("Article;AMOUNT;Note\r\nTEE-ä;2;\"grün; \"\"frisch\"\"\"\r\n")];

        OrderRequest request = CsvOrderReader.Read("order.csv", bytes, declared);

        Assert.Equal(new LineReading("TEE-ä", "2"), Assert.Single(Assert.Single(request.Lines).Readings));
        Assert.Equal("TEE-ä: grün; \"frisch\"", request.Note);
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("name,count\nA,1\n", "has to name the columns")]
    [InlineData("sku,qty\n\"A,1\n", "The quote of line 2 is not closed")]
    [InlineData("sku,qty\n\"A\"b,1\n", "Line 2 has text behind a closing quote")]
    public void MB_6_a_file_that_cannot_be_read_says_why(string text, string problem) =>
        Assert.Contains(problem, Assert.Single(CsvOrderReader.Read("order.csv", Encoding.UTF8.GetBytes(text), null).Problems), StringComparison.Ordinal);

    [Fact]
    public void MB_6_a_file_over_one_mebibyte_is_refused_and_of_two_files_none_counts()
    {
        OrderFile file = new("a.csv", "sku,qty\nA,1\n"u8.ToArray(), null);
        OrderMail mail = new() { Key = "k", Conversation = "c", Sender = "s", Text = "Reference: 7\n3 x TEA", Files = [file] };

        Assert.Contains("the limit is 1048576", Assert.Single(CsvOrderReader.Read("a.csv", new byte[CsvOrderReader.MaxLength + 1], null).Problems), StringComparison.Ordinal);
        Assert.Equal(("A: 1", "7"), (Assert.Single(mail.ReadRequest(CancellationToken.None).Lines).Raw, mail.ReadRequest(CancellationToken.None).Reference));
        Assert.Contains("2 CSV files", Assert.Single((mail with { Files = [file, file] }).ReadRequest(CancellationToken.None).Problems), StringComparison.Ordinal);
    }
}
