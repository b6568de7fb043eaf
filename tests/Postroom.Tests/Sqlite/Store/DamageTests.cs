using System.Collections.Concurrent;
using System.Globalization;
using Postroom.Sqlite;
using Xunit;
using static Postroom.Tests.Sqlite.Store.StoreFixture;

namespace Postroom.Tests.Sqlite.Store;

/// <summary>AC-8: whatever is damaged in the files of a killed store either has no effect, proved by a ledger of what was accepted, or is reported.</summary>
public sealed class DamageTests
{
    /// <summary>
    /// The rarest outcome, a report, comes in about one trial of 21 (48 of 1,000 in five runs, seeds 1 to 4 and 20630, whose 200 had 4). Of 600 that is 29 on average, and
    /// 5 or fewer come by chance once in ten million runs.
    /// </summary>
    private const int Trials = 600;

    private const int LeastOfEach = 6;
    private static readonly string[] Suffixes = ["", "-wal", ".mark"];

    /// <summary>What was accepted, and how each message has to stand.</summary>
    private readonly ConcurrentDictionary<MessageId, (MessageState State, string Body)> _ledger = new();

    private enum Outcome
    {
        NoEffect,
        Refused,
        Reported,
    }

    [Fact]
    public async Task No_damage_to_the_files_is_silent()
    {
        // The same trials again: POSTROOM_SEED=n
        int seed = int.TryParse(Environment.GetEnvironmentVariable("POSTROOM_SEED"), CultureInfo.InvariantCulture, out int given) ? given : Random.Shared.Next(1_000_000);
        TestContext.Current.SendDiagnosticMessage("Damage trials use POSTROOM_SEED={0}.", seed);
        TestContext.Current.TestOutputHelper?.WriteLine($"POSTROOM_SEED={seed}");
        await using StoreFixture fixture = await OpenAsync();
        Dictionary<string, byte[]> files = await MakeAsync(fixture);
        ConcurrentBag<string> silent = [];
        ConcurrentDictionary<Outcome, int> outcomes = new();
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = 4, CancellationToken = Cancel };

        await Parallel.ForAsync(0, Trials, parallel, async (trial, _) =>
        {
            Random random = new(unchecked((seed * 1_000) + trial));
            using TempFolder folder = new();
            string what = Damage(random, trial, files, folder.Store);
            try
            {
                (Outcome outcome, string? wrong) = await TryAsync(folder.Store);
                outcomes.AddOrUpdate(outcome, 1, static (_, n) => n + 1);
                if (wrong is not null)
                {
                    silent.Add($"trial {trial}: {what}: {wrong}");
                }
            }
            catch (Exception failure)
            {
                silent.Add($"trial {trial}: {what}: {failure}");
            }
        });

