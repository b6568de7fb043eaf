using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Postroom.Redis;

/// <summary>Writes what waits, one batch after the other: the round trip of one is the window in which the next gathers, and nothing waits for more company.</summary>
/// <remarks>
/// Every batch has a number that rises; the server keeps the last one with its reply, so a batch whose reply was lost is sent again under its number and is done once (RD-11).
/// </remarks>
internal sealed partial class RedisWriter : IAsyncDisposable
{
    private const int MostOperations = 1_024;
    private const long MostBytes = 8L << 20;
    private const int MostWaiting = 8_192;

    private static readonly Backoff Waits = new(TimeSpan.FromMilliseconds(50), 2, TimeSpan.FromSeconds(1), 0.2);

    private readonly RedisClient _client;
    private readonly RedisKeys _keys;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Func<double> _random;
    private readonly Func<string, int, long, ValueTask> _arrived;
    private readonly TimeSpan _patience;
    private readonly int _replicas;
    private readonly CancellationTokenSource _aborting = new();
    private readonly Channel<RedisOperation> _waiting = Channel.CreateBounded<RedisOperation>(new BoundedChannelOptions(MostWaiting) { SingleReader = true });
    private readonly List<RedisOperation> _batch = [];
    private readonly BatchWriter _text;
    private readonly string _node;
    private readonly Task _writing;
    private RedisOperation? _next;
    private long _number;

    /// <summary>Begins to write.</summary>
    /// <param name="client">The connection.</param>
    /// <param name="keys">The keys.</param>
    /// <param name="node">Whose batches they are.</param>
    /// <param name="number">The number before that of the first batch; larger than those of all earlier runs of the node.</param>
    /// <param name="patience">How long a batch whose outcome is unknown is sent again before its callers are told that nobody knows.</param>
    /// <param name="replicas">How many replicas must confirm what is admitted; 0 asks none.</param>
    /// <param name="arrived">Waits until this node has read a message of a partition that it owns.</param>
    /// <param name="clock">The wall clock.</param>
    /// <param name="log">Is told of failures.</param>
    /// <param name="random">A number from 0 to 1, for the jitter.</param>
    public RedisWriter(
        RedisClient client, RedisKeys keys, string node, long number, TimeSpan patience, int replicas, Func<string, int, long, ValueTask> arrived, TimeProvider clock, ILogger log, Func<double> random)
    {
        _client = client;
        _keys = keys;
        _node = node;
        _number = number;
        _patience = patience;
        _replicas = replicas;
        _arrived = arrived;
        _clock = clock;
        _log = log;
        _random = random;
        _text = new BatchWriter(keys);
        _writing = RunAsync();
    }

    /// <summary>Why nothing can be written now; null when the last batch was.</summary>
    public string? Problem { get; private set; }

    /// <summary>Why nothing new is accepted now; null when it is.</summary>
    public string? Refusal { get; private set; }

    /// <summary>Hands an operation over.</summary>
    /// <exception cref="ObjectDisposedException">The store is closed.</exception>
    public ValueTask AddAsync(RedisOperation operation, CancellationToken cancellationToken)
    {
        if (_waiting.Writer.TryWrite(operation))
        {
            return default;
        }

        return WaitAsync(operation, cancellationToken);
    }

