using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Postroom.Tests.Messages;
using Xunit;

namespace Postroom.Tests.ControlPlane;

public sealed class WebhookEndpointTests
{
    private const string Good = """{"sender":"491","msg_type":"chat","raw_msg":"hello","client_type":"whatsapp"}""";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ac43_a_message_is_answered_after_its_commit_with_an_empty_message()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        TaskCompletionSource commit = new();
        http.Runtime.Commit = commit.Task;

        Task<Answer> posted = http.PostAsync(Good);
        while (http.Runtime.Accepted == 0)
        {
            await Task.Delay(5, Cancel);
        }

        Assert.False(posted.IsCompleted);
        commit.SetResult();
        Answer answer = await posted;
        Assert.Equal(200, answer.Status);
        Assert.Equal("", answer.Json.GetProperty("message").GetString());
        Assert.False(answer.Json.GetProperty("data").GetProperty("duplicate").GetBoolean());
        JournalRecord? stored = await http.Runtime.Journal.GetAsync(MessageId.Parse(answer.EntryId), true, Cancel);
        Assert.Equal("wa:491", stored!.Entry.Envelope.From!.ToString());
        Assert.Equal("wa/491", stored.Entry.Envelope.Conversation);
        Assert.Equal("in", stored.Entry.Envelope.Queue);
        Assert.Equal("chat.text", stored.Entry.Envelope.Type);
        Assert.Equal("whatsapp", stored.Entry.Envelope.Header(HeaderNames.Channel));
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[1]")]
    [InlineData("null")]
    [InlineData("""{"sender":"1"}""")]
    [InlineData("""{"msg_type":"chat"}""")]
    [InlineData("""{"sender":1,"msg_type":"chat"}""")]
    [InlineData("""{"sender":"","msg_type":"chat"}""")]
    [InlineData("""{"sender":"1","msg_type":"_stop"}""")]
    [InlineData("""{"sender":"1","msg_type":"Chat"}""")]
    [InlineData("""{"sender":"1","msg_type":"chat","metadata":[]}""")]
    [InlineData("""{"sender":"1","msg_type":"chat","attachments":{"a.txt":1}}""")]
    [InlineData("""{"sender":"1","msg_type":"chat","attachments":{"a.txt":"%%%"}}""")]
    [InlineData("""{"sender":"1","msg_type":"ptt","raw_msg":"data:audio/ogg;base64,AAAA"}""")]
    [InlineData("""{"sender":"1","msg_type":"vcard","raw_msg":"no list"}""")]
    [InlineData("""{"sender":"1","msg_type":"chat","client_type":"a\u0000b"}""")]
    [InlineData("""{"sender":"1","sender":"2","msg_type":"chat"}""")]
    public async Task A_body_that_is_no_message_is_400_and_stores_nothing(string body)
    {
        await using HttpFixture http = await HttpFixture.StartAsync();

        Answer answer = await http.PostAsync(body);

        Assert.Equal(400, answer.Status);
        Assert.False(answer.Json.GetProperty("success").GetBoolean());
        Assert.StartsWith("Error processing webhook: ", answer.Json.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal(JsonValueKind.Null, answer.Json.GetProperty("data").ValueKind);
        Assert.Equal(0, http.Runtime.Accepted);
    }

    [Fact]
    public async Task Ac35_A_type_of_stop_is_refused_and_the_next_message_is_taken()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();

        foreach (string type in (string[])["_stop", "_", "chat._stop"])
        {
            Answer refused = await http.PostAsync($$"""{"sender":"1","msg_type":"{{type}}"}""");
            Assert.Equal(400, refused.Status);
            Assert.Contains(type, refused.Json.GetProperty("message").GetString(), StringComparison.Ordinal);
        }

        Assert.Equal(0, http.Runtime.Accepted);
        Assert.Equal(200, (await http.PostAsync(Good)).Status);
    }

    [Theory]
    [InlineData("""{"sender":"1","msg_type":"image","raw_msg":"??"}""", "raw_msg")]
    [InlineData("""{"sender":"1","msg_type":"chat","attachments":{"b.pdf":"??"}}""", "attachments.b.pdf")]
    [InlineData("""{"sender":"1","msg_type":"_stop"}""", "_stop")]
    public async Task The_answer_names_the_field(string body, string named)
    {
        await using HttpFixture http = await HttpFixture.StartAsync();

        Assert.Contains(named, (await http.PostAsync(body)).Text, StringComparison.Ordinal);
        Assert.Equal(200, (await http.PostAsync(Good)).Status);
    }

