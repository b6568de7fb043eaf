using System.Text;
using System.Text.Json.Nodes;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Chat.WhatsApp;

/// <summary>WA-8, WA-9, T1, T4: who may call, and what becomes of a post.</summary>
public sealed class WhatsAppWebhookTests
{
    private const string From = WhatsAppFixture.Contact;

    [Theory]
    [InlineData(WhatsAppFixture.VerifyToken, WhatsAppFixture.VerifyToken, 200)]
    [InlineData(WhatsAppFixture.VerifyToken, "wrong", 403)]
    [InlineData(WhatsAppFixture.VerifyToken, "", 403)]
    [InlineData(WhatsAppFixture.VerifyToken, null, 403)]
    [InlineData(null, "", 403)]
    [InlineData(null, WhatsAppFixture.VerifyToken, 403)]
    [InlineData("", "", 403)]
    public async Task Ac56_the_address_is_verified_with_the_right_token_only(string? configured, string? given, int status)
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync(config => config with { VerifyToken = configured is null ? null : new Secret(configured) });
        Dictionary<string, string> query = new() { ["hub.mode"] = "subscribe", ["hub.challenge"] = "<b>1158201444</b>" };
        if (given is not null)
        {
            query["hub.verify_token"] = given;
        }

        WebhookReply reply = await wa.Communicator.ReceiveAsync(new WebhookCall { Method = "GET", Query = query }, WhatsAppFixture.Cancel);

        Assert.Equal(status, reply.Status);
        if (status == 200)
        {
            Assert.Equal(("<b>1158201444</b>", "text/plain; charset=utf-8"), (reply.Body, reply.ContentType));
        }
        else
        {
            Assert.DoesNotContain("canary", reply.Body, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("unsubscribe", 10, 403)]
    [InlineData("subscribe", 256, 200)]
    [InlineData("subscribe", 257, 403)]
    [InlineData("subscribe", 0, 403)]
    public async Task Wa8_another_mode_and_a_long_challenge_are_refused(string mode, int challenge, int status)
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        Dictionary<string, string> query = new() { ["hub.mode"] = mode, ["hub.challenge"] = new string('1', challenge), ["hub.verify_token"] = WhatsAppFixture.VerifyToken };

        Assert.Equal(status, (await wa.Communicator.ReceiveAsync(new WebhookCall { Method = "GET", Query = query }, WhatsAppFixture.Cancel)).Status);
        Assert.Equal(405, (await wa.Communicator.ReceiveAsync(new WebhookCall { Method = "PUT" }, WhatsAppFixture.Cancel)).Status);
        WebhookCall post = new() { Method = "POST" };
        Assert.Equal((false, true), (wa.Communicator.MayBeProved(post), wa.Communicator.MayBeProved(post with { Headers = new Dictionary<string, string> { ["X-Hub-Signature-256"] = "sha256=" } })));
    }

    [Fact]
    public async Task Ac56_three_messages_one_a_repeat_and_a_status_are_two_new_ones_a_duplicate_and_a_receipt()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        DateTimeOffset at = wa.Clock.GetUtcNow();
        await wa.SendAsync(new OutgoingMessage("sent before"));

        WebhookReply reply = await wa.PostAsync(wa.Service.Post().Text(From, "wamid.1", at, "one").Text(From, "wamid.1", at, "one").Text(From, "wamid.2", at, "two").Status(wa.Service.Messages[0], "delivered", at));

