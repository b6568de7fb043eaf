using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>Restarts the runtime, and tells of its runs (RS-8, RS-15).</summary>
internal sealed class RestartEndpoints(IRuntimeView runtime, OperatorAction action, EventBoard board)
{
    private const int MaxBody = 4_096;
    private const int MostRuns = 1_000;
    private const int MostSeconds = 600;
    private const string Force = "force";

    /// <summary>Looks whether a restart can succeed and begins it; the answer leaves before anything stops.</summary>
    public async Task RequestAsync(HttpContext context)
    {
        if (await RequestBody.ReadOrAnswerAsync(context, MaxBody, new RestartBody(), RestartJson.Default.RestartBody) is not { } body)
        {
            return;
        }

        bool dryRun = body.DryRun ?? false;
        JsonObject detail = new() { ["reason"] = body.Reason, ["mode"] = body.Mode, ["drainTimeoutSeconds"] = body.DrainTimeoutSeconds };
        await action.DoAsync(
            context,
            dryRun ? "runtime.restart.dryRun" : "runtime.restart",
            body.Reason ?? "",
            async token =>
            {
                RestartStatus begun = await runtime.Control.RestartAsync(body.ToRequest(), token);
                detail["restartId"] = begun.Id.Length == 0 ? null : begun.Id;
                return Told(begun);
            },
            RestartJson.Default.RestartView,
            dryRun ? StatusCodes.Status200OK : StatusCodes.Status202Accepted,
            detail: detail);
    }

    /// <summary>How the restart stands that is under way, or how the last one of this generation ended.</summary>
    public Task ProgressAsync(HttpContext context) => ApiAnswer.WriteAsync(context, RestartView.Of(runtime.Control.Restart), RestartJson.Default.RestartView);

    /// <summary>Gives a restart up while it drains.</summary>
    public Task CancelAsync(HttpContext context) => action.DoAsync(
        context,
        "runtime.restart.cancel",
        runtime.Control.Restart.Id,
        async token => Told(await runtime.Control.CancelRestartAsync(token)),
        RestartJson.Default.RestartView,
        StatusCodes.Status202Accepted);

    /// <summary>The runs of the program on its store, the newest first.</summary>
    public async Task RunsAsync(HttpContext context)
    {
        ApiQuery query = ApiQuery.Of(context);
        IReadOnlyList<RuntimeRun> runs = await runtime.Control.GetRunsAsync(MostRuns, context.RequestAborted);
        await ApiAnswer.WriteAsync(context, ListView<RunView>.Of(runs.Select(RunView.Of), query), RestartJson.Default.ListViewRunView);
    }

    /// <summary>Tells whoever follows events at once: what is asked for is often over before somebody looks.</summary>
    private RestartView Told(RestartStatus status)
    {
        RestartView view = RestartView.Of(status);
        board.Tell(BoardEvent.Of("restart", view, RestartJson.Default.RestartView));
        return view;
    }

    /// <summary>What a restart is asked; what is left out is as the settings say.</summary>
    [JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
    internal sealed record RestartBody(string? Reason = null, int? DrainTimeoutSeconds = null, string? Mode = null, bool? DryRun = null)
    {
        public RestartRequest ToRequest() => new()
        {
            Reason = Reason is { Length: > 500 } ? throw new BadRequestException("reason", "reason has at most 500 characters.") : Reason,
            DrainTimeout = DrainTimeoutSeconds is not { } seconds ? null
                : seconds is >= 0 and <= MostSeconds ? TimeSpan.FromSeconds(seconds)
                : throw new BadRequestException("drainTimeoutSeconds", $"drainTimeoutSeconds is a number from 0 to {MostSeconds}."),
            Drain = Mode switch
            {
                null => null,
                "graceful" or Force => RestartDrain.Graceful,
                "full" => RestartDrain.Full,
                _ => throw new BadRequestException("mode", $"mode '{Names.Shorten(Mode)}' is unknown. Valid: graceful, full, {Force}."),
            },
            Force = Mode == Force,
            DryRun = DryRun ?? false,
        };
    }
}

/// <summary>A restart.</summary>
internal sealed record RestartView(string? RestartId, string State, int InFlight, string? Reason, DateTimeOffset? RequestedAt, DateTimeOffset? Deadline, string? Why)
{
    public static RestartView Of(RestartStatus status) => new(
        status.Id.Length == 0 ? null : status.Id, status.State.ToString().ToLowerInvariant(), status.InFlight, status.Reason, status.RequestedAt, status.Deadline, status.Why);
}

/// <summary>One run of the program.</summary>
internal sealed record RunView(long Run, string Node, int Pid, int Generation, string Version, DateTimeOffset StartedAt, DateTimeOffset? StoppedAt, bool? Clean, string? Reason, RestartStatisticsView? Restart)
{
    public static RunView Of(RuntimeRun run) => new(
        run.Run, run.Node, run.ProcessId, run.Generation, run.Version, run.StartedAt, run.StoppedAt, run.Clean, run.Reason, run.Restart is { } restart ? RestartStatisticsView.Of(restart) : null);
}

/// <summary>What the restart that began a run found, did and cost.</summary>
internal sealed record RestartStatisticsView
{
    public required string RestartId { get; init; }

    public string? Reason { get; init; }

    public DateTimeOffset RequestedAt { get; init; }

    public int InFlight { get; init; }

    public long Finished { get; init; }

    public long Released { get; init; }

    public int Abandoned { get; init; }

    public required RunCounts Before { get; init; }

    public RunCounts? After { get; init; }

    public double PreflightMs { get; init; }

    public double DrainMs { get; init; }

    public double StopMs { get; init; }

    public double StartMs { get; init; }

    public double DowntimeMs { get; init; }

    public static RestartStatisticsView Of(RestartStatistics restart) => new()
    {
        RestartId = restart.Id,
        Reason = restart.Reason,
        RequestedAt = restart.RequestedAt,
        InFlight = restart.InFlight,
        Finished = restart.Finished,
        Released = restart.Released,
        Abandoned = restart.Abandoned,
        Before = restart.Before,
        After = restart.After,
        PreflightMs = Milliseconds(restart.Preflight),
        DrainMs = Milliseconds(restart.Drain),
        StopMs = Milliseconds(restart.Stop),
        StartMs = Milliseconds(restart.Start),
        DowntimeMs = Milliseconds(restart.Downtime),
    };

    private static double Milliseconds(TimeSpan time) => Math.Round(time.TotalMilliseconds, 1);
}

[JsonSourceGenerationOptions(System.Text.Json.JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, Converters = [typeof(InstantText)])]
[JsonSerializable(typeof(RestartEndpoints.RestartBody))]
[JsonSerializable(typeof(RestartView))]
[JsonSerializable(typeof(RunView))]
[JsonSerializable(typeof(ListView<RunView>))]
internal sealed partial class RestartJson : JsonSerializerContext;
