using System.Text;
using Postroom.Mail;
using Postroom.Tests.Messages;
using Xunit;

namespace Postroom.Tests.Mail.Reading;

/// <summary>
/// Anything at all for the readers of mail (AC-65, ML-5, ML-12): a typed result within its bounds. <see cref="Fuzz"/> tells of the long form.
/// </summary>
public sealed class MailFuzzTests(ITestOutputHelper output)
{
    private static readonly byte[][] Words =
    [
        .. new[]
        {
            "\r\n", "\n", "\r", "\r\n\r\n", " ", "\t", "\0", "--", "--b", "--b--", "\r\n--b\r\n", "\r\n--b--\r\n", "=?", "?=", "=?utf-8?Q?", "=?utf-8?B?4oKs?=", "=?x?q?=0D=0A?=", "=", "=\r\n", "==", "%0D%0A", "*0*=", "*1=", "''",
            "Content-Type: ", "multipart/mixed; boundary=b", "multipart/alternative; boundary=\"b\"", "message/rfc822", "text/html", "text/plain; charset=", "utf-7", "csUnicode11UTF7", "utf-16", "iso-2022-jp", "x-user-defined", "hz-gb-2312",
            "Content-Transfer-Encoding: ", "base64", "quoted-printable", "x-uuencode", "begin 644 f\n", "Content-Disposition: attachment; filename=", "\"", "\\", "(", ")", "<", ">", "@", ",", ";", ":", "[", "]", "From: ", "To: ", "Date: ", "Message-ID: <",
            "<a href=\"", "<script>", "<!--", "</", "<pre>", "&#0;", "&#xD800;", "&amp;", "\u00FF", "\u20AC", "\uD83D\uDE00", "AAAA", "9999999999", "Mon, 31 Feb 2020 25:61:61 +9999",
            "* ", "1 FETCH (", "UID 1 ", "BODY[] ", "{3}\r\n", "{0}\r\n", "{4294967295}\r\n", "{-1}\r\n", "FLAGS (", "\\Seen", "NIL", "A1 OK ", "+ ", "* SEARCH 1 2", "* OK [", "* BYE", "BODY[HEADER.FIELDS (\"",
        }.Select(Encoding.UTF8.GetBytes), [0xFF], [0x80], [0xC3], [0xFE, 0xFF],
    ];

    [Fact]
    public void AC_65_the_mime_reader_gives_a_result_for_anything()
    {
        byte[][] seeds = Seeds("mime", "From: a@example.org\r\nTo: b@example.org\r\nSubject: =?utf-8?Q?x?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>x</p>\r\n--b\r\nContent-Disposition: attachment; filename*0*=utf-8''a; filename*1=b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n");
        Run(seeds, bytes =>
        {
            MailMessage mail = MailMessageReader.Read(bytes, DateTimeOffset.UnixEpoch, keepRaw: false);
            Assert.InRange(mail.Text.Length, 0, (4 * bytes.Length) + 64);
            Assert.InRange(mail.Problems.Count, 0, 50);
            Assert.All(new[] { mail.Subject, mail.From?.Name ?? "", mail.From?.Address ?? "", mail.MessageId ?? "" }, static text => Assert.False(HeaderText.Breaks(text)));
            Assert.All(mail.Headers, static header => Assert.False(HeaderText.Breaks(header.Value)));
            Assert.All(mail.Attachments, static file => Assert.False(HeaderText.Breaks(file.Name)));
            SourceMessage message = MailTranslation.ToSource(mail, "in", "mail", "1.1", bytes);
            Assert.InRange(message.DedupKey!.Length, 1, 512);
            Assert.InRange(message.Conversation?.Length ?? 0, 0, 256);
        });
    }

