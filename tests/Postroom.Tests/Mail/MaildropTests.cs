using System.Text;
using System.Text.Json;
using Postroom.Mail;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>Mails written as files.</summary>
public sealed class MaildropTests : IDisposable
{
    private readonly TempFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_mail_is_the_one_that_would_be_sent_and_a_repeat_is_the_same_file()
    {
        MaildropCommunicator communicator = await StartAsync();
        OutgoingMessage message = new("Grüße") { Subject = "Re: Tee", ReplyTo = "<one@example.org>", Metadata = Metadata("""{"html": "<p>Grüße</p>", "messageId": "order.7-a"}""") };
        MailDelivery delivery = new(Address.Parse("drop:ann@example.org"));

        DeliveryReceipt receipt = await communicator.SendAsync(message, delivery, Cancel);
        string file = Assert.Single(Directory.GetFiles(_folder.File("out")));
        byte[] first = await File.ReadAllBytesAsync(file, Cancel);
        await communicator.SendAsync(message, delivery.Again(), Cancel);

        Assert.Equal(first, await File.ReadAllBytesAsync(Assert.Single(Directory.GetFiles(_folder.File("out"))), Cancel));
        Assert.Equal((DeliveryStatus.Delivered, "<order.7-a@example.test>", file), (receipt.Status, receipt.OutsideId, receipt.Detail));
        MailMessage read = MailMessageReader.Read(first, default);
        Assert.Equal(("Grüße\n", "<p>Grüße</p>\n", "<one@example.org>", "auto-replied", "ann@example.org"), (read.Text, read.Html, read.InReplyTo, read.AutoSubmitted, read.To[0].Address));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("a@b")]
    [InlineData("a\\r\\nBcc: x@example.org")]
    [InlineData(".a")]
    [InlineData("a..b")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public async Task An_id_that_cannot_stand_in_a_Message_ID_is_refused_before_anything_is_written(string id)
    {
        MaildropCommunicator communicator = await StartAsync();
        OutgoingMessage message = new("text") { Metadata = Metadata($$"""{"messageId": "{{id}}"}""") };

        DeliveryException refused = await Assert.ThrowsAsync<DeliveryException>(() => communicator.SendAsync(message, new MailDelivery(Address.Parse("drop:ann@example.org")), Cancel).AsTask());

        Assert.IsType<DeliveryFailure.Refused>(refused.Failure);
        Assert.Contains("metadata.messageId", refused.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.File("out")));
    }

    [Fact]
    public async Task A_folder_that_is_gone_is_a_trouble_that_passes_and_nobody_to_write_to_is_not()
    {
        MaildropCommunicator communicator = await StartAsync();

        DeliveryException nobody = await Assert.ThrowsAsync<DeliveryException>(() => communicator.SendAsync(new OutgoingMessage("text"), new MailDelivery(), Cancel).AsTask());
        Directory.Delete(_folder.File("out"));
        DeliveryException gone = await Assert.ThrowsAsync<DeliveryException>(() => communicator.SendAsync(new OutgoingMessage("text"), new MailDelivery(Address.Parse("drop:ann@example.org")), Cancel).AsTask());

        Assert.IsType<DeliveryFailure.Unroutable>(nobody.Failure);
        Assert.IsType<DeliveryFailure.Transient>(gone.Failure);
    }

    [Theory]
    [InlineData("text/csv; charset=ISO-8859-1", "text/csv; charset=iso-8859-1")]
    [InlineData("text/csv", "text/csv")]
    [InlineData("text/csv; charset=\"x; y\"", "text/csv")]
    [InlineData("application/pdf; charset=utf-8", "application/pdf")]
    public void A_file_that_is_text_keeps_the_charset_that_was_declared(string head, string type)
    {
        MailMessage mail = MailMessageReader.Read(Encoding.ASCII.GetBytes($"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: {head}\r\nContent-Disposition: attachment; filename=a.csv\r\n\r\na\r\n--b--\r\n"), default);

        Assert.Equal(type, Assert.Single(mail.Attachments).ContentType);
    }

    private static Dictionary<string, JsonElement> Metadata(string json) => JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(json)!;

    private async Task<MaildropCommunicator> StartAsync()
    {
        MaildropCommunicator communicator = new("drop", new MaildropCommunicatorConfig { Path = _folder.File("out"), FromAddress = "Shop <shop@example.test>" });
        await communicator.StartAsync(Cancel);
        return communicator;
    }
}
