using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Chat.WhatsApp;

/// <summary>The fakes refuse what the real services refuse, whoever asks.</summary>
public sealed class FakeWhatsAppTests
{
    private const string Head = "\"messaging_product\":\"whatsapp\",\"to\":\"491701234567\"";

    private static CancellationToken Cancel => WhatsAppFixture.Cancel;

    [Theory]
    [InlineData("""{"to":"491701234567","type":"text","text":{"body":"x"}}""", 100)]
    [InlineData("{\"messaging_product\":\"whatsapp\",\"to\":\"12\",\"text\":{\"body\":\"x\"}}", 100)]
    [InlineData("{" + Head + ",\"type\":\"text\"}", 100)]
    [InlineData("{" + Head + ",\"type\":\"text\",\"text\":{\"body\":\"\"}}", 100)]
    [InlineData("{" + Head + ",\"type\":\"text\",\"text\":{\"body\":\"x\",\"colour\":1}}", 100)]
    [InlineData("{" + Head + ",\"type\":\"text\",\"text\":{\"body\":\"x\"},\"extra\":1}", 100)]
    [InlineData("{" + Head + ",\"type\":\"poem\",\"poem\":{}}", 131051)]
    [InlineData("{" + Head + ",\"type\":\"image\",\"image\":{\"id\":\"unknown\"}}", 100)]
    [InlineData("{" + Head + ",\"type\":\"interactive\",\"interactive\":{\"type\":\"button\",\"body\":{\"text\":\"x\"},\"action\":{\"buttons\":[]}}}", 100)]
    [InlineData("{" + Head + ",\"type\":\"template\",\"template\":{\"name\":\"A B\",\"language\":{\"code\":\"en\"}}}", 100)]
    [InlineData("{\"messaging_product\":\"whatsapp\",\"status\":\"unread\",\"message_id\":\"wamid.1\"}", 100)]
    [InlineData("[1]", 100)]
    [InlineData("no json", 100)]
    public async Task A_request_that_breaks_a_rule_gets_the_documented_error(string body, int code)
    {
        await using FakeWhatsAppServer service = new();

        (int status, JsonElement answer) = await SendAsync(service, body, service.AccessToken);

        JsonElement error = answer.GetProperty("error");
        Assert.Equal((400, code, "OAuthException"), (status, error.GetProperty("code").GetInt32(), error.GetProperty("type").GetString()));
        Assert.NotEmpty(error.GetProperty("fbtrace_id").GetString()!);
        Assert.Empty(service.Messages);
    }

    [Fact]
    public async Task Without_the_right_token_or_number_nothing_is_taken()
    {
        await using FakeWhatsAppServer service = new();
        const string Body = "{" + Head + ",\"text\":{\"body\":\"x\"}}";

        (int status, JsonElement answer) = await SendAsync(service, Body, "wrong");
        Assert.Equal((401, 190), (status, answer.GetProperty("error").GetProperty("code").GetInt32()));
        (status, answer) = await SendAsync(service, Body, service.AccessToken, number: "999");
        Assert.Equal((400, 100, 33), (status, answer.GetProperty("error").GetProperty("code").GetInt32(), answer.GetProperty("error").GetProperty("error_subcode").GetInt32()));
        (status, answer) = await SendAsync(service, Body, service.AccessToken);
        Assert.Equal((200, service.Messages[0].Id), (status, answer.GetProperty("messages")[0].GetProperty("id").GetString()));
    }

    [Fact]
    public async Task Limits_hold_for_the_number_and_for_one_recipient()
    {
        ManualClock clock = new();
        await using FakeWhatsAppServer service = new(clock: clock) { HasLimits = true };
        async Task<int> CodeAsync(int to)
        {
            (_, JsonElement answer) = await SendAsync(service, $$$"""{"messaging_product":"whatsapp","to":"4917{{{to}}}","text":{"body":"x"}}""", service.AccessToken);
            return answer.TryGetProperty("error", out JsonElement error) ? error.GetProperty("code").GetInt32() : 0;
        }

        for (int n = 0; n < 45; n++)
        {
            Assert.Equal(0, await CodeAsync(1_000_000));
        }

        Assert.Equal(131056, await CodeAsync(1_000_000));
        for (int n = 45; n < 80; n++)
        {
            Assert.Equal(0, await CodeAsync(2_000_000 + n));
        }

        Assert.Equal(130429, await CodeAsync(3_000_000));
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(0, await CodeAsync(3_000_000));
    }

    [Fact]
    public async Task A_webhook_is_posted_with_the_signature_of_its_body()
    {
        await using FakeWhatsAppServer service = new();
        List<FakeRequest> got = [];
        await using FakeHttpServer receiver = new((request, _) =>
        {
            got.Add(request);
            return new ValueTask<FakeAnswer>(new FakeAnswer.Reply(200, "taken"));
        });
        string body = service.Post().Text("491701234567", "wamid.1", DateTimeOffset.UnixEpoch, "grüß").ToString();

        Assert.Equal((200, "taken"), await service.PostAsync(new Uri(receiver.Address + "/whatsapp-incoming"), body, Cancel));

        FakeRequest request = Assert.Single(got);
        Assert.Equal(("POST", "/whatsapp-incoming", body, service.Sign(body)), (request.Method, request.Path, request.Text, request.Header("X-Hub-Signature-256")));
    }

    [Theory]
    [InlineData("""{"number":"491701234567","message":"x"}""", 400)]
    [InlineData("""{"number":"491701234567@c.us"}""", 400)]
    [InlineData("""{"number":"491701234567@c.us","message":"x","attachments":{"a":"no base64!"}}""", 400)]
    [InlineData("""{"number":"491701234567@c.us","message":"x"}""", 200)]
    public async Task The_bridge_checks_what_it_is_given(string body, int status)
    {
        await using FakeWhatsAppBridge bridge = new();
        using HttpClient http = new();
        using StringContent content = new(body, Encoding.UTF8, "application/json");

        using HttpResponseMessage answer = await http.PostAsync(new Uri(bridge.Url + "/send-message"), content, Cancel);

        Assert.Equal(status, (int)answer.StatusCode);
    }

    private static async Task<(int Status, JsonElement Body)> SendAsync(FakeWhatsAppServer service, string body, string token, string? number = null)
    {
        using HttpClient http = new();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using StringContent content = new(body, Encoding.UTF8, "application/json");
        using HttpResponseMessage answer = await http.PostAsync(new Uri($"{service.GraphUrl}/{number ?? service.PhoneNumberId}/messages"), content, Cancel);
        return ((int)answer.StatusCode, JsonElement.Parse(await answer.Content.ReadAsStringAsync(Cancel)));
    }
}