        Assert.Equal((200, """{"success":true,"messages":2,"duplicates":1,"receipts":1,"invalid":0}"""), (reply.Status, reply.Body));
        Assert.Equal((1, 2, 1), (wa.Sink.Calls, wa.Sink.Messages.Count, wa.Sink.Receipts.Count));
    }

    [Fact]
    public async Task T1_only_the_one_right_signature_of_the_raw_body_is_taken()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        string body = wa.Service.Post().Text(From, "wamid.1", wa.Clock.GetUtcNow(), "one").ToString();
        string right = wa.Service.Sign(body);
        string[] wrong =
        [
            "", right[..^1], right + "0", right.ToUpperInvariant(), "sha256=" + right[7..].ToUpperInvariant(), "sha1=" + right[7..47], right[7..],
            $"{right}, {right}", " " + right, right[..^1] + (right[^1] == '0' ? '1' : '0'), wa.Service.Sign(body + " "), wa.Service.Sign(""), "sha256=" + new string('z', 64),
        ];

        foreach (string signature in wrong)
        {
            Assert.Equal((signature, 401), (signature, (await wa.PostAsync(body, signature)).Status));
        }

        Assert.Equal(401, (await wa.Communicator.ReceiveAsync(new WebhookCall { Method = "POST", Body = Encoding.UTF8.GetBytes(body) }, WhatsAppFixture.Cancel)).Status);
        Assert.Equal(0, wa.Sink.Calls);
        Assert.Equal(200, (await wa.PostAsync(body, right)).Status);
    }

    [Fact]
    public async Task T1_during_a_rotation_both_secrets_are_taken_and_afterwards_only_the_new_one()
    {
        await using WhatsAppFixture both = await WhatsAppFixture.StartAsync(config => config with { AppSecret = new Secret($"the-next-canary {config.AppSecret!.Reveal()}") });
        await using WhatsAppFixture after = await WhatsAppFixture.StartAsync(config => config with { AppSecret = new Secret("the-next-canary") });
        string body = both.Service.Post().Text(From, "wamid.1", both.Clock.GetUtcNow(), "one").ToString();
        string next = $"sha256={Convert.ToHexStringLower(System.Security.Cryptography.HMACSHA256.HashData("the-next-canary"u8, Encoding.UTF8.GetBytes(body)))}";

        Assert.Equal((200, 200), ((await both.PostAsync(body, both.Service.Sign(body))).Status, (await both.PostAsync(body, next)).Status));
        Assert.Equal((401, 200), ((await after.PostAsync(body, after.Service.Sign(body))).Status, (await after.PostAsync(body, next)).Status));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public async Task Wa9_without_a_secret_nothing_is_taken(string? secret)
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync(config => config with { AppSecret = secret is null ? null : new Secret(secret) });

        Assert.Equal(503, (await wa.PostAsync(wa.Service.Post().Text(From, "wamid.1", wa.Clock.GetUtcNow(), "one"))).Status);
        Assert.Equal(0, wa.Sink.Calls);
    }

    [Fact]
    public async Task Wa9_all_entries_and_changes_are_read_in_order_and_other_fields_and_numbers_left_out()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        DateTimeOffset at = wa.Clock.GetUtcNow();

        WebhookReply reply = await wa.PostAsync(wa.Service.Post()
            .Text(From, "wamid.1", at, "one").Change().Text(From, "wamid.2", at, "two")
            .Change("account_update").Text(From, "wamid.x", at, "not a message")
            .Change(phoneNumberId: "999").Text(From, "wamid.y", at, "for another number")
            .Entry().Text("447700900000", "wamid.3", at, "three"));

        Assert.Equal(200, reply.Status);
        Assert.Equal(["one", "two", "three"], wa.Sink.Messages.Select(message => message.Text));
        Assert.Equal(1, wa.Sink.Calls);
    }

    [Fact]
    public async Task Wa9_a_post_without_messages_is_a_success_that_says_so()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();

        WebhookReply reply = await wa.PostAsync(wa.Service.Post());

        Assert.Equal((200, """{"success":true,"message":"There were no messages in it."}"""), (reply.Status, reply.Body));
        Assert.Equal(0, wa.Sink.Calls);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"entry":{}}""")]
    [InlineData("not json")]
    [InlineData("")]
    public async Task A_signed_body_that_is_no_post_is_refused(string body)
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();

        Assert.Equal(400, (await wa.PostAsync(body)).Status);
    }

    public static TheoryData<string, string> BrokenElements() => new()
    {
        { "messages", "null" }, { "messages", "7" }, { "messages", "[]" }, { "messages", "{}" },
        { "messages", """{"from":"491701234567","id":"m","timestamp":"soon","type":"text","text":{"body":"x"}}""" },
        { "messages", """{"from":"491701234567","id":"m","timestamp":"99999999999999","type":"text","text":{"body":"x"}}""" },
        { "messages", """{"from":"491701234567","id":7,"timestamp":"1","type":"text","text":{"body":"x"}}""" },
        { "messages", """{"from":"me","id":"m","timestamp":"1","type":"text","text":{"body":"x"}}""" },
        { "messages", """{"from":"491701234567","id":"m","timestamp":"1","type":"text","text":"x"}""" },
        { "messages", """{"from":"491701234567","id":"m","timestamp":"1","type":"text","text":{"body":"\ud800"}}""" },
        { "messages", """{"from":"491701234567","id":"m","timestamp":"1","type":"image","image":{"id":"../../secret"}}""" },
        { "messages", """{"from":"491701234567","id":"m","timestamp":"1","type":"location","location":{"latitude":"north"}}""" },
        { "messages", """{"from":"491701234567","id":"m","timestamp":"1","type":"contacts","contacts":[{}]}""" },
        { "messages", """{"from":"491701234567","id":"m","timestamp":"1","type":"reaction","reaction":[]}""" },
        { "statuses", """{"status":"sent","timestamp":"1"}""" }, { "statuses", "[[]]" }, { "statuses", """{"id":"x","status":"sent","timestamp":{}}""" },
    };

    [Theory]
    [MemberData(nameof(BrokenElements))]
    public async Task Wa9_a_wrong_shape_in_one_element_does_not_keep_the_others_out(string list, string element)
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        DateTimeOffset at = wa.Clock.GetUtcNow();
        string body = wa.Service.Post().Text(From, "wamid.1", at, "before").Element(list, "PLACE").Text(From, "wamid.2", at, "after").ToString().Replace("\"PLACE\"", element, StringComparison.Ordinal);

        WebhookReply reply = await wa.PostAsync(body);
        await wa.PostAsync(body);

        Assert.Equal(200, reply.Status);
        Assert.Equal(["before", "after"], wa.Sink.Messages.Where(message => message.Invalid is null).Select(message => message.Text));
        IncomingMessage invalid = Assert.Single(wa.Sink.Messages, message => message.Invalid is not null); // and the repeat is known
        Assert.Equal(element, invalid.Metadata["raw"].GetString());
    }

    [Fact]
    public async Task Lists_that_are_none_and_changes_without_a_value_are_kept_as_invalid()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();

        foreach (string body in (string[])["""{"entry":[1]}""", """{"entry":[{"changes":[{"field":"messages"}]}]}""", """{"entry":[{"changes":["x"]}]}""", """{"entry":[{"changes":[{"field":"messages","value":{"messages":{}}}]}]}"""])
        {
            Assert.Equal(200, (await wa.PostAsync(body)).Status);
        }

        Assert.Equal(4, wa.Sink.Messages.Count(message => message.Invalid is not null));
    }

    [Fact]
    public async Task An_element_longer_than_256_KiB_is_kept_out_alone_and_cut()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        DateTimeOffset at = wa.Clock.GetUtcNow();

        await wa.PostAsync(wa.Service.Post().Text(From, "wamid.1", at, new string('x', 300_000)).Text(From, "wamid.2", at, "short"));

        Assert.Equal(["", "short"], wa.Sink.Messages.Select(message => message.Text));
        Assert.Equal(16 * 1024, wa.Sink.Messages[0].Metadata["raw"].GetString()!.Length);
    }

    [Fact]
    public async Task What_cannot_be_stored_now_is_answered_so_that_the_service_comes_again()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        FakeWhatsAppPost post = wa.Service.Post().Text(From, "wamid.1", wa.Clock.GetUtcNow(), "one");

        wa.Sink.Failure = new IntakeClosedException(IntakeRefusal.HighWater, TimeSpan.FromSeconds(1), "Too many wait.");
        Assert.Equal(503, (await wa.PostAsync(post)).Status);
        wa.Sink.Failure = new StoreUnavailableException("The disk is full.");
        await Assert.ThrowsAsync<StoreUnavailableException>(() => wa.PostAsync(post).AsTask());
        wa.Sink.Failure = null;

        Assert.Equal(200, (await wa.PostAsync(post)).Status);
        Assert.Single(wa.Sink.Messages);
    }

    [Fact]
    public async Task Wa11_statuses_become_receipts_in_whatever_order_they_come()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        DeliveryDouble delivery = new();
        await wa.SendAsync(new OutgoingMessage("x"), delivery);
        FakeWhatsAppMessage sent = wa.Service.Messages[0];
        DateTimeOffset at = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);

        await wa.PostAsync(wa.Service.Post().Status(sent, "read", at.AddSeconds(2)).Status(sent, "delivered", at.AddSeconds(1)).Status(sent, "sent", at).Status(sent, "failed", at, 131026).Status(sent, "deleted", at));

        Assert.Equal([DeliveryStatus.Read, DeliveryStatus.Delivered, DeliveryStatus.Sent, DeliveryStatus.Failed], wa.Sink.Receipts.Select(late => late.Receipt.Status));
        Assert.All(wa.Sink.Receipts, late => Assert.Equal((sent.Id, delivery.MessageId), (late.Receipt.OutsideId, late.MessageId)));
        Assert.Equal(at.AddSeconds(2), wa.Sink.Receipts[0].Receipt.At);
        Assert.Equal("131026 Message undeliverable: Message undeliverable.", wa.Sink.Receipts[3].Receipt.Detail);
    }

    [Fact]
    public async Task Mutations_of_a_good_post_never_throw_and_never_keep_a_good_message_out()
    {
        await using WhatsAppFixture wa = await WhatsAppFixture.StartAsync();
        DateTimeOffset at = wa.Clock.GetUtcNow();
        Random random = new(15);
        JsonNode?[] values = [null, JsonValue.Create(1), JsonValue.Create(true), JsonValue.Create("x"), new JsonArray(), new JsonObject(), new JsonArray(new JsonArray(new JsonObject()))];
        FakeWhatsAppFile file = wa.Service.AddFile([1, 2, 3], "image/png");
        for (int round = 0; round < 400; round++)
        {
            FakeWhatsAppPost post = wa.Service.Post().Contact(From, "Anna").Media(From, $"a{round}", at, "image", file, "caption").ListReply(From, $"b{round}", at, "row", "Row", "text").ContactCard(From, $"c{round}", at, "Bob", "+4420794600000").Location(From, $"d{round}", at, 1.5, 2.5, "Home", "Street 1");
            JsonNode root = JsonNode.Parse(post.ToString())!;
            JsonArray messages = root["entry"]![0]!["changes"]![0]!["value"]!["messages"]!.AsArray();
            Mutate(messages[random.Next(messages.Count)]!.AsObject(), values[random.Next(values.Length)]?.DeepClone(), random);
            messages.Add(JsonNode.Parse($$$"""{"from":"{{{From}}}","id":"good{{{round}}}","timestamp":"1800000000","type":"text","text":{"body":"good"}}"""));

            Assert.Equal(200, (await wa.PostAsync(root.ToJsonString())).Status);
        }

        Assert.Equal(400, wa.Sink.Messages.Count(message => message.Text == "good"));

        static void Mutate(JsonObject target, JsonNode? value, Random random)
        {
            string key = target.ElementAt(random.Next(target.Count)).Key;
            if (target[key] is JsonObject { Count: > 0 } inner && random.Next(2) == 0)
            {
                Mutate(inner, value, random);
            }
            else
            {
                target[key] = value;
            }
        }
    }
}
