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

    public async ValueTask DisposeAsync()
    {
        _client?.Dispose();
        await Runtime.DisposeAsync();
        _folder.Dispose();
    }
}
