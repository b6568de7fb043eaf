using System.Text.Json.Nodes;
using Postroom.Configuration;
using Postroom.ControlPlane;

namespace Postroom.Host;

/// <summary>What <c>postroom restart</c> is given.</summary>
internal sealed record RestartArguments(TimeSpan? Drain, string? Mode, string? Reason, bool DryRun, bool Wait);

/// <summary>Asks the running runtime to restart itself, and waits for the next generation where that is wanted.</summary>
internal static class RestartCommand
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    /// <summary>What a restart may take beyond its drain: the look whether it can succeed, the stop and the start.</summary>
    private static readonly TimeSpan Beyond = TimeSpan.FromMinutes(3);

    /// <summary>For so long nobody may have the store open, as between a parent and its child.</summary>
    private static readonly TimeSpan Gone = TimeSpan.FromSeconds(10);

    public static Task<int> RunAsync(HostArguments arguments, RestartArguments restart, CancellationToken cancellationToken) => OperateCommands.WithAsync(arguments, "A restart", async client =>
    {
        int before = (await client.GetAsync("status", StatusJson.Default.StatusView, cancellationToken))!.Generation;
        JsonObject body = new() { ["reason"] = restart.Reason, ["mode"] = restart.Mode, ["dryRun"] = restart.DryRun };
        if (restart.Drain is { } drain)
        {
            body["drainTimeoutSeconds"] = (int)Math.Ceiling(drain.TotalSeconds);
        }

        RestartView view = (await client.PostAsync("runtime/restart", body.ToJsonString(), RestartJson.Default.RestartView, cancellationToken))!;
        if (restart.DryRun || !restart.Wait)
        {
            OperateCommands.Say(arguments, view, RestartJson.Default.RestartView, restart.DryRun
                ? $"It could restart now; {view.InFlight} messages are in work."
                : $"Restart {view.RestartId} has begun: {view.InFlight} messages are in work and end first.");
            return;
        }

        ConfigurationSnapshot settings = await ReadCommands.SettingsAsync(arguments, cancellationToken);
        RunView run = await WaitAsync(client, view, before, () => arguments.Url is not null || RuntimeClient.OwnsStore(settings), cancellationToken);
        OperateCommands.Say(arguments, run, RestartJson.Default.RunView, $"Generation {run.Generation} is ready (process {run.Pid}){(run.Restart is { } done ? $"; requests waited {done.DowntimeMs:0} ms at most, {done.Abandoned} messages are handled again" : "")}.");
    }, cancellationToken);

    /// <summary>Waits until the next generation says what the restart did, or this one says that it was given up.</summary>
    private static async Task<RunView> WaitAsync(RuntimeClient client, RestartView begun, int before, Func<bool> stands, CancellationToken cancellationToken)
    {
        TimeSpan limit = Beyond + ((begun.Deadline - begun.RequestedAt) ?? TimeSpan.Zero);
        long started = TimeProvider.System.GetTimestamp();
        long? gone = null;
        while (TimeProvider.System.GetElapsedTime(started) < limit)
        {
            await Task.Delay(Look, TimeProvider.System, cancellationToken);
            try
            {
                RestartView? now = await client.GetAsync("runtime/restart", RestartJson.Default.RestartView, cancellationToken);
                if (now?.RestartId == begun.RestartId && now?.State is "aborted" or "failed")
                {
                    throw new InvalidOperationException($"The restart was given up, and the runtime goes on: {now.Why}");
                }

                ListView<RunView>? runs = await client.GetAsync("runtime/restarts?limit=1", RestartJson.Default.ListViewRunView, cancellationToken);
                if (runs is { Items: [{ Restart: { After: not null } restart } run] } && restart.RestartId == begun.RestartId && run.Generation > before)
                {
                    return run;
                }
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancellationToken.IsCancellationRequested)
            {
                // Between two generations. Nobody gives the store up for long there.
                gone = stands() ? null : gone ?? TimeProvider.System.GetTimestamp();
                if (gone is { } since && TimeProvider.System.GetElapsedTime(since) > Gone)
                {
                    throw new InvalidOperationException("The program has ended, and no next generation runs. Its log says why; nothing is lost, start it again.");
                }
            }
            catch (InvalidOperationException e) when (e.Message.Contains(" 503", StringComparison.Ordinal))
            {
                // The next one is starting.
            }
        }

        throw new InvalidOperationException($"After {Duration.Format(limit)} no next generation has answered. Its log says why; 'postroom status' shows whether one runs.");
    }
}
