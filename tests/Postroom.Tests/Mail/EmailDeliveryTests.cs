using Postroom.Mail;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>EM-6, EM-7, ML-8 to ML-10, AC-61: what becomes of a mail when servers refuse, break and keep silent.</summary>
public sealed class EmailDeliveryTests : MailTest
{
    // More than the buffers between the two sides hold: a server that leaves within it is noticed before the dot.
    private static OutgoingMessage Large { get; } = new("hello") { Attachments = [Attachment.FromBytes("large", new byte[12 << 20])] };

    [Fact]
    public async Task Em6_One_connection_is_opened_at_the_start_and_kept()
    {
        FakeSmtpServer server = Serve();
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));

        for (int i = 0; i < 3; i++)
        {
            await communicator.SendAsync(new OutgoingMessage("hello"), new MailDelivery(), Cancel);
        }

        await communicator.StopAsync(Cancel);
        Assert.Equal((1, 3), (server.Connections, server.Mails.Count));
        Assert.Equal("QUIT", server.Lines[^1].Line);
        Assert.Empty(server.Violations);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Ml8_Commands_go_in_one_piece_only_where_that_is_offered(bool pipelining)
    {
        FakeSmtpServer server = Serve(new FakeSmtpOptions { Pipelining = pipelining });
        EmailCommunicator communicator = await StartAsync(ConfigOf(server) with { DefaultRecipients = ["ann@example.test", "bob@example.test"] });

        DeliveryReceipt receipt = await communicator.SendAsync(new OutgoingMessage("hello"), new MailDelivery(), Cancel);

        Assert.Equal(["ann@example.test", "bob@example.test"], Assert.Single(server.Mails).Recipients);
        Assert.All(receipt.Recipients, recipient => Assert.True(recipient.Accepted));
        Assert.Empty(server.Violations);
    }

    [Fact]
    public async Task Ml8_A_server_that_knows_only_helo_gets_mail()
    {
        FakeSmtpServer server = Serve(new FakeSmtpOptions { Ehlo = false });
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));

        await communicator.SendAsync(new OutgoingMessage("h\u00E9llo"), new MailDelivery(), Cancel);

        Assert.Equal("", Assert.Single(server.Mails).Parameters);
        Assert.Empty(server.Violations);
    }

    [Theory]
    [InlineData(FakeSmtpStep.Mail)]
    [InlineData(FakeSmtpStep.Rcpt)]
    [InlineData(FakeSmtpStep.Data)]
    [InlineData(FakeSmtpStep.Body)]
    public async Task Ac61_A_connection_dropped_before_the_dot_is_resent_once_in_the_same_attempt(FakeSmtpStep step)
    {
        FakeSmtpServer server = Serve().Next(step, new FakeSmtpFault.Reset());
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));

        DeliveryReceipt receipt = await communicator.SendAsync(Large, new MailDelivery(), Cancel);

        Assert.Equal(DeliveryStatus.Sent, receipt.Status);
        Assert.Equal(2, Assert.Single(server.Mails).Connection);
    }

    [Fact]
    public async Task Em6_A_second_drop_before_the_dot_is_for_the_next_attempt_and_does_not_stop_other_mail()
    {
        FakeSmtpServer server = Serve().Next(FakeSmtpStep.Body, new FakeSmtpFault.Close(), new FakeSmtpFault.Close());
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));
        MailDelivery delivery = new();

        Assert.Equal(new DeliveryFailure.Transient(ServiceWide: false), await FailureOf(communicator, Large, delivery));
        await communicator.SendAsync(Large, delivery.Again(), Cancel);

        Assert.Single(server.Mails);
        Assert.Equal(3, server.Connections);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Ac61_A_connection_dropped_after_the_dot_is_uncertain_and_the_repeat_is_the_same_mail(bool reset)
    {
        FakeSmtpServer server = Serve().Next(FakeSmtpStep.Dot, reset ? new FakeSmtpFault.Reset() : new FakeSmtpFault.Close());
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));
        MailDelivery delivery = new();

        Assert.IsType<DeliveryFailure.Uncertain>(await FailureOf(communicator, new OutgoingMessage("hello"), delivery));
        Assert.True(delivery.BytesLeft);
        await communicator.SendAsync(new OutgoingMessage("hello"), delivery.Again(), Cancel);

        Assert.Equal(2, server.Mails.Count);
        Assert.Equal(server.Mails[0].Text, server.Mails[1].Text);
        Assert.Contains($"Message-ID: <{delivery.MessageId}@example.test>", server.Mails[0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ac61_One_refused_recipient_of_three_does_not_repeat_the_other_two()
    {
        FakeSmtpServer server = Serve().Refuse("bob@example.test", "550 5.1.1 no such user");
        EmailCommunicator communicator = await StartAsync(ConfigOf(server) with { DefaultRecipients = ["ann@example.test", "bob@example.test", "cy@example.test"] });

        DeliveryReceipt receipt = await communicator.SendAsync(new OutgoingMessage("hello"), new MailDelivery(), Cancel);

        Assert.Equal(["ann@example.test", "cy@example.test"], Assert.Single(server.Mails).Recipients);
        Assert.Equal([true, false, true], receipt.Recipients.Select(recipient => recipient.Accepted));
        Assert.Equal("550 5.1.1 no such user", receipt.Recipients[1].Detail);
    }

    [Fact]
    public async Task Em7_Only_recipients_refused_for_now_are_tried_again()
    {
        FakeSmtpServer server = Serve().Refuse("bob@example.test", "451 4.7.1 greylisted").Refuse("cy@example.test", "550 5.1.1 no such user");
        EmailCommunicator communicator = await StartAsync(ConfigOf(server) with { DefaultRecipients = ["ann@example.test", "bob@example.test", "cy@example.test"] });
        MailDelivery delivery = new();

        Assert.Equal(new DeliveryFailure.Transient(), await FailureOf(communicator, new OutgoingMessage("hello"), delivery));
        Assert.Equal(["sent ann@example.test", "refused 5.1.1 cy@example.test"], delivery.Progress);
        server.Refuse("bob@example.test", null);
        DeliveryReceipt receipt = await communicator.SendAsync(new OutgoingMessage("hello"), delivery.Again(), Cancel);

        Assert.Equal([["ann@example.test"], ["bob@example.test"]], server.Mails.Select(mail => mail.Recipients));
        Assert.Equal([("ann@example.test", true), ("bob@example.test", true), ("cy@example.test", false)], receipt.Recipients.Select(recipient => (recipient.Recipient, recipient.Accepted)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Em7_When_everyone_is_refused_the_message_is(bool pipelining)
    {
        FakeSmtpServer server = Serve(new FakeSmtpOptions { Pipelining = pipelining }).Refuse("ann@example.test", "550 5.1.1 no such user");
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));

        Assert.Equal(new DeliveryFailure.Refused("5.1.1"), await FailureOf(communicator, new OutgoingMessage("hello")));

        server.Refuse("ann@example.test", null);
        await communicator.SendAsync(new OutgoingMessage("hello"), new MailDelivery(), Cancel);
        Assert.Equal(1, server.Connections);
        Assert.Empty(server.Violations);
    }

    [Theory]
    [InlineData(FakeSmtpStep.Mail, "421 4.3.2 going down", true)]
    [InlineData(FakeSmtpStep.Rcpt, "421 4.3.2 going down", true)]
    [InlineData(FakeSmtpStep.Dot, "421 4.3.2 going down", true)]
    [InlineData(FakeSmtpStep.Mail, "450 4.1.8 later", false)]
    [InlineData(FakeSmtpStep.Rcpt, "452 4.2.2 full", false)]
    [InlineData(FakeSmtpStep.Data, "451 4.3.0 later", false)]
    [InlineData(FakeSmtpStep.Dot, "451-4.7.1 greylisted\r\n451 4.7.1 come again", false)]
    public async Task Em7_F105_A_no_for_now_is_transient(FakeSmtpStep step, string answer, bool serviceWide)
    {
        FakeSmtpServer server = Serve().Next(step, new FakeSmtpFault.Answer(answer));
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));
        MailDelivery delivery = new();

        Assert.Equal(new DeliveryFailure.Transient(serviceWide), await FailureOf(communicator, new OutgoingMessage("hello"), delivery));
        await communicator.SendAsync(new OutgoingMessage("hello"), delivery.Again(), Cancel);

        Assert.Single(server.Mails);
        Assert.Empty(server.Violations);
    }

    [Theory]
    [InlineData(FakeSmtpStep.Mail, "550 5.7.1 not you", "5.7.1")]
    [InlineData(FakeSmtpStep.Rcpt, "553 no", "553")]
    [InlineData(FakeSmtpStep.Data, "554 5.6.0 no", "5.6.0")]
    [InlineData(FakeSmtpStep.Dot, "554 5.7.1 spam", "5.7.1")]
    public async Task Em7_A_no_for_good_is_refused_with_its_code(FakeSmtpStep step, string answer, string code)
    {
        FakeSmtpServer server = Serve().Next(step, new FakeSmtpFault.Answer(answer));
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));

        Assert.Equal(new DeliveryFailure.Refused(code), await FailureOf(communicator, new OutgoingMessage("hello")));
    }

    [Fact]
    public async Task Em7_A_server_that_asks_for_a_login_makes_it_unauthorized()
    {
        FakeSmtpServer server = Serve(new FakeSmtpOptions { Username = "somebody" });
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));

        Assert.IsType<DeliveryFailure.Unauthorized>(await FailureOf(communicator, new OutgoingMessage("hello")));
    }

    [Fact]
    public async Task More_recipients_than_one_transaction_takes_go_in_several_and_are_not_repeated()
    {
        FakeSmtpServer server = Serve().Next(FakeSmtpStep.Dot, null, new FakeSmtpFault.Close());
        EmailCommunicator communicator = await StartAsync(ConfigOf(server) with { MaxRecipients = 2, DefaultRecipients = ["a@x.test", "b@x.test", "c@x.test", "A@x.test", "d@x.test", "e@x.test"] });
        MailDelivery delivery = new();

        Assert.IsType<DeliveryFailure.Uncertain>(await FailureOf(communicator, new OutgoingMessage("hello"), delivery));
        DeliveryReceipt receipt = await communicator.SendAsync(new OutgoingMessage("hello"), delivery.Again(), Cancel);

        // The third and fourth are uncertain and repeated, the first two are settled.
        Assert.Equal(["a@x.test b@x.test", "c@x.test d@x.test", "c@x.test d@x.test", "e@x.test"], server.Mails.Select(mail => string.Join(' ', mail.Recipients)));
        Assert.Equal(5, receipt.Recipients.Count);
    }

    [Fact]
    public async Task Ml9_A_mail_over_the_offered_size_is_refused_before_anything_is_sent()
    {
        FakeSmtpServer server = Serve(new FakeSmtpOptions { MaxBytes = 2_000 });
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));

        Assert.Equal(new DeliveryFailure.Refused("5.3.4"), await FailureOf(communicator, new OutgoingMessage(new string('x', 2_000))));
        await communicator.SendAsync(new OutgoingMessage("small"), new MailDelivery(), Cancel);

        Assert.StartsWith("SIZE=", Assert.Single(server.Mails).Parameters, StringComparison.Ordinal);
        Assert.Equal(1, server.Lines.Count(line => line.Line.StartsWith("MAIL", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Ml9_An_international_address_needs_smtputf8()
    {
        FakeSmtpServer with = Serve();
        FakeSmtpServer without = Serve(new FakeSmtpOptions { SmtpUtf8 = false });
        MailDelivery delivery = new(Address.Parse("email:j\u00F6rg@b\u00FCcher.example"));

        await (await StartAsync(ConfigOf(with))).SendAsync(new OutgoingMessage("hello"), delivery, Cancel);
        DeliveryFailure failure = await FailureOf(await StartAsync(ConfigOf(without)), new OutgoingMessage("hello"), delivery);

        Assert.Equal(("BODY=8BITMIME SMTPUTF8", "j\u00F6rg@xn--bcher-kva.example"), (Assert.Single(with.Mails).Parameters, Assert.Single(with.Mails[0].Recipients)));
        Assert.Equal(new DeliveryFailure.Refused("5.6.7"), failure);
        Assert.DoesNotContain(without.Lines, line => line.Line.StartsWith("MAIL", StringComparison.Ordinal));
        Assert.Empty(with.Violations);
    }

    [Fact]
    public async Task Ml9_What_the_server_cannot_take_is_known_before_the_first_of_several_transactions()
    {
        FakeSmtpServer server = Serve(new FakeSmtpOptions { SmtpUtf8 = false });
        EmailCommunicator communicator = await StartAsync(ConfigOf(server) with { MaxRecipients = 1, DefaultRecipients = ["ann@example.test", "j\u00F6rg@example.test"] });

        Assert.Equal(new DeliveryFailure.Refused("5.6.7"), await FailureOf(communicator, new OutgoingMessage("hello")));

        Assert.Empty(server.Mails);
        Assert.DoesNotContain(server.Lines, line => line.Line.StartsWith("MAIL", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Ml9_A_mail_that_some_have_already_is_refused_only_for_those_whom_the_server_cannot_reach()
    {
        FakeSmtpServer first = Serve();
        MailDelivery delivery = new();
        EmailCommunicatorConfig config = ConfigOf(first) with { MaxRecipients = 1, DefaultRecipients = ["ann@example.test", "cy@example.test"] };
        OutgoingMessage message = new("hello") { Metadata = Metadata("""{"bcc":"j\u00F6rg@example.test"}""") };
        first.Next(FakeSmtpStep.Mail, null, new FakeSmtpFault.Answer("451 4.3.0 later"), new FakeSmtpFault.Answer("451 4.3.0 later"));
        Assert.Equal(new DeliveryFailure.Transient(), await FailureOf(await StartAsync(config), message, delivery));
        FakeSmtpServer second = Serve(new FakeSmtpOptions { SmtpUtf8 = false }); // what takes the place of the first one until the next attempt

        DeliveryReceipt receipt = await (await StartAsync(config with { Port = second.Port })).SendAsync(message, delivery.Again(), Cancel);

        Assert.Equal([true, true, false], receipt.Recipients.Select(recipient => recipient.Accepted));
        Assert.Contains("5.6.7", receipt.Recipients[2].Detail, StringComparison.Ordinal);
        Assert.Equal([["ann@example.test"], ["cy@example.test"]], first.Mails.Concat(second.Mails).Select(mail => mail.Recipients));
    }

    [Theory]
    [InlineData(FakeSmtpStep.Mail, 60, false)]
    [InlineData(FakeSmtpStep.Dot, 600, true)]
    public async Task Ml10_Silence_has_an_end(FakeSmtpStep step, int seconds, bool isUncertain)
    {
        ManualClock clock = new();
        FakeSmtpServer server = Serve().Next(step, new FakeSmtpFault.Silence());
        EmailCommunicator communicator = await StartAsync(ConfigOf(server), clock);
        Task<DeliveryFailure> failing = FailureOf(communicator, new OutgoingMessage("hello"));
        await server.WaitForSilenceAsync(step, Cancel);

        clock.Advance(TimeSpan.FromSeconds(seconds - 1));
        Assert.False(failing.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(2));

        Assert.Equal(isUncertain ? new DeliveryFailure.Uncertain() : new DeliveryFailure.Transient(), await failing);
    }

    [Fact]
    public async Task A_server_that_is_down_is_a_matter_of_the_whole_service_and_mail_flows_again_when_it_is_back()
    {
        FakeSmtpServer server = Serve();
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));
        server.IsUp = false;

        Assert.Equal(new DeliveryFailure.Transient(ServiceWide: true), await FailureOf(communicator, new OutgoingMessage("hello")));
        server.IsUp = true;
        await communicator.SendAsync(new OutgoingMessage("hello"), new MailDelivery(), Cancel);

        Assert.Single(server.Mails);
    }

    [Fact]
    public async Task An_idle_connection_ends_after_its_time_and_the_next_mail_opens_another()
    {
        ManualClock clock = new();
        FakeSmtpServer server = Serve();
        EmailCommunicator communicator = await StartAsync(ConfigOf(server), clock);

        clock.Advance(TimeSpan.FromSeconds(61));
        await communicator.SendAsync(new OutgoingMessage("hello"), new MailDelivery(), Cancel);
        await communicator.StopAsync(Cancel);

        Assert.Equal(2, Assert.Single(server.Mails).Connection);
    }

    [Fact]
    public async Task Sends_side_by_side_use_few_connections_and_none_is_mixed_up()
    {
        FakeSmtpServer server = Serve().Next(FakeSmtpStep.Dot, Enumerable.Repeat(new FakeSmtpFault.Slow(TimeSpan.FromMilliseconds(20)), 8));
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));

        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => communicator.SendAsync(new OutgoingMessage($"body-{i}."), new MailDelivery(Address.Parse($"email:user{i}@example.test")), Cancel).AsTask()));

        Assert.InRange(server.Connections, 1, 4);
        Assert.Equal(40, server.Mails.Select(mail => mail.Recipients[0]).Distinct().Count());
        Assert.All(server.Mails, mail => Assert.Contains($"body-{mail.Recipients[0][4..^13]}.", mail.Text, StringComparison.Ordinal));
        Assert.Empty(server.Violations);
    }

    [Fact]
    public async Task Em8_A_stop_waits_for_the_send_in_progress_and_says_goodbye()
    {
        FakeSmtpServer server = Serve().Next(FakeSmtpStep.Dot, new FakeSmtpFault.Slow(TimeSpan.FromMilliseconds(50)));
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));
        Task<DeliveryReceipt> sending = communicator.SendAsync(new OutgoingMessage("hello"), new MailDelivery(), Cancel).AsTask();
        await server.WaitForMailsAsync(1, Cancel);

        await communicator.StopAsync(Cancel);

        Assert.True(sending.IsCompletedSuccessfully);
        Assert.Equal(new DeliveryFailure.Transient(ServiceWide: true), await FailureOf(communicator, new OutgoingMessage("late")));
        Assert.Equal("QUIT", server.Lines[^1].Line);
    }

    [Fact]
    public async Task A_stop_that_may_not_wait_leaves_no_send_waiting_for_a_connection()
    {
        FakeSmtpServer server = Serve().Next(FakeSmtpStep.Mail, Enumerable.Repeat(new FakeSmtpFault.Silence(), 4));
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));
        using CancellationTokenSource given = new();
        Task[] running = [.. Enumerable.Range(0, 4).Select(_ => communicator.SendAsync(new OutgoingMessage("hello"), new MailDelivery(), given.Token).AsTask())];
        await server.WaitForSilenceAsync(FakeSmtpStep.Mail, Cancel);
        Task<DeliveryFailure> waiting = FailureOf(communicator, new OutgoingMessage("hello"));

        await communicator.StopAsync(new CancellationToken(canceled: true));
        await given.CancelAsync();

        Assert.Equal(new DeliveryFailure.Transient(ServiceWide: true), await waiting);
        await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        Assert.DoesNotContain(running, send => send.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Em8_A_stop_does_not_wait_long_for_a_server_that_does_not_answer_quit()
    {
        ManualClock clock = new();
        FakeSmtpServer server = Serve().Next(FakeSmtpStep.Quit, new FakeSmtpFault.Silence());
        EmailCommunicator communicator = await StartAsync(ConfigOf(server), clock);

        Task stopping = communicator.StopAsync(Cancel);
        await server.WaitForSilenceAsync(FakeSmtpStep.Quit, Cancel);
        clock.Advance(TimeSpan.FromSeconds(2));

        await stopping;
    }

    [Theory]
    [InlineData("250 OK\nMAIL")]
    [InlineData("what?")]
    [InlineData("250-a\r\n251 b")]
    [InlineData("999 no")]
    public async Task A_server_that_speaks_no_smtp_breaks_the_connection_only(string answer)
    {
        FakeSmtpServer server = Serve().Next(FakeSmtpStep.Mail, new FakeSmtpFault.Answer(answer));
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));

        await communicator.SendAsync(new OutgoingMessage("hello"), new MailDelivery(), Cancel);

        Assert.Equal(2, Assert.Single(server.Mails).Connection);
    }

    [Fact]
    public async Task An_endless_answer_is_not_read_to_its_end()
    {
        FakeSmtpServer server = Serve()
            .Next(FakeSmtpStep.Mail, new FakeSmtpFault.Answer(new string('2', 100_000)), new FakeSmtpFault.Answer(string.Concat(Enumerable.Repeat("250-more\r\n", 5_000)) + "250 end"));
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));

        Assert.Equal(new DeliveryFailure.Transient(), await FailureOf(communicator, new OutgoingMessage("hello")));
    }

    [Fact]
    public async Task A_cancelled_send_leaves_no_connection_that_answers_for_it()
    {
        FakeSmtpServer server = Serve().Next(FakeSmtpStep.Mail, new FakeSmtpFault.Silence());
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));
        using CancellationTokenSource given = new();
        MailDelivery delivery = new();
        Task sending = communicator.SendAsync(new OutgoingMessage("hello"), delivery, given.Token).AsTask();
        await server.WaitForSilenceAsync(FakeSmtpStep.Mail, Cancel);

        await given.CancelAsync();
        Assert.IsAssignableFrom<OperationCanceledException>((await Assert.ThrowsAsync<DeliveryException>(() => sending)).InnerException);
        Assert.False(delivery.BytesLeft);
        await communicator.SendAsync(new OutgoingMessage("hello"), delivery.Again(), Cancel);

        Assert.Equal(2, Assert.Single(server.Mails).Connection);
    }
}
