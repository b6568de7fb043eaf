using Postroom.Mail;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>SE-10, RELIABILITY T36: so many replies an hour go to one address.</summary>
public sealed class ReplyLimitTests : MailTest
{
    [Fact]
    public async Task Se10_more_than_ten_replies_an_hour_to_one_address_are_held_and_told_once()
    {
        ManualClock clock = new();
        FakeSmtpServer server = Serve();
        EmailCommunicator communicator = await StartAsync(ConfigOf(server), clock);
        OutgoingMessage reply = new("thank you") { ReplyTo = "<question@example.test>" };
        server.Next(FakeSmtpStep.Mail, new FakeSmtpFault.Answer("451 4.3.0 later")); // what was not taken does not count
        Assert.Equal(new DeliveryFailure.Transient(), await FailureOf(communicator, reply));
        for (int i = 0; i < 10; i++)
        {
            await communicator.SendAsync(reply, new MailDelivery(), Cancel);
            clock.Advance(TimeSpan.FromMinutes(1));
        }

        DeliveryFailure[] held = [await FailureOf(communicator, reply), await FailureOf(communicator, reply)];
        await communicator.SendAsync(new OutgoingMessage("no reply"), new MailDelivery(), Cancel);
        await communicator.SendAsync(reply, new MailDelivery(Address.Parse("email:bob@example.test")), Cancel);
        clock.Advance(TimeSpan.FromMinutes(50));
        await communicator.SendAsync(reply, new MailDelivery(), Cancel);

        Assert.All(held, failure => Assert.Equal(new DeliveryFailure.RateLimited(clock.GetUtcNow()), failure));
        Assert.Equal(13, server.Mails.Count);
        Assert.Contains("'ann@example.test' are held: 10 went there", Assert.Single(Logged.Entries, entry => entry.Text.Contains("held", StringComparison.Ordinal)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void T34_replies_to_many_addresses_are_not_remembered_for_all_of_them()
    {
        ReplyLimit limit = new(1, new ManualClock());
        for (int i = 0; i < ReplyLimit.MostAddresses + 500; i++)
        {
            Assert.Equal(TimeSpan.Zero, limit.Take([Mailbox.Parse($"a{i}@example.test")], out _));
        }

        Assert.Equal(ReplyLimit.MostAddresses, limit.Count);
        Assert.Equal(TimeSpan.FromHours(1), limit.Take([Mailbox.Parse($"a{ReplyLimit.MostAddresses}@example.test")], out string? held));
        Assert.NotNull(held);
    }
}
