using System.Text.Json.Nodes;
using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Explaining;

namespace Postroom.Host;

/// <summary>What <c>postroom replay --filter</c> is given.</summary>
internal sealed record BulkReplayArguments(IReadOnlyList<string> Filter, bool DryRun, long? Max, string? Rate, long? StopAfter);

/// <summary>Makes finished messages due again, through the running runtime.</summary>
internal static class ReplayCommand
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(300);

    /// <summary>What a filter may be about.</summary>
    public static IReadOnlyList<string> Keys { get; } = ["queue", "type", "kind", "conversation", "from", "to", "q", "since", "until"];

    /// <summary>Replays failed messages by filter, after the number was confirmed, and waits for its end (JN-3).</summary>
    public static Task<int> RunAsync(HostArguments arguments, BulkReplayArguments bulk, CancellationToken cancellationToken) => OperateCommands.WithAsync(arguments, "A replay", async client =>
    {
        JsonObject body = new() { ["filter"] = FilterOf(bulk.Filter), ["max"] = bulk.Max, ["rate"] = bulk.Rate, ["stopAfterFailures"] = bulk.StopAfter, ["dryRun"] = true };
        BulkReplayView found = (await client.PostAsync("journal/replay", body.ToJsonString(), BulkJson.Default.BulkReplayView, cancellationToken))!;
        if (bulk.DryRun)
        {
            Show(arguments, found);
            return;
        }

        if (found.Count > 0 && !OperateCommands.Ask(arguments, $"Replay {found.Count} failed messages?{(found.More ? " More fit; --max takes more at once." : "")}"))
        {
            throw new InvalidOperationException($"Nothing was touched: {found.Count} failed messages fit. To replay them, repeat it with --yes; --dry-run shows them.");
        }

        body["dryRun"] = false;
        body["confirm"] = found.Count;
        await client.PostAsync("journal/replay", body.ToJsonString(), BulkJson.Default.BulkReplayView, cancellationToken);
        BulkProgressView progress;
        do
        {
            await Task.Delay(Look, cancellationToken);
            progress = (await client.GetAsync("journal/replay", BulkJson.Default.BulkProgressView, cancellationToken))!;
        }
        while (progress.Running);
        OperateCommands.Say(
            arguments, progress, BulkJson.Default.BulkProgressView, $"{progress.Replayed} of {progress.Count} were replayed, {progress.FailedAgain} of them failed again{(progress.Refused == 0 ? "" : $", {progress.Refused} were no longer failed")}.");
        if (progress.Reason is { } reason)
        {
            throw new InvalidOperationException(reason);
        }
    }, cancellationToken);

    public static async Task<int> RunAsync(HostArguments arguments, IReadOnlyList<string> ids, bool force, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await ReadCommands.SettingsAsync(arguments, cancellationToken);
        using RuntimeClient client = await RuntimeClient.ConnectAsync(arguments, settings, cancellationToken)
            ?? throw new NotReachableException("A replay needs the running runtime, and none answers. Start it with 'postroom run'.");
        int code = ExitCodes.Done;
        foreach (string id in ids)
        {
            try
            {
                await ReplayAsync(client, arguments, id, force, cancellationToken);
            }
            catch (InvalidOperationException e)
            {
                // The others may be replayed all the same.
                await Console.Error.WriteLineAsync(e.Message);
                code = ExitCodes.Failed;
            }
        }

        return code;
    }

    private static void Show(HostArguments arguments, BulkReplayView found)
    {
        if (arguments.Json)
        {
            Output.Json(found, BulkJson.Default.BulkReplayView);
            return;
        }

        Console.WriteLine($"{found.Count} failed messages would be replayed{(found.More ? "; more fit" : "")}.");
        foreach (MessageView message in found.Messages)
        {
            Console.WriteLine($"  {message.Id}  {message.Queue} '{message.Type}' {message.Kind}: {message.Error}");
        }
    }

    private static JsonObject FilterOf(IReadOnlyList<string> parts)
    {
        JsonObject filter = [];
        foreach (string part in parts)
        {
            string[] pair = part.Split('=', 2);
            if (pair.Length != 2 || !Keys.Contains(pair[0]))
            {
                throw new InvalidOperationException($"--filter is '{Names.Shorten(part)}'; write KEY=VALUE, such as kind=uncertain. Keys are {string.Join(", ", Keys)}.");
            }

            filter[pair[0]] = pair[1];
        }

        return filter;
    }

    private static async Task ReplayAsync(RuntimeClient client, HostArguments arguments, string id, bool force, CancellationToken cancellationToken)
    {
        // The story finds messages by prefix and outside id as well.
        WhyView found = await client.GetAsync($"journal/{Uri.EscapeDataString(id)}/why", JournalJson.Default.WhyView, cancellationToken)
            ?? throw new InvalidOperationException(default(FoundMessage).Complain(id));
        ReplayView replayed = await client.PostAsync($"journal/{found.Id}/replay", force ? "{\"force\":true}" : "{}", JournalJson.Default.ReplayView, cancellationToken)
            ?? throw new InvalidOperationException(default(FoundMessage).Complain(id));
        if (arguments.Json)
        {
            Output.Json(replayed, JournalJson.Default.ReplayView);
        }
        else
        {
            Console.WriteLine(replayed.Id == found.Id ? $"{replayed.Id} is due again." : $"{replayed.Id} repeats {found.Id}.");
        }
    }
}
