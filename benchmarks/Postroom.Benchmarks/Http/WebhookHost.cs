using Microsoft.Extensions.DependencyInjection;
using Postroom.Benchmarks.Runtime;
using Postroom.Host;

namespace Postroom.Benchmarks.Http;

/// <summary>The program as <c>./run</c> composes it, with a handler on the queue of the webhook.</summary>
internal sealed class WebhookHost : IAsyncDisposable
{
    private readonly HostedRuntime _host;
    private readonly MetricsReader _metrics;

    private WebhookHost(HostedRuntime host, MetricsReader metrics)
    {
        _host = host;
        _metrics = metrics;
    }

    public Uri Address => new(_host.Addresses[0]);

    public static async Task<WebhookHost> StartAsync(string folder, Counter counter)
    {
        MetricsReader metrics = new();
        HostArguments arguments = new() { Settings = Settings(folder, "http://127.0.0.1:0") };
        HostedRuntime host = HostedRuntime.Create(
            arguments,
            app =>
            {
                app.Services.AddSingleton(counter);
                app.AddWorkers("router").AddFallbackHandler<CountMessage>("in");
            },
            standalone: false,
            output: null);
        await host.StartAsync(CancellationToken.None);
        return new WebhookHost(host, metrics);
    }

    /// <summary>The settings of a program of its own in a folder. Limits that exist to refuse this load are out of the way; every other one is the default.</summary>
    public static string[] Settings(string folder, string url) =>
    [
        $"store.path={Path.Combine(folder, "postroom.db")}",
        $"runtime.dataDirectory={folder}",
        $"server.urls.0={url}",
        $"intake.webhook.token={WebhookRequest.Token}",
        "intake.webhook.perSender=1000000/s",
        "queues.in.highWater=1000000",
        "queues.in.lowWater=1000000",
    ];

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        _metrics.Dispose();
    }

    private sealed class CountMessage(Counter counter) : IFallbackHandler
    {
        public ValueTask<HandlerResult> HandleAsync(Envelope message, HandlerContext context, CancellationToken cancellationToken)
        {
            counter.Count();
            return new ValueTask<HandlerResult>(HandlerResult.Completed);
        }
    }
}
