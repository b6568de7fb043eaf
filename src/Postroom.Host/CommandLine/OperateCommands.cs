using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Explaining;

namespace Postroom.Host;

/// <summary>What <c>postroom send</c> is given.</summary>
internal sealed record SendArguments(string Text, string? Label, string? To, string? Subject, string? Severity, string? File, TimeSpan? Wait);

/// <summary>What became of one copy of what was sent.</summary>
/// <param name="Id">The message.</param>
/// <param name="State">The last receipt's word, or acked, failed or pending.</param>
/// <param name="Error">Why it failed; null otherwise.</param>
internal sealed record SentOutcome(string Id, string State, string? Error)
{
    /// <summary>Whether it is still on its way.</summary>
    [JsonIgnore]
    public bool IsOpen => State == "pending";
}

/// <summary>A link to the dashboard that signs in once.</summary>
internal sealed record LinkView(string Link, DateTimeOffset ExpiresAt);

/// <summary>The commands that change a running runtime, through its control plane.</summary>
internal static class OperateCommands
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);

    /// <summary>Does something to one part and says that it is done.</summary>
    public static Task<int> DoAsync(HostArguments arguments, string path, string what, string done, CancellationToken cancellationToken) => WithAsync(arguments, what, async client =>
    {
        DoneView view = await client.PostAsync(path, "{}", OperationJson.Default.DoneView, cancellationToken) ?? throw new InvalidOperationException($"{what}: there is none such.");
        Say(arguments, view, OperationJson.Default.DoneView, done);
    }, cancellationToken);

    /// <summary>Gives up what waits in a queue, after the number was confirmed.</summary>
    public static Task<int> PurgeAsync(HostArguments arguments, string queue, long? confirm, string? reason, CancellationToken cancellationToken) => WithAsync(arguments, "A purge", async client =>
    {
        QueueView view = await client.GetAsync($"queues/{Uri.EscapeDataString(queue)}", StatusJson.Default.QueueView, cancellationToken) ?? throw new InvalidOperationException($"There is no queue '{queue}'. 'postroom queues list' shows those there are.");
        long count = confirm ?? (Ask(arguments, $"Give up {view.Stats.Pending} waiting messages of queue '{queue}'? They become failed (discarded), and can be replayed.")
            ? view.Stats.Pending
            : throw new InvalidOperationException($"Nothing was touched. To do it, repeat with --confirm {view.Stats.Pending}, or with --yes."));
        DiscardedView discarded = (await client.PostAsync(
            $"queues/{Uri.EscapeDataString(queue)}/purge", new JsonObject { ["confirm"] = count, ["reason"] = reason }.ToJsonString(), OperationJson.Default.DiscardedView, cancellationToken))!;
        Say(arguments, discarded, OperationJson.Default.DiscardedView, $"{discarded.Discarded} messages were given up.");
    }, cancellationToken);

    /// <summary>Gives up or confirms messages; one that cannot be leaves the others.</summary>
    public static Task<int> MoveAsync(HostArguments arguments, IReadOnlyList<string> ids, string move, string? reason, bool force, string done, CancellationToken cancellationToken) => WithAsync(arguments, "It", async client =>
    {
        List<string> problems = [];
        foreach (string id in ids)
        {
            try
            {
                // The story finds messages by prefix and outside id as well.
                WhyView found = await client.GetAsync($"journal/{Uri.EscapeDataString(id)}/why", JournalJson.Default.WhyView, cancellationToken) ?? throw new InvalidOperationException(default(FoundMessage).Complain(id));
                DoneView view = (await client.PostAsync($"journal/{found.Id}/{move}", new JsonObject { ["reason"] = reason, ["force"] = force }.ToJsonString(), OperationJson.Default.DoneView, cancellationToken))!;
                Say(arguments, view, OperationJson.Default.DoneView, $"{found.Id} {done}");
            }
            catch (InvalidOperationException e)
            {
                problems.Add(e.Message);
            }
        }

        if (problems.Count > 0)
        {
            throw new InvalidOperationException(string.Join('\n', problems));
        }
    }, cancellationToken);

    public static Task<int> CompactAsync(HostArguments arguments, string? olderThan, CancellationToken cancellationToken) => WithAsync(arguments, "A compaction", async client =>
    {
        if (olderThan is not null && !Ask(arguments, $"Remove for good every finished message older than {olderThan}, failed ones that wait for a person included?"))
        {
            throw new InvalidOperationException("Nothing was touched. To do it, repeat with --yes; without --older-than only what is past its retention is removed.");
        }

        CompactView view = (await client.PostAsync("journal/compact", new JsonObject { ["olderThan"] = olderThan }.ToJsonString(), OperationJson.Default.CompactView, cancellationToken))!;
        Say(arguments, view, OperationJson.Default.CompactView, $"{view.Removed} finished messages were removed.");
    }, cancellationToken);

    public static Task<int> ReloadAsync(HostArguments arguments, bool previous, CancellationToken cancellationToken) => WithAsync(arguments, "A reload", async client =>
    {
        ConfigDiffView diff = (await client.PostAsync(previous ? "config/rollback" : "config/reload", "{}", ConfigJson.Default.ConfigDiffView, cancellationToken))!;
        Say(arguments, diff, ConfigJson.Default.ConfigDiffView, diff.Changes.Count == 0 ? "Nothing differs." : $"Version {diff.Version} is in force:");
        if (!arguments.Json)
        {
            foreach (ConfigChangeView change in diff.Changes)
            {
                Console.WriteLine($"  {change.Key}: {change.Old ?? "not set"} -> {change.New ?? "not set"}{(change.NeedsRestart ? "   (needs a restart)" : "")}");
            }
        }
    }, cancellationToken);

    public static Task<int> SendAsync(HostArguments arguments, SendArguments send, CancellationToken cancellationToken) => WithAsync(arguments, "A send", async client =>
    {
        JsonObject body = new() { ["message"] = send.Text == "-" ? await Console.In.ReadToEndAsync(cancellationToken) : send.Text };
        foreach ((string name, string? value) in new[] { ("label", send.Label), ("to", send.To), ("subject", send.Subject), ("severity", send.Severity) })
        {
            if (value is not null)
            {
                body[name] = value;
            }
        }

        if (send.File is { } file)
        {
            body["attachments"] = new JsonArray(new JsonObject { ["name"] = Path.GetFileName(file), ["contentType"] = MediaTypes.OfName(file), ["data"] = Convert.ToBase64String(await File.ReadAllBytesAsync(file, cancellationToken)) });
        }

        SendView sent = (await client.PostAsync("send", body.ToJsonString(), OperationJson.Default.SendView, cancellationToken))!;
        if (send.Wait is not { } wait || !arguments.Json)
        {
            Say(arguments, sent, OperationJson.Default.SendView, sent.Ids.Count == 0 ? "Nobody takes it; it was dropped (communications.onUnroutable)." : string.Join('\n', sent.Ids));
        }

        if (send.Wait is { } patience)
        {
            await WaitAsync(arguments, client, sent.Ids, patience, cancellationToken);
        }
    }, cancellationToken);

    public static Task<int> MakeKeyAsync(HostArguments arguments, string name, string role, string? expires, CancellationToken cancellationToken) => WithAsync(arguments, "A key", async client =>
    {
        NewKeyView key = (await client.PostAsync("keys", new JsonObject { ["name"] = name, ["role"] = role, ["expiresIn"] = expires }.ToJsonString(), AccessJson.Default.NewKeyView, cancellationToken))!;
        Say(arguments, key, AccessJson.Default.NewKeyView, $"{key.Key}\nKey '{key.Name}' ({key.Role}, id {key.Id}){(key.ExpiresAt is { } at ? $" until {Output.At(at)}" : "")}. It is shown this once; keep it in a safe place.");
    }, cancellationToken);

    public static Task<int> LinkAsync(HostArguments arguments, CancellationToken cancellationToken) => WithAsync(arguments, "A link", async client =>
    {
        CodeView code = (await client.PostAsync("session/code", "", AccessJson.Default.CodeView, cancellationToken))!;
        LinkView link = new(new Uri(client.Address, $"{DashboardEndpoints.Path.TrimStart('/')}#code={code.Code}").AbsoluteUri, code.ExpiresAt);
        Say(arguments, link, HostJson.Default.LinkView, $"{link.Link}\nIt signs in once, until {Output.At(link.ExpiresAt)}.");
    }, cancellationToken);

    public static Task<int> KeysAsync(HostArguments arguments, CancellationToken cancellationToken) => WithAsync(arguments, "The list of keys", async client =>
    {
        ListView<KeyView> keys = (await client.GetAsync("keys?limit=100", AccessJson.Default.ListViewKeyView, cancellationToken))!;
        if (arguments.Json)
        {
            Output.Json(keys, AccessJson.Default.ListViewKeyView);
            return;
        }

        Output.Table(["name", "role", "id", "made", "expires", "last used"], keys.Items.Select(key => new[] { key.Name, key.Role, key.Id, Output.At(key.CreatedAt), Output.At(key.ExpiresAt), Output.At(key.LastUsedAt) }));
    }, cancellationToken);

    public static Task<int> RevokeAsync(HostArguments arguments, string id, CancellationToken cancellationToken) => WithAsync(arguments, "A key", async client =>
    {
        DoneView view = await client.DeleteAsync($"keys/{Uri.EscapeDataString(id)}", OperationJson.Default.DoneView, cancellationToken) ?? throw new InvalidOperationException($"There is no key with the id '{id}'. 'postroom token list' shows them.");
        Say(arguments, view, OperationJson.Default.DoneView, "The key is revoked, and the sessions made with it have ended.");
    }, cancellationToken);

    /// <summary>Does something with the running runtime.</summary>
    public static async Task<int> WithAsync(HostArguments arguments, string what, Func<RuntimeClient, Task> work, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await ReadCommands.SettingsAsync(arguments, cancellationToken);
        using RuntimeClient client = await RuntimeClient.ConnectAsync(arguments, settings, cancellationToken)
            ?? throw new NotReachableException($"{what} needs the running runtime, and none answers. Start it with 'postroom run'.");
        await work(client);
        return ExitCodes.Done;
    }

    /// <summary>Waits until every copy has ended, and says how: in words as they end, or as one document.</summary>
    private static async Task WaitAsync(HostArguments arguments, RuntimeClient client, IReadOnlyList<string> ids, TimeSpan wait, CancellationToken cancellationToken)
    {
        long begun = TimeProvider.System.GetTimestamp();
        Dictionary<string, SentOutcome> outcomes = ids.ToDictionary(static id => id, static id => new SentOutcome(id, "pending", null), StringComparer.Ordinal);
        while (outcomes.Values.Any(static outcome => outcome.IsOpen) && TimeProvider.System.GetElapsedTime(begun) < wait)
        {
            foreach (string id in ids.Where(id => outcomes[id].IsOpen))
            {
                if (await client.GetAsync($"journal/{id}", JournalJson.Default.MessageDetailView, cancellationToken) is { Message.State: "acked" or "failed" } ended)
                {
                    outcomes[id] = ended.Message.State == "failed" ? new SentOutcome(id, "failed", ended.Message.Error) : new SentOutcome(id, ended.Receipts.Count > 0 ? ended.Receipts[^1].Status : "acked", null);
                    if (!arguments.Json)
                    {
                        Console.WriteLine(outcomes[id] is { Error: { } error } ? $"{id} failed: {error}" : $"{id} {outcomes[id].State}");
                    }
                }
            }

            await Task.Delay(Look, cancellationToken);
        }

        if (arguments.Json)
        {
            Output.Json([.. ids.Select(id => outcomes[id])], HostJson.Default.IReadOnlyListSentOutcome);
        }

        if (outcomes.Values.Where(static outcome => outcome.IsOpen).Select(static outcome => outcome.Id).ToArray() is { Length: > 0 } open)
        {
            throw new InvalidOperationException($"After {Duration.Format(wait)} it is still on its way: {string.Join(", ", open)}. 'postroom why' says why.");
        }

        if (outcomes.Values.Any(static outcome => outcome.State == "failed"))
        {
            throw new InvalidOperationException("It was not delivered.");
        }
    }

    /// <summary>Asks a person; without one, only <c>--yes</c> is a yes.</summary>
    public static bool Ask(HostArguments arguments, string question)
    {
        if (arguments.Yes)
        {
            return true;
        }

        if (Console.IsInputRedirected || Console.IsOutputRedirected)
        {
            return false;
        }

        Console.Write($"{question} [y/N] ");
        return Console.ReadLine()?.Trim() is "y" or "Y" or "yes";
    }

    /// <summary>Says what was done, as JSON or in words.</summary>
    public static void Say<T>(HostArguments arguments, T view, JsonTypeInfo<T> json, string text)
    {
        if (arguments.Json)
        {
            Output.Json(view, json);
        }
        else if (!arguments.Quiet || view is SendView or NewKeyView)
        {
            Console.WriteLine(text);
        }
    }
}
