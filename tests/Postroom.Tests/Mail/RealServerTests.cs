using System.Text;
using Postroom.Mail;
using Postroom.Tests.Messages;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>Mail through servers that are not ours, read by a reader that is not ours.</summary>
public sealed class RealServerTests : MailTest
{
    [Fact]
    public async Task Ac59_Ac62_Exim_delivers_hostile_strings_to_the_byte()
    {
        await using RealMailServer server = await RealMailServer.StartEximAsync(Cancel);
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));
        Dictionary<string, MailDraft> sent = [];
        EmailComposer composer = new(Mailbox.Parse("bot@example.test"), null);
        foreach (string text in HostileStrings.All().Concat(MailStrings.Own).Where(text => !HeaderText.Breaks(text)))
        {
            MailDelivery delivery = new();
            string name = HeaderText.Quote(text);
            OutgoingMessage message = new(text)
            {
                Subject = text,
                Attachments = [Attachment.FromBytes(text, Encoding.UTF8.GetBytes(text))],
                Metadata = Metadata(System.Text.Json.JsonSerializer.Serialize(new Dictionary<string, string[]> { ["recipients"] = [text.Length > 2_000 ? "user@example.test" : $"{name} <bot@example.test>"] })),
            };
            DeliveryReceipt receipt = await communicator.SendAsync(message, delivery, Cancel);
            sent.Add(receipt.OutsideId!, composer.Compose(message, EmailRecipients.Of(message, null, []), delivery, []));
        }

        string[] files = await server.WaitForMailsAsync(sent.Count, Cancel);
        IReadOnlyList<ReadMail> read = await ReadMail.FromAsync(files, Cancel);

        Assert.Equal(sent.Count, read.Count);
        Assert.All(files.Zip(read), pair =>
        {
            MailDraft draft = sent[pair.Second.MessageId];
            MailStrings.AssertSame(draft, pair.Second);
            Assert.True(File.ReadAllBytes(pair.First).AsSpan().EndsWith(Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(MimeWriter.Write(draft).Span).Replace("\r\n", "\n", StringComparison.Ordinal))));
        });
    }

    [Fact]
    public async Task Em7_Exim_refuses_and_defers_each_recipient_by_itself()
    {
        await using RealMailServer server = await RealMailServer.StartEximAsync(Cancel);
        EmailCommunicator communicator = await StartAsync(ConfigOf(server) with { DefaultRecipients = ["user@example.test", "nobody-here@example.test", "busy@example.test"] });
        MailDelivery delivery = new();

        Assert.Equal(new DeliveryFailure.Transient(), await FailureOf(communicator, new OutgoingMessage("hello"), delivery));
        Assert.Equal(new DeliveryFailure.Transient(), await FailureOf(communicator, new OutgoingMessage("hello"), delivery.Again()));

        Assert.Equal(["sent user@example.test", "refused 5.1.1 nobody-here@example.test"], delivery.Progress);
        await server.WaitForMailsAsync(1, Cancel);
        Assert.Single(server.Mails);
    }

    [Fact]
    public async Task Exim_takes_a_large_mail()
    {
        await using RealMailServer server = await RealMailServer.StartEximAsync(Cancel);
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));
        byte[] data = new byte[12 << 20];
        new Random(7).NextBytes(data);

        await communicator.SendAsync(new OutgoingMessage("hello") { Attachments = [Attachment.FromBytes("large.bin", data)] }, new MailDelivery(), Cancel);

        ReadMail read = Assert.Single(await ReadMail.FromAsync(await server.WaitForMailsAsync(1, Cancel), Cancel));
        Assert.Equal(Convert.ToBase64String(data), Assert.Single(read.Contents));
    }

    [Fact]
    public async Task Aiosmtpd_takes_logins_and_international_addresses()
    {
        await using RealMailServer server = await RealMailServer.StartAiosmtpdAsync(Cancel);
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));

        DeliveryReceipt receipt = await communicator.SendAsync(new OutgoingMessage(".\n..\nend") { Subject = "\u00DCber" }, new MailDelivery(Address.Parse("email:j\u00F6rg@example.test")), Cancel);

        ReadMail read = Assert.Single(await ReadMail.FromAsync(await server.WaitForMailsAsync(1, Cancel), Cancel));
        Assert.Equal((receipt.OutsideId, "\u00DCber", ".\n..\nend\n"), (read.MessageId, read.Subject, read.Text));
        DeliveryException wrong = await Assert.ThrowsAsync<DeliveryException>(() => Make(ConfigOf(server) with { Password = new Secret("other-canary") }).StartAsync(Cancel));
        Assert.IsType<DeliveryFailure.Unauthorized>(wrong.Failure);
        Assert.DoesNotContain("canary", wrong.ToString(), StringComparison.Ordinal);
    }

    private static EmailCommunicatorConfig ConfigOf(RealMailServer server) => new()
    {
        Host = "localhost",
        Port = server.Port,
        FromAddress = "bot@example.test",
        Username = RealMailServer.User,
        Password = new Secret(RealMailServer.Password),
        CaFile = server.CaFile,
        DefaultRecipients = ["user@example.test"],
    };
}
