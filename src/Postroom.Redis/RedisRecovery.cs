using System.Globalization;
using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>Takes back what the former owner of a partition had in work: attempts that had begun are redelivered, and charged with a death where their node died (JN-7).</summary>
internal static class RedisRecovery
{
    /// <summary>Writes it to the messages' records, before the partition is read.</summary>
    /// <param name="store">The store.</param>
    /// <param name="client">The connection.</param>
    /// <param name="keys">The keys.</param>
    /// <param name="messages">Reads messages.</param>
    /// <param name="queue">The queue.</param>
    /// <param name="partition">The partition.</param>
    /// <param name="before">The node that owned it; empty for none.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>How many it were.</returns>
    public static async ValueTask<int> TakeBackAsync(
        RedisStore store, RedisClient client, RedisKeys keys, MessageReader messages, string queue, int partition, string before, CancellationToken cancellationToken)
    {
        if (before.Length == 0)
        {
            return 0;
        }

        RespValue fly = await client.CallAsync(new RespCommand("HGETALL", keys.Fly(before)), cancellationToken);
        if (fly.Items.Length == 0)
        {
            return 0;
        }

        (MessageId Id, string Begin)[] begun =
            [.. Enumerable.Range(0, fly.Items.Length / 2).Select(i => (MessageId.FromBytes(fly[2 * i].Bytes.Span), fly[(2 * i) + 1].AsText()))];
        MessagePlace?[] places = await messages.FindAsync([.. begun.Select(one => one.Id)], cancellationToken);

        // What an earlier run of this very node left was read when this run began, which is not clean itself.
        bool clean = before == store.Node
            ? store.IsPreviousRunClean
            : (await client.CallAsync(new RespCommand("HEXISTS", keys.Meta, RedisKeys.Clean(before)), cancellationToken)).AsBoolean();
        int count = 0;
        for (int i = 0; i < begun.Length; i++)
        {
            if (places[i] is not { } place || place.State != MessageState.Pending)
            {
                await client.CallAsync(new RespCommand("HDEL", keys.Fly(before), BatchWriter.Bytes16(begun[i].Id)), cancellationToken);
            }
            else if (place.Queue == queue && place.Partition == partition && await messages.ReadAsync(begun[i].Id, place, cancellationToken) is { } message)
            {
                Charge(store, message, begun[i].Begin, clean);
                store.NoteTakenBack(message, before);
                MessagePlace taken = place with { Attempt = message.Attempt, HasExtra = true };
                byte[] id = BatchWriter.Bytes16(begun[i].Id);
                await client.CallAsync(new RespCommand("HSET", keys.Extra(begun[i].Id), "t", MessageExtra.Of(message).ToBytes()), CancellationToken.None);
                await client.CallAsync(new RespCommand("HSET", keys.Ids(begun[i].Id), id, taken.ToString()), CancellationToken.None);
                await client.CallAsync(new RespCommand("HDEL", keys.Fly(before), id), CancellationToken.None);
                count++;
            }
        }

        return count;
    }

    private static void Charge(RedisStore store, OpenMessage message, string text, bool clean)
    {
        string[] parts = text.Split('|', 3);
        int attempt = int.Parse(parts[0], CultureInfo.InvariantCulture);
        DateTimeOffset? begun = DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(parts[1], CultureInfo.InvariantCulture));
        message.Redelivered = true;
        message.Attempt = Math.Max(message.Attempt, attempt);
        message.Deaths += clean || OutboundQueue.Is(message.Envelope.Queue) ? 0 : 1;
        message.DueAt = null;
        (message.Attempts ??= []).Add(new AttemptRecord
        {
            Attempt = attempt,
            StartedAt = begun,
            EndedAt = store.Now,
            Outcome = clean ? "released" : "died",
            Error = clean ? "The program stopped before it ended." : "The process ended while it was in work.",
            Owner = parts.Length > 2 ? parts[2] : null,
        });
    }
}
