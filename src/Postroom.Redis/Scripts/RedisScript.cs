using System.Security.Cryptography;
using System.Text;

namespace Postroom.Redis;

/// <summary>A script of the store, called by its hash and loaded where the server does not know it (RD-4).</summary>
internal sealed class RedisScript
{
    /// <summary>Writes a batch; a server whose memory is full refuses it.</summary>
    public static readonly RedisScript Admit = new("commit.lua", "#!lua\n");

    /// <summary>Writes a batch also when the server's memory is full: ends make room.</summary>
    public static readonly RedisScript Settle = new("commit.lua", "#!lua flags=allow-oom\n");

    /// <summary>Takes, keeps and leaves partitions.</summary>
    public static readonly RedisScript Own = new("own.lua", "");

    /// <summary>Says that a node lives, and tells which others do.</summary>
    public static readonly RedisScript Beat = new("beat.lua", "");

    private readonly string _text;
    private readonly string _hash;

    private RedisScript(string file, string head)
    {
        using Stream stream = typeof(RedisScript).Assembly.GetManifestResourceStream($"Postroom.Redis.Scripts.{file}")!;
        using StreamReader reader = new(stream, Encoding.UTF8);
        _text = head + reader.ReadToEnd();
#pragma warning disable CA5350 // The server names scripts by their SHA-1.
        _hash = Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(_text)));
#pragma warning restore CA5350
    }

    /// <summary>Begins a call with one key; the arguments are added to it.</summary>
    public RespCommand Begin(string key) => new("EVALSHA", _hash, 1, key);

    /// <summary>Runs a call.</summary>
    public async ValueTask<RespValue> CallAsync(RedisClient client, RespCommand call, CancellationToken cancellationToken)
    {
        try
        {
            return await client.CallAsync(call, cancellationToken);
        }
        catch (RedisException e) when (e.Fault == RedisFault.NoScript)
        {
            await client.CallAsync(new RespCommand("SCRIPT", "LOAD", _text), cancellationToken);
            return await client.CallAsync(call, cancellationToken);
        }
    }
}