    [Fact]
    public async Task Another_content_type_is_415_and_too_large_a_body_413()
    {
        await using HttpFixture http = await HttpFixture.StartAsync(new WebhookIntakeOptions { MaxBody = 200 });

        Answer other = await http.PostAsync(Encoding.UTF8.GetBytes(Good), "text/plain");
        Answer large = await http.PostAsync($$"""{"sender":"1","msg_type":"chat","raw_msg":"{{new string('x', 300)}}"}""");

        Assert.Equal((415, 413), (other.Status, large.Status));
        Assert.False(other.Json.GetProperty("success").GetBoolean());
        Assert.False(large.Json.GetProperty("success").GetBoolean());
        Assert.Equal(0, http.Runtime.Accepted);
    }

    [Fact]
    public async Task A_repeat_is_the_same_entry_and_another_body_under_its_key_is_409()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();

        Answer first = await http.PostAsync("""{"sender":"1","msg_type":"chat","raw_msg":"a","message_id":"m1"}""");
        Answer again = await http.PostAsync("""{"sender":"1","msg_type":"chat","raw_msg":"a","message_id":"m1"}""");
        Answer other = await http.PostAsync("""{"sender":"1","msg_type":"chat","raw_msg":"b","message_id":"m1"}""");
        Answer somebodyElse = await http.PostAsync("""{"sender":"2","msg_type":"chat","raw_msg":"b","message_id":"m1"}""");

