using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Postroom.Redis;

/// <summary>
/// Adopts what other programs add to the stream of a communicator (RD-3, GW-3): each entry becomes a message of the outbound queue, once, in their order, and leaves the stream.
/// What cannot be read goes to the stream of dead entries with the reason.
/// </summary>
/// <remarks>One node does so at a time, the owner of the queue's first partition; whoever takes that over claims what the former one has read and not adopted.</remarks>
internal sealed partial class ForeignStream : IAsyncDisposable
{
    private const int PageSize = 64;
    private const int MostDead = 10_000;

    private static readonly TimeSpan Block = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestCall = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly RedisStore _store;
    private readonly RedisPartition _lead;
    private readonly string _communicator;
    private readonly string _stream;
    private readonly string _group;
    private readonly Func<RedisClient> _connect;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _closing = new();
    private readonly Task _loop;
    private RedisClient? _reading;
    private long _epoch;
    private long _length;

    /// <summary>Begins to read while the partition is this node's.</summary>
    public ForeignStream(RedisStore store, RedisPartition lead, RedisOptions options, Func<RedisClient> connect, ILogger log)
    {
        _store = store;
        _lead = lead;
        _communicator = OutboundQueue.CommunicatorOf(lead.Queue)!;
        _stream = store.Keys.OutboundStream(options.OutboundStreamPrefix, _communicator);
        _group = store.Keys.OutboundGroup(options.GatewayGroupPrefix, _communicator);
        _connect = connect;
        _log = log;
        _loop = RunAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _loop;
        await (_reading?.DisposeAsync() ?? default);
        _closing.Dispose();
    }

    private async Task RunAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                if (_lead.Owner is null)
                {
                    _epoch = 0;
                    await Task.Delay(Pause, TimeProvider.System, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    continue;
                }

                _reading ??= _connect();
                if (_epoch != _lead.Epoch)
                {
                    await JoinAsync();
                }

                RespValue reply = await _reading.CallAsync(
                    new RespCommand("XREADGROUP", "GROUP", _group, _store.Node, "COUNT", PageSize, "BLOCK", (long)Block.TotalMilliseconds, "STREAMS", _stream, ">"), _closing.Token, Block);
                RespValue entries = reply.IsNull ? RespValue.Null : reply.Kind == RespKind.Map ? reply[1] : reply[0][1];
                await AdoptAsync(entries.Items);
            }
            catch (RedisException e) when (e.Fault == RedisFault.NoGroup)
            {
                _epoch = 0;
                Log.GroupGone(_log, _group, _stream, _length);
            }
            catch (Exception e)
            {
                if (!_closing.IsCancellationRequested)
                {
                    Log.ReadFailed(_log, _stream, e.Message);
                    await Task.Delay(Pause, TimeProvider.System, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }
    }

    /// <summary>Makes the group where there is none, and adopts what a former reader has left unfinished (RD-5, RD-6).</summary>
    private async ValueTask JoinAsync()
    {
        long epoch = _lead.Epoch;
        RedisClient client = _store.Client;
        long length = (await client.CallAsync(new RespCommand("XLEN", _stream), _closing.Token)).AsInteger();
        if (length < _length)
        {
            _store.ReportLoss(string.Create(
                CultureInfo.InvariantCulture,
                $"Stream '{_stream}' was deleted with {_length - length} entries of other programs that were not adopted yet. Find out who deletes it; nothing of Postroom does."));
        }

        try
        {
            await client.CallAsync(new RespCommand("XGROUP", "CREATE", _stream, _group, "0", "MKSTREAM"), _closing.Token);
        }
        catch (RedisException e) when (e.Code == "BUSYGROUP")
        {
        }

        string cursor = "0-0";
        do
        {
            RespValue claimed = await client.CallAsync(new RespCommand("XAUTOCLAIM", _stream, _group, _store.Node, 0, cursor, "COUNT", PageSize), _closing.Token);
            cursor = claimed[0].AsText();
            await AdoptAsync(claimed[1].Items);
        }
        while (cursor != "0-0");

        // A consumer with entries of its own is never removed.
        RespValue consumers = await client.CallAsync(new RespCommand("XINFO", "CONSUMERS", _stream, _group), _closing.Token);
        foreach (RespValue consumer in consumers.Items)
        {
            if (consumer.Find("name").AsText() is var name && name != _store.Node && consumer.Find("pending").AsInteger() == 0)
            {
                await client.CallAsync(new RespCommand("XGROUP", "DELCONSUMER", _stream, _group, name), _closing.Token);
            }
        }

        _epoch = epoch;
    }

    private async ValueTask AdoptAsync(RespValue[] entries)
    {
        if (entries.Length == 0)
        {
            return;
        }

        _length = (await _store.Client.CallAsync(new RespCommand("XLEN", _stream), _closing.Token)).AsInteger();
        List<AdoptOperation> adopted = [];
        foreach (RespValue entry in entries)
        {
            adopted.Add(Adopt(entry[0].AsText(), entry[1].Items));
            await _store.AddAsync(adopted[^1], _closing.Token);
        }

        bool[] done = await Task.WhenAll(adopted.Select(static operation => operation.Answer));
        foreach (AdoptOperation operation in adopted.Where(static operation => operation is { Ask: not null, Answer.Result: true }))
        {
            // It has left the stream: it is done once at most.
            _ = _store.AnswerAsync(operation.Ask!, operation.ReplyQueue, _store.Now + LongestCall);
        }

        _length = done.All(static one => one) ? Math.Max(0, _length - entries.Length) : _length;
    }

    private AdoptOperation Adopt(string entryId, RespValue[] fields)
    {
        ForeignEntry read;
        try
        {
            // An entry that was deleted while it was pending has nothing in it.
            read = fields.Length == 0 ? throw new InvalidDataException("it was deleted before it was adopted") : ForeignEntry.Read(_communicator, entryId, fields, _store.Now);
        }
        catch (InvalidDataException e)
        {
            Log.Dead(_log, _stream, entryId, e.Message);
            RespCommand dead = new("XADD", _store.Keys.Dead(_communicator), "MAXLEN", "~", MostDead, "*", "entry", entryId, "reason", e.Message);
            foreach (RespValue field in fields)
            {
                dead.Add(field.Bytes);
            }

            return new AdoptOperation(_store, _lead, _stream, _group, entryId, null, dead);
        }

        return new AdoptOperation(_store, _lead, _stream, _group, entryId, read.Message, null) { Ask = read.Ask, ReplyQueue = read.ReplyQueue };
    }

    private static partial class Log
    {
        [LoggerMessage(2950, LogLevel.Warning, "Stream {Stream} could not be read: {Problem}")]
        public static partial void ReadFailed(ILogger logger, string stream, string problem);

        [LoggerMessage(2951, LogLevel.Warning, "Group {Group} of stream {Stream} is gone, and is made again from the stream's begin; {Known} entries were known in it.")]
        public static partial void GroupGone(ILogger logger, string group, string stream, long known);

        [LoggerMessage(2952, LogLevel.Warning, "Entry {Entry} of stream {Stream} cannot be adopted, and is among the dead ones: {Why}.")]
        public static partial void Dead(ILogger logger, string stream, string entry, string why);
    }
}
