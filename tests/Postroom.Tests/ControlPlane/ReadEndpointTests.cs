using System.Text.Json;
using Postroom.ControlPlane;
using Xunit;

namespace Postroom.Tests.ControlPlane;

public sealed class ReadEndpointTests
{
    private static readonly string[] ViewerRoutes =
    [
        "/health", "/api/v1/status", "/api/v1/runtime", "/api/v1/organism", "/organism", "/api/v1/stats/history", "/api/v1/queues", "/api/v1/queues/in", "/api/v1/workers", "/api/v1/workers/in",
        "/api/v1/sources", "/api/v1/sources/webhook", "/api/v1/schedules", "/api/v1/schedules/daily", "/api/v1/schedules/daily/occurrences", "/api/v1/communicators", "/api/v1/communicators/wa", "/api/v1/journal", "/api/v1/journal/stats", "/api/v1/journal/{id}",
        "/api/v1/journal/{id}/why", "/api/v1/conversations/wa/491", "/api/v1/conversations/wa%2F491", "/api/v1/threads/wa/491/messages",
    ];

    private static readonly string[] OperatorRoutes = ["/api/v1/journal/{id}/body", "/api/v1/journal/{id}/attachments/0", "/api/v1/journal/{id}?body=true"];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_read_needs_a_key_of_its_role_on_loopback_as_well()
    {
        await using HttpFixture http = await StartAsync();
        string id = await PostAsync(http);
        string[] keys = [await http.KeyAsync(ApiRole.Viewer), await http.KeyAsync(ApiRole.Operator), await http.KeyAsync(ApiRole.Admin)];

        foreach (string route in ViewerRoutes.Concat(OperatorRoutes))
        {
            string path = route.Replace("{id}", id, StringComparison.Ordinal);
            Answer without = await http.GetAsync(path);
            Assert.Equal(401, without.Status);
            Assert.Equal("unauthorized", without.Json.GetProperty("code").GetString());
            for (int role = 0; role < keys.Length; role++)
            {
                int expected = role == 0 && OperatorRoutes.Contains(route) ? 403 : 200;
                Answer answer = await http.GetAsync(path, keys[role]);
                Assert.True(expected == answer.Status, $"{path} as {(ApiRole)role}: {answer.Status} {answer.Text}");
            }
        }

        Assert.Equal(6, http.Runtime.Notes.Count(note => note.Kind == NoteKind.Audit));
    }

    [Fact]
    public async Task The_first_start_writes_an_admin_key_that_works_and_the_next_start_keeps_it()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        string? key = await AdminKeyFile.ReadAsync(http.DataDirectory, Cancel);

        await new ControlPlaneKeys(http.Runtime, new ServerOptions(), http.DataDirectory, TimeProvider.System).StartAsync(Cancel);