    [Fact]
    public void AC_65_the_imap_reader_gives_an_answer_or_a_typed_error_for_anything()
    {
        byte[][] seeds = Seeds("imap", "* 1 FETCH (UID 7 FLAGS (\\Seen) INTERNALDATE \" 3-Nov-2025 10:02:00 +0100\" BODY[] {3}\r\nabc)\r\n* SEARCH 1 2 3\r\n* OK [UIDNEXT 4] x\r\nA1 OK [X 1] done\r\n+ go\r\n");
        Run(seeds, bytes =>
        {
            ImapReader reader = new("bent", new MemoryStream(bytes), 1_000_000);
            try
            {
                while (true)
                {
                    ValueTask<ImapResponse> reading = reader.ReadAsync(CancellationToken.None);
                    Assert.True(reading.IsCompleted);
                    ImapResponse response = reading.GetAwaiter().GetResult();
                    foreach (ImapValue list in response.Values.Where(value => response.Name == "FETCH" && value.Kind == ImapKind.List))
                    {
                        _ = ImapMail.Read(list);
                    }

                    _ = new ImapMailbox("x").With(response).KeepsKeyword("$ProcessingFailed");
                }
            }
            catch (ImapConnectionException)
            {
                // The only way out.
            }
        });
    }

    [Fact]
    public void ML_14_any_text_that_is_written_is_read_as_the_same()
    {
        string[] hostile = [.. HostileStrings.All().Concat(MailStrings.Own).Where(static text => !HeaderText.Breaks(text))];
        Run([[.. Encoding.UTF8.GetBytes("text")]], random =>
        {
            string text = Sound(random.Next(3) == 0 ? hostile[random.Next(hostile.Length)] : string.Concat(Enumerable.Range(0, random.Next(120)).Select(_ => Rune(random))));
            MailDraft draft = new()
            {
                Id = "0198f2a0-0000-7000-8000-000000000001",
                MessageId = "<one@example.org>",
                Date = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(1)),
                From = Mailbox.Parse("bot@example.org"),
                To = [new Mailbox(text, "ann", "example.org")],
                Subject = text,
                Text = text,
                Attachments = [Attachment.FromBytes(text.Length is > 0 and < 200 ? text : "file", Encoding.UTF8.GetBytes(text))],
            };

            MailMessage read = MailMessageReader.Read(MimeWriter.Write(draft), DateTimeOffset.UnixEpoch);

            Assert.Equal(text, read.Subject);
            Assert.Equal(draft.Date, read.Date);
            Assert.Equal("ann@example.org", Assert.Single(read.To).Address);
            Assert.Equal(Encoding.UTF8.GetBytes(text), Assert.Single(read.Attachments).Data!.Value.ToArray());
            Assert.Equal(draft.Attachments[0].Name, read.Attachments[0].Name);
            Assert.Equal((text.StartsWith('\uFEFF') ? text[1..] : text).TrimEnd('\n'), read.Text.TrimEnd('\n')); // a mark of UTF-8 at the beginning is none of the text
        });
    }

    private static string Rune(Random random)
    {
        int value = random.Next(6) switch { 0 => random.Next(0x20, 0x7F), 1 => random.Next(0xA0, 0x800), 2 => random.Next(0x4E00, 0x9FFF), 3 => random.Next(0x1F300, 0x1F6FF), 4 => "=?_ \t\"<>(),;:@.-'%"[random.Next(18)], _ => ' ' };
        return new Rune(value).ToString();
    }

    private static string Sound(string text) => string.Concat(text.EnumerateRunes().Select(static rune => rune.ToString()));

    private static byte[][] Seeds(string corpus, string own) => [.. Corpora.Files(corpus).Select(File.ReadAllBytes).Where(static bytes => bytes.Length is > 0 and < 200_000), Encoding.UTF8.GetBytes(own)];

    private void Run(byte[][] seeds, Action<byte[]> read) => Run(seeds, random => read(Fuzz.Bend(seeds[random.Next(seeds.Length)], Words, random)));

    private void Run(byte[][] seeds, Action<Random> once) => Fuzz.Run(output, once, $"{seeds.Length} seeds of text");
}
