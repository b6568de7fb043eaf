using System.Text;
using System.Text.Json;

namespace Postroom.Scheduling;

/// <content>What becomes of each occurrence. All of it within the turn.</content>
internal sealed partial class Scheduler
{
    private const int MostMadeUp = 100;
    private const int RowsPerWrite = 500;

    /// <summary>Of a schedule that is due so often that its rows would be more within their retention, only so many are kept.</summary>
    private const int MostRows = 200_000;

    /// <summary>The last occurrence is in time up to here: a restart takes its while.</summary>
    private static readonly TimeSpan InTime = TimeSpan.FromSeconds(60);

    /// <summary>Fires a schedule once, now, whatever its times are.</summary>
    /// <exception cref="KeyNotFoundException">There is no such schedule.</exception>
    /// <exception cref="AddressException">Its queue is not declared.</exception>
    public async Task<MessageId> FireNowAsync(string name, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (!_entries.TryGetValue(name, out ScheduleEntry? entry))
            {
                throw new KeyNotFoundException(_entries.Count == 0
                    ? $"There is no schedule '{Names.Shorten(name)}', nor any other. Add it under schedules."
                    : $"There is no schedule '{Names.Shorten(name)}'. Schedules are {string.Join(", ", _entries.Keys.Order(StringComparer.Ordinal))}.");
            }

            DateTimeOffset now = clock.GetUtcNow();
            Envelope message = Compose(entry, now, manual: true);
            ScheduleOccurrence row = new(name, now, OccurrenceState.Enqueued) { Manual = true, MessageId = message.Id.ToString(), Reason = "asked for by hand" };
            ScheduleMark? mark = entry.Mark is { } known ? known with { Message = message.Id.ToString() } : null;
            List<FactChange> facts = [Fact(entry, row, $"{ScheduleOccurrence.KeyOf(name, now)}/{message.Id}", now)];
            if (mark is not null)
            {
                facts.Add(mark.ToFact(name));
            }

            await store.WriteAsync(new StoreWrite { Appends = [message], Facts = facts }, cancellationToken);
            entry.Mark = mark;
            entry.Status = entry.Status with { Last = row };
            activity.Accepted(message.Queue);
            return message.Id;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Decides what was due since the schedule's mark.</summary>
    private async Task DecideAsync(ScheduleEntry entry, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        if (entry.Mark!.Until - now > LongestWayBack)
        {
            LogWayBack(entry.Name, ScheduleOccurrence.Instant(entry.Mark.Until));
            entry.Mark = entry.Mark with { Until = now };
            await store.WriteAsync(new StoreWrite { Facts = [entry.Mark.ToFact(entry.Name)] }, cancellationToken);
        }

        if (entry.Times!.Next(entry.Mark.Until) is not { } first || first > now)
        {
            return;
        }

        DueList due = DueList.Between(entry.Times, entry.Mark.Until, now, now - retention().Occurrences);
        DateTimeOffset[] open = await WithoutDecidedAsync(entry, due.Last, cancellationToken);
        DateTimeOffset[] fired = ToFire(entry.Options.Misfire, open, now);
        DateTimeOffset[] missed = open[..^fired.Length];
        if (missed.Length > 0 || due.Earlier > 0)
        {
            await MissAsync(entry, due, missed, fired, now, cancellationToken);
        }

        await FireAsync(entry, fired, due.Last[^1], now, cancellationToken);
    }

    /// <summary>Those that have no row yet: a clock that was set back, or another node, may have decided some.</summary>
    private async ValueTask<DateTimeOffset[]> WithoutDecidedAsync(ScheduleEntry entry, IReadOnlyList<DateTimeOffset> due, CancellationToken cancellationToken)
    {
        if (due.Count == 1)
        {
            return await store.Facts.GetAsync(FactScopes.Occurrence, ScheduleOccurrence.KeyOf(entry.Name, due[0]), cancellationToken) is null ? [.. due] : [];
        }

        IReadOnlyList<StoredFact> rows = await store.Facts.ListLastAsync(FactScopes.Occurrence, ScheduleOccurrence.KeyPrefix(entry.Name), null, due.Count + 1_000, cancellationToken);
        HashSet<string> keys = [.. rows.Select(row => row.Key)];
        return [.. due.Where(at => !keys.Contains(ScheduleOccurrence.KeyOf(entry.Name, at)))];
    }

    /// <summary>The last ones, as many as the policy wants.</summary>
    private static DateTimeOffset[] ToFire(MisfirePolicy policy, DateTimeOffset[] due, DateTimeOffset now) => policy switch
    {
        _ when due.Length == 0 => [],
        MisfirePolicy.All => due[Math.Max(0, due.Length - MostMadeUp)..],
        MisfirePolicy.Skip when now - due[^1] > InTime => [],
        _ => [due[^1]],
    };

    /// <summary>Records those that are not fired, oldest first, with the mark that goes along.</summary>
    private async Task MissAsync(ScheduleEntry entry, DueList due, DateTimeOffset[] missed, DateTimeOffset[] fired, DateTimeOffset now, CancellationToken cancellationToken)
    {
        string why = entry.Options.Misfire switch
        {
            MisfirePolicy.All => $"more than {MostMadeUp} were missed, and the oldest are dropped (misfire: all)",
            MisfirePolicy.Once when fired.Length > 0 => $"made up for by the one due at {ScheduleOccurrence.Instant(fired[^1])} (misfire: once)",
            _ => "nobody looked when it was due (misfire: skip)",
        };
        DateTimeOffset from = due.Earlier > 0 ? due.EarlierFrom : missed[0];
        LogMissed(entry.Name, due.Earlier + missed.Length, ScheduleOccurrence.Instant(from), ScheduleOccurrence.Instant(missed.Length > 0 ? missed[^1] : due.EarlierUntil), entry.Options.Misfire.ToString().ToLowerInvariant());
        if (due.Earlier > 0)
        {
            ScheduleOccurrence all = new(entry.Name, due.EarlierFrom, OccurrenceState.Missed) { Reason = why, Count = due.Earlier, Until = due.EarlierUntil };
            await WriteAsync(entry, [], [all], due.EarlierUntil, now, cancellationToken);
        }

        foreach (DateTimeOffset[] part in missed.Chunk(RowsPerWrite))
        {
            await WriteAsync(entry, [], [.. part.Select(at => new ScheduleOccurrence(entry.Name, at, OccurrenceState.Missed) { Reason = why })], part[^1], now, cancellationToken);
        }
    }

    private async Task FireAsync(ScheduleEntry entry, DateTimeOffset[] fired, DateTimeOffset until, DateTimeOffset now, CancellationToken cancellationToken)
    {
        List<Envelope> messages = [];
        List<ScheduleOccurrence> rows = [];
        string? open = entry.Options.Overlap == OverlapPolicy.Skip && fired.Length > 0 ? await OpenAsync(entry.Mark!.Message, cancellationToken) : null;
        foreach (DateTimeOffset at in fired)
        {
            if (open is not null)
            {
                rows.Add(new ScheduleOccurrence(entry.Name, at, OccurrenceState.Skipped) { Reason = $"message {open} of the former one was still open (overlap: skip)" });
                continue;
            }

            try
            {
                Envelope message = Compose(entry, at, manual: false);
                messages.Add(message);
                TimeSpan late = now - at;
                rows.Add(new ScheduleOccurrence(entry.Name, at, OccurrenceState.Enqueued)
                {
                    MessageId = message.Id.ToString(),
                    Reason = late > InTime ? $"{Duration.Format(TimeSpan.FromSeconds(Math.Floor(late.TotalSeconds)))} late (misfire: {entry.Options.Misfire.ToString().ToLowerInvariant()})" : null,
                });
                open = entry.Options.Overlap == OverlapPolicy.Skip ? message.Id.ToString() : null;
            }
            catch (Exception e) when (e is ArgumentException or AddressException)
            {
                rows.Add(new ScheduleOccurrence(entry.Name, at, OccurrenceState.Missed) { Reason = e.Message });
                LogFailed(e, entry.Name, e.Message);
            }
        }

        IReadOnlyList<AppendResult> stored = await WriteAsync(entry, messages, rows, until, now, cancellationToken);
        for (int i = 0; i < messages.Count; i++)
        {
            activity.Accepted(messages[i].Queue);
            if (stored[i].Duplicate)
            {
                // Another node, or an earlier life of this store, was first: the row names its message.
                ScheduleOccurrence first = rows.Find(row => row.MessageId == messages[i].Id.ToString())! with { MessageId = stored[i].Id.ToString(), Reason = "it was stored before" };
                entry.Mark = entry.Mark! with { Message = first.MessageId };
                await WriteAsync(entry, [], [first], until, now, CancellationToken.None);
            }
        }
    }

    /// <summary>The message when it is still to be worked on; null when it has ended or is not kept any more.</summary>
    private async ValueTask<string?> OpenAsync(string? message, CancellationToken cancellationToken)
    {
        return MessageId.TryParse(message, out MessageId id)
            && (await journal.GetAsync(id, withBody: false, cancellationToken))?.Entry.State is MessageState.Pending or MessageState.Dispatched ? message : null;
    }

    private Envelope Compose(ScheduleEntry entry, DateTimeOffset due, bool manual)
    {
        byte[] body = entry.Options.Body is { } text
            ? Encoding.UTF8.GetBytes(text)
            : JsonSerializer.SerializeToUtf8Bytes(new ScheduleDue(entry.Name, due, manual), PostroomJson.Default.ScheduleDue);
        string instant = ScheduleOccurrence.Instant(due);
        PublishOptions options = new()
        {
            DedupKey = manual ? null : $"schedule:{entry.Name}:{instant}",
            Headers = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                [HeaderNames.Source] = $"schedule/{entry.Name}",
                [$"{HeaderNames.MetadataPrefix}schedule"] = $"\"{entry.Name}\"",
                [$"{HeaderNames.MetadataPrefix}due"] = $"\"{instant}\"",
            },
        };
        return publisher.Compose(entry.Options.Queue, new QueueMessage(entry.Options.Type, body), options, MessageOrigin.Outside);
    }

