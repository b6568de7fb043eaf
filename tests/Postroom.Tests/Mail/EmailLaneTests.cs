using Postroom.Mail;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Mail;

/// <summary>AC-60, AC-61 with the lane in front: what the record says, and what is sent again by itself.</summary>
public sealed class EmailLaneTests : MailTest
{
    [Fact]
    public async Task Ac60_A_message_whose_list_is_empty_has_failed_as_unroutable_with_one_warning()
    {
        FakeSmtpServer server = Serve();
        await using MessageRuntime runtime = await RunAsync(ConfigOf(server));

        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x") { Metadata = Metadata("""{"recipients":[]}""") }, Cancel);
        JournalRecord failed = await runtime.EndedAsync(sent.Ids[0], MessageState.Failed);

        Assert.Equal((FailureKind.Unroutable, 1), (failed.Entry.FailureKind!.Value, failed.Entry.Attempt));
        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Warning, Assert.Single(Logged.Entries).Level);
        Assert.Empty(server.Mails);
    }

    [Fact]
    public async Task Ac61_After_a_drop_behind_the_dot_the_lane_sends_the_same_mail_once_more_and_after_a_second_one_none()
    {
        FakeSmtpServer server = Serve().Next(FakeSmtpStep.Dot, new FakeSmtpFault.Reset());
        await using MessageRuntime runtime = await RunAsync(ConfigOf(server));

        EmitResult once = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel);
        JournalRecord acked = await runtime.EndedAsync(once.Ids[0], MessageState.Acked);
        Assert.Equal(2, server.Mails.Count);
        Assert.Equal(server.Mails[0].Text, server.Mails[1].Text);
        Assert.Contains($"Message-ID: <{once.Ids[0]}@example.test>", server.Mails[0].Text, StringComparison.Ordinal);
        Assert.Equal(FailureKind.Uncertain, acked.Attempts[0].Kind);

        server.Next(FakeSmtpStep.Dot, new FakeSmtpFault.Reset(), new FakeSmtpFault.Reset());
        EmitResult twice = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("again"), Cancel);
        JournalRecord failed = await runtime.EndedAsync(twice.Ids[0], MessageState.Failed);
        Assert.Equal((FailureKind.Uncertain, 4), (failed.Entry.FailureKind!.Value, server.Mails.Count));
    }

    [Fact]
    public async Task Ac61_Of_three_recipients_one_is_refused_for_now_and_one_for_good_and_the_first_gets_one_mail()
    {
        FakeSmtpServer server = Serve().Refuse("bob@example.test", "451 4.7.1 greylisted").Refuse("cy@example.test", "550 5.1.1 no such user");
        EmailCommunicatorConfig config = ConfigOf(server) with
        {
            DefaultRecipients = ["ann@example.test", "bob@example.test", "cy@example.test"],
            Retry = new RetryConfig { MaxAttempts = 5, Backoff = new BackoffOptions { Base = TimeSpan.FromMilliseconds(300), Max = TimeSpan.FromMilliseconds(300) } },
        };
        await using MessageRuntime runtime = await RunAsync(config);

        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel);
        await UntilAsync(() => server.Mails.Count == 1);
        server.Refuse("bob@example.test", null);
        JournalRecord acked = await runtime.EndedAsync(sent.Ids[0], MessageState.Acked);

        Assert.Equal([["ann@example.test"], ["bob@example.test"]], server.Mails.Select(static mail => mail.Recipients));
        Assert.Equal([("ann@example.test", true), ("bob@example.test", true), ("cy@example.test", false)], acked.Receipts[^1].Recipients.Select(static one => (one.Recipient, one.Accepted)));
    }

    private async Task<MessageRuntime> RunAsync(EmailCommunicatorConfig config)
    {
        EmailCommunicator email = Make(config);
        MessageRuntime runtime = await RuntimeHarness.StartAsync(app => app.AddCommunicator(_ => email, config: config));
        await UntilAsync(() => email.IsStarted);
        return runtime;
    }
}
