using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Postroom.Diagnostics;
using Postroom.Outbound;

namespace Postroom.Hosting;

/// <summary>The built-in answers to how the runtime is.</summary>
internal static class HealthProbes
{
    private const int MostProblems = 10;

    /// <summary>Every way to fail that nobody has decided about.</summary>
    private static readonly FailureKind[] WaitForPerson = [.. Enum.GetValues<FailureKind>().Where(static kind => kind != FailureKind.Discarded)];

    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(5);

    public static void Register(MessageRuntime runtime, Composition composition, IServiceProvider services)
    {
        RuntimeRooms rooms = runtime.Rooms;
        HealthRegistry health = rooms.Health;
        TimeProvider clock = services.GetRequiredService<TimeProvider>();
        RuntimeRole role = composition.Get<RuntimeOptions>("runtime").Role;
        health.Register(new HealthProbe("store", HealthViews.Ready | HealthViews.Status, async token =>
        {
            StoreStats stats = await rooms.Store.GetStatsAsync("in", token);
            IReadOnlyList<string> found = runtime.StoreNotices;
            HealthResult result = !stats.Writable ? new HealthResult(HealthState.Unhealthy, stats.Problem)
                : stats.Problem is { } problem ? new HealthResult(HealthState.Degraded, problem)
                : found.Count > 0 ? new HealthResult(HealthState.Degraded, $"Found when the store was opened: {string.Join(' ', found)}")
                : HealthResult.Healthy;
            return result with { Data = new Dictionary<string, string> { ["kind"] = rooms.Store.Features.Kind, ["bytes"] = Number(stats.Bytes), ["appended"] = Number(stats.Appended) } };
        }));
        health.Register(new HealthProbe("failures", HealthViews.Status, token => FailuresAsync(rooms, clock, token)));
        health.Register(new HealthProbe("clock", HealthViews.Status, _ =>
        {
            TimeSpan shift = rooms.Clock.Look();
            return new ValueTask<HealthResult>(shift == TimeSpan.Zero ? HealthResult.Healthy : new HealthResult(HealthState.Degraded, ClockWatch.Text(shift)) { Data = new Dictionary<string, string> { ["seconds"] = Number((long)shift.TotalSeconds) } });
        }));
        health.Register(new HealthProbe("traces", HealthViews.Status, _ => new ValueTask<HealthResult>(
            rooms.TraceExporter.Problem is { } traces ? new HealthResult(HealthState.Degraded, traces) : HealthResult.Healthy)));
        health.Register(new HealthProbe("recovery", HealthViews.Status, async token =>
        {
            List<string> found = [.. await new WaitingNotices(rooms).ReadAsync(await rooms.Store.GetStatsAsync(null, token), token)];
            if (runtime.Recovery?.Poisoned is > 0 and { } poisoned)
            {
                found.Add($"{poisoned} messages were given up at the start because they ended the process.");
            }

            return found.Count > 0 ? new HealthResult(HealthState.Degraded, string.Join(' ', found)) : HealthResult.Healthy;
        }));
        health.Register(new HealthGroup("workers", HealthViews.Ready | HealthViews.Status, () => role == RuntimeRole.Gateway ? [] : rooms.Workers.Pools.Select(static pool => pool.Name), (name, _) => new(PoolOf(rooms, name))));
        health.Register(new HealthGroup("sources", HealthViews.Status, () => rooms.Sources.Status().Keys, (name, _) => new(
            rooms.Sources.FindProblem(name) is { } problem ? new HealthResult(HealthState.Degraded, problem) : HealthResult.Healthy)));
        health.Register(new HealthGroup("communicators", HealthViews.Status, () => role == RuntimeRole.Core ? [] : rooms.Outbound.Routes.All.Select(static registration => registration.Name), (name, token) => CommunicatorAsync(rooms, name, token)));
        health.Register(new HealthProbe("deliveries", HealthViews.Status, _ =>
        {
            IReadOnlyList<(string Communicator, long Count, FailedDelivery Last)> failed = rooms.Failures.LastHour();
            string[] texts = [.. failed.Select(static one => $"{one.Count} {(one.Communicator.Length == 0 ? "that no communicator took" : $"to '{one.Communicator}'")}, the last at {one.Last.At:HH:mm:ss} UTC ({one.Last.Kind}: {Names.Shorten(one.Last.Reason ?? "no reason", 200).TrimEnd('.')}; message {one.Last.MessageId})")];
            return new ValueTask<HealthResult>(texts.Length > 0
                ? new HealthResult(HealthState.Degraded, $"Deliveries failed in the last hour: {string.Join("; ", texts)}. Find them with 'postroom journal list --state failed' (one that its service gave up later stays acknowledged; the log has its id), and replay them once the cause is mended.")
                {
                    Data = failed.ToDictionary(static one => one.Communicator.Length == 0 ? "unrouted" : one.Communicator, static one => one.Count.ToString(CultureInfo.InvariantCulture)),
                }
                : HealthResult.Healthy);
        }));
        health.Register(new HealthProbe("restart", HealthViews.Status, _ => new ValueTask<HealthResult>(
            runtime.Origin.Distrust is { } distrust ? new HealthResult(HealthState.Degraded, distrust)
            : runtime.Origin.Bad is { } bad ? new HealthResult(HealthState.Degraded, bad)
            : runtime.Restarts.FindTrouble() is { } trouble ? new HealthResult(HealthState.Degraded, $"The last restart was given up: {trouble}")
            : HealthResult.Healthy)));
        health.Register(new HealthProbe("configuration", HealthViews.Status, _ =>
        {
            IReadOnlyList<Configuration.ConfigurationProblem> problems = composition.Configuration.Problems;
            return new ValueTask<HealthResult>(problems.Count > 0
                ? new HealthResult(HealthState.Degraded, $"Configuration rejected, and the former one stays in force: {string.Join(' ', problems.Take(MostProblems))}{(problems.Count > MostProblems ? $" And {problems.Count - MostProblems} more." : "")}")
                : HealthResult.Healthy);
        }));
        health.Register(new HealthProbe("queues", HealthViews.Status, async token =>
        {
            string[] above = [.. composition.Queues.Names.Where(rooms.Intake.HighWaterMarks.IsAbove)];
            List<string> found = above.Length > 0 ? [$"Above high water: {string.Join(", ", above.Where(queue => queue != OutboundQueue.Unrouted))}."] : [];
            IReadOnlyList<string> busy = await rooms.Intake.BusyKeys.ReadAsync(token);
            found.AddRange(busy.Take(MostProblems));
            if (busy.Count > MostProblems)
            {
                found.Add($"And {busy.Count - MostProblems} more keys.");
            }

            return found.Count > 0 ? new HealthResult(HealthState.Degraded, string.Join(' ', found)) : HealthResult.Healthy;
        }));
        foreach (Func<IServiceProvider, IHealthContributor> create in composition.Builder.Health)
        {
            health.Register(create(services));
        }
    }

