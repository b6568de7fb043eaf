using Postroom.Benchmarks.Runtime;
using Postroom.Host;

namespace Postroom.Benchmarks.Http;

/// <summary>The program as <c>./run</c> composes it, with a handler on the queue of the webhook that replies over a communicator of its own.</summary>
internal sealed class WebhookHost : IAsyncDisposable
{
    private const string Queue = "in";

    private readonly HostedRuntime _host;
    private readonly MetricsReader _metrics;

    private WebhookHost(HostedRuntime host, MetricsReader metrics, CountingCommunicator communicator)
    {
        _host = host;
        _metrics = metrics;
        Communicator = communicator;
    }

    public Uri Address => new(_host.Addresses[0]);

    /// <summary>Takes the replies.</summary>
    public CountingCommunicator Communicator { get; }

    /// <summary>Starts the program.</summary>
    /// <param name="folder">Where its files are.</param>
    /// <param name="paused">Whether the queue only accepts.</param>
    public static async Task<WebhookHost> StartAsync(string folder, bool paused)
    {
        MetricsReader metrics = new();
        CountingCommunicator communicator = new();
        HostArguments arguments = new() { Settings = [.. Settings(folder, "http://127.0.0.1:0"), "communications.enabled=true"] };
        HostedRuntime host = HostedRuntime.Create(
            arguments,
            app => app.AddCommunicator(_ => communicator).AddWorkers("router").AddFallbackHandler<Reply>(Queue),
            standalone: false,
            output: null);
        await host.StartAsync(CancellationToken.None);
        if (paused)
        {
            await host.Runtime.PauseQueueAsync(Queue);
        }

        return new WebhookHost(host, metrics, communicator);
    }

    /// <summary>The settings of a program of its own in a folder. Limits that exist to refuse this load are out of the way; every other one is the default.</summary>
    public static string[] Settings(string folder, string url) =>
    [
        $"store.path={Path.Combine(folder, StoreFiller.FileName)}",
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

    private sealed class Reply : IFallbackHandler
    {
        public ValueTask<HandlerResult> HandleAsync(Envelope message, HandlerContext context, CancellationToken cancellationToken)
        {
            context.Reply("We have your order.");
            return new ValueTask<HandlerResult>(HandlerResult.Completed);
        }
    }
}