    /// <summary>Stores messages, rows and the mark in one transaction.</summary>
    private async Task<IReadOnlyList<AppendResult>> WriteAsync(
        ScheduleEntry entry, List<Envelope> messages, List<ScheduleOccurrence> rows, DateTimeOffset until, DateTimeOffset now, CancellationToken cancellationToken)
    {
        ScheduleMark mark = entry.Mark! with { Until = until, Message = messages.Count > 0 ? messages[^1].Id.ToString() : entry.Mark!.Message };
        StoreWrite write = new()
        {
            Appends = messages,
            Facts = [.. rows.Select(row => Fact(entry, row, ScheduleOccurrence.KeyOf(entry.Name, row.DueAt), now)), mark.ToFact(entry.Name)],
        };
        StoreWriteResult result = await store.WriteAsync(write, cancellationToken);
        entry.Mark = mark;
        if (rows.Count > 0)
        {
            entry.Status = entry.Status with { Last = rows[^1] };
        }

        return result.Appended;
    }

    private FactChange Fact(ScheduleEntry entry, ScheduleOccurrence row, string key, DateTimeOffset now)
    {
        TimeSpan kept = retention().Occurrences;
        if (entry.Times?.Next(row.DueAt) is { } next && next - row.DueAt is var gap && gap < kept / MostRows)
        {
            kept = gap * MostRows;
        }

        return new FactChange(FactScopes.Occurrence, key, JsonSerializer.SerializeToUtf8Bytes(row, PostroomJson.Default.ScheduleOccurrence), now < DateTimeOffset.MaxValue - kept ? now + kept : null);
    }
}
