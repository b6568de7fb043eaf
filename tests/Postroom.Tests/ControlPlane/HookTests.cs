using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Postroom.Configuration;
using Postroom.Tests.Architecture;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.ControlPlane;

/// <summary>Hooks of other services: <c>POST /hooks/{source}</c> (WH-6, WH-7, WH-9, WH-10).</summary>
public sealed class HookTests
{
    private const string Secret = "Its-a-Canary-to-Everybody";

    /// <summary>A push as GitHub sends it; the settings are those of the guide.</summary>
    [Fact]
    public async Task Wh6_a_push_of_github_is_handled_once_however_often_it_is_sent()
    {
        List<(string Repository, string Event, string? From)> handled = [];
        await using RealHttp http = await StartAsync(
            app => app.AddHandler("hook.github", HookJson.Default.JsonElement, (push, context, _) =>
            {
                string kind = JsonSerializer.Deserialize(context.Envelope.Header("meta.x-github-event")!, HookJson.Default.String)!;
                lock (handled)
                {
                    handled.Add((push.GetProperty("repository").GetProperty("full_name").GetString()!, kind, context.From?.ToString()));
                }

                return new ValueTask<HandlerResult>(HandlerResult.Completed);
            }, "in").AddWorkers("in").AddConfigurationLayer(Guide()));
        const string Push = """{"ref":"refs/heads/main","repository":{"full_name":"octo/post"},"sender":{"login":"octocat"}}""";

        Answer first = await PostAsync(http, "github", Push, ("X-Hub-Signature-256", Sign(Push)), ("X-GitHub-Event", "push"), ("X-GitHub-Delivery", "72d3162e"));
        Answer again = await PostAsync(http, "github", Push, ("X-Hub-Signature-256", Sign(Push)), ("X-GitHub-Event", "push"), ("X-GitHub-Delivery", "72d3162e"));
        Answer changed = await PostAsync(http, "github", "{}", ("X-Hub-Signature-256", Sign("{}")), ("X-GitHub-Delivery", "72d3162e"));
        MessageId id = MessageId.Parse(first.Json.GetProperty("id").GetString()!);
        JournalRecord record = await http.Runtime.EndedAsync(id, MessageState.Acked);

        Assert.Equal((200, 200, 409), (first.Status, again.Status, changed.Status));
        Assert.Equal(first.Text, again.Text);
        Assert.Equal(("octo/post", "push", "unknown:octocat"), Assert.Single(handled));
        Assert.Equal(("github/octo/post", "github"), (record.Entry.Envelope.Conversation, record.Entry.Envelope.Header(HeaderNames.Source)));
        SourceStatus status = (await http.Runtime.View.GetStatusAsync(Cancel)).Sources["github"];
        Assert.Equal((SourceState.Running, 1L, 2L), (status.State, status.Produced, status.Duplicates));
    }

    [Fact]
    public async Task Wh7_every_scheme_takes_what_its_secrets_sign_and_401_stores_nothing()
    {
        string[] settings =
        [
            "sources.hex.type=webhook", "sources.hex.auth.scheme=hmac-sha256-hex", "sources.hex.auth.header=X-Sig", "sources.hex.auth.secret=old new",
            "sources.base64.type=webhook", "sources.base64.auth.scheme=hmac-sha256-base64", "sources.base64.auth.header=X-Sig", "sources.base64.auth.prefix=v0=", "sources.base64.auth.secret=old new",
            "sources.timed.type=webhook", "sources.timed.auth.scheme=timestamped", "sources.timed.auth.secret=old new",
            "sources.token.type=webhook", "sources.token.auth.scheme=token", "sources.token.auth.header=X-Token", "sources.token.auth.secret=old new",
            "sources.open.type=webhook", "sources.open.auth.none=true",
        ];
        await using RealHttp http = await StartAsync(Idle, settings);
        string now = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        string old = DateTimeOffset.UtcNow.AddSeconds(-310).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);

