using System.Threading.Channels;
using Postroom.Benchmarks.Runtime;
using Postroom.Sqlite;

namespace Postroom.Benchmarks.Raw;

/// <summary>How a raw pipeline is made.</summary>
/// <param name="File">Its file.</param>
/// <param name="Create">Makes or opens the table.</param>
internal sealed record RawShape(string File, Func<SqliteConnection, RawTable> Create)
{
    public StoreSynchronous Synchronous { get; init; }

    public int Workers { get; init; } = 8;

    public int BodyBytes { get; init; } = OrderMaker.DefaultBytes;

    /// <summary>How many messages the handling of each message makes; they are handled and acknowledged too.</summary>
    public int Outputs { get; init; }
}

/// <summary>A queue in SQLite with nothing around it: one writer, publish waits for its commit, dispatched and acknowledged are written too.</summary>
internal sealed class SqlitePipeline : IPipeline
{
    private readonly Channel<RawMessage> _ready = Channel.CreateUnbounded<RawMessage>(new UnboundedChannelOptions { SingleWriter = true });
    private readonly RawWriter _writer;
    private readonly RawShape _shape;
    private readonly OrderMaker _orders;
    private readonly Counter _counter;
    private readonly Task[] _workers;

    public SqlitePipeline(RawShape shape, Counter counter)
    {
        _shape = shape;
        _counter = counter;
        _orders = new OrderMaker(shape.BodyBytes);
        _writer = new RawWriter(shape.File, shape.Synchronous, shape.Create, message => _ready.Writer.TryWrite(message));
        _workers = [.. Enumerable.Range(0, shape.Workers).Select(_ => Task.Run(WorkAsync))];
    }

    public long Done => _writer.Acknowledged / (1 + _shape.Outputs);

    public long Commits => _writer.Commits;

    public ValueTask PublishAsync(long number) => new(_writer.AppendAsync(new RawMessage(Order.Encode(_orders.Make(number)))));

    public async ValueTask DisposeAsync()
    {
        _ready.Writer.TryComplete();
        await Task.WhenAll(_workers);
        _writer.Dispose();
    }

    private async Task WorkAsync()
    {
        while (await _ready.Reader.WaitToReadAsync())
        {
            while (_ready.Reader.TryRead(out RawMessage? message))
            {
                _writer.Dispatch(message);
                Order order = Order.Decode(message.Body);
                _counter.Count(order);
                _writer.Acknowledge(message, message.Parent is null ? OutputsOf(message, order) : []);
            }
        }
    }

    private RawMessage[] OutputsOf(RawMessage message, Order order)
    {
        RawMessage[] outputs = _shape.Outputs == 0 ? [] : new RawMessage[_shape.Outputs];
        for (int i = 0; i < outputs.Length; i++)
        {
            outputs[i] = new RawMessage(Order.Encode(order)) { Parent = message.Id };
        }

        return outputs;
    }
}
