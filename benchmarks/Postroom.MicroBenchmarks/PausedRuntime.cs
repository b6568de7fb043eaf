using Postroom.Configuration;

namespace Postroom.MicroBenchmarks;

/// <summary>A runtime on the memory store whose only queue accepts and hands out nothing, so that what is measured is the way in.</summary>
internal sealed class PausedRuntime : IAsyncDisposable
{
    public const string Queue = "in";

    private readonly MessageRuntime _runtime;

    private PausedRuntime(MessageRuntime runtime)
    {
        _runtime = runtime;
        Sink = runtime.View.OpenSink("micro");
        Messages = runtime.OpenQueue(Queue);
    }

    public IMessageSink Sink { get; }

    public IMessageQueue Messages { get; }

    public static async Task<PausedRuntime> StartAsync()
    {
        string[] settings = ["store.kind=memory", $"queues.{Queue}.highWater=1000000", $"queues.{Queue}.lowWater=1000000"];
        MessageRuntime runtime = new(new RuntimeSetup { Configuration = new ConfigurationSources { Layers = { new CommandLineConfigurationLayer(settings) } } });
        await runtime.StartAsync();
        await runtime.PauseQueueAsync(Queue);
        return new PausedRuntime(runtime);
    }

    public ValueTask DisposeAsync() => _runtime.DisposeAsync();
}
