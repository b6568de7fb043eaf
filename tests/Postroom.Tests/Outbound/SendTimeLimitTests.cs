using System.Net;
using System.Net.Sockets;
using Postroom.Chat;
using Postroom.Mail;
using Postroom.Testing;
using Postroom.Tests.Chat.Telegram;
using Postroom.Tests.Chat.WhatsApp;
using Postroom.Tests.Hosting;
using Postroom.Tests.Mail;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>LN-4, LN-8, CM-6: a send whose time is over before a byte left is no uncertain one.</summary>
public sealed class SendTimeLimitTests : MailTest
{
    private static readonly CancellationToken Over = new(canceled: true);

    [Theory]
    [InlineData("https", false)]
    [InlineData("http", true)]
    public async Task Ln4_A_time_limit_is_uncertain_only_from_the_first_byte_of_the_request_on(string scheme, bool isUncertain)
    {
        using TcpListener silent = new(IPAddress.Loopback, 0); // takes connections, and never answers: no TLS comes about
        silent.Start();
        WebhookCommunicatorConfig config = new()
        {
            Type = "webhook",
            Url = new Uri($"{scheme}://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}/notices"),
            Uncertain = UncertainPolicy.Hold,
            Outbound = new OutboundOptions { SendTimeout = TimeSpan.FromMilliseconds(300) },
            Retry = new RetryConfig { MaxAttempts = 1 },
        };
        await using MessageRuntime runtime = await RuntimeHarness.StartAsync(app => app.AddCommunicator(_ => new WebhookCommunicator("hook", config), config: config));
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("hello") { To = Address.ForRecipient("hook", "anna") }, Cancel);

        JournalEntry? entry = null;
        // A lane that is suspended may have leased it just before, and gives it back without an attempt.
        await UntilAsync(async () => (entry = (await runtime.Journal.GetAsync(sent.Ids[0], withBody: false, Cancel))!.Entry) is { Error: not null, State: not MessageState.Dispatched });

        Assert.Equal((isUncertain ? MessageState.Failed : MessageState.Pending, isUncertain ? FailureKind.Uncertain : null), (entry!.State, entry.FailureKind));
        Assert.Equal(isUncertain, entry.SendStartedAt is not null || entry.FailureKind is FailureKind.Uncertain);
        Assert.True(isUncertain || entry.Error!.Contains("nothing had left", StringComparison.Ordinal), entry.Error);
    }

    [Fact]
    public async Task Cm6_Telegram_and_whatsapp_say_that_nothing_left_when_they_are_out_of_time_before_a_connection()
    {
        await using TelegramRun telegram = await TelegramRun.StartAsync();
        await using WhatsAppFixture whatsApp = await WhatsAppFixture.StartAsync();

        DeliveryException bot = await Assert.ThrowsAsync<DeliveryException>(() => telegram.Bot.SendAsync(new OutgoingMessage("late"), new TelegramRun.Delivery(), Over).AsTask());
        DeliveryException cloud = await Assert.ThrowsAsync<DeliveryException>(() => whatsApp.Communicator.SendAsync(new OutgoingMessage("late"), new DeliveryDouble(), Over).AsTask());

        Assert.Equal([new DeliveryFailure.Transient(ServiceWide: true), new DeliveryFailure.Transient(ServiceWide: true)], [bot.Failure, cloud.Failure]);
    }

    [Fact]
    public async Task Cm6_Mail_that_waits_for_a_connection_or_is_not_whole_yet_has_not_left()
    {
        FakeSmtpServer server = Serve();
        EmailCommunicator communicator = await StartAsync(ConfigOf(server));
        server.Next(FakeSmtpStep.Mail, Enumerable.Repeat(new FakeSmtpFault.Silence(), 4));
        using CancellationTokenSource time = new();
        Task<DeliveryException>[] busy = [.. Enumerable.Range(0, 4).Select(_ => GivenUpAsync(communicator, time.Token))];
        await UntilAsync(() => server.Lines.Count(line => line.Line.StartsWith("MAIL", StringComparison.Ordinal)) == 4);
        Task<DeliveryException> waiting = GivenUpAsync(communicator, time.Token);

        await time.CancelAsync();

        Assert.Equal(new DeliveryFailure.Transient(ServiceWide: true), (await waiting).Failure);
        Assert.All(await Task.WhenAll(busy), given => Assert.Equal(new DeliveryFailure.Transient(), given.Failure));
    }

    [Fact]
    public async Task A_mail_given_up_at_the_stop_is_pending_as_before()
    {
        FakeSmtpServer server = Serve();
        EmailCommunicatorConfig config = ConfigOf(server);
        MessageRuntime runtime = await RuntimeHarness.StartAsync(app => app.AddCommunicator(_ => Make(config), config: config), "runtime.drainTimeout=1s");
        server.Next(FakeSmtpStep.Mail, new FakeSmtpFault.Silence());
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("hello"), Cancel);
        await server.WaitForSilenceAsync(FakeSmtpStep.Mail, Cancel);

        await runtime.StopAsync(Cancel);

        JournalEntry entry = (await runtime.Journal.GetAsync(sent.Ids[0], withBody: false, Cancel))!.Entry;
        Assert.Equal((MessageState.Pending, (DateTimeOffset?)null, (string?)null), (entry.State, entry.SendStartedAt, entry.Error));
        await runtime.DisposeAsync();
    }

    private static Task<DeliveryException> GivenUpAsync(EmailCommunicator communicator, CancellationToken time) =>
        Assert.ThrowsAsync<DeliveryException>(() => communicator.SendAsync(new OutgoingMessage("hello"), new MailDelivery(), time).AsTask());
}
