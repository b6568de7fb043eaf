using System.Globalization;
using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>Takes back what the former owner of a partition had in work: attempts that had begun are redelivered, and charged with a death where their node died (JN-7).</summary>
internal sealed class RedisRecovery
{
    private readonly RedisStore _store;
    private readonly RedisClient _client;
    private readonly RedisKeys _keys;
    private readonly string _before;
    private readonly bool _clean;
    private readonly Dictionary<MessageId, string> _begun;

    private RedisRecovery(RedisStore store, RedisClient client, RedisKeys keys, string before, bool clean, Dictionary<MessageId, string> begun)
    {
        _store = store;
        _client = client;
        _keys = keys;
        _before = before;
        _clean = clean;
        _begun = begun;
    }

    /// <summary>Reads what the former owner had begun.</summary>
    /// <param name="store">The store.</param>
    /// <param name="client">The connection.</param>
    /// <param name="keys">The keys.</param>
    /// <param name="before">The node that owned the partition; empty for none.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async ValueTask<RedisRecovery> BeginAsync(RedisStore store, RedisClient client, RedisKeys keys, string before, CancellationToken cancellationToken)
    {
        Dictionary<MessageId, string> begun = [];
        if (before.Length == 0)
        {
            return new RedisRecovery(store, client, keys, before, clean: true, begun);
        }

        RespValue fly = await client.CallAsync(new RespCommand("HGETALL", keys.Fly(before)), cancellationToken);
        for (int i = 0; i + 1 < fly.Items.Length; i += 2)
        {
            begun[MessageId.FromBytes(fly[i].Bytes.Span)] = fly[i + 1].AsText();
        }

        // What an earlier run of this very node left was read when this run began, which is not clean itself.
        bool clean = before == store.Node
            ? store.IsPreviousRunClean
            : (await client.CallAsync(new RespCommand("HEXISTS", keys.Meta, RedisKeys.Clean(before)), cancellationToken)).AsBoolean();
        return new RedisRecovery(store, client, keys, before, clean, begun);
    }

    /// <summary>Takes one open message back before it is admitted.</summary>
    public async ValueTask TakeBackAsync(OpenMessage message, int partition)
    {
        if (!_begun.Remove(message.Envelope.Id, out string? text))
        {
            return;
        }

        string[] parts = text.Split('|', 3);
        int attempt = int.Parse(parts[0], CultureInfo.InvariantCulture);
        bool died = !_clean && !OutboundQueue.Is(message.Envelope.Queue);
        DateTimeOffset? begun = DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(parts[1], CultureInfo.InvariantCulture));
        message.Redelivered = true;
        message.Attempt = Math.Max(message.Attempt, attempt);
        message.Deaths += died ? 1 : 0;
        message.DueAt = null;
        (message.Attempts ??= []).Add(new AttemptRecord
        {
            Attempt = attempt,
            StartedAt = begun,
            EndedAt = _store.Now,
            Outcome = _clean ? "released" : "died",
            Error = _clean ? "The program stopped before it ended." : "The process ended while it was in work.",
            Owner = parts.Length > 2 ? parts[2] : null,
        });
        message.RowHasTrack = true;
        _store.NoteTakenBack(message, _before);
        byte[] id = BatchWriter.Bytes16(message.Envelope.Id);
        MessagePlace place = new(MessageState.Pending, message.Seq, partition, message.Attempt, null, null, HasExtra: true, message.Envelope.Queue);
        await _client.CallAsync(new RespCommand("HSET", _keys.Extra(message.Envelope.Id), "t", MessageExtra.Of(message).ToBytes()), CancellationToken.None);
        await _client.CallAsync(new RespCommand("HSET", _keys.Ids(message.Envelope.Id), id, place.ToString()), CancellationToken.None);
        await _client.CallAsync(new RespCommand("HDEL", _keys.Fly(_before), id), CancellationToken.None);
    }
}
