using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom.Hosting;

/// <summary>Keeps the runs of the program in the store (SPEC RS-8), each under its number.</summary>
/// <param name="store">The store.</param>
/// <param name="retention">Says how many runs are kept, asked at each begin.</param>
internal sealed class RunRecord(IMessageStore store, Func<RetentionOptions> retention)
{
    private readonly bool _sharesStore = store.Features.MultiNode; // the runs of other nodes go on

    private const int MostNodes = 50; // the last run of this node is among so many, or its end is not told
    private const string Prefix = "r"; // facts are listed by what their keys begin with
    private const int MostTrimmed = 1_000; // those of a lower retention.runs go over several starts

    /// <summary>The run that goes on now; null before <see cref="BeginAsync"/>.</summary>
    public RuntimeRun? Current { get; private set; }

    /// <summary>What the whole store holds.</summary>
    public static async ValueTask<RunCounts> CountAsync(IMessageStore store, CancellationToken cancellationToken)
    {
        IEnumerable<StoreQueueStats> queues = (await store.GetStatsAsync(null, cancellationToken)).Queues.Values;
        return new RunCounts
        {
            Pending = queues.Sum(static queue => queue.Pending),
            Dispatched = queues.Sum(static queue => queue.Dispatched),
            Acked = queues.Sum(static queue => queue.Acked),
            Failed = queues.Sum(static queue => queue.Failed),
            OldestPendingAt = queues.Min(static queue => queue.OldestPendingAt),
        };
    }

    /// <summary>Stores that a run has begun, and that the one before it did not end in order if it says nothing of its end.</summary>
    public async Task BeginAsync(RuntimeRun run, CancellationToken cancellationToken)
    {
        List<FactChange> changes = [Change(run)];
        if ((await ReadAsync(MostNodes, cancellationToken)).FirstOrDefault(one => one.Node == run.Node || !_sharesStore) is { Clean: null } former)
        {
            changes.Add(Change(former with { Clean = false }));
        }

        // Whatever their age; runs of earlier versions that still have an end of their own are among them.
        IReadOnlyList<StoredFact> kept = await store.Facts.ListLastAsync(FactScopes.Run, Prefix, KeyOf(run.Run), retention().Runs, cancellationToken);
        if (kept.Count == retention().Runs)
        {
            IReadOnlyList<StoredFact> over = await store.Facts.ListLastAsync(FactScopes.Run, Prefix, kept[^1].Key, MostTrimmed, cancellationToken);
            changes.AddRange(over.Prepend(kept[^1]).Select(static fact => new FactChange(FactScopes.Run, fact.Key, null)));
        }

        await store.WriteAsync(new StoreWrite { Facts = changes }, cancellationToken);
        Current = run;
    }

    /// <summary>Stores more about the run that goes on.</summary>
    public async Task UpdateAsync(RuntimeRun run, CancellationToken cancellationToken)
    {
        Current = run;
        await store.WriteAsync(new StoreWrite { Facts = [Change(run)] }, cancellationToken);
    }

    /// <summary>Reads the last runs, the newest first.</summary>
    public async ValueTask<IReadOnlyList<RuntimeRun>> ReadAsync(int limit, CancellationToken cancellationToken)
    {
        IReadOnlyList<StoredFact> facts = await store.Facts.ListLastAsync(FactScopes.Run, Prefix, before: null, limit, cancellationToken);
        return [.. facts.Select(static fact => Read(fact)!)];
    }

    /// <summary>Reads one run.</summary>
    public static RuntimeRun? Read(StoredFact fact) => JsonSerializer.Deserialize(fact.Value.Span, RunJson.Default.RuntimeRun);

    private static string KeyOf(long run) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{run:D12}");

    private static FactChange Change(RuntimeRun run) => new(FactScopes.Run, KeyOf(run.Run), JsonSerializer.SerializeToUtf8Bytes(run, RunJson.Default.RuntimeRun));
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(RuntimeRun))]
internal sealed partial class RunJson : JsonSerializerContext;
