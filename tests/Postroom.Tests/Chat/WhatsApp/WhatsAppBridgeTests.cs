using Postroom.Chat;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Chat.WhatsApp;

/// <summary>WA-2, WA-13: sending through a bridge, and watching it.</summary>
public sealed class WhatsAppBridgeTests : IAsyncDisposable
{
    private const string Token = "bridge-token-canary";

    private readonly ManualClock _clock = new();
    private readonly FakeWhatsAppBridge _bridge = new(Token);
    private WhatsAppCommunicator? _communicator;

    private static CancellationToken Cancel => WhatsAppFixture.Cancel;

    public async ValueTask DisposeAsync()
    {
        await (_communicator?.StopAsync(CancellationToken.None) ?? Task.CompletedTask);
        await _bridge.DisposeAsync();
    }

    [Fact]
    public async Task Wa2_a_text_and_its_files_reach_the_bridge_and_the_receipt_names_the_number()
    {
        WhatsAppCommunicator communicator = await StartAsync();

        DeliveryReceipt receipt = await communicator.SendAsync(
            new OutgoingMessage("héllo") { Attachments = [Attachment.FromBytes("transcript.txt", "said"u8.ToArray()), Attachment.FromBytes("a.pdf", new byte[] { 1, 2 })] }, new DeliveryDouble(), Cancel);

        FakeBridgeMessage sent = Assert.Single(_bridge.Messages);
        Assert.Equal(("491701234567@c.us", "héllo"), (sent.Number, sent.Text));
        Assert.Equal(["transcript_file", "a.pdf"], sent.Files.Keys);
        Assert.Equal("said"u8.ToArray(), sent.Files["transcript_file"]);
        Assert.Equal((DeliveryStatus.Sent, "+491701234567"), (receipt.Status, Assert.Single(receipt.Recipients).Recipient));
        Assert.Null(receipt.OutsideId);
    }

    [Fact]
    public async Task A_long_text_leaves_in_parts_with_the_files_in_the_last_and_goes_on_behind_what_was_taken()
    {
        WhatsAppCommunicator communicator = await StartAsync();
        OutgoingMessage message = new(new string('x', 9_000)) { Attachments = [Attachment.FromBytes("a.pdf", new byte[] { 1 })] };
        DeliveryDouble delivery = new();

        await communicator.SendAsync(message, delivery, Cancel);
        await communicator.SendAsync(message, new DeliveryDouble(progress: [.. delivery.Progress]), Cancel);

        Assert.Equal([4_096, 4_096, 808, 808], _bridge.Messages.Select(sent => sent.Text.Length));
        Assert.Equal([0, 0, 1, 1], _bridge.Messages.Select(sent => sent.Files.Count));
    }

    public static TheoryData<FakeAnswer, DeliveryFailure> Answers() => new()
    {
        { new FakeAnswer.Reply(400, """{"error":"no such number"}"""), new DeliveryFailure.Refused("http_400") },
        { new FakeAnswer.Reply(404, ""), new DeliveryFailure.Refused("http_404") },
        { new FakeAnswer.Reply(401, ""), new DeliveryFailure.Unauthorized() },
        { new FakeAnswer.Reply(503, ""), new DeliveryFailure.Transient(ServiceWide: true) },
        { new FakeAnswer.Reply(408, ""), new DeliveryFailure.Transient() },
        { new FakeAnswer.Reply(429, ""), new DeliveryFailure.Transient() },
        { new FakeAnswer.Reply(500, ""), new DeliveryFailure.Transient() },
        { new FakeAnswer.Reply(502, ""), new DeliveryFailure.Transient() },
        { new FakeAnswer.Reply(301, "") { Headers = new Dictionary<string, string> { ["Location"] = "http://127.0.0.1:1/" } }, new DeliveryFailure.Transient(ServiceWide: true) },
        { new FakeAnswer.Reset(), new DeliveryFailure.Uncertain() },
        { new FakeAnswer.Cut(5, new FakeAnswer.Reply(200, "")), new DeliveryFailure.Uncertain() },
    };

