using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Postroom.Benchmarks.Raw;

namespace Postroom.Benchmarks.Http;

/// <summary>Kestrel and nothing else: one endpoint that parses the posted JSON, and commits its row when it is given a writer.</summary>
internal sealed class BareServer : IAsyncDisposable
{
    private static readonly byte[] Answer = """{"message":"","data":{"duplicate":false}}"""u8.ToArray();

    private readonly WebApplication _app;
    private readonly RawWriter? _writer;
    private readonly WebhookRow? _row;

    private BareServer(WebApplication app, RawWriter? writer, WebhookRow? row)
    {
        _app = app;
        _writer = writer;
        _row = row;
    }

    public Uri Address => new(_app.Urls.First());

    /// <summary>Starts a server that stores nothing.</summary>
    public static Task<BareServer> StartAsync() => StartAsync(null, null);

    /// <summary>Starts a server that commits a row before it answers.</summary>
    /// <param name="writer">Commits; goes with the server.</param>
    /// <param name="row">What is committed.</param>
    public static async Task<BareServer> StartAsync(RawWriter? writer, WebhookRow? row)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "bare" });
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        WebApplication app = builder.Build();
        BareServer server = new(app, writer, row);
        app.Run(server.HandleAsync);
        await app.StartAsync();
        return server;
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

            if (_writer is not null && _row is not null)
            {
                await _writer.AppendAsync(_row.Make());
            }
        }

        context.Response.ContentType = "application/json";
        context.Response.ContentLength = Answer.Length;
        await context.Response.Body.WriteAsync(Answer);
    }
}