        Assert.Equal(key, await AdminKeyFile.ReadAsync(http.DataDirectory, Cancel));
        Assert.Equal(200, (await http.GetAsync("/api/v1/status", key)).Status);
        StoredFact fact = Assert.Single(await http.Runtime.Facts.ListAsync(FactScopes.ApiKey, Cancel));
        Assert.DoesNotContain(key!, System.Text.Encoding.UTF8.GetString(fact.Value.Span), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_configured_key_works_before_the_store_is_open()
    {
        ServerKey configured = new() { Name = "ops", Role = ServerRole.Operator, Key = new Secret("a configured canary of mine") };
        await using HttpFixture http = await HttpFixture.StartAsync(server: new ServerOptions { Keys = [configured] });
        http.Runtime.State = RuntimeState.Recovering;

        Assert.Equal(200, (await http.GetAsync("/health", "a configured canary of mine")).Status);
        Assert.Equal(503, (await http.GetAsync("/api/v1/journal", "a configured canary of mine")).Status);
        Assert.Equal(401, (await http.GetAsync("/api/v1/journal")).Status);
    }

    [Theory]
    [InlineData("http://0.0.0.0:8080", true)]
    [InlineData("http://*:8080", true)]
    [InlineData("http://192.0.2.1:8080", true)]
    [InlineData("http://localhost:8080", false)]
    [InlineData("http://[::1]:8080", false)]
    public async Task A_wider_address_without_a_key_is_a_start_error(string url, bool refused)
    {
        RuntimeDouble runtime = new(TimeProvider.System);
        string data = Directory.CreateTempSubdirectory("postroom-keys-").FullName;
        ControlPlaneKeys keys = new(runtime, new ServerOptions { Urls = [url] }, data, TimeProvider.System);

        Exception? error = await Record.ExceptionAsync(() => keys.StartAsync(Cancel));

        Assert.Equal(refused, error is not null);
        if (refused)
        {
            Assert.Contains(url, error!.Message, StringComparison.Ordinal);
            await keys.Keys.CreateAsync("mine", ApiRole.Admin, null, Cancel);
            await new ControlPlaneKeys(runtime, new ServerOptions { Urls = [url] }, data, TimeProvider.System).StartAsync(Cancel);
        }
    }

    [Fact]
    public async Task The_journal_is_filtered_paged_and_names_what_it_does_not_know()
    {
        await using HttpFixture http = await StartAsync();
        string key = await http.KeyAsync(ApiRole.Viewer);
        for (int i = 0; i < 5; i++)
        {
            await PostAsync(http, sender: $"49{i}");
        }

        JsonElement first = (await http.GetAsync("/api/v1/journal?limit=2&order=asc", key)).Json;
        JsonElement second = (await http.GetAsync($"/api/v1/journal?limit=2&order=asc&cursor={first.GetProperty("next").GetInt64()}", key)).Json;
        JsonElement one = (await http.GetAsync("/api/v1/journal?from=wa:493&state=pending,failed&direction=inbound", key)).Json;

        Assert.Equal((2, 5), (first.GetProperty("count").GetInt32(), first.GetProperty("total").GetInt32()));
        Assert.Equal("wa:492", second.GetProperty("items")[0].GetProperty("from").GetString());
        Assert.Equal("wa:493", Assert.Single(one.GetProperty("items").EnumerateArray()).GetProperty("from").GetString());
        foreach (string wrong in new[] { "state=lost", "limit=0", "limit=101", "order=up", "since=yesterday", "group=1", "stat=pending", "offset=-1", "kind=3" })
        {
            Answer answer = await http.GetAsync($"/api/v1/journal?{wrong}", key);
            Assert.Equal(400, answer.Status);
            Assert.Equal("application/problem+json", answer.ContentHeaders.ContentType!.MediaType);
            Assert.True(answer.Json.GetProperty("errors").TryGetProperty(wrong.Split('=')[0], out _));
        }

        Assert.Contains("pending, dispatched, acked, failed", (await http.GetAsync("/api/v1/journal?state=lost", key)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_is_a_download_and_an_attachment_as_well()
    {
        await using HttpFixture http = await StartAsync();
        string key = await http.KeyAsync(ApiRole.Operator);
        string id = await PostAsync(http);

        Answer body = await http.GetAsync($"/api/v1/journal/{id}/body", key);
        Answer file = await http.GetAsync($"/api/v1/journal/{id}/attachments/0", key);

        Assert.Equal("application/json", body.ContentHeaders.ContentType!.MediaType);
        Assert.Equal("attachment", body.ContentHeaders.ContentDisposition!.DispositionType);
        Assert.Equal("hello", body.Json.GetProperty("text").GetString());
        Assert.Equal(("text/html", "a.html"), (file.ContentHeaders.ContentType!.MediaType, file.ContentHeaders.ContentDisposition!.FileName));
        Assert.Equal("nosniff", Assert.Single(file.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal(404, (await http.GetAsync($"/api/v1/journal/{id}/attachments/1", key)).Status);
        Assert.Equal(404, (await http.GetAsync($"/api/v1/journal/{MessageId.New()}/body", key)).Status);
    }

    [Fact]
    public async Task A_conversation_is_derived_from_its_messages()
    {
        await using HttpFixture http = await StartAsync();
        string key = await http.KeyAsync(ApiRole.Viewer);
        await PostAsync(http);

        Assert.Equal("active", (await http.GetAsync("/api/v1/conversations/wa/491", key)).Json.GetProperty("status").GetString());
        MessageLease lease = await http.Runtime.LeaseAsync("in", Cancel);
        await http.Runtime.Store.SettleAsync(lease, Settlement.Acknowledge, [], Cancel);
        JsonElement done = (await http.GetAsync("/api/v1/conversations/wa/491", key)).Json;

        Assert.Equal("complete", done.GetProperty("status").GetString());
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", done.GetProperty("completedAt").GetString());
        Assert.Equal(1, (await http.GetAsync("/api/v1/conversations/wa/491/messages", key)).Json.GetProperty("count").GetInt32());
        Assert.Equal(404, (await http.GetAsync("/api/v1/conversations/nobody", key)).Status);
    }

    [Theory]
    [InlineData("Running", "Healthy", 200, 200, 200)]
    [InlineData("Running", "Degraded", 200, 200, 200)]
    [InlineData("Running", "Unhealthy", 200, 503, 503)]
    [InlineData("Starting", "Healthy", 200, 503, 200)]
    [InlineData("Recovering", "Healthy", 200, 503, 200)]
    [InlineData("Draining", "Healthy", 200, 503, 200)]
    [InlineData("Faulted", "Healthy", 503, 503, 503)]
    public async Task Health_follows_the_state_and_the_checks(string state, string health, int live, int ready, int all)
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        string key = await http.KeyAsync(ApiRole.Viewer);
        http.Runtime.State = Enum.Parse<RuntimeState>(state);
        http.Runtime.Health = Enum.Parse<HealthState>(health);

        Answer one = await http.GetAsync("/health/live");
        Answer two = await http.GetAsync("/health/ready");
        Answer three = await http.GetAsync("/health", key);

        Assert.Equal((live, ready, all), (one.Status, two.Status, three.Status));
        Assert.Equal("status", Assert.Single(two.Json.EnumerateObject()).Name);
        Assert.Equal("store", three.Json.GetProperty("checks")[0].GetProperty("name").GetString());
        Assert.Equal(401, (await http.GetAsync("/health")).Status);
    }

    [Fact]
    public async Task What_is_not_there_is_a_problem_as_well()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();

        Answer nothing = await http.GetAsync("/nothing");
        Answer wrongMethod = await http.GetAsync("/webhook");

        Assert.Equal((404, 405), (nothing.Status, wrongMethod.Status));
        Assert.Equal("not_found", nothing.Json.GetProperty("code").GetString());
        Assert.Equal(421, (await http.GetAsync("/health/live", null, ("Host", "evil.example"))).Status);
    }

    private static async Task<HttpFixture> StartAsync()
    {
        HttpFixture http = await HttpFixture.StartAsync();
        http.Runtime.Pools = [new PoolStatus { Name = "in", Queue = "in", Parallelism = 2, Workers = [new WorkerStatus { Slot = 0, State = WorkerState.Idle }] }];
        http.Runtime.Communicators = [new CommunicatorStatus { Name = "wa", Kind = "whatsapp", Started = true, Capabilities = new CommunicatorCapabilities() }];
        return http;
    }

    private static async Task<string> PostAsync(HttpFixture http, string sender = "491")
    {
        Answer answer = await http.PostAsync($$$"""{"sender":"{{{sender}}}","msg_type":"chat","raw_msg":"hello","client_type":"whatsapp","attachments":{"a.html":"PGI+"}}""");
        return answer.EntryId;
    }
}
