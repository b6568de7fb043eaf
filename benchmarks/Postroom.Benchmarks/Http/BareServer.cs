using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Postroom.Benchmarks.Raw;

namespace Postroom.Benchmarks.Http;

/// <summary>Kestrel and nothing else: one endpoint that parses the posted JSON, and commits it when it is given a writer.</summary>
internal sealed class BareServer : IAsyncDisposable
{
    public const string Command = "bare-host";

    private static readonly byte[] Answer = """{"message":"","data":{"duplicate":false}}"""u8.ToArray();

    private readonly WebApplication _app;
    private readonly RawWriter? _writer;

    private BareServer(WebApplication app, RawWriter? writer)
    {
        _app = app;
        _writer = writer;
    }

    public Uri Address => new(_app.Urls.First());

    /// <summary>Starts a server.</summary>
    /// <param name="url">Where it listens; port 0 takes a free one.</param>
    /// <param name="writer">Commits each body before it is answered; null stores nothing. Goes with the server.</param>
    public static async Task<BareServer> StartAsync(string url, RawWriter? writer)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "bare" });
        builder.WebHost.UseKestrelCore().UseUrls(url);
        WebApplication app = builder.Build();
        BareServer server = new(app, writer);
        app.Run(server.HandleAsync);
        await app.StartAsync();
        return server;
    }

    /// <summary>A process that is a bare host until its input ends.</summary>
    public static async Task<int> MainAsync(string[] args)
    {
        await using BareServer server = await StartAsync(args[0], writer: null);
        await Task.Delay(Timeout.InfiniteTimeSpan);
        return 0;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        _writer?.Dispose();
    }

    private async Task HandleAsync(HttpContext context)
    {
        if (context.Request.Method == "POST")
        {
            byte[] body = new byte[context.Request.ContentLength ?? 0];
            await context.Request.Body.ReadExactlyAsync(body);
            using (JsonDocument json = JsonDocument.Parse(body))
            {
                if (!json.RootElement.TryGetProperty("sender"u8, out _))
                {
                    context.Response.StatusCode = StatusCodes.Status400BadRequest;
                    return;
                }
            }

            if (_writer is not null)
            {
                await _writer.AppendAsync(body);
            }
        }

        context.Response.ContentType = "application/json";
        context.Response.ContentLength = Answer.Length;
        await context.Response.Body.WriteAsync(Answer);
    }
}