        foreach (string secret in (string[])["old", "new"])
        {
            Assert.Equal(200, (await PostAsync(http, "hex", "{}", ("X-Sig", Hex(secret, "{}")))).Status);
            Assert.Equal(200, (await PostAsync(http, "base64", "{}", ("X-Sig", $"v0={Convert.ToBase64String(Mac(secret, "{}"))}"))).Status);
            Assert.Equal(200, (await PostAsync(http, "timed", "{}", ("X-Postroom-Signature", $"t={now},v1={Hex(secret, $"{now}.{{}}")}"))).Status);
            Assert.Equal(200, (await PostAsync(http, "token", "{}", ("X-Token", secret))).Status);
        }

        Assert.Equal(200, (await PostAsync(http, "open", "{}")).Status);
        long stored = await CountAsync(http);
        Answer late = await PostAsync(http, "timed", "{}", ("X-Postroom-Signature", $"t={old},v1={Hex("new", $"{old}.{{}}")}"));
        Answer[] refused =
        [
            late,
            await PostAsync(http, "hex", "{}"),
            await PostAsync(http, "hex", "{ }", ("X-Sig", Hex("new", "{}"))),
            await PostAsync(http, "hex", "{}", ("X-Sig", Hex("new", "{}").ToUpperInvariant())),
            await PostAsync(http, "hex", "{}", ("X-Sig", Hex("gone", "{}"))),
            await PostAsync(http, "hex", "{}", ("X-Sig", Hex("new", "{}")), ("X-Sig", Hex("new", "{}"))),
            await PostAsync(http, "base64", "{}", ("X-Sig", Convert.ToBase64String(Mac("new", "{}")))),
            await PostAsync(http, "token", "{}", ("X-Token", "old new")),
        ];