    /// <summary>What failed in the last hour, before a restart too, as long as any of it waits for a person: what was replayed, confirmed or given up needs nobody any more.</summary>
    private static async ValueTask<HealthResult> FailuresAsync(RuntimeRooms rooms, TimeProvider clock, CancellationToken cancellationToken)
    {
        (long failed, long uncertain) = rooms.FailureCounts.LastHour();
        JournalPage waiting = await rooms.Journal.QueryAsync(new JournalQuery { States = [MessageState.Failed], Kinds = WaitForPerson, Limit = 1, WithTotal = false }, cancellationToken);
        bool recent = failed + uncertain > 0 || (waiting.Items is [{ FinishedAt: { } at }] && clock.GetUtcNow() - at < TimeSpan.FromHours(1));
        string? text = waiting.Items.Count == 0 || !recent ? null
            : failed + uncertain == 0 ? "Messages that failed before this start wait for a person. Find them with 'postroom journal list --state failed'."
            : $"{failed + uncertain} {(failed + uncertain == 1 ? "message" : "messages")} failed in the last hour{(uncertain > 0 ? $", {uncertain} of them uncertain: a send left and got no answer, and a person decides" : "")}. Find them with 'postroom journal list --state failed'.";
        return new HealthResult(text is null ? HealthState.Healthy : HealthState.Degraded, text)
        {
            Data = new Dictionary<string, string> { ["failed"] = Number(failed), ["uncertain"] = Number(uncertain) },
        };
    }

    private static HealthResult PoolOf(RuntimeRooms rooms, string name)
    {
        if (rooms.Workers.Pools.FirstOrDefault(pool => pool.Name == name) is not { } pool)
        {
            return HealthResult.Healthy; // it went in this moment
        }

        HealthResult result = pool.IsFaulted ? new HealthResult(HealthState.Unhealthy, $"The pool '{name}' has failed and takes nothing from queue '{pool.Options.Queue}'. Restart it once the cause is mended: POST /api/v1/workers/{name}/restart.")
            : pool.Stuck > 0 ? new HealthResult(HealthState.Degraded, $"{pool.Stuck} {(pool.Stuck == 1 ? "handler" : "handlers")} ignored their time limit and still run.")
            : HealthResult.Healthy;
        return result with { Data = new Dictionary<string, string> { ["queue"] = pool.Options.Queue, ["stuck"] = Number(pool.Stuck) } };
    }

    /// <summary>What a communicator's lane waits for, and what the communicator says of itself; the worse of both.</summary>
    private static async ValueTask<HealthResult> CommunicatorAsync(RuntimeRooms rooms, string name, CancellationToken cancellationToken)
    {
        HealthState worst = HealthState.Healthy;
        List<string> problems = [];
        if (rooms.Outbound.Lanes.FirstOrDefault(lane => lane.Communicator == name)?.Gate is { Problem: { } waits } gate)
        {
            worst = StateOf(gate);
            problems.Add(waits);
        }

        if (rooms.Outbound.Routes.All.FirstOrDefault(registration => registration.Name == name)?.Communicator is IHealthContributor own
            && await own.CheckAsync(cancellationToken) is { State: not HealthState.Healthy } said)
        {
            worst = worst < said.State ? said.State : worst;
            problems.Add(said.Text ?? "It does not say why.");
        }

        return problems.Count == 0 ? HealthResult.Healthy : new HealthResult(worst, string.Join("; ", problems));
    }

    /// <summary>A login that is refused needs somebody; a service that asks for a pause or is away for a moment does not.</summary>
    private static HealthState StateOf(LaneGate gate) => gate.IsRefused ? HealthState.Unhealthy
        : gate.IsOpen && (gate.SuspendedFor ?? TimeSpan.Zero) < LongestPause ? HealthState.Healthy
        : HealthState.Degraded;

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
