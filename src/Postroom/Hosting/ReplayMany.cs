using System.Text.Json;

namespace Postroom.Hosting;

/// <summary>Replays many messages (JN-3, JN-4): not faster than said, and not further when they fail again. One at a time.</summary>
internal sealed class ReplayMany(IJournal journal, IMessageStore store, TimeProvider clock)
{
    private const int Most = 10_000;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);

    private int _running;

    /// <summary>Replays what matches; returns once the last ones have ended again, or after half a minute.</summary>
    public Task<ReplayManyResult> RunAsync(JournalQuery filter, ReplayManyOptions options, CancellationToken cancellationToken) => AloneAsync(options, async () =>
    {
        List<MessageId> found = [];
        JournalQuery failed = filter with { States = [MessageState.Failed], Ascending = true, Cursor = null, Limit = 100 };
        await foreach (JournalEntry entry in journal.EachAsync(failed, cancellationToken))
        {
            found.Add(entry.Envelope.Id);
            if (found.Count > options.Max)
            {
                break;
            }
        }

        ReplayManyResult begun = new(Math.Min(found.Count, options.Max), found.Count > options.Max, 0, 0, 0, null);
        return await ReplayEachAsync(found.Take(options.Max), options, begun, cancellationToken);
    });

    /// <summary>Replays these; returns once the last ones have ended again, or after half a minute.</summary>
    public Task<ReplayManyResult> RunAsync(IReadOnlyList<MessageId> ids, ReplayManyOptions options, CancellationToken cancellationToken) =>
        AloneAsync(options, () => ReplayEachAsync(ids, options, new ReplayManyResult(ids.Count, More: false, 0, 0, 0, null), cancellationToken));

    private async Task<ReplayManyResult> AloneAsync(ReplayManyOptions options, Func<Task<ReplayManyResult>> work)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Max, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Max, Most);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.StopAfterFailures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Rate.Count, 1);
        if (Interlocked.Exchange(ref _running, 1) != 0)
        {
            throw new RuntimeConflictException("A replay of many is under way. Wait until it has ended.");
        }

        try
        {
            return await work();
        }
        finally
        {
            Volatile.Write(ref _running, 0);
        }
    }

    /// <summary>Writes down who had a message replayed, so that its story names them.</summary>
    private async ValueTask NoteAsync(MessageId id, string user, DateTimeOffset asked, CancellationToken cancellationToken)
    {
        AuditRecord row = new() { At = asked, User = user, Action = "journal.replay", Target = id.ToString(), Result = "done" };
        StoreNote note = new(NoteKind.Audit, row.At, JsonSerializer.SerializeToUtf8Bytes(row, PostroomJson.Default.AuditRecord)) { MessageId = id };
        await store.WriteAsync(new StoreWrite { Notes = [note] }, cancellationToken);
    }

    private async Task<ReplayManyResult> ReplayEachAsync(IEnumerable<MessageId> ids, ReplayManyOptions options, ReplayManyResult begun, CancellationToken cancellationToken)
    {
        ReplayManyResult now = begun;
        HashSet<MessageId> watched = [];
        TimeSpan pace = options.Rate.Period / options.Rate.Count;
        foreach (MessageId id in ids)
        {
            try
            {
                DateTimeOffset asked = clock.GetUtcNow(); // its handler may be done before this call returns
                await journal.ReplayAsync(id, new ReplayOptions(), cancellationToken);
                watched.Add(id);
                now = now with { Replayed = now.Replayed + 1 };
                if (options.User is { } user)
                {
                    await NoteAsync(id, user, asked, cancellationToken);
                }

                if (options.OnReplayed is { } told)
                {
                    await told(id, asked);
                }

                options.Progress?.Report(now);
            }
            catch (JournalConflictException)
            {
                now = now with { Refused = now.Refused + 1 };
            }

            await Task.Delay(pace, clock, cancellationToken);
            now = now with { FailedAgain = now.FailedAgain + await FailedAgainAsync(watched, cancellationToken) };
            if (now.FailedAgain >= options.StopAfterFailures)
            {
                now = now with { Reason = "Replayed messages failed again. Mend the cause, then go on." };
                options.Progress?.Report(now);
                return now;
            }

            options.Progress?.Report(now);
        }

        for (long end = clock.GetTimestamp(); watched.Count > 0 && clock.GetElapsedTime(end) < Patience;)
        {
            await Task.Delay(Look, clock, cancellationToken);
            now = now with { FailedAgain = now.FailedAgain + await FailedAgainAsync(watched, cancellationToken) };
            options.Progress?.Report(now);
        }

        options.Progress?.Report(now);
        return now;
    }

    /// <summary>How many have failed again since it was asked last; forgets those that have ended.</summary>
    private async Task<int> FailedAgainAsync(HashSet<MessageId> watched, CancellationToken cancellationToken)
    {
        int failed = 0;
        foreach (MessageId id in watched.ToArray())
        {
            MessageState? state = (await journal.GetAsync(id, withBody: false, cancellationToken))?.Entry.State;
            failed += state is MessageState.Failed ? 1 : 0;
            if (state is null or MessageState.Acked or MessageState.Failed)
            {
                watched.Remove(id);
            }
        }

        return failed;
    }
}
