using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Chat.WhatsApp;

/// <summary>WA-4: what an answer of the Cloud API means, also when it is none.</summary>
public sealed class WhatsAppAnswerTests
{
    public static TheoryData<FakeAnswer, DeliveryFailure> Answers() => new()
    {
        { FakeWhatsAppServer.Error(400, 131026, "Message undeliverable"), new DeliveryFailure.Refused("131026") },
        { FakeWhatsAppServer.Error(400, 131047, "Re-engagement message"), new DeliveryFailure.Refused("131047") },
        { FakeWhatsAppServer.Error(400, 131051, "Unsupported message type"), new DeliveryFailure.Refused("131051") },
        { FakeWhatsAppServer.Error(400, 100, "Invalid parameter", subcode: 33), new DeliveryFailure.Refused("100") },
        { FakeWhatsAppServer.Error(403, 131031, "Business Account locked"), new DeliveryFailure.Refused("131031") },
        { new FakeAnswer.Reply(404, "<html>", "text/html"), new DeliveryFailure.Refused("http_404") },
        { FakeWhatsAppServer.Error(401, 0, "AuthException"), new DeliveryFailure.Unauthorized() },
        { FakeWhatsAppServer.Error(400, 190, "Error validating access token", subcode: 463), new DeliveryFailure.Unauthorized() },
        { FakeWhatsAppServer.Error(500, 131000, "Something went wrong"), new DeliveryFailure.Transient() },
        { FakeWhatsAppServer.Error(400, 131000, "Something went wrong"), new DeliveryFailure.Transient() },
        { FakeWhatsAppServer.Error(500, 131016, "Service unavailable"), new DeliveryFailure.Transient() },
        { new FakeAnswer.Reply(502, "<html>", "text/html"), new DeliveryFailure.Transient(ServiceWide: true) },
        { FakeWhatsAppServer.Error(503, 2, "Service temporarily unavailable"), new DeliveryFailure.Transient(ServiceWide: true) },
        { new FakeAnswer.Reply(504, ""), new DeliveryFailure.Transient(ServiceWide: true) },
        { new FakeAnswer.Reply(302, "") { Headers = new Dictionary<string, string> { ["Location"] = "http://127.0.0.1:1/" } }, new DeliveryFailure.Transient(ServiceWide: true) },
        { new FakeAnswer.Reply(200, "<html>", "text/html"), new DeliveryFailure.Uncertain() },
        { new FakeAnswer.Reply(200, """{"messages":[]}"""), new DeliveryFailure.Uncertain() },
        { new FakeAnswer.Reply(200, new string(' ', (1 << 20) + 1)), new DeliveryFailure.Uncertain() },
        { new FakeAnswer.Cut(80, new FakeAnswer.Reply(200, """{"messages":[{"id":"wamid.1"}]}""")), new DeliveryFailure.Uncertain() },
        { new FakeAnswer.Cut(60, new FakeAnswer.Reply(200, """{"messages":[{"id":"wamid.1"}]}""")), new DeliveryFailure.Uncertain() },
        { new FakeAnswer.Cut(0, new FakeAnswer.Reply(200, "")), new DeliveryFailure.Uncertain() },
        { new FakeAnswer.Reset(), new DeliveryFailure.Uncertain() },
    };

    [Theory]
    [MemberData(nameof(Answers), DisableDiscoveryEnumeration = true)]
    public async Task Wa4_an_answer_is_classified_and_nothing_is_sent_twice(FakeAnswer answer, DeliveryFailure failure)
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        wa.Service.Next(answer);

        DeliveryException failed = await wa.RefusedAsync(new OutgoingMessage("x"));