        TestContext.Current.TestOutputHelper?.WriteLine($"Of {Trials}: {string.Join(", ", outcomes.Select(pair => $"{pair.Key} {pair.Value}"))}");
        Assert.True(silent.IsEmpty, $"POSTROOM_SEED={seed}\n{string.Join('\n', silent)}");
        Assert.All(Enum.GetValues<Outcome>(), outcome => Assert.True(outcomes.GetValueOrDefault(outcome) >= LeastOfEach, $"{outcome}: {outcomes.GetValueOrDefault(outcome)} of {Trials} (seed {seed})"));
    }

    /// <summary>A store as a killed process leaves it: half of it in the file, half in the WAL, every state, with and without keys.</summary>
    private async Task<Dictionary<string, byte[]>> MakeAsync(StoreFixture fixture)
    {
        await FillAsync(fixture, 60);
        await fixture.ReopenAsync();
        await FillAsync(fixture, 40);
        await fixture.Store.Writer.FlushAsync();
        using TempFolder copy = new();
        foreach (string suffix in Suffixes)
        {
            // Through another process: closing a handle of ours would drop SQLite's locks.
            using var process = System.Diagnostics.Process.Start("cp", [fixture.Options.Path + suffix, copy.Store + suffix])!;
            await process.WaitForExitAsync(Cancel);
        }

        return Suffixes.ToDictionary(suffix => suffix, suffix => File.ReadAllBytes(copy.Store + suffix));
    }

    private async Task FillAsync(StoreFixture fixture, int count)
    {
        Random random = new(count);
        for (int i = 0; i < count; i++)
        {
            byte[] body = new byte[random.Next(10, 3_000)];
            random.NextBytes(body);
            MessageId id = await fixture.AppendAsync(new Envelope(MessageId.New(), $"q{i % 3}", "order.received", body) { Conversation = i % 2 == 0 ? $"c{i % 5}" : null, DedupKey = i % 4 == 0 ? $"k{count}-{i}" : null });
            _ledger[id] = (MessageState.Pending, Convert.ToHexString(body));
            if (i % 3 == 2)
            {
                MessageLease lease = await fixture.LeaseAsync($"q{i % 2}");
                bool fails = i % 2 == 0;
                await fixture.Store.SettleAsync(lease, fails ? Settlement.Fail(FailureKind.Rejected, "no") : Settlement.Acknowledge, [], Cancel);
                _ledger[lease.Envelope.Id] = _ledger[lease.Envelope.Id] with { State = fails ? MessageState.Failed : MessageState.Acked };
            }
        }
    }

    private static string Damage(Random random, int trial, Dictionary<string, byte[]> files, string store)
    {
        Dictionary<string, byte[]> damaged = files.ToDictionary(file => file.Key, file => file.Value.ToArray());
        string suffix = Suffixes[random.Next(Suffixes.Length)];
        byte[] bytes = damaged[suffix];
        int at = random.Next(bytes.Length);
        string what;
        switch (trial % 8)
        {
            case 0:
                damaged[suffix] = bytes[..at];
                what = "cut to";
                break;
            case 1:
                suffix = "-wal";
                at = 0;
                damaged.Remove(suffix);
                what = "deleted";
                break;
            case 2:
                suffix = random.Next(2) == 0 ? "" : "-wal";
                bytes = damaged[suffix];
                at = random.Next(bytes.Length / 4_096) * 4_096;
                Array.Clear(bytes, at, Math.Min(4_096 * random.Next(1, 4), bytes.Length - at));
                what = "pages zeroed from";
                break;
            default:
                bytes[at] ^= (byte)(1 << random.Next(8));
                what = "bit flipped at";
                break;
        }

        foreach ((string file, byte[] content) in damaged)
        {
            PrivateFiles.CreateUnlessExists(store + file);
            File.WriteAllBytes(store + file, content);
        }

        return $"'{suffix}' {what} {at}";
    }

    /// <summary>Opens the damaged store. The second value says what is wrong with how it answered; null for nothing.</summary>
    private async Task<(Outcome Outcome, string? Wrong)> TryAsync(string path)
    {
        StoreOpenException refused;
        try
        {
            return await LookAsync(path, missing: 0);
        }
        catch (StoreOpenException refusal)
        {
            refused = refusal;
        }

        if (refused.Failure != StoreOpenFailure.Loss)
        {
            return (Outcome.Refused, refused.Failure == StoreOpenFailure.Damaged ? null : $"refused as {refused.Failure}: {refused.Message}");
        }

        // The number named has to be the number that is missing.
        try
        {
            SqliteMaintenance.AcceptLoss(path, refused.Missing);
            (Outcome outcome, string? wrong) = await LookAsync(path, refused.Missing);
            return (Outcome.Refused, outcome == Outcome.Reported ? null : wrong);
        }
        catch (StoreOpenException damaged) when (damaged.Failure == StoreOpenFailure.Damaged)
        {
            return (Outcome.Refused, null);
        }
    }

    private async Task<(Outcome Outcome, string? Wrong)> LookAsync(string path, long missing)
    {
        StoreOptions options = new() { Path = path, Reserve = 0, Check = StoreCheck.Always };
        await using SqliteStore store = new(options, new RetentionOptions(), new Redactor(), TimeProvider.System);
        RecoveryReport report = await store.OpenAsync(new StoreOpening { Node = "test" }, Cancel);
        await store.Scrubbing;
        if ((await store.GetStatsAsync(null, Cancel)).Problem is not null || report.Notices.Count > 0)
        {
            return (Outcome.Reported, null);
        }

        int gone = 0;
        foreach ((MessageId id, (MessageState state, string body)) in _ledger)
        {
            JournalRecord? record = await store.GetAsync(id, withBody: true, Cancel);
            gone += record is null ? 1 : 0;
            if (record is not null && Convert.ToHexString(record.Entry.Envelope.Body.Span) != body)
            {
                return (Outcome.NoEffect, $"message {id} has another body");
            }

            if (record is not null && missing == 0 && record.Entry.State != state)
            {
                return (Outcome.NoEffect, $"message {id} is {record.Entry.State} and was {state}");
            }
        }

        return (Outcome.NoEffect, gone == missing ? null : $"{gone} messages are gone, {missing} were named");
    }
}
