using System.Text.Json;
using Microsoft.Extensions.Logging;
using Postroom.Mail;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>EM-3 to EM-5, AC-60, AC-62: who gets a message, what it says, and what is refused.</summary>
public sealed class EmailComposingTests : MailTest
{
    [Fact]
    public async Task Ac60_Recipients_come_from_the_address_then_the_metadata_then_the_settings()
    {
        FakeSmtpServer server = Serve();
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));
        OutgoingMessage list = new("x") { Metadata = Metadata("""{"recipients":["bob@example.test","Cy <cy@example.test>"],"cc":"dan@example.test","bcc":["eve@example.test","BOB@example.test"]}""") };
        OutgoingMessage text = new("x") { Metadata = Metadata("""{"recipients":"\"Last, First\" <fi@example.test>, gil@example.test"}""") };

        await communicator.SendAsync(list, new MailDelivery(Address.Parse("email:hal@example.test")), Cancel);
        await communicator.SendAsync(list, new MailDelivery(), Cancel);
        await communicator.SendAsync(text, new MailDelivery(), Cancel);
        await communicator.SendAsync(new OutgoingMessage("x"), new MailDelivery(), Cancel);

        Assert.Equal(
            ["hal dan eve bob", "bob cy dan eve", "fi gil", "ann"],
            server.Mails.Select(mail => string.Join(' ', mail.Recipients.Select(recipient => recipient.Split('@')[0].ToLowerInvariant()))));
        Assert.Contains("Cc: dan@example.test\r\n", server.Mails[1].Text, StringComparison.Ordinal);
        Assert.DoesNotContain("eve", server.Mails[1].Text, StringComparison.Ordinal);
        Assert.Contains("To: \"Last, First\" <fi@example.test>, gil@example.test\r\n", server.Mails[2].Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"recipients":[]}""")]
    [InlineData("""{"recipients":" , "}""")]
    [InlineData("""{"recipients":null}""")]
    public async Task Ac60_A_present_but_empty_list_is_unroutable_with_a_warning(string metadata)
    {
        FakeSmtpServer server = Serve();
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));

        Assert.IsType<DeliveryFailure.Unroutable>(await FailureOf(communicator, new OutgoingMessage("x") { Metadata = Metadata(metadata) }));

        Assert.Equal(LogLevel.Warning, Assert.Single(Logged.Entries).Level);
        Assert.Empty(server.Mails);
    }

    [Fact]
    public async Task Ac60_A_message_for_nobody_is_unroutable()
    {
        EmailCommunicator communicator = await StartAsync(ConfigOf(Serve()) with { DefaultRecipients = [] });

        Assert.IsType<DeliveryFailure.Unroutable>(await FailureOf(communicator, new OutgoingMessage("x")));
        Assert.Single(Logged.Entries);
    }

    [Fact]
    public async Task Ac60_Em4_Em5_The_headers_say_what_the_message_is()
    {
        FakeSmtpServer server = Serve();
        EmailCommunicator communicator = await StartAsync(ConfigOf(server) with { ReplyTo = "help@example.test" });
        MailDelivery reply = new() { Headers = new Dictionary<string, string> { ["in-reply-to"] = "<q1@example.org>", ["references"] = "<q0@example.org> junk <q1@example.org>" } };

        await communicator.SendAsync(new OutgoingMessage("x") { Severity = MessageSeverity.Warning }, new MailDelivery(), Cancel);
        await communicator.SendAsync(new OutgoingMessage("x") { Severity = MessageSeverity.Error, Subject = "Price", Source = "shop", ReplyTo = "12" }, reply, Cancel);

        string first = server.Mails[0].Text;
        Assert.Contains("Subject: [WARNING] Notification\r\n", first, StringComparison.Ordinal);
        Assert.Contains("Auto-Submitted: auto-generated\r\n", first, StringComparison.Ordinal);
        Assert.Contains("Date: Thu, 15 Jan 2026 12:00:00 +0000\r\nFrom: Postroom <bot@example.test>\r\nReply-To: help@example.test\r\n", first, StringComparison.Ordinal);
        Assert.DoesNotContain("Importance", first, StringComparison.Ordinal);
        string second = server.Mails[1].Text;
        Assert.Contains("Subject: Price\r\n", second, StringComparison.Ordinal);
        Assert.Contains("In-Reply-To: <q1@example.org>\r\nReferences: <q0@example.org> <q1@example.org>\r\nAuto-Submitted: auto-replied\r\nX-Postroom-Source: shop\r\nImportance: high\r\n", second, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Em5_Html_comes_as_an_alternative_to_its_text()
    {
        FakeSmtpServer server = Serve();
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));

        await communicator.SendAsync(new OutgoingMessage("<p>Hello <b>you</b>, see <a href='https://example.org/x?a=1&amp;b=2'>this</a></p><script>no</script><ul><li>one<li>two</ul>") { Format = TextFormat.Html }, new MailDelivery(), Cancel);
        await communicator.SendAsync(new OutgoingMessage("plain") { Metadata = Metadata("""{"html":"<i>rich</i>"}""") }, new MailDelivery(), Cancel);

        Assert.Contains("Hello you, see this (https://example.org/x?a=1&b=2)\r\n\r\n- one\r\n- two", server.Mails[0].Text, StringComparison.Ordinal);
        Assert.Contains("Content-Type: multipart/alternative;", server.Mails[1].Text, StringComparison.Ordinal);
        Assert.Contains("\r\n\r\nplain\r\n", server.Mails[1].Text, StringComparison.Ordinal);
        Assert.Contains("\r\n\r\n<i>rich</i>\r\n", server.Mails[1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cm16_A_file_that_cannot_be_sent_is_named_in_the_text_and_on_the_receipt()
    {
        FakeSmtpServer server = Serve();
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));

        DeliveryReceipt receipt = await communicator.SendAsync(new OutgoingMessage("x") { Attachments = [new Attachment { Name = "far.pdf", Reference = "id-1" }] }, new MailDelivery(), Cancel);

        Assert.Contains("far.pdf", Assert.Single(receipt.Degraded), StringComparison.Ordinal);
        Assert.Contains("x\r\n\r\n[far.pdf]\r\n", server.Mails[0].Text, StringComparison.Ordinal);
    }

    public static TheoryData<string, string> Breaks()
    {
        TheoryData<string, string> data = [];
        foreach (string field in new[] { "subject", "source", "in-reply-to", "references", "recipients", "recipient-name", "cc", "bcc", "reply" })
        {
            foreach (string text in new[] { "a@b.test\rRCPT TO:<c@d.test>", "a@b.test\nBcc: c@d.test", "a@b.test\r\n.\r\nMAIL FROM:<c@d.test>", "a@b.test\0" })
            {
                data.Add(field, text);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Breaks))]
    public async Task Ac62_T15_Line_ends_and_nul_are_refused_in_every_field_before_anything_is_sent(string field, string text)
    {
        FakeSmtpServer server = Serve();
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));
        OutgoingMessage message = field switch
        {
            "subject" => new OutgoingMessage("x") { Subject = text },
            "source" => new OutgoingMessage("x") { Source = text },
            "reply" => new OutgoingMessage("x") { ReplyTo = text },
            "recipients" or "cc" or "bcc" => new OutgoingMessage("x") { Metadata = Metadata(JsonSerializer.Serialize(new Dictionary<string, string[]> { [field] = [text] })) },
            "recipient-name" => new OutgoingMessage("x") { Metadata = Metadata(JsonSerializer.Serialize(new Dictionary<string, string[]> { ["recipients"] = [$"\"{text}\" <a@b.test>"] })) },
            _ => new OutgoingMessage("x"),
        };
        MailDelivery delivery = new() { Headers = field is "in-reply-to" or "references" ? new Dictionary<string, string> { [field] = text } : new Dictionary<string, string>() };

        Assert.Equal(new DeliveryFailure.Refused("invalid"), await FailureOf(communicator, message, delivery));
        Assert.Empty(server.Mails);
        Assert.DoesNotContain(server.Lines, line => line.Line.StartsWith("MAIL", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("a@b.test\rRCPT TO:<c@d.test>")]
    [InlineData("a@b.test\n")]
    [InlineData("a@b.test\0")]
    public void Ac62_T15_A_recipient_with_a_line_end_or_nul_is_no_address_at_all(string text)
    {
        Assert.Throws<FormatException>(() => Address.ForRecipient("email", text));
        Assert.Throws<FormatException>(() => Address.Parse($"email:{text}"));
    }

    [Theory]
    [InlineData("a.txt\r\nBcc: c@d.test")]
    [InlineData("a.txt\nBcc: c@d.test")]
    [InlineData("a.txt\rRCPT TO:<c@d.test>")]
    [InlineData("a.txt\r\n.\r\nMAIL FROM:<c@d.test>")]
    [InlineData("a.txt\0")]
    public async Task Ac62_T15_Line_ends_and_nul_in_the_name_or_type_of_a_file_add_no_header_and_no_recipient(string text)
    {
        FakeSmtpServer server = Serve();
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));
        Attachment file = Attachment.FromBytes("a.txt", "x"u8.ToArray(), "text/plain");

        await communicator.SendAsync(new OutgoingMessage("x") { Attachments = [file with { Name = text }, file with { ContentType = text }] }, new MailDelivery(), Cancel);

        FakeSmtpMail mail = Assert.Single(server.Mails);
        Assert.Equal(["ann@example.test"], mail.Recipients);
        Assert.DoesNotContain(mail.Text.Split("\r\n"), static line => line.StartsWith("Bcc:", StringComparison.OrdinalIgnoreCase) || line.StartsWith("RCPT", StringComparison.Ordinal) || line.StartsWith("MAIL FROM", StringComparison.Ordinal));
        Assert.Empty(server.Violations);
    }

    [Theory]
    [InlineData("a b@example.test")]
    [InlineData("\"a b\"@example.test")]
    [InlineData("\"a>\\\"b\"@example.test")]
    [InlineData("a@example.test> RCPT TO:<b@example.test")]
    [InlineData("<a@example.test>b@example.test")]
    [InlineData("a@b@example.test")]
    [InlineData("a\u2028b@example.test")]
    [InlineData("a\u200Bb@example.test")]
    [InlineData("a\u00A0b@example.test")]
    [InlineData(".a@example.test")]
    [InlineData("a..b@example.test")]
    [InlineData("a@-x.test")]
    [InlineData("a@x..test")]
    [InlineData("a@")]
    [InlineData("@example.test")]
    [InlineData("a@[127.0.0.1")]
    [InlineData("a@[IPv6:zz]")]
    [InlineData("(c)a@example.test")]
    [InlineData("a,b@example.test")]
    [InlineData("\u001Ba@example.test")]
    [InlineData("")]
    public void T15_What_could_smuggle_a_command_is_no_address(string text)
    {
        Assert.False(Mailbox.TryParse(text, out _));
    }

    [Theory]
    [InlineData("a+b.c_d'e@example.test", "", "a+b.c_d'e@example.test")]
    [InlineData(" Ann <ann@Example.TEST> ", "Ann", "ann@Example.TEST")]
    [InlineData("\"Last, \\\"F\\\"\" <a@b.test>", "Last, \"F\"", "a@b.test")]
    [InlineData("\u674E <li@\u4F8B\u3048.test>", "\u674E", "li@xn--r8jz45g.test")]
    [InlineData("a@[192.0.2.1]", "", "a@[192.0.2.1]")]
    [InlineData("a@[IPv6:2001:db8::1]", "", "a@[IPv6:2001:db8::1]")]
    [InlineData("root@localhost", "", "root@localhost")]
    public void An_address_is_read_with_its_name(string text, string name, string address)
    {
        Mailbox mailbox = Mailbox.Parse(text);

        Assert.Equal((name, address), (mailbox.Name, mailbox.Address));
    }

    [Fact]
    public async Task Ac62_T16_Bodies_with_bare_line_ends_and_leading_dots_arrive_as_one_mail()
    {
        FakeSmtpServer server = Serve();
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));

        await communicator.SendAsync(new OutgoingMessage("a\n.\nb\r.\rc\r\n.\r\n..d\n.\r\nMAIL FROM:<x@y.test>\n\n.e"), new MailDelivery(), Cancel);

        Assert.EndsWith("\r\n\r\na\r\n.\r\nb\r\n.\r\nc\r\n.\r\n..d\r\n.\r\nMAIL FROM:<x@y.test>\r\n\r\n.e\r\n", Assert.Single(server.Mails).Text, StringComparison.Ordinal);
        Assert.Empty(server.Violations);
    }

    [Fact]
    public async Task Ml9_The_writer_lets_no_bare_line_end_out_whatever_it_is_given()
    {
        using MemoryStream wire = new();
        SmtpWriter writer = new(wire);

        await writer.MailAsync("a\n.\r.b\r\n.\r\n\r\r\n\n.c"u8.ToArray(), () => { }, Cancel);

        Assert.Equal("a\r\n..\r\n..b\r\n..\r\n\r\n\r\n\r\n..c\r\n", System.Text.Encoding.ASCII.GetString(wire.ToArray()));
        await Assert.ThrowsAsync<InvalidOperationException>(() => writer.CommandsAsync(["NOOP\r\nQUIT"], Cancel).AsTask());
    }
}
