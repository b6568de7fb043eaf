using System.Collections.Frozen;

namespace Postroom.Hosting;

/// <summary>Tells the store what it has to know of each queue: halting, pauses, poison, and the types that wait for a handler.</summary>
internal sealed class QueueRulesBook(RuntimeRooms rooms, Composition composition)
{
    /// <summary>Sets what recovery needs.</summary>
    public void SetBeforeRecovery()
    {
        foreach (string queue in rooms.Queues.Names)
        {
            rooms.Control.SetRules(queue, Rules(queue));
        }
    }

    /// <summary>Reads pauses and parks types that an earlier run had a handler for. Returns how many messages these are.</summary>
    public async Task<long> SetAfterRecoveryAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<StoredFact> handled = await rooms.Store.Facts.ListAsync(FactScopes.HandledType, cancellationToken);
        HashSet<string> known = [.. handled.Select(fact => fact.Key)];
        HashSet<string> paused = [.. (await rooms.Store.Facts.ListAsync(FactScopes.Pause, cancellationToken)).Select(fact => fact.Key)];
        List<FactChange> news = [];
        Dictionary<string, FrozenSet<string>> parkedByQueue = new(StringComparer.Ordinal);
        long parked = 0;
        foreach (string queue in rooms.Queues.Names)
        {
            HashSet<string> parkedTypes = new(StringComparer.Ordinal);
            foreach (string key in known)
            {
                (string of, string type) = Split(key);
                if (of == queue && rooms.Handlers.Find(queue, type) is null && rooms.Handlers.Serves(queue))
                {
                    parkedTypes.Add(type);
                }
            }

            parkedByQueue[queue] = parkedTypes.ToFrozenSet(StringComparer.Ordinal);
            rooms.Activity.SetPaused(queue, paused.Contains(queue));
            rooms.Control.SetRules(queue, Rules(queue) with { Paused = paused.Contains(queue), ParkedTypes = parkedByQueue[queue] });
            parked += await CountParkedAsync(queue, parkedTypes, cancellationToken);
        }

        rooms.Parked.Set(parkedByQueue);
        foreach (Handling.HandlerEntry entry in rooms.Handlers.Handlers)
        {
            if (known.Add(Join(entry.Queue, entry.Type)))
            {
                news.Add(new FactChange(FactScopes.HandledType, Join(entry.Queue, entry.Type), ReadOnlyMemory<byte>.Empty));
            }
        }

        if (news.Count > 0)
        {
            await rooms.Store.WriteAsync(new StoreWrite { Facts = news }, cancellationToken);
        }

        return parked;
    }

    private async Task<long> CountParkedAsync(string queue, HashSet<string> parkedTypes, CancellationToken cancellationToken)
    {
        if (parkedTypes.Count == 0)
        {
            return 0;
        }

        IReadOnlyDictionary<string, long> open = await rooms.Control.CountOpenByTypeAsync(queue, cancellationToken);
        return open.Where(pair => parkedTypes.Contains(pair.Key)).Sum(pair => pair.Value);
    }

    private QueueRules Rules(string queue) => Rules(composition.Queues.Get(queue));

    /// <summary>What the options of a queue tell the store.</summary>
    public static QueueRules Rules(QueueOptions options) => new() { HaltOnFailure = options.HaltOnFailure, PoisonDeaths = options.PoisonDeaths, Limits = options.Limits };

    private static string Join(string queue, string type) => $"{queue}/{type}";

    private static (string Queue, string Type) Split(string key)
    {
        int slash = key.IndexOf('/', StringComparison.Ordinal);
        return (key[..slash], key[(slash + 1)..]);
    }
}
