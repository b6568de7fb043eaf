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

        Assert.All(held, failure => Assert.Equal(new DeliveryFailure.RateLimited(clock.GetUtcNow()) { OnlyMessage = true }, failure));
        Assert.Equal(13, server.Mails.Count);
        Assert.Contains("'ann@example.test' are held: 10 went there", Assert.Single(Logged.Entries, entry => entry.Text.Contains("held", StringComparison.Ordinal)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Se10_a_reply_counts_for_those_who_took_it_and_is_given_back_for_the_others()
    {
        ManualClock clock = new();
        FakeSmtpServer server = Serve().Refuse("bob@example.test", "451 4.7.1 greylisted");
        EmailCommunicator communicator = await StartAsync(ConfigOf(server) with { RepliesPerHour = 1, DefaultRecipients = ["ann@example.test", "bob@example.test"] }, clock);
        OutgoingMessage reply = new("thank you") { ReplyTo = "<question@example.test>" };
        MailDelivery both = new();

        Assert.Equal(new DeliveryFailure.Transient(), await FailureOf(communicator, reply, both));
        DeliveryFailure toAnn = await FailureOf(communicator, reply, new MailDelivery(Address.Parse("email:ann@example.test")));
        server.Refuse("bob@example.test", null);
        await communicator.SendAsync(reply, both.Again(), Cancel);
        DeliveryFailure toBob = await FailureOf(communicator, reply, new MailDelivery(Address.Parse("email:bob@example.test")));

        Assert.IsType<DeliveryFailure.RateLimited>(toAnn);
        Assert.IsType<DeliveryFailure.RateLimited>(toBob);
        Assert.Equal([["ann@example.test"], ["bob@example.test"]], server.Mails.Select(mail => mail.Recipients));
    }

    [Fact]
    public async Task Se10_what_did_not_leave_takes_its_own_place_back_and_not_that_of_an_earlier_one()
    {
        ManualClock clock = new();
        FakeSmtpServer server = Serve();
        EmailCommunicator communicator = await StartAsync(ConfigOf(server) with { RepliesPerHour = 2 }, clock);
        OutgoingMessage reply = new("thank you") { ReplyTo = "<question@example.test>" };
        await communicator.SendAsync(reply, new MailDelivery(), Cancel);
        clock.Advance(TimeSpan.FromMinutes(40));
        server.Next(FakeSmtpStep.Mail, new FakeSmtpFault.Answer("451 4.3.0 later"));
        Assert.Equal(new DeliveryFailure.Transient(), await FailureOf(communicator, reply));
        clock.Advance(TimeSpan.FromMinutes(21));

        await communicator.SendAsync(reply, new MailDelivery(), Cancel);
        await communicator.SendAsync(reply, new MailDelivery(), Cancel);

        Assert.Equal(3, server.Mails.Count);
    }

    [Fact]
    public async Task Se10_operators_see_by_the_health_that_replies_are_held()
    {
        ManualClock clock = new();
        FakeSmtpServer server = Serve();
        EmailCommunicator communicator = await StartAsync(ConfigOf(server) with { RepliesPerHour = 1 }, clock);
        OutgoingMessage reply = new("thank you") { ReplyTo = "<question@example.test>" };
        await communicator.SendAsync(reply, new MailDelivery(), Cancel);
        HealthResult before = await communicator.CheckAsync(Cancel);
        _ = await FailureOf(communicator, reply);

        HealthResult held = await communicator.CheckAsync(Cancel);
        clock.Advance(TimeSpan.FromHours(1));

        Assert.Equal((HealthState.Healthy, HealthState.Degraded), (before.State, held.State));
        Assert.Contains("Replies to 'ann@example.test' are held: 1 went there within an hour (repliesPerHour)", held.Text, StringComparison.Ordinal);
        Assert.Equal(HealthState.Healthy, (await communicator.CheckAsync(Cancel)).State);
    }

    [Fact]
    public void T34_replies_to_many_addresses_are_not_remembered_for_all_of_them()
    {
        ReplyLimit limit = new(1, new ManualClock());
        for (int i = 0; i < ReplyLimit.MostAddresses + 500; i++)
        {
            Assert.Equal(TimeSpan.Zero, limit.Take([Mailbox.Parse($"a{i}@example.test")], out _, out _));
        }

        Assert.Equal(ReplyLimit.MostAddresses, limit.Count);
        Assert.Equal(TimeSpan.FromHours(1), limit.Take([Mailbox.Parse($"a{ReplyLimit.MostAddresses}@example.test")], out string? held, out _));
        Assert.NotNull(held);
    }
}