    /// <summary>Writes what was handed over, then ends.</summary>
    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        await _writing;
        _aborting.Dispose();
    }

    /// <summary>Gives up what cannot be written now, so that <see cref="DisposeAsync"/> does not wait for a server that is not there.</summary>
    public void Abort() => _aborting.Cancel();

    private async ValueTask WaitAsync(RedisOperation operation, CancellationToken cancellationToken)
    {
        try
        {
            await _waiting.Writer.WriteAsync(operation, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            throw new ObjectDisposedException(nameof(RedisStore), "The store is closed.");
        }
    }

    private async Task RunAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        while (_next is not null || await _waiting.Reader.WaitToReadAsync())
        {
            await TakeAsync();
            if (_batch.Count > 0)
            {
                await WriteAsync();
            }
        }
    }

    /// <summary>Takes what waits, as far as it may be in one batch.</summary>
    private async ValueTask TakeAsync()
    {
        _batch.Clear();
        _text.Clear();
        while (_batch.Count < MostOperations && _text.Bytes < MostBytes && (_next is not null || _waiting.Reader.TryRead(out _next)))
        {
            RedisOperation operation = _next!;
            if (operation.IsAlone && _batch.Count > 0)
            {
                return;
            }

            _next = null;
            if (await PrepareAsync(operation))
            {
                _batch.Add(operation);
                if (operation.IsAlone)
                {
                    return;
                }
            }
        }
    }

    private async ValueTask<bool> PrepareAsync(RedisOperation operation)
    {
        _text.Begin();
        try
        {
            await operation.PrepareAsync(_text, _aborting.Token);
            _text.End();
            return true;
        }
        catch (Exception e)
        {
            _text.Drop();
            operation.Fail(Translate(e));
            return false;
        }
    }

    private async Task WriteAsync()
    {
        bool admits = _batch.Any(operation => operation.IsAdmission);
        RedisScript script = admits ? RedisScript.Admit : RedisScript.Settle;
        try
        {
            RespValue reply = await CallAsync(script);
            (Problem, Refusal) = (null, admits ? null : Refusal);
            await CompleteAsync(reply, admits && _replicas > 0 ? await ConfirmAsync() : null);
        }
        catch (RedisException e) when (e.Fault == RedisFault.NoRoom && admits)
        {
            Refusal = e.Message;
            await WithoutAdmissionAsync(e);
        }
        catch (Exception e)
        {
            Problem = e.Message;
            Log.Failed(_log, e.Message, _batch.Count);
            Exception failure = Translate(e);
            foreach (RedisOperation operation in _batch)
            {
                operation.Fail(failure);
            }
        }
    }

    /// <summary>Refuses what is new and writes the rest: ends make room.</summary>
    private async Task WithoutAdmissionAsync(RedisException refusal)
    {
        RedisOperation[] batch = [.. _batch];
        _batch.Clear();
        _text.Clear();
        foreach (RedisOperation operation in batch)
        {
            if (operation.IsAdmission)
            {
                operation.Fail(Translate(refusal));
            }
            else if (await PrepareAsync(operation))
            {
                _batch.Add(operation);
            }
        }

        if (_batch.Count > 0)
        {
            await WriteAsync();
        }
    }

    private async ValueTask<RespValue> CallAsync(RedisScript script)
    {
        RespCommand call = _text.ToCommand(script, _node, ++_number, _clock.GetUtcNow());
        long begun = TimeProvider.System.GetTimestamp();
        for (int tries = 1; ; tries++)
        {
            try
            {
                return await script.CallAsync(_client, call, _aborting.Token);
            }
            catch (RedisConnectionException) when (TimeProvider.System.GetElapsedTime(begun) < _patience && !_aborting.IsCancellationRequested)
            {
                // It may have been done: under its number it is done once, and the reply is kept.
                await Task.Delay(Waits.After(tries, _random()), TimeProvider.System, _aborting.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Waits until enough replicas have what was written; null when they have (RD-2).</summary>
    private async ValueTask<StoreUnavailableException?> ConfirmAsync()
    {
        long confirmed = 0;
        try
        {
            // Half the time-out, so that the server says how many there were before the connection is given up.
            confirmed = (await _client.CallAsync(new RespCommand("WAIT", _replicas, (long)(_patience.TotalMilliseconds / 2)), _aborting.Token)).AsInteger();
        }
        catch (Exception e) when (e is RedisConnectionException or RedisException)
        {
            Log.Failed(_log, e.Message, _batch.Count);
        }

        return confirmed >= _replicas ? null : new StoreUnavailableException(
            $"Redis has stored the messages, but {confirmed} of {_replicas} replicas have confirmed them (redis.waitReplicas), so a failover may lose them: not confirmed. Send the same messages again: each is stored once.");
    }

    private async ValueTask CompleteAsync(RespValue reply, StoreUnavailableException? unconfirmed)
    {
        if (reply.Items is [var only] && only.AsText() == "S")
        {
            foreach (RedisOperation operation in _batch)
            {
                operation.Lost("owner");
            }

            return;
        }

        List<List<RespValue>?> units = [];
        List<string?> lost = [];
        List<RespValue> current = [];
        foreach (RespValue item in reply.Items)
        {
            switch ((char)item.Bytes.Span[0])
            {
                case '.':
                    units.Add(current);
                    lost.Add(null);
                    current = [];
                    break;
                case 'L':
                    units.Add(null);
                    lost.Add(item.AsText()[1..]);
                    break;
                default:
                    current.Add(item);
                    break;
            }
        }

        for (int i = 0; i < _batch.Count; i++)
        {
            foreach ((string queue, int partition, long seq) in units[i] is { } replies ? _batch[i].Arrivals(replies) : [])
            {
                await _arrived(queue, partition, seq);
            }
        }

        for (int i = 0; i < _batch.Count; i++)
        {
            try
            {
                if (units[i] is { } replies && unconfirmed is not null)
                {
                    _batch[i].Unconfirmed(replies, unconfirmed);
                }
                else if (units[i] is { } stored)
                {
                    _batch[i].Complete(stored);
                }
                else
                {
                    _batch[i].Lost(lost[i]!);
                }
            }
            catch (Exception e)
            {
                _batch[i].Fail(e);
            }
        }
    }

    private static Exception Translate(Exception failure) => failure switch
    {
        RedisConnectionException { MayHaveRun: true } => new StoreUnavailableException($"{failure.Message} The same message may be sent again: it is stored once.", failure),
        RedisConnectionException or RedisException or OperationCanceledException => new StoreUnavailableException(failure.Message, failure),
        _ => failure,
    };
}
