using Postroom.Mail;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>SE-10, RELIABILITY T36: nothing is sent in answer to bulk, list, auto-submitted or bounce mail by <c>Reply</c>.</summary>
public sealed class AutoReplyTests
{
    [Theory]
    [InlineData("", false, null)]
    [InlineData("Auto-Submitted: no\r\n", false, null)]
    [InlineData("Auto-Submitted: auto-replied\r\n", false, "auto-replied")]
    [InlineData("Auto-Submitted: auto-generated\r\n", false, "auto-generated")]
    [InlineData("List-Id: <all.example.org>\r\n", false, "bulk")]
    [InlineData("Precedence: bulk\r\n", false, "bulk")]
    [InlineData("Return-Path: <>\r\n", false, "bounce")]
    [InlineData("Auto-Submitted: auto-replied\r\n", true, null)]
    public async Task Se10_an_answer_to_automatic_mail_is_recorded_and_not_sent_unless_it_is_allowed(string header, bool allowed, string? skipped)
    {
        RecordingCommunicator mail = new("mail");
        await using MessageRuntime runtime = await StartAsync(app => app
            .AddCommunicator(_ => mail)
            .AddQueue("work")
            .AddHandler("mail.received", PostroomJson.Default.MailMessage, (_, context, _) =>
            {
                context.Publish("work", "work.todo", new Order("1")); // what goes on in the conversation of a mail answers that mail
                return new(HandlerResult.Completed);
            }, "in")
            .AddHandler("work.todo", RuntimeTestJson.Default.Order, (_, context, _) =>
            {
                context.Reply(new OutgoingMessage("thank you") { AllowAutoReply = allowed });
                return new(HandlerResult.Completed);
            }, "work")
            .AddWorkers("work"));
        byte[] raw = System.Text.Encoding.ASCII.GetBytes($"From: ann@example.org\r\nMessage-ID: <1@example.org>\r\n{header}\r\nhello\r\n");
        SourceMessage source = MailTranslation.ToSource(MailMessageReader.Read(raw, default), "in", "mail", originKey: null, raw);

        _ = await runtime.View.OpenSink("inbox").AcceptAsync([source], null, Cancel);
        JournalEntry? answer = null;
        await UntilAsync(async () => (answer = (await runtime.Journal.QueryAsync(new JournalQuery { Queue = "out.mail" }, Cancel)).Items.SingleOrDefault())?.State == MessageState.Acked);

        DeliveryReceipt receipt = (await runtime.Journal.GetAsync(answer!.Envelope.Id, withBody: false, Cancel))!.Receipts[0];
        Assert.Equal((skipped is null ? 1 : 0, skipped is null ? DeliveryStatus.Sent : DeliveryStatus.Skipped), (mail.Sends.Count, receipt.Status));
        Assert.True(skipped is null || receipt.Detail!.Contains($"({skipped})", StringComparison.Ordinal), receipt.Detail);
    }

    [Fact]
    public async Task Se10_an_answer_that_waited_for_its_communicator_keeps_what_it_answers()
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddHandler("mail.received", PostroomJson.Default.MailMessage, (_, context, _) =>
        {
            context.Reply(new OutgoingMessage("thank you"));
            return new(HandlerResult.Completed);
        }, "in"));
        byte[] raw = "From: ann@example.org\r\nMessage-ID: <1@example.org>\r\nAuto-Submitted: auto-replied\r\n\r\nhello\r\n"u8.ToArray();
        _ = await runtime.View.OpenSink("inbox").AcceptAsync([MailTranslation.ToSource(MailMessageReader.Read(raw, default), "in", "mail", originKey: null, raw)], null, Cancel);
        JournalEntry unrouted = await runtime.FailedAsync(OutboundQueue.Unrouted);
        RecordingCommunicator mail = new("mail");
        runtime.Dispatcher.Register(mail);

        await runtime.Journal.ReplayAsync(unrouted.Envelope.Id, new ReplayOptions(), Cancel);
        JournalEntry? answer = null;
        await UntilAsync(async () => (answer = (await runtime.Journal.QueryAsync(new JournalQuery { Queue = "out.mail" }, Cancel)).Items.SingleOrDefault())?.State == MessageState.Acked);

        Assert.Equal(("auto-replied", "<1@example.org>"), (answer!.Envelope.Header(HeaderNames.Automatic), answer.Envelope.Header(HeaderNames.References)));
        Assert.Empty(mail.Sends);
    }
}