        Assert.Equal(failure, failed.Failure);
        Assert.Single(wa.Service.Requests);
        Assert.DoesNotContain(wa.Service.AccessToken, failed.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wa4_the_pair_limit_makes_one_recipient_wait_four_times_longer_each_time_until_one_is_taken()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();

        Assert.Equal(1, await WaitAsync(wa));
        Assert.Equal(4, await WaitAsync(wa));
        Assert.Equal(16, await WaitAsync(wa));
        await wa.SendAsync(new OutgoingMessage("taken"));
        Assert.Equal(1, await WaitAsync(wa));

        static async Task<double> WaitAsync(WhatsAppFixture wa)
        {
            wa.Service.Next(FakeWhatsAppServer.PairRateLimit());
            DeliveryFailure.RateLimited limited = Assert.IsType<DeliveryFailure.RateLimited>((await wa.RefusedAsync(new OutgoingMessage("x"))).Failure);
            Assert.False(limited.Lane);
            double seconds = (limited.Until - wa.Clock.GetUtcNow()).TotalSeconds;
            wa.Service.Next(FakeWhatsAppServer.PairRateLimit());
            DeliveryException together = await wa.RefusedAsync(new OutgoingMessage("was on its way as well"));
            Assert.Equal(limited, together.Failure);
            wa.Clock.Advance(TimeSpan.FromSeconds(seconds));
            return seconds;
        }
    }

    [Fact]
    public async Task Wa4_the_other_limits_make_the_lane_wait_as_long_as_told_else_a_minute()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        (FakeAnswer Answer, int Seconds)[] limits =
        [
            (FakeWhatsAppServer.ThroughputLimit(), 60), (FakeWhatsAppServer.ThroughputLimit(TimeSpan.FromSeconds(7)), 7),
            (FakeWhatsAppServer.AccountLimit(), 60), (FakeWhatsAppServer.TooManyCalls(TimeSpan.FromSeconds(90)), 90), (FakeWhatsAppServer.TooManyCalls(null), 60),
        ];
        foreach ((FakeAnswer answer, int seconds) in limits)
        {
            wa.Service.Next(answer);

            DeliveryException failed = await wa.RefusedAsync(new OutgoingMessage("x"));

            Assert.Equal(new DeliveryFailure.RateLimited(wa.Clock.GetUtcNow() + TimeSpan.FromSeconds(seconds), Lane: true, IsTold: seconds != 60), failed.Failure);
        }
    }

    [Fact]
    public async Task Wa4_silence_after_sending_is_uncertain_once_the_time_is_over()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        wa.Service.Next(new FakeAnswer.Silence());
        DeliveryDouble delivery = new();

        Task<DeliveryReceipt> sending = wa.SendAsync(new OutgoingMessage("x"), delivery).AsTask();
        await wa.Service.WaitForRequestsAsync(1, WhatsAppFixture.Cancel);
        wa.Clock.Advance(TimeSpan.FromSeconds(15));

        DeliveryException failed = await Assert.ThrowsAsync<DeliveryException>(() => sending);
        Assert.Equal(new DeliveryFailure.Uncertain(), failed.Failure);
        Assert.Equal("WhatsApp Cloud API did not answer in 15s after the request had left.", failed.Message);
        Assert.True(delivery.BytesLeft);
    }

    [Fact]
    public async Task A_service_that_is_down_is_service_wide_and_nothing_has_left()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        wa.Service.IsUp = false;
        DeliveryDouble delivery = new();

        DeliveryException failed = await wa.RefusedAsync(new OutgoingMessage("x"), delivery);

        Assert.Equal(new DeliveryFailure.Transient(ServiceWide: true), failed.Failure);
        Assert.False(delivery.BytesLeft);
    }

    [Fact]
    public async Task A_wrong_token_is_told_without_the_token_that_the_service_repeats()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync(config => config with { AccessToken = new Secret("other-canary-token") });

        DeliveryException failed = await wa.RefusedAsync(new OutgoingMessage("x"));

        Assert.Equal(new DeliveryFailure.Unauthorized(), failed.Failure);
        Assert.DoesNotContain("canary", failed.ToString(), StringComparison.Ordinal);
        Assert.Contains("set accessToken", failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cancelled_send_ends_at_once_and_says_that_bytes_had_left()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        wa.Service.Next(new FakeAnswer.Silence());
        using CancellationTokenSource ending = new();
        DeliveryDouble delivery = new();

        Task<DeliveryReceipt> sending = wa.Communicator.SendAsync(new OutgoingMessage("x"), delivery, ending.Token).AsTask();
        await wa.Service.WaitForRequestsAsync(1, WhatsAppFixture.Cancel);
        await ending.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
        Assert.True(delivery.BytesLeft);
    }
}
