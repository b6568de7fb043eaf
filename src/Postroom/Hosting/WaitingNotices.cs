namespace Postroom.Hosting;

/// <summary>Says which messages wait for something that this build does not have; nobody would see them otherwise (JN-7 step 6).</summary>
internal sealed class WaitingNotices(RuntimeRooms rooms)
{
    private const int MostTypes = 10;

    /// <summary>One sentence per queue with such messages, as things stand now; empty when there is none.</summary>
    /// <param name="stats">The counts of all queues.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<IReadOnlyList<string>> ReadAsync(StoreStats stats, CancellationToken cancellationToken)
    {
        List<string> notices = [];
        foreach ((string queue, StoreQueueStats counts) in stats.Queues.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (counts.Parked > 0)
            {
                IReadOnlyDictionary<string, long> open = await rooms.Control.CountOpenByTypeAsync(queue, cancellationToken);
                notices.Add(Parked(queue, counts.Parked, [.. rooms.Parked.TypesOf(queue).Where(open.ContainsKey)]));
            }
            else if (counts.Pending > 0 && rooms.Activity.IsPaused(queue))
            {
                notices.Add($"Queue '{queue}' is paused and holds {counts.Pending} {(counts.Pending == 1 ? "message" : "messages")}. Let it go on with 'postroom queues resume {queue}'.");
            }
            else if (counts.Pending > 0 && !rooms.HasPool(queue) && rooms.Activity.Consumers(queue) == 0)
            {
                notices.Add(Untaken(queue, counts.Pending));
            }
        }

        return notices;
    }

    /// <summary>Types as a sentence lists them.</summary>
    public static string List(IReadOnlyCollection<string> types)
    {
        string named = string.Join(", ", types.Order(StringComparer.Ordinal).Take(MostTypes).Select(type => $"'{type}'"));
        return types.Count > MostTypes ? $"{named} and {types.Count - MostTypes} more" : named;
    }

    private string Untaken(string queue, long count)
    {
        string held = $"Queue '{queue}' holds {count} {(count == 1 ? "message" : "messages")}";
        return OutboundQueue.CommunicatorOf(queue) is { } communicator
            ? $"Queue '{queue}' holds {count} parked {(count == 1 ? "message" : "messages")}: communicator '{communicator}' is not registered. Add it again under communications.backends or in a module, and they go on."
            : !rooms.Queues.IsDeclared(queue)
            ? $"{held} and is not declared in this build, so they wait. Declare it with AddQueue(\"{queue}\"), or register its communicator."
            : rooms.PoolsWithoutHandlers.TryGetValue(queue, out string? pool)
            ? $"{held}, and nothing in this build handles them, so they wait until a receiver takes them. Worker pool '{pool}' is there: add a handler for queue '{queue}' in a module, or open a receiver."
            : $"{held} and has no worker pool, so they wait until a receiver takes them. Call AddWorkers(\"{queue}\"), or open a receiver.";
    }

    private static string Parked(string queue, long count, IReadOnlyCollection<string> types)
    {
        string what = types.Count > 0 ? List(types) : "their types";
        return $"Queue '{queue}' holds {count} parked {(count == 1 ? "message" : "messages")}: nothing in this build handles {what}, which an earlier run of this store handled. "
            + "What follows in their conversations waits as well. They go on by themselves when a build that handles them starts.";
    }
}
