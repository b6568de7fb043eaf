using System.Text;
using Postroom.Mail;
using Postroom.Tests.Messages;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>ML-14 and ML-9: what is written is in form, the same each time, and means the same to another reader.</summary>
public sealed class MimeWriterTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ac65_Ml14_Hostile_strings_arrive_unchanged_as_subject_name_text_and_file_name()
    {
        using TempFolder folder = new();
        List<(MailDraft Draft, string Path)> mails = [];
        foreach (string text in HostileStrings.All().Concat(MailStrings.Own).Where(text => !HeaderText.Breaks(text)))
        {
            MailDraft draft = Draft(text);
            string path = folder.File($"{mails.Count}.eml");
            byte[] bytes = MimeWriter.Write(draft).ToArray();
            AssertInForm(bytes);
            MailMessage own = MailMessageReader.Read(bytes, DateTimeOffset.UnixEpoch);
            Assert.Equal(draft.Subject, own.Subject);
            Assert.Equal(draft.Attachments.Select(static file => file.Name), own.Attachments.Select(static file => file.Name));
            Assert.Empty(own.Problems);
            await File.WriteAllBytesAsync(path, bytes, Cancel);
            mails.Add((draft, path));
        }

        IReadOnlyList<ReadMail> read = await ReadMail.FromAsync([.. mails.Select(mail => mail.Path)], Cancel);

        Assert.All(mails.Zip(read), pair => MailStrings.AssertSame(pair.First.Draft, pair.Second));
    }

    [Fact]
    public void Ml14_The_same_draft_is_the_same_bytes()
    {
        MailDraft draft = Draft("\u00E9\u00E8");

        Assert.Equal(MimeWriter.Write(draft).ToArray(), MimeWriter.Write(draft with { }).ToArray());
    }

    [Fact]
    public void Ml14_A_boundary_occurs_in_no_part()
    {
        MailDraft plain = Draft("x");
        string boundary = Encoding.ASCII.GetString(MimeWriter.Write(plain).Span).Split("boundary=\"")[1].Split('"')[0];
        MailDraft forged = plain with { Text = $"--{boundary}\n--{boundary}--\nend" };

        string written = Encoding.ASCII.GetString(MimeWriter.Write(forged).Span);

        string other = written.Split("boundary=\"")[1].Split('"')[0];
        Assert.NotEqual(boundary, other);
        Assert.Contains($"--{boundary}\r\n--{boundary}--\r\nend\r\n", written, StringComparison.Ordinal);
        Assert.Equal(4, written.Split(other).Length - 1); // Its header, two delimiters and the end.
    }

    [Theory]
    [InlineData("plain text\n.\nend", "7bit")]
    [InlineData("f\u00FCr", "quoted-printable")]
    [InlineData("From the start", "quoted-printable")]
    [InlineData("blank \nat the end", "quoted-printable")]
    [InlineData("a\u0000b", "quoted-printable")]
    public void Ml14_Text_is_quoted_printable_unless_it_is_7bit(string text, string encoding)
    {
        string written = Encoding.ASCII.GetString(MimeWriter.Write(Draft("x") with { Text = text, Attachments = [] }).Span);

        Assert.Contains($"Content-Transfer-Encoding: {encoding}\r\n", written, StringComparison.Ordinal);
    }

    [Fact]
    public void Ml9_No_line_is_longer_than_it_may_be()
    {
        string word = new('x', 5_000);
        MailDraft draft = Draft(word) with
        {
            Text = $"{word}\n{string.Concat(Enumerable.Repeat("\u00E9", 5_000))}",
            To = [.. Enumerable.Range(0, 100).Select(i => Mailbox.Parse($"Person Number {i} <person{i}@example.test>"))],
            References = [.. Enumerable.Range(0, 50).Select(i => $"<{i}.{Guid.NewGuid()}@example.test>")],
        };

        AssertInForm(MimeWriter.Write(draft).ToArray());
    }

    [Theory]
    [InlineData("message/rfc822")]
    [InlineData("multipart/mixed; boundary=x")]
    [InlineData("text/html\r\nX: y")]
    [InlineData("nonsense")]
    public void A_media_type_that_is_none_or_forbids_base64_becomes_plain_bytes(string type)
    {
        string written = Encoding.ASCII.GetString(MimeWriter.Write(Draft("x") with { Attachments = [Attachment.FromBytes("a", new byte[] { 1 }, type)] }).Span);

        Assert.Contains("Content-Type: application/octet-stream\r\n", written, StringComparison.Ordinal);
        Assert.DoesNotContain("X: y", written, StringComparison.Ordinal);
    }

    private static MailDraft Draft(string text) => new()
    {
        Id = "0198f2c0-0000-7000-8000-000000000001",
        MessageId = "<0198f2c0-0000-7000-8000-000000000001@example.test>",
        Date = new DateTimeOffset(2026, 1, 15, 12, 0, 0, TimeSpan.Zero),
        From = Mailbox.Parse("bot@example.test"),
        To = [new Mailbox(text, "ann", "example.test")],
        Subject = text,
        Text = text,
        Html = null,
        Attachments = [Attachment.FromBytes(text, Encoding.UTF8.GetBytes(text))],
    };

    private static void AssertInForm(byte[] bytes)
    {
        string text = Encoding.Latin1.GetString(bytes);
        Assert.EndsWith("\r\n", text, StringComparison.Ordinal);
        string[] lines = text.Split("\r\n");
        string[] head = [.. lines.TakeWhile(line => line.Length > 0)];
        Assert.DoesNotContain(head, string.IsNullOrWhiteSpace);
        Assert.DoesNotContain(head, line => line.Length > 78);
        Assert.All(lines, line => Assert.True(line.Length <= 998 && !line.AsSpan().ContainsAny('\r', '\n', '\0') && line.All(c => c < 128), $"'{line}'"));
    }
}
