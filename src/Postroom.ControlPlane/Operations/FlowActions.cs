using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>What operators do to the flow: queues, worker pools, sources and the whole (CP-10).</summary>
internal sealed class FlowActions(IRuntimeView runtime, OperatorAction action)
{
    private const int MaxBody = 4_096;
    private static readonly TimeSpan LongestDrain = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan UsualDrain = TimeSpan.FromSeconds(25);

    private IRuntimeControl Control => runtime.Control;

    public Task PauseQueueAsync(HttpContext context) => action.DoAsync(context, "queue.pause", Of(context, "queue"), token => Control.PauseQueueAsync(Of(context, "queue"), token));

    public Task ResumeQueueAsync(HttpContext context) => action.DoAsync(context, "queue.resume", Of(context, "queue"), token => Control.ResumeQueueAsync(Of(context, "queue"), token));

    /// <summary>Gives up what waits, if that is as much as was confirmed.</summary>
    public async Task PurgeQueueAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, MaxBody, new PurgeRequest(), OperationJson.Default.PurgeRequest) is not { } request)
        {
            return;
        }

        string queue = Of(context, "queue");
        JsonObject detail = new() { ["reason"] = request.Reason, ["confirm"] = request.Confirm };
        await action.DoAsync(
            context,
            "queue.purge",
            queue,
            async token =>
            {
                RuntimeStatus status = await runtime.GetStatusAsync(token);
                if (status.Counts?.Queues.ContainsKey(queue) == true || request.Confirm is not 0)
                {
                    ConfirmCountException.Check(request.Confirm, status.Counts?.Queues.GetValueOrDefault(queue)?.Pending ?? 0, $"waiting messages of queue '{queue}'");
                }

                long discarded = await Control.PurgeQueueAsync(queue, request.Reason ?? "purged", token);
                detail["discarded"] = discarded;
                return new DiscardedView(discarded);
            },
            OperationJson.Default.DiscardedView,
            detail: detail);
    }

    public Task PausePoolAsync(HttpContext context) => action.DoAsync(context, "pool.pause", Of(context, "pool"), () => Control.PausePool(Of(context, "pool")));

    public Task ResumePoolAsync(HttpContext context) => action.DoAsync(context, "pool.resume", Of(context, "pool"), () => Control.ResumePool(Of(context, "pool")));

    public Task RestartPoolAsync(HttpContext context) => action.DoAsync(context, "pool.restart", Of(context, "pool"), () => Control.RestartPool(Of(context, "pool")));

    public async Task ScalePoolAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, MaxBody, new ScaleRequest(), OperationJson.Default.ScaleRequest) is not { } request)
        {
            return;
        }

        string pool = Of(context, "pool");
        await action.DoAsync(context, "pool.scale", $"{pool} {request.Parallelism}", () => Control.ScalePool(
            pool, request.Parallelism is >= 1 and <= 1_024 and { } parallelism ? parallelism : throw new BadRequestException("parallelism", "parallelism is required, a number from 1 to 1024.")), new JsonObject { ["parallelism"] = request.Parallelism });
    }

    public Task StartSourceAsync(HttpContext context) => action.DoAsync(context, "source.start", Of(context, "source"), () => Control.StartSource(Of(context, "source")));

    public Task StopSourceAsync(HttpContext context) => action.DoAsync(context, "source.stop", Of(context, "source"), token => Control.StopSourceAsync(Of(context, "source"), token));

    public Task PauseSourceAsync(HttpContext context) => action.DoAsync(context, "source.pause", Of(context, "source"), () => Control.PauseSource(Of(context, "source")));

    public Task ResumeSourceAsync(HttpContext context) => action.DoAsync(context, "source.resume", Of(context, "source"), () => Control.ResumeSource(Of(context, "source")));

    public Task PollSourceAsync(HttpContext context)
    {
        JsonObject detail = [];
        return action.DoAsync(
            context,
            "source.poll",
            Of(context, "source"),
            async token =>
            {
                int produced = await Control.PollSourceAsync(Of(context, "source"), token);
                detail["produced"] = produced;
                return new PollView(produced);
            },
            OperationJson.Default.PollView,
            detail: detail);
    }

    public Task PauseAsync(HttpContext context) => WholeAsync(context, "runtime.pause", Control.PauseAsync);

    public Task ResumeAsync(HttpContext context) => WholeAsync(context, "runtime.resume", Control.ResumeAsync);

    /// <summary>Asks the program to end; the answer leaves first.</summary>
    public Task StopAsync(HttpContext context) => WholeAsync(context, "runtime.stop", _ =>
    {
        Control.RequestStop();
        return Task.CompletedTask;
    });

    /// <summary>Pauses, and answers once nothing is in work or the time is over.</summary>
    public async Task DrainAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, MaxBody, new DrainRequest(), OperationJson.Default.DrainRequest) is not { } request)
        {
            return;
        }

        JsonObject detail = new() { ["reason"] = request.Reason, ["timeoutSeconds"] = request.TimeoutSeconds };
        await action.DoAsync(
            context,
            "runtime.drain",
            request.Reason ?? "",
            async token =>
            {
                TimeSpan limit = request.TimeoutSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : UsualDrain;
                if (limit < TimeSpan.Zero || limit > LongestDrain)
                {
                    throw new BadRequestException("timeoutSeconds", $"timeoutSeconds is a number from 0 to {LongestDrain.TotalSeconds:0}.");
                }

                int left = await Control.DrainAsync(limit, token);
                detail["inWork"] = left;
                return new DrainView(left);
            },
            OperationJson.Default.DrainView,
            StatusCodes.Status202Accepted,
            detail: detail);
    }

    private async Task WholeAsync(HttpContext context, string name, Func<CancellationToken, Task> work)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, MaxBody, new ReasonRequest(), OperationJson.Default.ReasonRequest) is { } request)
        {
            await action.DoAsync(context, name, request.Reason ?? "", work, StatusCodes.Status202Accepted, detail: new JsonObject { ["reason"] = request.Reason });
        }
    }

    private static string Of(HttpContext context, string name) => context.Request.RouteValues[name] as string ?? "";
}
