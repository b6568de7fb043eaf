using System.Globalization;
using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <summary>One queue of a store file that no runtime has open.</summary>
internal sealed record ColdQueue(string Name, long Pending, long Acked, long Failed, bool Paused);

/// <summary>What is known of a store that no runtime has open.</summary>
internal sealed record ColdStatus(bool Running, IReadOnlyList<ColdQueue> Queues, RunView? LastRun);

/// <summary><c>postroom status</c> and <c>postroom queues</c>: of the running runtime, else of the store file.</summary>
internal static class StatusCommand
{
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromSeconds(2);

    public static async Task<int> RunAsync(HostArguments arguments, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await ReadCommands.SettingsAsync(arguments, cancellationToken);
        using RuntimeClient? client = await RuntimeClient.ConnectAsync(arguments, settings, cancellationToken);
        if (client is not null && await client.GetAsync("status", StatusJson.Default.StatusView, cancellationToken) is { } live)
        {
            if (arguments.Json)
            {
                Output.Json(live, StatusJson.Default.StatusView);
                return ExitCodes.Done;
            }

            Print(live);
            if ((await client.GetAsync("runtime/restarts?limit=1", RestartJson.Default.ListViewRunView, cancellationToken))?.Items is [var run])
            {
                PrintRun(run);
            }

            return ExitCodes.Done;
        }

        using SqliteJournalReader cold = ReadCommands.OpenCold(arguments, settings);
        ShowCold(arguments, cold);
        return ExitCodes.Done;
    }

    /// <summary>Shows the status again and again, until it is interrupted; a runtime that is away for a while is waited for.</summary>
    public static async Task<int> WatchAsync(HostArguments arguments, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                if (!Console.IsOutputRedirected)
                {
                    Console.Clear();
                }

                await RunAsync(arguments, cancellationToken);
            }
            catch (Exception e) when (e is NotReachableException or HttpRequestException)
            {
                await Console.Error.WriteLineAsync(e.Message);
            }

