using Postroom.Mail;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>What a server may say to DATA: 354, or that it will not (RFC 5321 §4.3.2).</summary>
public sealed class EmailDataAnswerTests : MailTest
{
    [Theory]
    [InlineData("250 2.0.0 ok", true)]
    [InlineData("250 2.0.0 ok", false)]
    [InlineData("334 go on", true)]
    public async Task Em7_any_other_answer_to_DATA_delivers_nothing_and_is_tried_again(string answer, bool pipelining)
    {
        FakeSmtpFault odd = new FakeSmtpFault.Answer(answer);
        FakeSmtpServer server = Serve(new FakeSmtpOptions { Pipelining = pipelining }).Next(FakeSmtpStep.Data, odd, odd);
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));
        MailDelivery delivery = new();

        DeliveryException failure = await Assert.ThrowsAsync<DeliveryException>(() => communicator.SendAsync(new OutgoingMessage("hello"), delivery, Cancel).AsTask());
        int before = server.Mails.Count;
        DeliveryReceipt receipt = await communicator.SendAsync(new OutgoingMessage("hello"), delivery.Again(), Cancel);

        Assert.Equal(new DeliveryFailure.Transient(), failure.Failure);
        Assert.Contains($"answered DATA with {answer}, where only 354 or a refusal is an answer", failure.Message, StringComparison.Ordinal);
        Assert.Equal((0, DeliveryStatus.Sent), (before, receipt.Status));
        Assert.Single(server.Mails);
    }
}
