using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>The runtime and its parts, for people (CP-10). Reads only.</summary>
internal sealed class StatusEndpoints(IRuntimeView runtime, FlowHistory history, TimeProvider clock)
{
    /// <summary>What metrics are written as.</summary>
    public const string MetricsMedia = "text/plain";

    public async Task StatusAsync(HttpContext context)
    {
        RuntimeStatus status = await runtime.GetStatusAsync(context.RequestAborted);
        await ApiAnswer.WriteAsync(context, StatusView.Of(status, clock.GetUtcNow()), StatusJson.Default.StatusView);
    }

    public Task HistoryAsync(HttpContext context) =>
        ApiAnswer.WriteAsync(context, new HistoryView((long)FlowHistory.Step.TotalMilliseconds, FlowHistory.Capacity, clock.GetUtcNow(), history.Read()), StatusJson.Default.HistoryView);

    public async Task MetricsAsync(HttpContext context)
    {
        context.Response.ContentType = $"{MetricsMedia}; version=0.0.4; charset=utf-8";
        await context.Response.WriteAsync(await runtime.WriteMetricsAsync(context.RequestAborted), context.RequestAborted);
    }

    public async Task QueuesAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context);
        await ApiAnswer.WriteAsync(context, ListView<QueueView>.Of(await ReadQueuesAsync(context.RequestAborted), query), StatusJson.Default.ListViewQueueView);
    }

    public async Task QueueAsync(HttpContext context)
    {
        string name = Route(context, "queue");
        QueueView? queue = (await ReadQueuesAsync(context.RequestAborted)).FirstOrDefault(queue => queue.Name == name);
        await ApiAnswer.WriteOrNotFoundAsync(context, queue, StatusJson.Default.QueueView, $"queue '{Names.Shorten(name)}'");
    }

    public async Task WorkersAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context);
        RuntimeStatus status = await runtime.GetStatusAsync(context.RequestAborted);
        await ApiAnswer.WriteAsync(context, ListView<PoolView>.Of(status.Pools.Select(PoolView.Of), query), StatusJson.Default.ListViewPoolView);
    }

    public async Task PoolAsync(HttpContext context)
    {
        string name = Route(context, "pool");
        RuntimeStatus status = await runtime.GetStatusAsync(context.RequestAborted);
        PoolView? pool = status.Pools.Where(pool => pool.Name == name).Select(PoolView.Of).FirstOrDefault();
        await ApiAnswer.WriteOrNotFoundAsync(context, pool, StatusJson.Default.PoolView, $"worker pool '{Names.Shorten(name)}'");
    }

    public async Task SourcesAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context);
        RuntimeStatus status = await runtime.GetStatusAsync(context.RequestAborted);
        IEnumerable<SourceView> sources = status.Sources.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => SourceView.Of(pair.Key, pair.Value));
        await ApiAnswer.WriteAsync(context, ListView<SourceView>.Of(sources, query), StatusJson.Default.ListViewSourceView);
    }

    public async Task SourceAsync(HttpContext context)
    {
        string name = Route(context, "source");
        RuntimeStatus status = await runtime.GetStatusAsync(context.RequestAborted);
        SourceView? source = status.Sources.TryGetValue(name, out SourceStatus? found) ? SourceView.Of(name, found) : null;
        await ApiAnswer.WriteOrNotFoundAsync(context, source, StatusJson.Default.SourceView, $"source '{Names.Shorten(name)}'");
    }

    public async Task CommunicatorsAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context);
        RuntimeStatus status = await runtime.GetStatusAsync(context.RequestAborted);
        DateTimeOffset now = clock.GetUtcNow();
        IEnumerable<CommunicatorView> all = status.Communicators.Select(communicator => CommunicatorView.Of(communicator, status.Counts, now));
        await ApiAnswer.WriteAsync(context, ListView<CommunicatorView>.Of(all, query), StatusJson.Default.ListViewCommunicatorView);
    }

    public async Task CommunicatorAsync(HttpContext context)
    {
        string name = Route(context, "communicator");
        RuntimeStatus status = await runtime.GetStatusAsync(context.RequestAborted);
        CommunicatorStatus? found = status.Communicators.FirstOrDefault(communicator => communicator.Name == name);
        CommunicatorView? view = found is null ? null : CommunicatorView.Of(found, status.Counts, clock.GetUtcNow());
        await ApiAnswer.WriteOrNotFoundAsync(context, view, StatusJson.Default.CommunicatorView, $"communicator '{Names.Shorten(name)}'");
    }

    private static string Route(HttpContext context, string name) => context.Request.RouteValues[name] as string ?? "";

    private async ValueTask<IReadOnlyList<QueueView>> ReadQueuesAsync(CancellationToken cancellationToken)
    {
        RuntimeStatus status = await runtime.GetStatusAsync(cancellationToken);
        if (status.Counts is not { } counts)
        {
            return [];
        }

        HashSet<string> paused = [.. (await runtime.Facts.ListAsync(FactScopes.Pause, cancellationToken)).Select(fact => fact.Key)];
        DateTimeOffset now = clock.GetUtcNow();
        return
        [
            .. counts.Queues.Keys.Union(status.Pools.Select(pool => pool.Queue)).Order(StringComparer.Ordinal).Select(name =>
            {
                PoolStatus[] pools = [.. status.Pools.Where(pool => pool.Queue == name)];
                StoreQueueStats stats = counts.Queues.GetValueOrDefault(name) ?? new StoreQueueStats();
                return new QueueView(name, QueueCountsView.Of(stats, now), pools.Sum(pool => pool.Parallelism), [.. pools.Select(pool => pool.Name)], paused.Contains(name), runtime.FindQueue(name) is { } options ? QueueOptionsView.Of(options) : null);
            }),
        ];
    }
}