            await Task.Delay(BetweenLooks, cancellationToken);
        }
    }

    /// <summary>All queues with their counts.</summary>
    public static async Task<int> QueuesAsync(HostArguments arguments, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await ReadCommands.SettingsAsync(arguments, cancellationToken);
        using RuntimeClient? client = await RuntimeClient.ConnectAsync(arguments, settings, cancellationToken);
        if (client is null)
        {
            using SqliteJournalReader cold = ReadCommands.OpenCold(arguments, settings);
            ShowColdQueues(arguments, Cold(cold).Queues);
            return ExitCodes.Done;
        }

        ReadCommands.Show(arguments, (await client.GetAsync("queues?limit=100", StatusJson.Default.ListViewQueueView, cancellationToken))!, StatusJson.Default.ListViewQueueView, static queues => Output.Table(
            ["queue", "pending", "due", "delayed", "in work", "failed", "oldest", "consumers", ""],
            queues.Items.Select(static queue => new[]
            {
                queue.Name, Text(queue.Stats.Pending), Text(queue.Stats.Due), Text(queue.Stats.Delayed), Text(queue.Stats.Dispatched), Text(queue.Stats.Failed),
                queue.Stats.OldestPendingAgeMs is { } age ? Duration.Format(TimeSpan.FromSeconds(Math.Round(age / 1_000.0))) : "", Text(queue.Consumers), queue.Paused ? "paused" : "",
            })));
        return ExitCodes.Done;
    }

    /// <summary>One queue as JSON.</summary>
    public static async Task<int> QueueAsync(HostArguments arguments, string queue, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await ReadCommands.SettingsAsync(arguments, cancellationToken);
        using RuntimeClient? client = await RuntimeClient.ConnectAsync(arguments, settings, cancellationToken);
        if (client is not null && await client.GetAsync($"queues/{Uri.EscapeDataString(queue)}", StatusJson.Default.QueueView, cancellationToken) is { } view)
        {
            Output.Json(view, StatusJson.Default.QueueView);
            return ExitCodes.Done;
        }

        using SqliteJournalReader? cold = client is null ? ReadCommands.OpenCold(arguments, settings) : null;
        if (cold is not null && Cold(cold).Queues.FirstOrDefault(known => known.Name == queue) is { } found)
        {
            Output.Json(found, HostJson.Default.ColdQueue);
            return ExitCodes.Done;
        }

        throw new InvalidOperationException($"There is no queue '{queue}'. 'postroom queues list' shows those there are.");
    }

    /// <summary>What a store file tells.</summary>
    internal static ColdStatus Cold(SqliteJournalReader cold)
    {
        HashSet<string> paused = [.. cold.Facts(FactScopes.Pause).Select(static fact => fact.Key)];
        RunView? last = cold.Facts(FactScopes.Run) is [.., var fact] && Hosting.RunRecord.Read(fact) is { } run ? RunView.Of(run) : null;
        return new ColdStatus(
            Running: false,
            [.. cold.CountQueues().OrderBy(static pair => pair.Key, StringComparer.Ordinal).Select(pair => new ColdQueue(pair.Key, pair.Value[0], pair.Value[2], pair.Value[3], paused.Contains(pair.Key)))],
            last);
    }

    private static void ShowCold(HostArguments arguments, SqliteJournalReader cold) => ReadCommands.Show(arguments, Cold(cold), HostJson.Default.ColdStatus, status =>
    {
        Console.WriteLine("No runtime answers; this is read from the store file.");
        ShowColdQueues(arguments, status.Queues);
        if (status.LastRun is { } run)
        {
            Console.WriteLine(run.StoppedAt is { } at
                ? $"Run {Text(run.Run)} of {run.Version} on {run.Node} ended {(run.Clean == true ? "in order" : "by itself")} at {Output.At(at)}."
                : $"Run {Text(run.Run)} of {run.Version} on {run.Node} began at {Output.At(run.StartedAt)} and did not say that it ended: it was killed, or its machine was.");
        }
    });

    /// <summary>Prints the queues of a store file.</summary>
    internal static void ShowColdQueues(HostArguments arguments, IReadOnlyList<ColdQueue> queues)
    {
        if (arguments.Json)
        {
            Output.Json(queues, HostJson.Default.IReadOnlyListColdQueue);
            return;
        }

        Output.Table(["queue", "open", "acked", "failed", ""], queues.Select(static queue => new[] { queue.Name, Text(queue.Pending), Text(queue.Acked), Text(queue.Failed), queue.Paused ? "paused" : "" }));
    }

    private static void Print(StatusView status)
    {
        Console.WriteLine($"{status.Name} {status.Version} on {status.Node} (process {status.Pid}): {status.State}");
        Console.WriteLine($"Store: {status.Store.Kind}. {status.Store.Promise}");
        if (status.Counts is { Writable: false } unwritable)
        {
            Console.WriteLine($"Nothing new is accepted, because the store cannot be written: {unwritable.Problem ?? "it does not say why."}");
        }

        if (status.Recovery is { } recovery)
        {
            Console.WriteLine(RecoveryText(recovery));
        }

        Output.List("Notices", status.Notices);
        if (status.Counts is { } counts)
        {
            Output.Table(
                ["queue", "pending", "parked", "dispatched", "acked", "failed"],
                counts.Queues.OrderBy(pair => pair.Key, StringComparer.Ordinal)
                    .Select(pair => (IReadOnlyList<string>)[pair.Key, $"{pair.Value.Pending}", $"{pair.Value.Parked}", $"{pair.Value.Dispatched}", $"{pair.Value.Acked}", $"{pair.Value.Failed}"]));
        }

        Output.Table(
            ["pool", "queue", "state", "busy", "processed", "failed"],
            status.Pools.Select(pool => (IReadOnlyList<string>)[pool.Name, pool.Queue, pool.State, $"{pool.Busy}/{pool.Parallelism}", $"{pool.Processed}", $"{pool.Failed}"]));
        Output.Table(
            ["source", "state", "last success", "last error", "brought"],
            status.Sources.Select(source => (IReadOnlyList<string>)
                [source.Name, source.State, source.LastSuccessAt is { } at ? Output.At(at) : "never", source.LastErrorAt is { } failed ? Output.At(failed) : "none", $"{source.Produced}"]));
        Output.List("Last errors of sources", [.. status.Sources.Where(static source => source.LastError is not null).Select(static source => $"{source.Name}: {source.LastError}")]);
        Output.Table(
            ["channel", "kind", "state", "labels"],
            status.Communicators.Select(channel => (IReadOnlyList<string>)
                [channel.Name, channel.Kind, channel.Problem ?? (channel.Started ? "started" : "not started"), string.Join(", ", channel.Labels)]));
    }

    private static string RecoveryText(RecoveryView recovery)
    {
        (long Count, string What)[] found = [(recovery.Pending, "pending"), (recovery.Redelivered, "handled again"), (recovery.Poisoned, "kept away from the workers"), (recovery.Uncertain, "sent without an answer"), (recovery.Parked, "parked"), (recovery.Expired, "expired")];
        string parts = string.Join(", ", found.Where(static part => part.Count > 0).Select(static part => $"{Text(part.Count)} {part.What}"));
        return $"Run {Text(recovery.Run)}; {(recovery.Run <= 1 ? "the first of this store" : recovery.PreviousRunClean ? "the one before ended in order" : "the one before ended without saying so")}. Found at the start: {(parts.Length > 0 ? parts : "nothing open")}.";
    }

    private static void PrintRun(RunView run)
    {
        if (run.Restart is { } restart)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"Last restart: {Output.At(run.StartedAt)}{(restart.Reason is { } why ? $" ({why})" : "")}; {restart.InFlight} in work, of which {restart.Finished} ended, {restart.Released} were given back and {restart.Abandoned} are handled again; away for {restart.DowntimeMs / 1_000:0.00} s."));
        }
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