    [Theory]
    [MemberData(nameof(Answers), DisableDiscoveryEnumeration = true)]
    public async Task Wa2_an_answer_is_classified_and_nothing_is_sent_twice(FakeAnswer answer, DeliveryFailure failure)
    {
        WhatsAppCommunicator communicator = await StartAsync();
        _bridge.Next(answer);

        DeliveryException failed = await Assert.ThrowsAsync<DeliveryException>(() => communicator.SendAsync(new OutgoingMessage("x"), new DeliveryDouble(), Cancel).AsTask());

        Assert.Equal(failure, failed.Failure);
        Assert.Single(_bridge.Requests, request => request.Method == "POST");
        Assert.DoesNotContain("canary", failed.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_success_whose_body_was_cut_is_a_success()
    {
        WhatsAppCommunicator communicator = await StartAsync();
        _bridge.Next(new FakeAnswer.Cut(75, new FakeAnswer.Reply(200, """{"success":true}""")));

        Assert.Equal(DeliveryStatus.Sent, (await communicator.SendAsync(new OutgoingMessage("x"), new DeliveryDouble(), Cancel)).Status);
    }

    [Fact]
    public async Task Wa13_it_is_probed_at_the_start_and_after_120_idle_seconds_and_says_to_pair_it()
    {
        _bridge.IsPaired = false;
        WhatsAppCommunicator communicator = await StartAsync();
        await IdleAsync(() => communicator.StatusText?.Contains("pair it again", StringComparison.Ordinal) == true);

        _bridge.IsPaired = true;
        _clock.Advance(TimeSpan.FromSeconds(119));
        Assert.Equal(1, _bridge.Probes);
        _clock.Advance(TimeSpan.FromSeconds(1));
        await IdleAsync(() => communicator.StatusText is null);

        _bridge.IsUp = false;
        _clock.Advance(TimeSpan.FromSeconds(120));
        await IdleAsync(() => communicator.StatusText?.Contains("Start the bridge at", StringComparison.Ordinal) == true);
        Assert.Equal(2, _bridge.Probes);
    }

    [Fact]
    public async Task Wa13_a_send_tells_as_much_as_a_probe()
    {
        WhatsAppCommunicator communicator = await StartAsync();
        await _bridge.WaitForProbesAsync(1, Cancel);
        _bridge.IsPaired = false;

        DeliveryException failed = await Assert.ThrowsAsync<DeliveryException>(() => communicator.SendAsync(new OutgoingMessage("x"), new DeliveryDouble(), Cancel).AsTask());
        Assert.Equal(new DeliveryFailure.Transient(ServiceWide: true), failed.Failure);
        Assert.Contains("pair it again", communicator.StatusText, StringComparison.Ordinal);
        _bridge.IsPaired = true;
        await communicator.SendAsync(new OutgoingMessage("x"), new DeliveryDouble(), Cancel);

        Assert.Null(communicator.StatusText);
    }

    [Fact]
    public async Task Wa12_a_bridge_knows_no_signals_no_webhook_and_no_questions()
    {
        WhatsAppCommunicator communicator = await StartAsync();

        await communicator.SignalAsync(new Signal.Typing(Address.Parse("wa:491701234567")), new DeliveryDouble(), Cancel);

        Assert.IsType<ProbeAnswer.Unknown>(await communicator.FindAsync("key", Cancel));
        Assert.Null(communicator.WebhookPath);
        Assert.Equal((false, false, false, true), (communicator.SupportsReceiving, communicator.Capabilities.Buttons, communicator.Capabilities.CanBeAsked, communicator.Capabilities.Attachments));
        Assert.DoesNotContain(_bridge.Requests, request => request.Method == "POST");
    }

    [Fact]
    public async Task It_starts_and_stops_again_and_a_start_needs_no_bridge()
    {
        _bridge.IsUp = false;
        WhatsAppCommunicator communicator = await StartAsync();
        await communicator.StopAsync(Cancel);
        _bridge.IsUp = true;
        await communicator.StartAsync(Cancel);

        await communicator.SendAsync(new OutgoingMessage("x"), new DeliveryDouble(), Cancel);

        Assert.Single(_bridge.Messages);
    }

    /// <summary>Waits until a probe has told something and the next one is waited for: one timer, that of the interval.</summary>
    private async Task IdleAsync(Func<bool> told)
    {
        while (!told() || _clock.ArmedTimers != 1)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(2), Cancel);
        }
    }

    private async Task<WhatsAppCommunicator> StartAsync()
    {
        _communicator = new WhatsAppCommunicator("wa", new WhatsAppCommunicatorConfig { Type = "whatsapp", BridgeUrl = _bridge.Url, BridgeToken = new Secret(Token) }, _clock);
        await _communicator.StartAsync(Cancel);
        return _communicator;
    }
}
