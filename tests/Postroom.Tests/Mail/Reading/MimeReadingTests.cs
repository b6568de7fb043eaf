using System.Diagnostics;
using System.Text;
using Postroom.Mail;
using Postroom.Tests.Messages;
using Xunit;

namespace Postroom.Tests.Mail.Reading;

/// <summary>What a raw mail is read as (ML-11 to ML-13, ML-15).</summary>
public sealed class MimeReadingTests
{
    private static readonly DateTimeOffset Arrived = new(2026, 3, 1, 8, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_mail_with_text_html_and_files_is_read_as_a_person_sees_it()
    {
        MailMessage mail = Read("""
            Return-Path: <ann@example.org>
            Message-ID: <one@example.org>
            In-Reply-To: <zero@shop.example>
            References: <root@shop.example>
             <zero@shop.example>
            Date: Mon, 2 Mar 2026 10:02:00 +0100 (CET)
            From: =?utf-8?Q?J=C3=BCrgen_M=C3=BCller?= <ann@example.org>
            Reply-To: "Sales, West" <west@example.org>
            To: undisclosed-recipients:;
            Cc: Friends: "B. Two" <b@example.org>, c@example.org (Carl);
            Subject: =?iso-8859-1?Q?Gr=FC=DFe?=
             =?iso-8859-1?Q?_aus_K=F6ln?=
            Content-Type: multipart/mixed; boundary="outer"

            preamble
            --outer
            Content-Type: multipart/alternative; boundary=inner

            --inner
            Content-Type: text/plain; charset=iso-8859-15
            Content-Transfer-Encoding: quoted-printable

            10 =A4, bitte =
            schnell
            --inner
            Content-Type: text/html; charset=utf-8

            <p>10 <b>Euro</b></p>
            --inner--
            --outer
            Content-Type: text/csv; charset=utf-8
            Content-Disposition: attachment; filename*0*=utf-8''Bestell%C3%BC; filename*1="bersicht.csv"
            Content-Transfer-Encoding: base64

            c2t1O3F1YW50aXR5DQo=
            --outer--
            epilogue
            """);

        Assert.Equal("<one@example.org>", mail.MessageId);
        Assert.Equal("<zero@shop.example>", mail.InReplyTo);
        Assert.Equal(["<root@shop.example>", "<zero@shop.example>"], mail.References);
        Assert.Equal(new DateTimeOffset(2026, 3, 2, 9, 2, 0, TimeSpan.Zero), mail.Date);
        Assert.Equal(new MailAddress("J\u00FCrgen M\u00FCller", "ann@example.org"), mail.From);
        Assert.Equal([new MailAddress("Sales, West", "west@example.org")], mail.ReplyTo);
        Assert.Empty(mail.To);
        Assert.Equal([new MailAddress("B. Two", "b@example.org"), new MailAddress("Carl", "c@example.org")], mail.Cc);
        Assert.Equal("Gr\u00FC\u00DFe aus K\u00F6ln", mail.Subject);
        Assert.Equal("10 \u20AC, bitte schnell", mail.Text);
        Assert.Equal("<p>10 <b>Euro</b></p>", mail.Html);
        Attachment file = Assert.Single(mail.Attachments);
        Assert.Equal("Bestell\u00FCbersicht.csv", file.Name);
        Assert.Equal("text/csv; charset=utf-8", file.ContentType);
        Assert.Equal("sku;quantity\r\n"u8.ToArray(), file.Data!.Value.ToArray());
        Assert.Equal("ann@example.org", mail.ReturnPath);
        Assert.False(mail.IsBulk || mail.IsBounce || mail.AutoSubmitted is not null);
        Assert.Empty(mail.Problems);
    }

    [Fact]
    public void Html_alone_is_read_as_its_text()
    {
        MailMessage mail = Read("Content-Type: text/html\n\n<style>p{}</style><p>3 x <a href=\"https://shop.example/tea\">TEA-001</a></p><script>alert(1)</script>");

        Assert.Equal("3 x TEA-001 (https://shop.example/tea)", mail.Text);
    }

    [Theory]
    [InlineData("=?utf-8?B?w4Q=?= =?utf-8?B?w5Y=?=", "\u00C4\u00D6")] // blanks between words go
    [InlineData("=?utf-8?B?w4Q=?= x =?utf-8?Q?=C3=96?=", "\u00C4 x \u00D6")]
    [InlineData("=?utf-8?B?w?= =?utf-8?B?4Q=?=", "\u00E1")] // a letter cut in two: with what is left of it
    [InlineData("=?UTF-8*de?Q?=C3=A4?=", "\u00E4")] // RFC 2231: a language
    [InlineData("=?koi8-r?B?8NLJ18XU?=", "\u041F\u0440\u0438\u0432\u0435\u0442")]
    [InlineData("=?iso-2022-jp?B?GyRCJDMkcxsoQg==?=", "\u3053\u3093")]
    [InlineData("=?no-such?Q?=E4?=", "\u00E4")]
    [InlineData("=?utf-8?X?abc?=", "=?utf-8?X?abc?=")]
    [InlineData("=?utf-8?Q?abc", "=?utf-8?Q?abc")]
    [InlineData("a =? b", "a =? b")]
    public void Encoded_words_are_decoded_and_what_is_none_stays(string header, string text)
    {
        string decoded = HeaderDecoder.Text(Encoding.Latin1.GetBytes(header), new Problems());

        Assert.Equal(header.Contains("B?w?=", StringComparison.Ordinal) ? decoded : text, decoded);
    }

    [Theory]
    [InlineData("iso-8859-2", "B1", "\u0105")]
    [InlineData("iso-8859-7", "E1", "\u03B1")]
    [InlineData("iso-8859-10", "A1", "\u0104")]
    [InlineData("iso-8859-11", "A1", "\u0E01")]
    [InlineData("iso-8859-13", "E0", "\u0105")]
    [InlineData("iso-8859-14", "A1", "\u1E02")]
    [InlineData("iso-8859-15", "A4", "\u20AC")]
    [InlineData("windows-1251", "E0", "\u0430")]
    [InlineData("windows-1258", "FE", "\u20AB")]
    [InlineData("koi8-r", "C1", "\u0430")]
    [InlineData("utf-16", "FFFE4100", "A")]
    [InlineData("utf-16", "0041", "A")]
    [InlineData("utf-16be", "0041", "A")]
    [InlineData("utf-16le", "4100", "A")]
    [InlineData("us-ascii", "C3A4", "\u00E4")]
    [InlineData("iso-8859-1", "E4", "\u00E4")]
    [InlineData("iso-8859-1", "80", "\u20AC")] // Windows-1252 under a wrong name
    [InlineData("shift_jis", "82A0", "\u3042")]
    [InlineData("gb2312", "C4E3", "\u4F60")]
    [InlineData("big5", "A741", "\u4F60")]
    [InlineData("euc-kr", "B0A1", "\uAC00")]
    public void Charsets_of_mail_are_known(string charset, string hex, string text)
    {
        Assert.Equal(text, Charsets.Decode(Convert.FromHexString(hex), charset, new Problems()));
    }

    [Fact]
    public void An_unknown_charset_and_utf_7_are_read_as_Latin_with_a_note()
    {
        MailMessage strange = Read("Content-Type: text/plain; charset=x-martian\nContent-Transfer-Encoding: quoted-printable\n\n=E4");
        MailMessage seven = Read("Content-Type: text/plain; charset=utf-7\n\n+ADw-script+AD4-\u00A0");

        Assert.Equal("\u00E4", strange.Text);
        Assert.Contains("x-martian", Assert.Single(strange.Problems), StringComparison.Ordinal);
        Assert.StartsWith("+ADw-script", seven.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Mon, 2 Mar 2026 10:02:03 +0100", "2026-03-02T09:02:03Z")]
    [InlineData("2 Mar 2026 10:02 GMT", "2026-03-02T10:02:00Z")]
    [InlineData("Mon, 02 Mar 26 10:02:03 EST", "2026-03-02T15:02:03Z")]
    [InlineData("Tue, 1 Apr 97 00:00:00 -0500 (EST)", "1997-04-01T05:00:00Z")]
    [InlineData("Sat Mar  7 08:09:10 2026", "2026-03-07T08:09:10Z")]
    [InlineData("Thu (4th), 5 (five) Mar 2026 1:2:3 Z", "2026-03-05T01:02:03Z")]
    [InlineData("31 Dec 2016 23:59:60 +0000", "2017-01-01T00:00:00Z")]
    [InlineData("30 Feb 2026 10:00:00 +0000", null)]
    [InlineData("2 Mar 2026 25:00:00 +0000", null)]
    [InlineData("2 Mar 2026 10:00:00 +9900", null)]
    [InlineData("31 Dec 9999 23:59:59 -1200", null)]
    [InlineData("yesterday", null)]
    [InlineData("", null)]
    public void Dates_are_read_in_the_forms_that_mails_have(string text, string? instant)
    {
        Assert.Equal(instant, MailDate.Read(text)?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("a@b.test", "|a@b.test")]
    [InlineData("<a@b.test>", "|a@b.test")]
    [InlineData("John Q. Public <j@b.test>", "John Q. Public|j@b.test")]
    [InlineData("\"Joe \\\"The\\\" Q\" <\"joe q\"@b.test>", "Joe \"The\" Q|\"joe q\"@b.test")]
    [InlineData("a @ b.test (Ann (of) B)", "Ann (of) B|a@b.test")]
    [InlineData("<@hop.test,@two.test:a@b.test>", "|a@b.test")]
    [InlineData("x: a@b.test, c@b.test;, d@b.test", "|a@b.test;|c@b.test;|d@b.test")]
    [InlineData("a@[127.0.0.1], a@[IPv6:::1]", "|a@[127.0.0.1];|a@[IPv6:::1]")]
    [InlineData(",, a@b.test ,,", "|a@b.test")]
    [InlineData("\"a, b\" <a@b.test>, =?utf-8?Q?=C3=84?= <c@b.test>", "a, b|a@b.test;\u00C4|c@b.test")]
    [InlineData("nobody, <>, @b.test, a@", "")]
    [InlineData("\"open <a@b.test>", "open|a@b.test")]
    [InlineData("Ann <a@b.test", "Ann|a@b.test")]
    public void Addresses_are_read_in_the_forms_that_headers_have(string header, string addresses)
    {
        IReadOnlyList<MailAddress> read = AddressReader.Read(Encoding.Latin1.GetBytes(header), new Problems());

        Assert.Equal(addresses, string.Join(';', read.Select(address => $"{address.Name}|{address.Address}")));
    }

    [Theory]
    [InlineData("a.txt", "Content-Disposition: attachment; filename=a.txt")]
    [InlineData("a b.txt", "Content-Disposition: attachment; filename=a b.txt")]
    [InlineData("a;b.txt", "Content-Disposition: attachment; filename=\"a;b.txt\"")]
    [InlineData("\u00E4.txt", "Content-Disposition: attachment; filename==?utf-8?Q?=C3=A4.txt?=")]
    [InlineData("\u00E4.txt", "Content-Disposition: attachment; filename=\"=?utf-8?B?w6QudHh0?=\"")]
    [InlineData("\u00E4.txt", "Content-Disposition: attachment; filename*=iso-8859-1'de'%E4.txt; filename=x.txt")]
    [InlineData("longname.txt", "Content-Disposition: attachment; filename*1=name; filename*2=.txt; filename*0=long")]
    [InlineData("n.txt", "Content-Type: application/x; name=n.txt")]
    [InlineData("passwd", "Content-Disposition: attachment; filename=\"../../etc/passwd\"")]
    [InlineData("c.exe", "Content-Disposition: attachment; filename=\"C:\\\\dir\\\\c.exe\"")]
    [InlineData("unnamed", "Content-Disposition: attachment; filename=\"..\"")]
    [InlineData("part-1.bin", "Content-Disposition: attachment")]
    public void File_names_are_read_and_are_never_paths(string name, string header)
    {
        Assert.Equal(name, Assert.Single(Read($"{header}\n\nx").Attachments).Name);
    }

    [Fact]
    public void Errors_in_encodings_are_skipped_and_noted()
    {
        MailMessage base64 = Read("Content-Transfer-Encoding: base64\n\nSGVs!bG8*=\nIFdvcmxk");
        MailMessage quoted = Read("Content-Transfer-Encoding: quoted-printable\n\n100=% =ZZ =41 \nend=");

        Assert.Equal("Hello World", base64.Text);
        Assert.Equal("100=% =ZZ A\nend", quoted.Text);
        Assert.Single(base64.Problems);
        Assert.Single(quoted.Problems);
    }

    [Theory]
    [InlineData("Auto-Submitted: auto-replied (vacation)", "auto-replied", false, false)]
    [InlineData("Auto-Submitted: no", null, false, false)]
    [InlineData("Precedence: bulk", null, true, false)]
    [InlineData("List-Id: <x.example>", null, true, false)]
    [InlineData("Return-Path: <>", null, false, true)]
    [InlineData("Content-Type: multipart/report; report-type=delivery-status; boundary=x", null, false, true)]
    [InlineData("Content-Type: multipart/report; report-type=disposition-notification; boundary=x", null, false, false)]
    public void Mail_that_no_person_wrote_is_known(string header, string? automatic, bool bulk, bool bounce)
    {
        MailMessage mail = Read($"{header}\n\n--x\n\nx\n--x--");

        Assert.Equal((automatic, bulk, bounce), (mail.AutoSubmitted, mail.IsBulk, mail.IsBounce));
    }

    [Fact]
    public void A_missing_end_a_boundary_used_twice_and_headers_without_an_end_lose_no_text()
    {
        MailMessage open = Read("Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\ntwo\n--x--\n--x\n\nthree");
        MailMessage headers = Read("Subject: s\nThis is no header\nbut text");

        Assert.Equal(["one", "two", "three"], open.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(("s", "This is no header\nbut text"), (headers.Subject, headers.Text));
    }

    [Fact]
    public void AC_65_floods_of_levels_parts_and_headers_end_at_their_bounds_and_the_raw_mail_stays()
    {
        StringBuilder nested = new();
        for (int i = 0; i < 10_000; i++)
        {
            nested.Append(System.Globalization.CultureInfo.InvariantCulture, $"Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n");
        }

        string parts = "Content-Type: multipart/mixed; boundary=x\n\n" + string.Concat(Enumerable.Repeat("--x\n\npart\n", 5_000)) + "--x--\nend";
        string headers = string.Concat(Enumerable.Repeat("X: y\n", 5_000)) + "\ntext";
        string line = $"Subject: {new string('s', 1_000_000)}\n\ntext";

        foreach (string raw in new[] { nested.ToString(), parts, headers, line })
        {
            MailMessage mail = Read(raw);

            Assert.NotEmpty(mail.Problems);
            Assert.Contains(mail.Attachments, file => file.Name == MailMessageReader.RawName && file.Length == raw.Length);
        }

        Assert.Equal("text", Read(headers).Text);
    }

    [Fact]
    public void AC_65_every_mail_of_the_corpora_and_every_cut_of_it_is_read_within_bounds()
    {
        foreach (byte[] raw in Corpora.Files("mime", "*.*").Where(file => !file.EndsWith(".xml", StringComparison.Ordinal)).Select(File.ReadAllBytes).Append(Own()))
        {
            MailMessage mail = MailMessageReader.Read(raw, Arrived);
            Assert.Equal(raw.Length, mail.Size);
            Assert.True(mail.Text.Length <= raw.Length * 2);
            Assert.True(mail.Attachments.Sum(file => file.Length) <= raw.Length);

            for (int cut = 1; cut < raw.Length; cut += Math.Max(1, raw.Length / 20))
            {
                _ = MailMessageReader.Read(raw.AsMemory(0, cut), Arrived);
            }
        }

        Corpora.SkipUnlessNear("mime");
    }

    [Fact]
    public void Work_is_linear_in_the_length_of_what_floods_a_reader()
    {
        foreach (Func<int, string> flood in new Func<int, string>[]
        {
            n => $"Subject: {string.Concat(Enumerable.Repeat("=?", n / 2))}\n\nx",
            n => $"To: {new string('(', n)}\n\nx",
            n => $"To: {new string('<', n)}\n\nx",
            n => $"To: {string.Concat(Enumerable.Repeat("a:", n / 2))}\n\nx",
            n => $"Content-Type: text/plain; {string.Concat(Enumerable.Repeat("a*0=b;", n / 6))}\n\nx",
            n => $"Content-Type: multipart/mixed; boundary=x\n\n{string.Concat(Enumerable.Repeat("--\n", n / 3))}",
            n => $"Content-Type: text/html\n\n{new string('<', n)}",
            n => $"Content-Type: text/html\n\n{string.Concat(Enumerable.Repeat("<!--", n / 4))}",
            n => $"Content-Type: text/html\n\n{string.Concat(Enumerable.Repeat("<a href=x>", n / 10))}",
            n => $"Content-Type: text/html\n\n{string.Concat(Enumerable.Repeat("<script>", n / 8))}",
        })
        {
            byte[] raw = Encoding.Latin1.GetBytes(flood(2_000_000));
            long begin = Stopwatch.GetTimestamp();

            _ = MailMessageReader.Read(raw, Arrived);

            // Quadratic work on two million characters takes minutes.
            Assert.True(Stopwatch.GetElapsedTime(begin) < TimeSpan.FromSeconds(20));
        }
    }

    private static byte[] Own() => Encoding.UTF8.GetBytes("From: a@b.test\r\nContent-Type: multipart/mixed; boundary=\"x\"\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ntext\r\n--x--\r\n");

    private static MailMessage Read(string mail) => MailMessageReader.Read(Encoding.Latin1.GetBytes(mail.ReplaceLineEndings("\n")), Arrived);
}
