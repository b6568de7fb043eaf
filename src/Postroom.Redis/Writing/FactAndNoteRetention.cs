using System.Globalization;

namespace Postroom.Redis;

/// <summary>Removes what is kept beside messages and whose time is past: dedup keys beyond their number, rows of the audit, facts that have ended (JN-9, JN-10).</summary>
internal sealed class FactAndNoteRetention(RedisClient client, RedisKeys keys, RetentionOptions retention, DateTimeOffset now)
{
    private const int PageSize = 500;

    /// <summary>Goes through all of it, page by page.</summary>
    /// <returns>How many dedup keys had to go before their time.</returns>
    public async ValueTask<long> RunAsync(CancellationToken cancellationToken)
    {
        await client.CallAsync(new RespCommand("ZREMRANGEBYSCORE", keys.DedupEnds, "-inf", now.ToUnixTimeMilliseconds()), cancellationToken);
        long early = await TrimDedupAsync(cancellationToken);
        string oldest = (now - retention.Audit).ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture);
        await client.CallAsync(new RespCommand("XTRIM", keys.Notes, "MINID", oldest), cancellationToken);
        foreach (RespValue scope in (await client.CallAsync(new RespCommand("SMEMBERS", keys.Scopes), cancellationToken)).Items)
        {
            await TrimFactsAsync(scope.AsText(), cancellationToken);
        }

        return early;
    }

    /// <summary>Over the number the oldest go, and their repeats are stored again.</summary>
    private async ValueTask<long> TrimDedupAsync(CancellationToken cancellationToken)
    {
        long early = 0;
        while (!cancellationToken.IsCancellationRequested)
        {
            long over = (await client.CallAsync(new RespCommand("ZCARD", keys.DedupEnds), cancellationToken)).AsInteger() - retention.MaxDedupKeys;
            if (over <= 0)
            {
                break;
            }

            RespValue oldest = await client.CallAsync(new RespCommand("ZRANGE", keys.DedupEnds, 0, Math.Min(over, PageSize) - 1), cancellationToken);
            RespCommand delete = new("DEL");
            RespCommand forget = new("ZREM", keys.DedupEnds);
            foreach (RespValue key in oldest.Items)
            {
                delete.Add(key.Bytes);
                forget.Add(key.Bytes);
            }

            await client.CallAsync(delete, cancellationToken);
            await client.CallAsync(forget, cancellationToken);
            early += oldest.Items.Length;
        }

        return early;
    }

    private async ValueTask TrimFactsAsync(string scope, CancellationToken cancellationToken)
    {
        string cursor = "0";
        do
        {
            RespValue page = await client.CallAsync(new RespCommand("HSCAN", keys.Facts(scope), cursor, "COUNT", PageSize), cancellationToken);
            cursor = page[0].AsText();
            RespValue[] items = page[1].Items;
            for (int i = 0; i + 1 < items.Length; i += 2)
            {
                if (FactBytes.Read(scope, items[i].AsText(), items[i + 1].Bytes, now) is null)
                {
                    await client.CallAsync(new RespCommand("HDEL", keys.Facts(scope), items[i].Bytes), cancellationToken);
                }
            }
        }
        while (cursor != "0" && !cancellationToken.IsCancellationRequested);
    }
}
