using System.Text;
using Postroom.Mail;
using Postroom.Testing;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>Reports of mail servers that could not deliver (RFC 3464) belong to the mail they are about (LN-11, LN-12).</summary>
public sealed class BounceTests
{
    private const string Status = """
        --b
        Content-Type: message/delivery-status

        Reporting-MTA: dns; mx.example.org

        Action: delayed
        Final-Recipient: rfc822; bob@example.org
        Status: 4.0.0

        Action: failed
        Final-Recipient: rfc822;ann@example.org
        Status: 5.1.1
        Diagnostic-Code: smtp; 550 no such user,
         ask somebody else

        """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string> Originals => ["message/rfc822", "text/rfc822-headers", "in-reply-to"];

    [Theory]
    [MemberData(nameof(Originals))]
    public void A_report_tells_whose_mail_was_not_delivered_to_whom_and_why(string way)
    {
        MailMessage mail = Read(Report("<one@shop.test>", way));

        Assert.True(mail.IsBounce);
        Assert.Equal(new MailBounce("<one@shop.test>", "ann@example.org", "5.1.1 550 no such user, ask somebody else"), mail.Bounce);
    }

    [Theory]
    [InlineData("Action: failed", "Action: delivered")]
    [InlineData("message/delivery-status", "text/plain")]
    [InlineData("multipart/report", "multipart/mixed")]
    public void A_report_of_anything_else_is_none(string text, string other) => Assert.Null(Read(Report("<one@shop.test>", "message/rfc822").Replace(text, other, StringComparison.Ordinal)).Bounce);

    [Fact]
    public async Task Ln12_the_report_of_a_mail_server_is_a_failed_receipt_of_the_mail_and_a_failed_delivery()
    {
        using TempFolder folder = new();
        await using TestRuntime runtime = await TestRuntime.StartAsync(app => app
            .AddCommunicator(_ => new MaildropCommunicator("drop", new MaildropCommunicatorConfig { Path = folder.File("outbox"), FromAddress = "shop@shop.test" }), ["mail"])
            .AddQueue("reports").AddWorkers("reports").AddHandler<MailMessage>(PayloadTypes.MailReceived, PostroomJson.Default.MailMessage, (_, _, _) => new(HandlerResult.Completed), "reports"));
        TaskCompletionSource<FailedDelivery> told = new();
        using IDisposable observing = runtime.Runtime.Dispatcher.ObserveFailures(told.SetResult);
        MessageId sent = (await runtime.Runtime.Dispatcher.EmitAsync(new OutgoingMessage("mail", "hello") { To = Address.Parse("drop:ann@example.org") }, Cancel)).Ids[0];
        await runtime.RunUntilIdleAsync(Cancel);
        string outsideId = (await runtime.Runtime.Journal.GetAsync(sent, false, Cancel))!.Entry.OutsideId!;

        byte[] raw = Encoding.ASCII.GetBytes(Report(outsideId, "text/rfc822-headers").ReplaceLineEndings("\r\n"));
        SourceMessage message = MailTranslation.ToSource(MailMessageReader.Read(raw, runtime.Clock.GetUtcNow()), "reports", null, null, raw);
        Assert.Single(await runtime.Runtime.View.OpenSink("inbox").AcceptAsync([message], null, Cancel));

        FailedDelivery failed = await told.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        Assert.Equal((sent, "drop"), (failed.MessageId, failed.Communicator));
        JournalRecord record = (await runtime.Runtime.Journal.GetAsync(sent, false, Cancel))!;
        Assert.Equal(MessageState.Acked, record.Entry.State);
        Assert.Equal("ann@example.org: 5.1.1 550 no such user, ask somebody else", Assert.Single(record.Receipts, receipt => receipt.Status == DeliveryStatus.Failed).Detail);
    }

    /// <summary>A report as a mail server writes it.</summary>
    internal static string Report(string id, string way) =>
        "From: Mail Delivery System <mailer-daemon@example.org>\nTo: shop@shop.test\nSubject: Undelivered\nMessage-ID: <report-1@example.org>\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n"
        + (way == "in-reply-to" ? $"In-Reply-To: {id}\n" : "")
        + $"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\nIt was not delivered.\n\n{Status}\n"
        + way switch
        {
            "message/rfc822" => $"--b\nContent-Type: message/rfc822\n\nFrom: shop@shop.test\nMessage-ID: {id}\nSubject: Re\n\nhello\n",
            "text/rfc822-headers" => $"--b\nContent-Type: text/rfc822-headers\n\nFrom: shop@shop.test\nMessage-ID:\n {id}\n\n",
            _ => "",
        }
        + "--b--\n";

    private static MailMessage Read(string mail) => MailMessageReader.Read(Encoding.ASCII.GetBytes(mail.ReplaceLineEndings("\r\n")), DateTimeOffset.UnixEpoch);
}
