namespace Postroom.Redis;

/// <summary>Reads facts.</summary>
internal sealed class RedisFacts(RedisStore store) : IFacts
{
    /// <inheritdoc/>
    public async ValueTask<StoredFact?> GetAsync(string scope, string key, CancellationToken cancellationToken)
    {
        RespValue value = await RedisStore.ReachAsync(() => store.Client.CallAsync(new RespCommand("HGET", store.Keys.Facts(scope), key), cancellationToken));
        return value.IsNull ? null : FactBytes.Read(scope, key, value.Bytes, store.Now);
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<StoredFact>> ListAsync(string scope, CancellationToken cancellationToken)
    {
        RespValue all = await RedisStore.ReachAsync(() => store.Client.CallAsync(new RespCommand("HGETALL", store.Keys.Facts(scope)), cancellationToken));
        List<StoredFact> facts = [];
        for (int i = 0; i + 1 < all.Items.Length; i += 2)
        {
            if (FactBytes.Read(scope, all[i].AsText(), all[i + 1].Bytes, store.Now) is { } fact)
            {
                facts.Add(fact);
            }
        }

        return [.. facts.OrderBy(fact => fact.Key, StringComparer.Ordinal)];
    }
}
