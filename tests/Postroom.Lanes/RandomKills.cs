using System.Globalization;
using Postroom.Crash;

namespace Postroom.Lanes;

/// <summary>What kills at random moments found.</summary>
public sealed record RandomKillReport
{
    /// <summary>How many processes were killed.</summary>
    public required int Kills { get; init; }

    /// <summary>How many messages there are, all lanes together.</summary>
    public required int Messages { get; init; }

    /// <summary>How many calls the service got.</summary>
    public required int Calls { get; init; }

    /// <summary>Calls of messages that had been sent before.</summary>
    public required int Further { get; init; }

    /// <summary>Messages that wait for a person.</summary>
    public required int Held { get; init; }

    /// <summary>Decides when kills come.</summary>
    public required int Seed { get; init; }

    /// <summary>What is not as it has to be; empty for nothing.</summary>
    public required IReadOnlyList<string> Problems { get; init; }

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"lane kills: kills {Kills} messages {Messages} calls {Calls} further {Further} ({(double)Further / Math.Max(1, Kills):F2}/kill) held {Held} problems {Problems.Count} seed {Seed}");
}

/// <summary>Kills a process that sends through lanes of every policy at random moments, until all is sent, and judges by what the service got.</summary>
public static class RandomKills
{
    private const string Backends =
        """{"retry":{"type":"counted","uncertain":"retry","maxInFlight":4},"hold":{"type":"counted","uncertain":"hold","maxInFlight":4},"ask":{"type":"counted","uncertain":"ask","maxInFlight":4}}""";

    private static readonly string[] Lanes = ["retry", "hold", "ask"];

    /// <summary>Runs it.</summary>
    /// <param name="folder">Where everything is kept.</param>
    /// <param name="kills">How often to kill.</param>
    /// <param name="messages">How many messages each lane gets.</param>
    /// <param name="seed">Decides when kills come, and how long answers take.</param>
    /// <param name="say">Takes lines of progress.</param>
    public static async Task<RandomKillReport> RunAsync(string folder, int kills, int messages, int seed, Action<string> say)
    {
        Random chance = new(seed);
        await using CountingService service = new(seed) { Slowest = TimeSpan.FromMilliseconds(30) };
        await using LaneApp app = new(folder, service.Address, Backends);
        string[] words = ["--lanes", string.Join(',', Lanes), "--count", messages.ToString(CultureInfo.InvariantCulture)];
        for (int kill = 1; kill <= kills; kill++)
        {
            Task<string> ready = app.NextAsync("READY");
            await using AppProcess process = app.Start(words);
            await LaneApp.ReachAsync(process, ready, "ready");
            await Task.Delay(TimeSpan.FromMilliseconds(chance.Next(1, 300)));
            if (chance.Next(5) == 0)
            {
                await process.SignalAsync("TERM");
                await Task.Delay(TimeSpan.FromMilliseconds(chance.Next(1, 50)));
            }

            await process.KillAsync();
            await app.ReadToEndAsync();
            if (kill % 20 == 0)
            {
                say(string.Create(CultureInfo.InvariantCulture, $"{kill} of {kills} kills, {service.Calls.Count} calls"));
            }
        }

        await app.DrainAsync(words);
        return Judge(app, service.Calls, kills, messages, seed);
    }

    private static RandomKillReport Judge(LaneApp app, IReadOnlyList<ServiceCall> calls, int kills, int messages, int seed)
    {
        List<string> problems = [];
        int held = 0;
        ILookup<string, ServiceCall> byKey = calls.ToLookup(call => call.Key, StringComparer.Ordinal);
        foreach (string lane in Lanes)
        {
            IReadOnlyList<JournalEntry> entries = app.Messages($"out.{lane}");
            if (entries.Count != messages)
            {
                problems.Add($"{lane}: {entries.Count} messages are stored instead of {messages}.");
            }

            foreach (JournalEntry entry in entries)
            {
                ServiceCall[] own = [.. byKey[entry.Envelope.Id.ToString()]];
                held += entry.State == MessageState.Failed ? 1 : 0;
                problems.AddRange(Judge(lane, entry, own));
            }

            problems.AddRange(OrderOf(lane, calls));
        }

        return new RandomKillReport
        {
            Kills = kills,
            Messages = messages * Lanes.Length,
            Calls = calls.Count,
            Further = calls.Count - byKey.Count,
            Held = held,
            Seed = seed,
            Problems = problems,
        };
    }

    private static IEnumerable<string> Judge(string lane, JournalEntry entry, ServiceCall[] calls)
    {
        string what = $"{lane} {Envelopes.TextOf(entry)} ({entry.State} {entry.FailureKind}, {calls.Length} calls, {calls.Count(call => call.Accepted)} taken)";
        bool uncertain = entry.State == MessageState.Failed && entry.FailureKind == FailureKind.Uncertain;
        if (entry.State != MessageState.Acked && !uncertain)
        {
            yield return $"{what}: it has to end acknowledged or uncertain. {entry.Error}";
        }

        if (entry.State == MessageState.Acked && !calls.Any(call => call.Accepted))
        {
            yield return $"{what}: acknowledged, and the service never took it.";
        }

        int most = lane == "retry" ? 2 : lane == "hold" ? 1 : int.MaxValue;
        if (calls.Length > most || calls.Skip(1).Any(call => lane == "retry" && !call.Redelivered))
        {
            yield return $"{what}: more calls than the policy allows, or a repeat that does not say so.";
        }

        if (lane == "ask" && (entry.State != MessageState.Acked || calls.Count(call => call.Accepted) != 1))
        {
            yield return $"{what}: a service that can be asked takes every message exactly once.";
        }
    }

    private static IEnumerable<string> OrderOf(string lane, IReadOnlyList<ServiceCall> calls)
    {
        foreach (IGrouping<string, ServiceCall> conversation in calls.Where(call => call.Lane == lane).GroupBy(call => call.Recipient, StringComparer.Ordinal))
        {
            string[] first = [.. conversation.Select(call => call.Text).Distinct(StringComparer.Ordinal)];
            if (!first.SequenceEqual(first.Order(StringComparer.Ordinal)))
            {
                yield return $"{lane}: the messages of recipient {conversation.Key} left out of order.";
            }
        }
    }
}
