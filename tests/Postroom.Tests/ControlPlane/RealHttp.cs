using System.Net.Http.Headers;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Postroom.ControlPlane;
using Postroom.Sqlite;
using Postroom.Tests.Hosting;
using Postroom.Tests.Sqlite;

namespace Postroom.Tests.ControlPlane;

/// <summary>A whole runtime over a store file, spoken to over HTTP.</summary>
internal sealed class RealHttp : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private HttpClient? _client;

    private RealHttp(Action<IApplicationBuilder> configure, string[] settings)
    {
        Runtime = RuntimeHarness.CreateDurable(_folder.Path, app => configure(app.AddControlPlane()), ["server.urls.0=http://127.0.0.1:0", .. settings]);
    }

    public MessageRuntime Runtime { get; }

    /// <summary>The store, its write-ahead log and the files beside it.</summary>
    public IReadOnlyList<string> Files => [.. Directory.EnumerateFiles(_folder.Path, "*", SearchOption.AllDirectories)];

    public SqliteStore Store => (SqliteStore)Runtime.Store;

    public HttpClient Client => _client ??= new HttpClient { BaseAddress = new Uri(Runtime.Services.GetRequiredService<ControlPlaneService>().Addresses[0]), Timeout = TimeSpan.FromSeconds(30) };

    public static RealHttp Create(Action<IApplicationBuilder> configure, params string[] settings) => new(configure, settings);

    public static async Task<RealHttp> StartAsync(Action<IApplicationBuilder> configure, params string[] settings)
    {
        RealHttp http = new(configure, settings);
        await http.Runtime.StartAsync(RuntimeHarness.Cancel);
        return http;
    }

    /// <summary>Posts a text of a sender to <c>/webhook</c>.</summary>
    public Task<Answer> SayAsync(string sender, string text = "hello", params (string Name, string Value)[] headers)
    {
        return Client.PostWebhookAsync(Encoding.UTF8.GetBytes($$"""{"sender":"{{sender}}","msg_type":"chat","raw_msg":"{{text}}"}"""), "application/json", headers);
    }

    /// <summary>The routes.</summary>
    public IReadOnlyList<ApiRoute> Routes => Runtime.Services.GetRequiredService<ControlPlaneService>().Routes;

    /// <summary>The folder of the store.</summary>
    public string Folder => _folder.Path;

    /// <summary>A key of a role.</summary>
    public async Task<string> KeyAsync(ApiRole role) =>
        (await Runtime.Services.GetRequiredService<ControlPlaneKeys>().Keys.CreateAsync($"test-{role}".ToLowerInvariant(), role, null, RuntimeHarness.Cancel)).Text;

    /// <summary>Calls a path of the API with a key.</summary>
    public Task<Answer> CallAsync(string method, string path, string? key, string? body = null, params (string Name, string Value)[] headers)
    {
        HttpRequestMessage request = new(new HttpMethod(method), path);
        if (key is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }

        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        foreach ((string name, string value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value) && request.Content is { } content)
            {
                content.Headers.Remove(name);
                content.Headers.TryAddWithoutValidation(name, value);
            }
        }

        return Client.AnswerAsync(request);
    }

    public async ValueTask DisposeAsync()
    {
        _client?.Dispose();
        await Runtime.DisposeAsync();
        _folder.Dispose();
    }
}
