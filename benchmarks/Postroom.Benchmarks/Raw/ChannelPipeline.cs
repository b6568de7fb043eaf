using System.Collections.Concurrent;
using System.Threading.Channels;
using Postroom.Benchmarks.Runtime;

namespace Postroom.Benchmarks.Raw;

/// <summary>A bare channel with the least that acknowledging needs: who has which message, and that it is done.</summary>
internal sealed class ChannelPipeline : IPipeline
{
    private static readonly byte[] Body = Order.Encode(OrderMaker.Default.Make(0));

    private readonly Channel<Message>[] _channels;
    private readonly ConcurrentDictionary<long, Message> _inWork = new();
    private readonly Counter _counter;
    private readonly bool _json;
    private readonly int _keys;
    private readonly Task[] _workers;
    private long _ids;
    private long _done;

    /// <summary>Starts the workers.</summary>
    /// <param name="counter">What the handler does.</param>
    /// <param name="json">Whether each message is written and read as JSON.</param>
    /// <param name="workers">How many workers there are.</param>
    /// <param name="keys">How many keys are kept in order; each worker then has a channel and its share of the keys. 0 keeps no order.</param>
    public ChannelPipeline(Counter counter, bool json, int workers = 8, int keys = 0)
    {
        _counter = counter;
        _json = json;
        _keys = keys;
        _channels = [.. Enumerable.Range(0, keys > 0 ? workers : 1).Select(_ => Channel.CreateUnbounded<Message>(new UnboundedChannelOptions { SingleReader = keys > 0 }))];
        _workers = [.. Enumerable.Range(0, workers).Select(worker => Task.Run(() => WorkAsync(_channels[worker % _channels.Length].Reader)))];
    }

    public long Done => Volatile.Read(ref _done);

    public long Commits => 0;

    public ValueTask PublishAsync(long number)
    {
        Message message = new(Interlocked.Increment(ref _ids), _json ? Order.Encode(OrderMaker.Default.Make(number)) : Body);
        int channel = _keys > 0 ? (int)(number % _keys % _channels.Length) : 0;
        return _channels[channel].Writer.WriteAsync(message);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Channel<Message> channel in _channels)
        {
            channel.Writer.TryComplete();
        }

        await Task.WhenAll(_workers);
    }

    private async Task WorkAsync(ChannelReader<Message> reader)
    {
        while (await reader.WaitToReadAsync())
        {
            while (reader.TryRead(out Message? message))
            {
                _inWork[message.Id] = message;
                if (_json)
                {
                    _counter.Count(Order.Decode(message.Body));
                }
                else
                {
                    _counter.Count();
                }

                _inWork.TryRemove(message.Id, out _);
                Interlocked.Increment(ref _done);
            }
        }
    }

    private sealed record Message(long Id, byte[] Body);
}
