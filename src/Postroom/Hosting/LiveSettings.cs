using Postroom.Configuration;
using Postroom.Workers;

namespace Postroom.Hosting;

/// <summary>Applies changes of the configuration to what runs: queues, workers, limits, retention, hooks, health, traces (CF-8). Communicators, sources and schedules apply their own.</summary>
internal sealed class LiveSettings(RuntimeRooms rooms, Composition composition)
{
    /// <summary>From here on, what changes is in force.</summary>
    public void Follow()
    {
        RuntimeConfiguration configuration = composition.Configuration;
        _ = configuration.Subscribe<IReadOnlyDictionary<string, QueueOptions>>("queues", async (change, token) => await ApplyQueuesAsync(change, token));
        _ = configuration.Subscribe<IReadOnlyDictionary<string, WorkerOptions>>("workers", (change, _) => ApplyWorkers(change));
        _ = configuration.Subscribe<RetentionOptions>("retention", (change, _) =>
        {
            rooms.Lifecycle.Change(change.New);
            return default;
        });
        _ = configuration.Subscribe<LimitsOptions>("limits", (change, _) =>
        {
            rooms.Limits.Take(change.New);
            return default;
        });
        _ = configuration.Subscribe<TracingOptions>("tracing", async (change, _) => await rooms.TraceExporter.ApplyAsync(change.New));
        _ = configuration.Subscribe<HealthOptions>("health", (change, _) =>
        {
            rooms.Health.Change(change.New);
            return default;
        });
        _ = configuration.Subscribe<HooksOptions>("hooks", (change, _) =>
        {
            rooms.Hooks.Timeout = change.New.Timeout;
            return default;
        });
    }

    private async Task ApplyQueuesAsync(SectionChange<IReadOnlyDictionary<string, QueueOptions>> change, CancellationToken cancellationToken)
    {
        foreach (string queue in change.Old.Keys.Union(change.New.Keys, StringComparer.Ordinal))
        {
            // A queue that is no longer in the settings is again as its module declared it; one that nobody declares goes on until the restart, for it may hold messages.
            QueueOptions options = change.New.TryGetValue(queue, out QueueOptions? set) ? set
                : composition.Builder.Catalog.Queues.TryGetValue(queue, out QueueOptions? declared) ? declared
                : new QueueOptions();
            composition.Queues.Change(queue, options, rooms.Outbound.LaneOptionsOf(queue));
        }

        await new QueueRulesBook(rooms, composition).SetAfterRecoveryAsync(cancellationToken);
    }

    private ValueTask ApplyWorkers(SectionChange<IReadOnlyDictionary<string, WorkerOptions>> change)
    {
        foreach (WorkerPool pool in rooms.Workers.Pools)
        {
            WorkerOptions? next = change.New.TryGetValue(pool.Name, out WorkerOptions? set) ? set
                : change.Old.ContainsKey(pool.Name) && composition.Builder.Catalog.Pools.TryGetValue(pool.Name, out WorkerOptions? declared) ? declared
                : null;
            if (next is not null)
            {
                pool.Change(next);
            }
        }

        // One that is gone from the settings and that no module has goes on until the restart, for the queue may have no other.
        foreach ((string name, WorkerOptions options) in change.New.Where(pair => !rooms.Workers.Pools.Any(pool => pool.Name == pair.Key)))
        {
            if (rooms.MakePool(name, options) is { } made)
            {
                rooms.Workers.Register(made);
                made.Start();
            }
        }

        return default;
    }
}
