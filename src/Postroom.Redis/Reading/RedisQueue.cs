using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>One queue on this node: the partitions it owns, a window of their open messages in memory, and the loop that keeps both up to date.</summary>
/// <remarks>
/// Partitions are read without a consumer group: reading changes nothing on the server, so a node that was paused and lost its partitions takes nothing from their new owner.
/// Order, delay and retry are the lane's, as in every store whose queues have one owner. What it has no room for stays on the server and comes in its turn.
/// </remarks>
internal sealed partial class RedisQueue : IAsyncDisposable
{
    /// <summary>How many messages of a queue are in memory unless the store says otherwise.</summary>
    public const int Window = 4_096;

    private const int MostHeld = 4_096;

    private static readonly TimeSpan Block = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(20);

    private readonly RedisStore _store;
    private readonly RedisClient _client;
    private readonly RedisKeys _keys;
    private readonly MessageReader _messages;
    private readonly ILogger _log;
    private readonly Lock _gate = new(); // who owns a partition, and what of it comes into memory, change together
    private readonly CancellationTokenSource _closing = new();
    private readonly TaskCompletionSource _loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _loop;
    private TaskCompletionSource _wake = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Begins to take partitions and to read them.</summary>
    public RedisQueue(string name, RedisStore store, RedisClient client, Func<RedisClient> connect, RedisKeys keys, QueueLane lane, ILogger log)
    {
        Name = name;
        _store = store;
        _client = client;
        _connect = connect;
        _keys = keys;
        _log = log;
        _messages = new MessageReader(client, keys);
        Lane = lane;
        Partitions = [.. Enumerable.Range(0, keys.Partitions).Select(number => new RedisPartition(name, number))];
        _loop = RunAsync();
    }

    public string Name { get; }

    public QueueLane Lane { get; }

    public RedisPartition[] Partitions { get; }

    /// <summary>Open messages in memory, by id.</summary>
    public ConcurrentDictionary<MessageId, OpenMessage> Open { get; } = new();

    /// <summary>Completes when what was open in the partitions that could be taken at first is in memory, as far as there is room.</summary>
    public Task Loaded => _loaded.Task;

    /// <summary>The partition of a message.</summary>
    public RedisPartition PartitionOf(Envelope envelope) => Partitions[_keys.PartitionOf(envelope)];

    /// <summary>Lets the loop look at what there is to do.</summary>
    public void Signal() => Volatile.Read(ref _wake).TrySetResult();

    /// <summary>Ends the loop. What is in memory stays there, so that it is known where reading would begin.</summary>
    public async ValueTask StopAsync()
    {
        await _closing.CancelAsync();
        Signal();
        await _loop;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        foreach (RedisPartition partition in Partitions)
        {
            partition.Leave();
        }

        await (_reading?.DisposeAsync() ?? default);
        Lane.Dispose();
        _closing.Dispose();
    }

    private async Task RunAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        while (!_closing.IsCancellationRequested)
        {
            Volatile.Write(ref _wake, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)); // what is signalled from now on is seen in the next round
            try
            {
                await NoteLeftAsync();
                await OwnAsync();
                await ServeLaneAsync();
                await ReadAsync();
                _loaded.TrySetResult();
                await WaitAsync();
            }
            catch (OperationCanceledException) when (_closing.IsCancellationRequested)
            {
            }
            catch (Exception e)
            {
                if (!_closing.IsCancellationRequested)
                {
                    Log.ReadFailed(_log, Name, e.Message);
                    await Task.Delay(Pause, TimeProvider.System, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }

        foreach (RedisPartition partition in Partitions)
        {
            partition.Stands = true;
        }

        _loaded.TrySetResult();
    }

    /// <summary>Waits until something arrives, there is room again, or partitions come and go.</summary>
    private async Task WaitAsync()
    {
        bool reads = !Lane.Overflowed && await ListenAsync();
        TimeSpan longest = Array.Exists(Partitions, static partition => partition.IsLeaving) ? Glance
            : _moves ? Pause
            : _nextDue is { } due ? Min(Until(due), Block)
            : Block;
        Task wake = Volatile.Read(ref _wake).Task;
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
        Task timer = Task.Delay(longest, TimeProvider.System, over.Token);
        await (reads ? Task.WhenAny(wake, timer, _listening!) : Task.WhenAny(wake, timer));
        await over.CancelAsync();
    }

    private TimeSpan Until(DateTimeOffset instant) => instant - _store.Now is var wait && wait > Glance ? wait : Glance;

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private void OnDamage(string problem) => Log.Damaged(_log, Name, problem);
}
