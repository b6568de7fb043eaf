using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.ControlPlane;
using Postroom.Crash;
using Xunit;

namespace Postroom.Tests.ControlPlane;

/// <summary>The control plane on a port of its own, as the host composes it.</summary>
internal sealed class HttpFixture : IAsyncDisposable
{
    private readonly string _data = Directory.CreateTempSubdirectory("postroom-http-").FullName;

    private HttpFixture(WebhookIntakeOptions webhook, ServerOptions server, TimeProvider clock)
    {
        IntakeOptions intake = new() { Webhook = webhook };
        Runtime = new RuntimeDouble(clock);
        Keys = new ControlPlaneKeys(Runtime, server, _data, clock);
        Chat = new WebChat(Runtime, new IntakeAccess(intake.Webhook, clock), TimeProvider.System, NullLoggerFactory.Instance);
        Communicator = Chat.Create("chat");
        Service = new ControlPlaneService(Runtime, new ConfigurationDouble(server, intake), Keys, Chat, new HookBoard(), new ListenSockets(), new Redactor(), clock, NullLoggerFactory.Instance);
    }

    public RuntimeDouble Runtime { get; }

    public ControlPlaneKeys Keys { get; }

    public WebChat Chat { get; }

    public EmulatorCommunicator Communicator { get; }

    public ControlPlaneService Service { get; }

    public HttpClient Client { get; private set; } = null!;

    public string DataDirectory => _data;

    /// <summary>What the communicator said last.</summary>
    public DeliveryReceipt? Receipt { get; set; }

    /// <summary>The answer that was delivered last.</summary>
    public MessageId LastAnswer() =>
        Runtime.Store.QueryAsync(new JournalQuery { Queue = "out.chat", Limit = 1 }, CancellationToken.None).Result.Items[0].Envelope.Id;

    public static async Task<HttpFixture> StartAsync(WebhookIntakeOptions? webhook = null, ServerOptions? server = null, TimeProvider? clock = null)
    {
        server ??= new ServerOptions();
        HttpFixture fixture = new(webhook ?? new WebhookIntakeOptions(), server with { Urls = ["http://127.0.0.1:0"] }, clock ?? TimeProvider.System);
        CancellationToken cancel = TestContext.Current.CancellationToken;
        await fixture.Service.StartAsync(cancel);
        await fixture.Service.Opened;
        await fixture.Keys.StartAsync(cancel);
        await fixture.Chat.StartAsync(cancel);
        await fixture.Communicator.StartAsync(cancel);
        fixture.Client = new HttpClient { BaseAddress = new Uri(fixture.Service.Addresses[0]), Timeout = TimeSpan.FromSeconds(30) };
        return fixture;
    }

    /// <summary>Posts a body to <c>/webhook</c>.</summary>
    public async Task<Answer> PostAsync(string body, params (string Name, string Value)[] headers) => await PostAsync(Encoding.UTF8.GetBytes(body), "application/json", headers);

    public Task<Answer> PostAsync(byte[] body, string contentType, params (string Name, string Value)[] headers) => Client.PostWebhookAsync(body, contentType, headers);

    public async Task<Answer> GetAsync(string path, string? key = null, params (string Name, string Value)[] headers)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path);
        if (key is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }

        foreach ((string name, string value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return await Client.AnswerAsync(request);
    }

    /// <summary>Makes a key of a role.</summary>
    public async Task<string> KeyAsync(ApiRole role) => (await Keys.Keys.CreateAsync($"test-{role}", role, null, TestContext.Current.CancellationToken)).Text;

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Service.StopAsync(TimeSpan.FromSeconds(2), CancellationToken.None);
        await Chat.StopAsync(TimeSpan.Zero, CancellationToken.None);
        Canaries.SearchAndDelete(_data);
    }
}

/// <summary>Calls whose answers are read to their end.</summary>
internal static class HttpCalls
{
    /// <summary>Posts a body to <c>/webhook</c>.</summary>
    public static async Task<Answer> PostWebhookAsync(this HttpClient client, byte[] body, string contentType, params (string Name, string Value)[] headers)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, "/webhook") { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        foreach ((string name, string value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return await client.AnswerAsync(request);
    }

    public static async Task<Answer> AnswerAsync(this HttpClient client, HttpRequestMessage request)
    {
        using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);

        // A stream of events has no end.
        byte[] content = response.Content.Headers.ContentType?.MediaType == "text/event-stream" ? [] : await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        return new Answer((int)response.StatusCode, content, response.Headers, response.Content.Headers);
    }
}

/// <summary>An answer, read.</summary>
internal sealed record Answer(int Status, byte[] Content, HttpResponseHeaders Headers, HttpContentHeaders ContentHeaders)
{
    public string Text => Encoding.UTF8.GetString(Content);

    public JsonElement Json => JsonDocument.Parse(Content).RootElement;

    public string EntryId => Json.GetProperty("data").GetProperty("entry_id").GetString()!;
}