        Assert.Equal((200, 200, 409, 200), (first.Status, again.Status, other.Status, somebodyElse.Status));
        Assert.Equal(first.EntryId, again.EntryId);
        Assert.True(again.Json.GetProperty("data").GetProperty("duplicate").GetBoolean());
        Assert.NotEqual(first.EntryId, somebodyElse.EntryId);
    }

    [Fact]
    public async Task Another_file_under_a_used_key_is_409()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();

        int[] statuses = [await PostAsync("b25l"), await PostAsync("b25l"), await PostAsync("dHdv")];

        Assert.Equal([200, 200, 409], statuses);

        async Task<int> PostAsync(string data) => (await http.PostAsync($$"""{"sender":"1","msg_type":"audio","raw_msg":"{{data}}","message_id":"m1"}""")).Status;
    }

    [Fact]
    public async Task The_header_goes_before_message_id_and_message_id_before_the_metadata()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        const string Body = """{"sender":"1","msg_type":"chat","message_id":"m","metadata":{"id":"k"}}""";

        string byMessage = (await http.PostAsync(Body)).EntryId;
        string byHeader = (await http.PostAsync(Body, ("Idempotency-Key", "h"))).EntryId;
        string byMetadata = (await http.PostAsync("""{"sender":"1","msg_type":"chat","metadata":{"id":"k"}}""")).EntryId;

        Assert.Equal(3, new HashSet<string> { byMessage, byHeader, byMetadata }.Count);
        Assert.Equal(409, (await http.PostAsync("""{"sender":"1","msg_type":"chat","raw_msg":"x","metadata":{"id":"m"}}""")).Status);
        Assert.Equal(400, (await http.PostAsync(Body, ("Idempotency-Key", new string('k', 257)))).Status);
    }

    [Fact]
    public async Task Fifty_parallel_posts_with_one_key_are_one_message()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();

        Answer[] answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => http.PostAsync(Good, ("Idempotency-Key", "once"))));

        Assert.All(answers, answer => Assert.Equal(200, answer.Status));
        Assert.Single(answers.Select(answer => answer.EntryId).Distinct());
        Assert.Equal(1, (await http.Runtime.Journal.QueryAsync(new JournalQuery(), Cancel)).Total);
    }

    [Theory]
    [InlineData("NotRunning", 503)]
    [InlineData("StoreUnavailable", 503)]
    [InlineData("HighWater", 503)]
    [InlineData("TooManyPerKey", 429)]
    public async Task A_closed_intake_says_when_to_come_back_and_no_inner_word(string refusal, int status)
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        http.Runtime.Refusal = new IntakeClosedException(Enum.Parse<IntakeRefusal>(refusal), TimeSpan.FromMinutes(5), "inner detail");

        Answer answer = await http.PostAsync(Good);

        Assert.Equal(status, answer.Status);
        Assert.Equal("60", Assert.Single(answer.Headers.GetValues("Retry-After")));
        Assert.DoesNotContain("inner detail", answer.Text, StringComparison.Ordinal);
        Assert.Matches(@"\(id [0-9a-f]{16}\)", answer.Text);
    }

    [Theory]
    [InlineData("Starting")]
    [InlineData("Recovering")]
    [InlineData("Draining")]
    [InlineData("Stopping")]
    public async Task Nothing_is_taken_before_the_runtime_runs_or_after(string state)
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        http.Runtime.State = Enum.Parse<RuntimeState>(state);

        Answer answer = await http.PostAsync(Good);

        Assert.Equal(503, answer.Status);
        Assert.True(answer.Headers.RetryAfter is not null);
        Assert.Equal(0, http.Runtime.Accepted);
    }

    [Fact]
    public async Task A_failure_here_is_500_with_an_id_and_a_store_that_cannot_write_503()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        http.Runtime.Refusal = new InvalidOperationException("secret inner state");
        Answer failed = await http.PostAsync(Good);
        http.Runtime.Refusal = new StoreUnavailableException("disk full");
        Answer unavailable = await http.PostAsync(Good);

        Assert.Equal((500, 503), (failed.Status, unavailable.Status));
        Assert.DoesNotContain("secret", failed.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sender_and_an_address_have_their_rates()
    {
        await using HttpFixture bySender = await HttpFixture.StartAsync(new WebhookIntakeOptions { PerSender = Rate.Parse("2/min") });
        await using HttpFixture byAddress = await HttpFixture.StartAsync(new WebhookIntakeOptions { PerAddress = Rate.Parse("2/min") });
        await using HttpFixture proved = await HttpFixture.StartAsync(new WebhookIntakeOptions { PerAddress = Rate.Parse("2/min"), Token = new Secret("t") });

        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(200, (await bySender.PostAsync(Good)).Status);
            Assert.Equal(200, (await byAddress.PostAsync(Good)).Status);
        }

        Answer sender = await bySender.PostAsync(Good);
        Assert.Equal(429, sender.Status);
        Assert.NotNull(sender.Headers.RetryAfter);
        Assert.Equal(200, (await bySender.PostAsync(Good.Replace("491", "492", StringComparison.Ordinal))).Status);
        Assert.Equal(429, (await byAddress.PostAsync(Good)).Status);
        for (int i = 0; i < 4; i++)
        {
            Assert.Equal(200, (await proved.PostAsync(Good, ("X-Postroom-Token", "t"))).Status);
        }
    }

    [Fact]
    public async Task A_token_is_needed_once_it_is_set_and_both_tokens_of_a_rotation_work()
    {
        await using HttpFixture http = await HttpFixture.StartAsync(new WebhookIntakeOptions { Token = new Secret("new old") });

        Assert.Equal(401, (await http.PostAsync(Good)).Status);
        Assert.Equal(401, (await http.PostAsync(Good, ("X-Postroom-Token", "new old"))).Status);
        Assert.Equal(401, (await http.PostAsync(Good, ("Authorization", "Bearer wrong"))).Status);
        Assert.Equal(200, (await http.PostAsync(Good, ("Authorization", "Bearer new"))).Status);
        Assert.Equal(200, (await http.PostAsync(Good, ("X-Postroom-Token", "old"))).Status);
        Assert.Equal(2, http.Runtime.Accepted);
    }

    [Fact]
    public async Task Wh2_strangers_with_wrong_signatures_use_up_their_address_and_do_not_lock_out_a_good_signer_behind_it()
    {
        await using HttpFixture http = await HttpFixture.StartAsync(new WebhookIntakeOptions { Secret = new Secret("mine-canary"), PerAddress = Rate.Parse("3/min") });
        string forged = Sign("other", DateTimeOffset.UtcNow.ToUnixTimeSeconds(), Good);
        string mine = Sign("mine-canary", DateTimeOffset.UtcNow.ToUnixTimeSeconds(), Good);

        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(401, (await http.PostAsync(Good, ("X-Postroom-Signature", forged))).Status);
        }

        Answer stranger = await http.PostAsync(Good, ("X-Postroom-Signature", forged));
        int[] signer = [.. await Task.WhenAll(Enumerable.Range(0, 6).Select(async _ => (await http.PostAsync(Good, ("X-Postroom-Signature", mine))).Status))];

        Assert.Equal(429, stranger.Status);
        Assert.NotNull(stranger.Headers.RetryAfter);
        Assert.Equal([200, 200, 200, 200, 200, 200], signer);
        Assert.Equal(6, http.Runtime.Accepted);
    }

    [Fact]
    public async Task Wh2_of_an_address_that_strangers_used_up_an_unsigned_body_is_not_read()
    {
        await using HttpFixture http = await HttpFixture.StartAsync(new WebhookIntakeOptions { Secret = new Secret("mine-canary"), PerAddress = Rate.Parse("1/min") });
        Assert.Equal(401, (await http.PostAsync(Good)).Status);

        using NeverEnding body = new();
        using HttpRequestMessage request = new(HttpMethod.Post, "/webhook") { Content = body };
        request.Headers.ExpectContinue = true;
        using HttpResponseMessage answer = await http.Client.SendAsync(request, Cancel);

        Assert.Equal(429, (int)answer.StatusCode);
        Assert.False(body.WasAskedFor);
    }

    [Fact]
    public async Task Wrong_tokens_are_limited_and_a_right_one_or_a_valid_signature_costs_nothing()
    {
        await using HttpFixture http = await HttpFixture.StartAsync(
            new WebhookIntakeOptions { Token = new Secret("t"), Secret = new Secret("s"), PerAddress = Rate.Parse("3/min") });
        string signature = Sign("s", DateTimeOffset.UtcNow.ToUnixTimeSeconds(), Good);

        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(200, (await http.PostAsync(Good, ("X-Postroom-Token", "t"))).Status);
            Assert.Equal(200, (await http.PostAsync(Good, ("X-Postroom-Signature", signature))).Status);
            Assert.Equal(200, (await http.GetAsync("/chat?token=t")).Status);
        }

        Assert.Equal(401, (await http.PostAsync(Good, ("X-Postroom-Token", "guess"))).Status);
        Assert.Equal(401, (await http.GetAsync("/chat?token=guess")).Status);
        Assert.Equal(401, (await http.PostAsync(Good)).Status);
        Answer limited = await http.PostAsync(Good, ("X-Postroom-Token", "guess"));
        Assert.Equal(429, limited.Status);
        Assert.NotNull(limited.Headers.RetryAfter);
        Assert.Equal(429, (await http.GetAsync("/chat?token=guess")).Status);
        Assert.Equal(429, (await http.GetAsync("/events?sender=1&token=guess")).Status);
        Assert.Equal(10, http.Runtime.Accepted);
    }

    [Theory]
    [InlineData("X-Forwarded-For", "1.2.3.4")]
    [InlineData("Forwarded", "for=1.2.3.4")]
    public async Task Without_token_and_secret_only_this_machine_is_answered(string header, string value)
    {
        await using HttpFixture http = await HttpFixture.StartAsync();

        Assert.Equal(401, (await http.PostAsync(Good, (header, value))).Status);
        Assert.Equal(0, http.Runtime.Accepted);
    }

    [Fact]
    public async Task Ac44_only_a_signature_of_exactly_this_body_and_time_is_taken()
    {
        await using HttpFixture http = await HttpFixture.StartAsync(new WebhookIntakeOptions { Secret = new Secret("after before") });
        long now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        string good = Sign("after", now, Good);
        string oneBitOff = good[..^1] + (char)(good[^1] ^ 1);

        Assert.Equal(401, (await http.PostAsync(Good)).Status);
        Assert.Equal(401, (await http.PostAsync(Good, ("X-Postroom-Signature", oneBitOff))).Status);
        Assert.Equal(401, (await http.PostAsync(Good + " ", ("X-Postroom-Signature", good))).Status);
        Assert.Equal(401, (await http.PostAsync(Good, ("X-Postroom-Signature", good), ("X-Postroom-Signature", good))).Status);
        Assert.Equal(401, (await http.PostAsync(Good, ("X-Postroom-Signature", Sign("after", now - 302, Good)))).Status);
        Assert.Equal(401, (await http.PostAsync(Good, ("X-Postroom-Signature", Sign("after", now + 302, Good)))).Status);
        Assert.Equal(401, (await http.PostAsync(Good, ("X-Postroom-Signature", Sign("other", now, Good)))).Status);
        Assert.Equal(401, (await http.PostAsync("", ("X-Postroom-Signature", good))).Status);
        Assert.Equal(0, http.Runtime.Accepted);
        Assert.Equal(200, (await http.PostAsync(Good, ("X-Postroom-Signature", good))).Status);
        Assert.Equal(200, (await http.PostAsync(Good, ("X-Postroom-Signature", Sign("before", now, Good)))).Status);
    }

    [Fact]
    public async Task Ac46_the_public_parsing_cases_behave_as_expected_as_a_metadata_value()
    {
        await using HttpFixture http = await HttpFixture.StartAsync(new WebhookIntakeOptions { PerSender = Rate.Parse("10000/s"), PerAddress = Rate.Parse("10000/s") });
        List<string> wrong = [];

        foreach (string file in Corpora.Files("json", "*.json"))
        {
            string name = Path.GetFileName(file);
            byte[] value = await File.ReadAllBytesAsync(file, Cancel);
            byte[] body = [.. "{\"sender\":\"1\",\"msg_type\":\"chat\",\"metadata\":{\"x\":"u8, .. value, .. "}}"u8];
            int status = (await http.PostAsync(body, "application/json")).Status;
            bool expected = name.StartsWith("y_", StringComparison.Ordinal) && !StrictJsonTests.RefusedOnPurpose.Contains(name);
            if (status is not (200 or 400) || (!name.StartsWith("i_", StringComparison.Ordinal) && (status == 200) != expected))
            {
                wrong.Add($"{name}: {status}");
            }
        }

        Assert.Empty(wrong);
        string nested = $$"""{"sender":"1","msg_type":"chat","metadata":{"x":{{new string('[', 100_000)}}""";
        Assert.Equal(400, (await http.PostAsync(nested)).Status);
        Corpora.SkipUnlessNear("json");
    }

    [Fact]
    public async Task A_trace_is_continued_and_a_malformed_one_is_not()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        const string Parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

        Assert.Equal(Parent, await TraceOfAsync(Parent));
        Assert.Null(await TraceOfAsync(Parent.ToUpperInvariant()));
        Assert.Null(await TraceOfAsync("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));

        async Task<string?> TraceOfAsync(string header)
        {
            Answer answer = await http.PostAsync(Good, ("traceparent", header));
            return (await http.Runtime.Journal.GetAsync(MessageId.Parse(answer.EntryId), false, Cancel))!.Entry.Envelope.Header(HeaderNames.TraceParent);
        }
    }

    [Fact]
    public async Task Foreign_hosts_are_421_and_foreign_pages_403()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();

        Assert.Equal(421, (await http.PostAsync(Good, ("Host", "evil.example"))).Status);
        Assert.Equal(403, (await http.PostAsync(Good, ("Origin", "https://evil.example"))).Status);
        Assert.Equal(403, (await http.PostAsync(Good, ("Sec-Fetch-Site", "cross-site"))).Status);
        Assert.Equal(0, http.Runtime.Accepted);
    }

    /// <summary>A body of JSON that is sent only when the server asks for it.</summary>
    private sealed class NeverEnding : HttpContent
    {
        public NeverEnding() => Headers.ContentType = new MediaTypeHeaderValue("application/json");

        public bool WasAskedFor { get; private set; }

        protected override async Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context)
        {
            WasAskedFor = true;
            while (!Cancel.IsCancellationRequested)
            {
                await stream.WriteAsync(new byte[4_096], Cancel);
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 20_000_000;
            return true;
        }
    }

    private static string Sign(string secret, long at, string body)
    {
        string time = at.ToString(CultureInfo.InvariantCulture);
        return $"t={time},v1={Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes($"{time}.{body}")))}";
    }
}
