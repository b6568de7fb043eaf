using System.Text;
using Postroom.Mail;
using Postroom.Tests.Messages;
using Xunit;

namespace Postroom.Tests.Mail.Reading;

/// <summary>What the answers of IMAP servers are read as (ML-4, ML-5).</summary>
public sealed class ImapReadingTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Data_lists_literals_and_sections_are_read()
    {
        ImapResponse fetch = await OneAsync("* 12 FETCH (UID 7 FLAGS (\\Seen $Note) INTERNALDATE \" 3-Nov-2025 10:02:00 +0100\" RFC822.SIZE 5 BODY[HEADER.FIELDS (DATE \"X\")] NIL BODY[]<0> {5}\r\nab)\r\n ENVELOPE (\"a \\\"b\\\\\" NIL (())))\r\n");

        Assert.Equal(("FETCH", 12u), (fetch.Name, fetch.Number!.Value));
        ImapMail mail = ImapMail.Read(fetch.Values[0])!;
        Assert.Equal(7u, mail.Uid);
        Assert.True(mail.Has("\\seen") && mail.Has("$note"));
        Assert.Equal(new DateTimeOffset(2025, 11, 3, 9, 2, 0, TimeSpan.Zero), mail.InternalDate);
        Assert.Equal(5, mail.Size);
        Assert.Equal("ab)\r\n", Encoding.ASCII.GetString(mail.Body!.Value.Span));
        Assert.Equal("a \"b\\", fetch.Values[0].Items[^1].Items[0].Text);
    }

    [Theory]
    [InlineData("* OK [UIDVALIDITY 3] UIDs {5}", "OK", "UIDVALIDITY", "3", "UIDs {5}")]
    [InlineData("A1 NO [AUTHENTICATIONFAILED] wrong", "NO", "AUTHENTICATIONFAILED", "", "wrong")]
    [InlineData("* OK [PERMANENTFLAGS (\\Seen a[b] \\*)] Limited", "OK", "PERMANENTFLAGS", "(\\Seen a[b] \\*)", "Limited")]
    [InlineData("* BYE", "BYE", "", "", "")]
    [InlineData("A2 OK", "OK", "", "", "")]
    [InlineData("+ idling {3}", "", "", "", "idling {3}")]
    [InlineData("+", "", "", "", "")]
    public async Task A_status_is_text_to_its_end(string line, string name, string code, string argument, string text)
    {
        ImapResponse response = await OneAsync($"{line}\r\n");

        Assert.Equal((name, code, argument, text), (response.Name, response.Code, response.CodeArgument, response.Text));
    }

    [Fact]
    public async Task Data_that_nobody_knows_are_skipped()
    {
        ImapResponse response = await OneAsync("* X-STRANGE ((( ] \"\r\n");

        Assert.Equal(("X-STRANGE", 0), (response.Name, response.Values.Count));
    }

    [Theory]
    [InlineData("\r\n")]
    [InlineData("*\r\n")]
    [InlineData("A1 LIST x\r\n")]
    [InlineData("* 1 FETCH (\r\n")]
    [InlineData("* 1 FETCH )\r\n")]
    [InlineData("* 1 FETCH \"x\r\n")]
    [InlineData("* 1 FETCH {99999999999}\r\n")]
    [InlineData("* 1 FETCH {1001}\r\n")]
    [InlineData("* 1 FETCH {5}\r\nab")]
    [InlineData("no end")]
    [InlineData("")]
    public async Task What_is_no_answer_or_too_much_ends_the_connection(string bytes)
    {
        await Assert.ThrowsAsync<ImapConnectionException>(() => OneAsync(bytes));
    }

    [Fact]
    public async Task Bounds_hold_for_lines_depth_and_results()
    {
        string results = string.Join(' ', Enumerable.Range(1, 200_000));

        ImapResponse search = await OneAsync($"* SEARCH {results}\r\n");

        Assert.Equal(200_000, search.Numbers.Count);
        await Assert.ThrowsAsync<ImapConnectionException>(() => OneAsync($"* LIST {new string('x', ImapReader.MaxLine)}\r\n"));
        await Assert.ThrowsAsync<ImapConnectionException>(() => OneAsync($"* FLAGS {new string('(', 33)}{new string(')', 33)}\r\n"));
        await Assert.ThrowsAsync<ImapConnectionException>(() => OneAsync($"* SEARCH {string.Concat(Enumerable.Repeat("1 ", ImapParser.MaxResults + 1))}\r\n"));
    }

    [Theory]
    [InlineData("INBOX", "INBOX")]
    [InlineData("Entw\u00FCrfe", "Entw&APw-rfe")]
    [InlineData("A & B", "A &- B")]
    [InlineData("\u53F0\u5317", "&U,BTFw-")]
    [InlineData("~peter/mail/\u53F0\u5317/\u65E5\u672C\u8A9E", "~peter/mail/&U,BTFw-/&ZeVnLIqe-")]
    [InlineData("\U0001F4E7", "&2D3c5w-")]
    public void Mailbox_names_are_written_and_read(string name, string text)
    {
        Assert.Equal(text, ModifiedUtf7.Encode(name));
        Assert.Equal(name, ModifiedUtf7.Decode(text));
    }

    [Theory]
    [InlineData("a&b")]
    [InlineData("&!!!-")]
    [InlineData("&A-")]
    public void A_name_that_is_not_in_this_form_stays(string text) => Assert.Equal(text, ModifiedUtf7.Decode(text));

    [Fact]
    public void Sets_join_neighbours_and_texts_from_outside_cannot_end_a_command()
    {
        Assert.Equal("1:3,5,7:8", ImapSet.Of([8, 1, 2, 3, 5, 7]));
        Assert.Equal(("\"a \\\"b\\\\\"", false), (ImapArgument.Of("a \"b\\").Text, ImapArgument.Of("a \"b\\").IsLiteral));
        Assert.True(ImapArgument.Of("a\r\nA2 LOGOUT").IsLiteral);
        Assert.True(ImapArgument.Of("\u00E4").IsLiteral);
        Assert.Throws<ArgumentException>(() => ImapArgument.Of("a\0"));
    }

    [Fact]
    public async Task AC_65_every_recorded_answer_of_the_corpora_is_read()
    {
        IReadOnlyList<string> files = Corpora.Required("imap", "*.txt");
        List<string> unread = [];
        foreach (string file in files)
        {
            // The files are stored with LF; the lengths of their literals are those of CRLF in most and of LF in some.
            string recorded = File.ReadAllText(file, Encoding.Latin1).Replace("\r\n", "\n", StringComparison.Ordinal);
            if (await CountAsync(recorded.Replace("\n", "\r\n", StringComparison.Ordinal)) < 1 && await CountAsync(recorded) < 1)
            {
                unread.Add(Path.GetFileName(file));
            }
        }

        // The length of its literal fits neither kind of line end: a blank was added when it was recorded.
        Assert.Equal(["headers.1+unsolicited-info.txt"], unread);
    }

    /// <summary>How many answers there are; -1 when one cannot be read.</summary>
    private static async Task<int> CountAsync(string recorded)
    {
        ImapReader reader = new("recorded", new MemoryStream(Encoding.Latin1.GetBytes(recorded)), 30_000_000);
        int answers = 0;
        try
        {
            while (reader.Total < recorded.Length || reader.HasMore)
            {
                ImapResponse response = await reader.ReadAsync(Cancel);
                answers++;
                foreach (ImapValue list in response.Values.Where(value => response.Name == "FETCH" && value.Kind == ImapKind.List))
                {
                    _ = ImapMail.Read(list);
                }
            }

            return answers;
        }
        catch (ImapConnectionException)
        {
            return -1;
        }
    }

    [Fact]
    public async Task AC_65_answers_cut_and_bent_at_random_end_in_a_typed_error_or_an_answer()
    {
        Random random = new(65);
        byte[][] seeds = [.. Corpora.Files("imap", "fetch*.txt").Take(20).Select(File.ReadAllBytes).Append(Encoding.ASCII.GetBytes("* 1 FETCH (UID 7 FLAGS (\\Seen) BODY[] {3}\r\nabc)\r\n* SEARCH 1 2\r\nA1 OK [X 1] done\r\n"))];
        for (int i = 0; i < 3_000; i++)
        {
            byte[] bytes = [.. seeds[random.Next(seeds.Length)].Take(4_096)];
            for (int bend = random.Next(8); bend >= 0; bend--)
            {
                bytes[random.Next(bytes.Length)] = (byte)"(){}[]\"\\ *+\r\n0A\xFF"[random.Next(16)];
            }

            ImapReader reader = new("bent", new MemoryStream(bytes, 0, random.Next(bytes.Length)), 100_000);
            try
            {
                while (true)
                {
                    await reader.ReadAsync(Cancel);
                }
            }
            catch (ImapConnectionException)
            {
                // The only way out.
            }
        }
    }

    private static async Task<ImapResponse> OneAsync(string bytes) => await new ImapReader("server", new MemoryStream(Encoding.UTF8.GetBytes(bytes)), 1_000).ReadAsync(Cancel);
}
