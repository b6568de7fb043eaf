using System.Collections.Immutable;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Postroom;

/// <summary>A live stream of accepted incoming messages, after their commit. Best effort: durable work belongs in a handler.</summary>
/// <remarks>Safe for concurrent use.</remarks>
public sealed partial class IncomingPublisher
{
    private readonly ILogger _log;
    private ImmutableArray<Action<IncomingMessage>> _direct = [];
    private ImmutableArray<QueuedSubscriber> _queued = [];

    internal IncomingPublisher(ILogger log) => _log = log;

    /// <summary>Subscribes a function that is called in order and synchronously.</summary>
    /// <returns>Disposing it ends the subscription.</returns>
    public IDisposable Subscribe(Action<IncomingMessage> subscriber)
    {
        ImmutableInterlocked.Update(ref _direct, static (all, added) => all.Add(added), subscriber);
        return new Ending(() => ImmutableInterlocked.Update(ref _direct, static (all, gone) => all.Remove(gone), subscriber));
    }

    /// <summary>Subscribes a function behind a queue of its own.</summary>
    /// <param name="subscriber">Called one message at a time.</param>
    /// <param name="capacity">How many messages wait at most; the oldest is dropped and counted beyond it.</param>
    /// <returns>Disposing it ends the subscription.</returns>
    public IDisposable Subscribe(MessageHandler subscriber, int capacity = 1_000)
    {
        QueuedSubscriber queued = new(subscriber, capacity, this);
        ImmutableInterlocked.Update(ref _queued, static (all, added) => all.Add(added), queued);
        return new Ending(() =>
        {
            ImmutableInterlocked.Update(ref _queued, static (all, gone) => all.Remove(gone), queued);
            queued.End();
        });
    }

    /// <summary>Messages that queued subscribers did not take in time.</summary>
    public long Dropped => _queued.Sum(subscriber => subscriber.Dropped);

    internal void Publish(IncomingMessage message)
    {
        foreach (Action<IncomingMessage> subscriber in _direct)
        {
            try
            {
                subscriber(message);
            }
            catch (Exception e)
            {
                LogSubscriber(e);
            }
        }

        foreach (QueuedSubscriber subscriber in _queued)
        {
            subscriber.Offer(message);
        }
    }

    [LoggerMessage(440, LogLevel.Warning, "A subscriber of incoming messages threw; the message is stored and the others got it.")]
    private partial void LogSubscriber(Exception exception);

    private sealed class QueuedSubscriber
    {
        private readonly Channel<IncomingMessage> _channel;
        private readonly CancellationTokenSource _ending = new();
        private long _dropped;

        public QueuedSubscriber(MessageHandler handler, int capacity, IncomingPublisher publisher)
        {
            _channel = Channel.CreateBounded<IncomingMessage>(
                new BoundedChannelOptions(capacity) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true }, _ => Interlocked.Increment(ref _dropped));
            Loop = Task.Run(() => RunAsync(handler, publisher));
        }

        public Task Loop { get; }

        public long Dropped => Interlocked.Read(ref _dropped);

        public void Offer(IncomingMessage message) => _channel.Writer.TryWrite(message);

        public void End()
        {
            _channel.Writer.TryComplete();
            _ending.Cancel();
        }

        private async Task RunAsync(MessageHandler handler, IncomingPublisher publisher)
        {
            await foreach (IncomingMessage message in _channel.Reader.ReadAllAsync())
            {
                try
                {
                    await handler(message, _ending.Token);
                }
                catch (Exception e)
                {
                    publisher.LogSubscriber(e);
                }
            }
        }
    }

    private sealed class Ending(Action end) : IDisposable
    {
        public void Dispose() => end();
    }
}
