using Microsoft.Extensions.Logging;

namespace Postroom.Redis;

/// <summary>Reads what all nodes have to know, one after the other, by a blocked read on a connection of its own.</summary>
internal sealed partial class CommandReader : IAsyncDisposable
{
    private static readonly TimeSpan Block = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly RedisClient _reading;
    private readonly RedisKeys _keys;
    private readonly Func<NodeCommand, Task> _act;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _closing = new();
    private readonly Task _loop;
    private string _last;

    /// <summary>Begins to read.</summary>
    /// <param name="reading">A connection of its own; it is disposed with this.</param>
    /// <param name="keys">The keys.</param>
    /// <param name="last">What came before is not read.</param>
    /// <param name="act">Acts; what it throws is logged, and the next comes.</param>
    /// <param name="log">Is told of failures.</param>
    public CommandReader(RedisClient reading, RedisKeys keys, string last, Func<NodeCommand, Task> act, ILogger log)
    {
        _reading = reading;
        _keys = keys;
        _last = last;
        _act = act;
        _log = log;
        _loop = RunAsync();
    }

    /// <summary>The number of the last command there is.</summary>
    public static async ValueTask<string> LastAsync(RedisClient client, RedisKeys keys, CancellationToken cancellationToken)
    {
        RespValue last = await client.CallAsync(new RespCommand("XREVRANGE", keys.Commands, "+", "-", "COUNT", 1), cancellationToken);
        return last.Items is [var only] ? only[0].AsText() : "0-0";
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _loop;
        await _reading.DisposeAsync();
        _closing.Dispose();
    }

    private async Task RunAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                RespValue reply = await _reading.CallAsync(
                    new RespCommand("XREAD", "COUNT", 100, "BLOCK", (long)Block.TotalMilliseconds, "STREAMS", _keys.Commands, _last), _closing.Token, Block);
                RespValue entries = reply.IsNull ? RespValue.Null : reply.Kind == RespKind.Map ? reply[1] : reply[0][1];
                foreach (RespValue entry in entries.Items)
                {
                    await ActAsync(entry);
                    _last = entry[0].AsText();
                }
            }
            catch (Exception e) when (e is RedisConnectionException or RedisException or RespProtocolException or OperationCanceledException)
            {
                if (!_closing.IsCancellationRequested)
                {
                    Log.ReadFailed(_log, e.Message);
                    await Task.Delay(Pause, TimeProvider.System, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }
    }

    private async Task ActAsync(RespValue entry)
    {
        try
        {
            if (entry[1].Items is [_, var json, ..] && NodeCommand.Read(json.Bytes.Span) is { } command)
            {
                await _act(command);
            }
        }
        catch (Exception e)
        {
            Log.NotDone(_log, entry[0].AsText(), e.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(2940, LogLevel.Warning, "What other nodes say could not be read: {Problem}")]
        public static partial void ReadFailed(ILogger logger, string problem);

        [LoggerMessage(2941, LogLevel.Warning, "Command {Number} of another node could not be followed: {Problem}")]
        public static partial void NotDone(ILogger logger, string number, string problem);
    }
}
