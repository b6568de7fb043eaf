using System.Text;
using MailOrderBot.Domain;
using Postroom.Mail;
using Xunit;

namespace Postroom.Tests.Apps;

/// <summary>Tables are read by their headings (MB-6, MB-7).</summary>
public sealed class TableOrderTests
{
    [Theory]
    [InlineData("Pos\tArtikel\tMenge\n1\tTEA-001\t3\n2\tBlack tea\t4", "3 TEA-001, 4 TEA-002")]
    [InlineData("Pos. | Artikel-Nr. | Bezeichnung | Menge | Preis\n1 | TEA-001 | Green tea | 3 | 4,50\n2 | TEA-002 | Black tea | 4 | 3,90\nSumme | | | | 29,10", "3 TEA-001, 4 TEA-002")]
    [InlineData("| Item | Qty |\n|------|-----|\n| TEA-001 | 3 |\n| cup | three |", "3 TEA-001, 3 CUP-010")]
    [InlineData("SKU        Description   Quantity\nTEA-001    Green tea     3 pcs\nTEA-002    Black tea     4x", "3 TEA-001, 4 TEA-002")]
    [InlineData("Pos Artikel Menge\n1 TEA-001 3\n2 TEA-002 4", "3 TEA-001, 4 TEA-002")]
    [InlineData("Nr.\tBezeichnung\tStück\nTEA-001\tGreen tea\t3", "3 TEA-001")]
    [InlineData("Room\tArticle\n12\tBlack tea\n14\tTeapot", "?, ?")] // no quantity is named
    [InlineData("Pos\tArticle\n3\tBlack tea", "?")]
    [InlineData("Article\tQty\nTEA-001\t3\nTEA-002\t", "3 TEA-001, ?")]
    [InlineData("SKU\tDescription\tQty\nTEA-001\tBlack tea\t3", "?")] // number and name disagree
    [InlineData("Article\tQty\nTEA-001\t2\n\n3\tBlack tea", "2 TEA-001, 3 TEA-002")] // the table has ended
    [InlineData("Article\tQty\nTEA-099\t2", "?")]
    [InlineData("Art.-Nr.   Bezeichnung      Menge   EP      GP\nTEA-001    Green tea            3   4,50    13,50\n                             Summe          13,50", "3 TEA-001")]
    [InlineData("Qty\tItem\tPrice\n3\tTEA-001\t4.50\nTotal\t13.50", "3 TEA-001")]
    public void MB_7_the_headings_of_a_table_decide_its_columns(string text, string said) => Assert.Equal(said, ShopCatalogue.Said(text));

    [Fact]
    public void MB_7_an_html_table_is_read_where_the_plain_text_has_a_line_for_each_cell()
    {
        const string Html = "<table><tr><td><p>Pos</p></td><td><p>Article</p></td><td><p>Qty</p></td></tr><tr><td></td><td><p>TEA-001</p></td><td><p>3</p></td></tr><tr><td><p>2</p></td><td><p>Black tea</p></td><td><p>4</p></td></tr></table>";
        string mail = $"From: ann@example.org\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\nPos\n\nArticle\n\nQty\n\nTEA-001\n\n3\n\n2\n\nBlack tea\n\n4\n--b\nContent-Type: text/html\n\n<p>Hi</p>{Html}\n--b--\n";

        string text = MailMessageReader.Read(Encoding.UTF8.GetBytes(mail.ReplaceLineEndings("\r\n")), DateTimeOffset.UnixEpoch).Text;

        Assert.Equal("3 TEA-001, 4 TEA-002", ShopCatalogue.Said(text));
    }

    [Theory]
    [InlineData("Artikel;Menge\nTEA-001;3\n", "3 TEA-001")]
    [InlineData("Pos;Artikel-Nr.;Bezeichnung;Anzahl;Preis\n1;TEA-002;Black tea;3;3,90\n", "3 TEA-002")]
    [InlineData("Artikelnummer;Bezeichnung;Menge\nTEA-002;Green tea;3\n", "?")]
    [InlineData("Bezeichnung;Stück\nBlack tea;3\n", "3 TEA-002")]
    public void MB_6_a_file_may_have_german_headings(string csv, string said) => Assert.Equal(said, ShopCatalogue.Said(ShopCatalogue.Resolve(CsvOrderReader.Read("order.csv", Encoding.UTF8.GetBytes(csv), null))));
}
