using BenchmarkDotNet.Attributes;
using Postroom.Benchmarks.Runtime;

namespace Postroom.MicroBenchmarks;

/// <summary>What does the way into a queue cost a message on the memory store, for a source and for a publisher with and without headers?</summary>
public class IntakeBenchmarks
{
    private const int Messages = 10_000;
    private static readonly byte[] Body = Order.Encode(OrderMaker.Default.Make(0));
    private static readonly QueueMessage Message = new(Order.Type, Body);

    private readonly PublishOptions _eightHeaders = new() { Headers = Enumerable.Range(0, 8).ToDictionary(i => $"header-{i}", i => $"value {i}") };
    private SourceMessage[][] _batches = [];
    private PausedRuntime? _runtime;

    [IterationSetup]
    public void Start()
    {
        _runtime = PausedRuntime.StartAsync().GetAwaiter().GetResult();
        _batches = [.. Enumerable.Range(0, Messages).Select(number => new[] { new SourceMessage(PausedRuntime.Queue, Order.Type, Body) { Conversation = $"c-{number}" } })];
    }

    [IterationCleanup]
    public void Stop() => _runtime!.DisposeAsync().AsTask().GetAwaiter().GetResult();

    [Benchmark(OperationsPerInvoke = Messages)]
    public async Task Accept()
    {
        foreach (SourceMessage[] batch in _batches)
        {
            await _runtime!.Sink.AcceptAsync(batch, checkpoint: null, CancellationToken.None);
        }
    }

    [Benchmark(OperationsPerInvoke = Messages, Baseline = true)]
    public Task Publish() => PublishAsync(null);

    [Benchmark(OperationsPerInvoke = Messages)]
    public Task PublishEightHeaders() => PublishAsync(_eightHeaders);

    private async Task PublishAsync(PublishOptions? options)
    {
        for (int i = 0; i < Messages; i++)
        {
            await _runtime!.Messages.PublishAsync(Message, options, CancellationToken.None);
        }
    }
}