        Assert.All(refused, answer => Assert.Equal(401, answer.Status));
        Assert.Contains("time", late.Text, StringComparison.Ordinal);
        Assert.Equal(stored, await CountAsync(http));
    }

    [Fact]
    public async Task Wh6_a_body_of_any_type_is_kept_as_it_is_and_what_calls_itself_json_has_to_be_it()
    {
        await using RealHttp http = await StartAsync(Idle, "sources.any.type=webhook", "sources.any.auth.none=true", "sources.any.sender=/from", "sources.any.answer=thank you");
        byte[] raw = [0, 255, 13, 10, 7];

        Answer form = await PostAsync(http, "any", raw, "application/x-www-form-urlencoded");
        Answer nothing = await PostAsync(http, "any", raw, null);
        Answer broken = await PostAsync(http, "any", "{\"a\":1,}");
        Answer nested = await PostAsync(http, "any", new string('[', 100_000));
        Answer list = await PostAsync(http, "any", "[1]");

        Assert.Equal((200, 200, 400, 400, 200), (form.Status, nothing.Status, broken.Status, nested.Status, list.Status));
        Assert.Equal(("thank you", "text/plain"), (form.Text, form.ContentHeaders.ContentType!.MediaType));
        JournalPage page = await http.Runtime.Journal.QueryAsync(new JournalQuery { Queue = "in" }, Cancel);
        Assert.Equal(["application/json", "application/octet-stream", "application/x-www-form-urlencoded"], page.Items.Select(item => item.Envelope.ContentType).Order(StringComparer.Ordinal));
        foreach (JournalEntry entry in page.Items.Where(item => item.Envelope.ContentType != "application/json"))
        {
            Assert.Equal(raw, (await http.Runtime.Journal.GetAsync(entry.Envelope.Id, withBody: true, Cancel))!.Entry.Envelope.Body.ToArray());
            Assert.Null(entry.Envelope.From);
        }
    }

    [Fact]
    public async Task Wh6_a_value_that_tells_a_repeat_has_to_be_there_a_sender_or_conversation_may_be_missing()
    {
        await using RealHttp http = await StartAsync(Idle, "sources.shop.type=webhook", "sources.shop.auth.none=true", "sources.shop.idempotency=/a~1b/0/~0id", "sources.shop.sender=/who", "sources.shop.conversation=/order", "sources.shop.replyVia=chat");

        Answer whole = await PostAsync(http, "shop", """{"a/b":[{"~id":7}],"who":"ann","order":12}""");
        Answer bare = await PostAsync(http, "shop", """{"a/b":[{"~id":8}],"who":null}""");
        Answer without = await PostAsync(http, "shop", """{"a/b":[]}""");
        Answer wrong = await PostAsync(http, "shop", """{"a/b":[{"~id":9}],"who":{}}""");
        Answer text = await PostAsync(http, "shop", "hello"u8.ToArray(), "text/plain");

        Assert.Equal((200, 200, 400, 400, 400), (whole.Status, bare.Status, without.Status, wrong.Status, text.Status));
        Assert.Contains("/a~1b/0/~0id", without.Text, StringComparison.Ordinal);
        Assert.Contains("/who", wrong.Text, StringComparison.Ordinal);
        Envelope first = (await http.Runtime.Journal.GetAsync(MessageId.Parse(whole.Json.GetProperty("id").GetString()!), false, Cancel))!.Entry.Envelope;
        Assert.Equal(("chat:ann", "shop/12", "hook.shop"), (first.From?.ToString(), first.Conversation, first.Type));
        Assert.Equal(2, await CountAsync(http));
    }

    [Fact]
    public async Task Wh6_sizes_unknown_hooks_other_methods_and_full_queues_are_told()
    {
        await using RealHttp http = await StartAsync(
            app => app.AddQueue("small", queue => (queue.HighWater, queue.LowWater) = (1, 1)),
            "sources.a.type=webhook", "sources.a.auth.none=true", "sources.a.maxBody=10", "sources.a.into=small", "sources.off.type=webhook", "sources.off.auth.none=true", "sources.off.enabled=false");

        Answer large = await PostAsync(http, "a", "[1,2,3,4,5,6]");
        Answer none = await PostAsync(http, "b", "{}");
        Answer off = await PostAsync(http, "off", "{}");
        using HttpResponseMessage get = await http.Client.GetAsync(new Uri("/hooks/a", UriKind.Relative), Cancel);
        Answer full = await PostAsync(http, "a", "{}");
        await UntilAsync(async () => (full = await PostAsync(http, "a", "{}")).Status != 200);
        http.Runtime.Rooms.Sources.Pause("a");
        Answer paused = await PostAsync(http, "a", "{}");
        http.Runtime.CloseIntake();
        Answer stopping = await PostAsync(http, "a", "{}");

        Assert.Equal((413, 404, 404, 405, 503, 503, 503), (large.Status, none.Status, off.Status, (int)get.StatusCode, full.Status, paused.Status, stopping.Status));
        Assert.Contains("sources.a.maxBody", large.Text, StringComparison.Ordinal);
        Assert.All([full, paused, stopping], answer => Assert.NotNull(answer.Headers.RetryAfter));
    }

    [Fact]
    public async Task Wh6_one_address_without_a_proof_is_429_and_one_with_it_is_not_charged()
    {
        await using RealHttp http = await StartAsync(Idle, [.. GitHub, "intake.webhook.perAddress=3/h"]);
        for (int i = 0; i < 6; i++)
        {
            Assert.Equal(200, (await PostAsync(http, "github", "{}", ("X-Hub-Signature-256", Sign("{}")), ("X-GitHub-Delivery", $"{i}"))).Status);
        }

        int[] strangers = [.. await Task.WhenAll(Enumerable.Range(0, 5).Select(async _ => (await PostAsync(http, "github", "{}")).Status))];

        Assert.Equal((3, 2), (strangers.Count(status => status == 401), strangers.Count(status => status == 429)));
        Assert.Equal(200, (await PostAsync(http, "github", "{}", ("X-Hub-Signature-256", Sign("{}")), ("X-GitHub-Delivery", "late"))).Status); // strangers behind its address do not lock it out
        Assert.Equal(429, (await PostAsync(http, "github", "{}", ("X-Hub-Signature-256", Sign("other")))).Status);
    }

    [Fact]
    public async Task Wh2_a_token_is_asked_for_before_strangers_of_its_address_count_and_what_is_not_listened_to_is_not_charged()
    {
        await using RealHttp http = await StartAsync(
            Idle, "intake.webhook.perAddress=2/h", "sources.a.type=webhook", "sources.a.auth.scheme=token", "sources.a.auth.header=X-Token", "sources.a.auth.secret=one");
        int[] strangers = [.. await Task.WhenAll(Enumerable.Range(0, 4).Select(async _ => (await PostAsync(http, "a", "{}", ("X-Token", "guess"))).Status))];

        Assert.Equal((2, 2), (strangers.Count(status => status == 401), strangers.Count(status => status == 429)));
        Assert.Equal(200, (await PostAsync(http, "a", "{}", ("X-Token", "one"))).Status);

        await using RealHttp closed = await StartAsync(Idle, [.. GitHub, "intake.webhook.perAddress=2/h"]);
        closed.Runtime.CloseIntake();
        int[] refused = [.. await Task.WhenAll(Enumerable.Range(0, 5).Select(async _ => (await PostAsync(closed, "github", "{}", ("X-Hub-Signature-256", Sign("{}")))).Status))];
        Assert.Equal([503, 503, 503, 503, 503], refused);
    }

    [Fact]
    public async Task Wh8_a_hook_that_an_operator_stopped_refuses_at_once_also_after_a_reload()
    {
        await using RealHttp http = await StartAsync(Idle, "sources.a.type=webhook", "sources.a.auth.scheme=token", "sources.a.auth.header=X-Token", "sources.a.auth.secret=one");
        await http.Runtime.View.Control.StopSourceAsync("a", Cancel);
        Assert.Empty((await http.Runtime.Configuration.SetOverrideAsync("sources.a.auth.secret", "two", persist: false, Cancel)).Problems);
        await UntilAsync(async () => (await PostAsync(http, "a", "{}", ("X-Token", "two"))).Status == 503);

        long begun = TimeProvider.System.GetTimestamp();
        int status = (await PostAsync(http, "a", "{}", ("X-Token", "two"))).Status;

        Assert.Equal(503, status);
        Assert.True(TimeProvider.System.GetElapsedTime(begun) < TimeSpan.FromSeconds(1.5), "It waited for a start that nobody asked for.");
        http.Runtime.View.Control.StartSource("a");
        await UntilAsync(async () => (await PostAsync(http, "a", "{}", ("X-Token", "two"))).Status == 200);
    }

    [Fact]
    public async Task Cf8_a_hook_comes_changes_and_goes_with_the_configuration()
    {
        await using RealHttp http = await StartAsync(Idle);
        Assert.Equal(404, (await PostAsync(http, "late", "{}")).Status);

        await SetAsync("sources.late", """{ "type": "webhook", "auth": { "scheme": "token", "header": "X-Token", "secret": "one" } }""");
        await UntilAsync(async () => (await PostAsync(http, "late", "{}", ("X-Token", "one"))).Status == 200);
        await SetAsync("sources.late.auth.secret", "two");
        await UntilAsync(async () => (await PostAsync(http, "late", "{}", ("X-Token", "two"))).Status == 200);
        Assert.Equal(401, (await PostAsync(http, "late", "{}", ("X-Token", "one"))).Status);
        await SetAsync("sources.late.enabled", "false");
        await UntilAsync(async () => (await PostAsync(http, "late", "{}", ("X-Token", "two"))).Status == 404);

        async Task SetAsync(string key, string value) => Assert.Empty((await http.Runtime.Configuration.SetOverrideAsync(key, value, persist: false, Cancel)).Problems);
    }

    [Theory]
    [InlineData("sources.x.auth", "auth.none: true", "type=webhook")]
    [InlineData("sources.x.auth.none", "Remove the one or the other", "type=webhook", "auth.none=true", "auth.secret=a")]
    [InlineData("sources.x.auth.scheme", "timestamped", "type=webhook", "auth.header=X-Sig", "auth.secret=a")]
    [InlineData("sources.x.auth.secret", "rotation", "type=webhook", "auth.scheme=token", "auth.header=X-Sig")]
    [InlineData("sources.x.auth.secret", "at most 8", "type=webhook", "auth.scheme=token", "auth.header=X-Sig", "auth.secret=a b c d e f g h i")]
    [InlineData("sources.x.auth.header", "X-Hub-Signature-256", "type=webhook", "auth.scheme=hmac-sha256-hex", "auth.secret=a")]
    [InlineData("sources.x.sender", "RFC 6901", "type=webhook", "auth.none=true", "sender=login")]
    [InlineData("sources.x.conversation", "RFC 6901", "type=webhook", "auth.none=true", "conversation=/a~2")]
    [InlineData("sources.x.idempotency", "begins with '/'", "type=webhook", "auth.none=true", "idempotency=X Y")]
    [InlineData("sources.x.payloadType", "order.received", "type=webhook", "auth.none=true", "payloadType=_x")]
    [InlineData("sources.x.into", "Did you mean 'in'?", "type=webhook", "auth.none=true", "into=inn")]
    [InlineData("sources.x.maxBody", "1GiB", "type=webhook", "auth.none=true", "maxBody=2GiB")]
    [InlineData("sources.x.authh", "Did you mean 'auth'?", "type=webhook", "auth.none=true", "authh=1")]
    public async Task Wh6_a_wrong_setting_is_told_with_its_key_and_what_to_do(string key, string hint, params string[] settings)
    {
        await using RealHttp http = RealHttp.Create(Idle, [.. settings.Select(setting => $"sources.x.{setting}")]);

        ConfigurationException refused = await Assert.ThrowsAsync<ConfigurationException>(() => http.Runtime.StartAsync(Cancel));

        Assert.Contains(refused.Problems, problem => problem.Key == key && problem.Message.Contains(hint, StringComparison.Ordinal));
    }

    private static string[] GitHub =>
    [
        "sources.github.type=webhook", "sources.github.auth.scheme=hmac-sha256-hex", "sources.github.auth.header=X-Hub-Signature-256", "sources.github.auth.prefix=sha256=",
        $"sources.github.auth.secret={Secret}", "sources.github.idempotency=X-GitHub-Delivery", "sources.github.sender=/sender/login",
        "sources.github.conversation=/repository/full_name", """sources.github.headers=["X-GitHub-Event"]""",
    ];

    /// <summary>The settings that the guide shows.</summary>
    private static FileConfigurationLayer Guide()
    {
        string guide = File.ReadAllText(Repository.At("docs/guide.md")).ReplaceLineEndings("\n");
        int begin = guide.IndexOf("```yaml\nsources:\n", StringComparison.Ordinal) + "```yaml\n".Length;
        string file = Path.Combine(Directory.CreateTempSubdirectory("postroom-hook-").FullName, "hook.yaml");
        File.WriteAllText(file, guide[begin..guide.IndexOf("```", begin, StringComparison.Ordinal)].Replace("${GITHUB_SECRET}", Secret, StringComparison.Ordinal));
        return new FileConfigurationLayer("guide", file, mustExist: true, TimeProvider.System);
    }

    private static async Task<RealHttp> StartAsync(Action<IApplicationBuilder> configure, params string[] settings)
    {
        RealHttp http = await RealHttp.StartAsync(configure, settings);
        await UntilAsync(() => http.Runtime.Rooms.Sources.Status().Values.All(source => source.State != SourceState.Starting)); // before that it is 503
        return http;
    }

    private static void Idle(IApplicationBuilder app) => app.AddQueue("in");

    private static string Sign(string body) => $"sha256={Hex(Secret, body)}";

    private static byte[] Mac(string secret, string text) => HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(text));

    private static string Hex(string secret, string text) => Convert.ToHexStringLower(Mac(secret, text));

    private static async Task<long> CountAsync(RealHttp http) => (await http.Runtime.Journal.QueryAsync(new JournalQuery(), Cancel)).Total;

    private static Task<Answer> PostAsync(RealHttp http, string hook, string body, params (string Name, string Value)[] headers) =>
        PostAsync(http, hook, Encoding.UTF8.GetBytes(body), "application/json", headers);

    private static async Task<Answer> PostAsync(RealHttp http, string hook, byte[] body, string? contentType, params (string Name, string Value)[] headers)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, $"/hooks/{hook}") { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = contentType is null ? null : MediaTypeHeaderValue.Parse(contentType);
        foreach ((string name, string value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return await http.Client.AnswerAsync(request);
    }
}

[System.Text.Json.Serialization.JsonSerializable(typeof(JsonElement))]
[System.Text.Json.Serialization.JsonSerializable(typeof(string))]
internal sealed partial class HookJson : System.Text.Json.Serialization.JsonSerializerContext;
