using System.Threading.Channels;
using Postroom.Benchmarks.Runtime;
using Postroom.Sqlite;

namespace Postroom.Benchmarks.Raw;

/// <summary>A queue in SQLite with nothing around it: one writer, publish waits for its commit, eight workers, dispatched and acknowledged are written too.</summary>
internal sealed class SqlitePipeline : IPipeline
{
    private readonly Channel<RawMessage> _ready = Channel.CreateUnbounded<RawMessage>(new UnboundedChannelOptions { SingleWriter = true });
    private readonly RawWriter _writer;
    private readonly Counter _counter;
    private readonly Task[] _workers;

    public SqlitePipeline(string file, StoreSynchronous synchronous, Func<SqliteConnection, RawTable> create, Counter counter, int workers = 8)
    {
        _counter = counter;
        _writer = new RawWriter(file, synchronous, create, message => _ready.Writer.TryWrite(message));
        _workers = [.. Enumerable.Range(0, workers).Select(_ => Task.Run(WorkAsync))];
    }

    public long Done => _writer.Acknowledged;

    public long Commits => _writer.Commits;

    public ValueTask PublishAsync(long number) => new(_writer.AppendAsync(Order.Encode(Order.Make(number))));

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
                _counter.Count(Order.Decode(message.Body));
                _writer.Acknowledge(message);
            }
        }
    }
}
