using System.Text.Json;
using Postroom.Storage;

namespace Postroom.Memory;

/// <summary>Finds messages by id and dedup key, keeps the last finished ones, and answers journal queries by looking at all of them. Guarded by the store's lock of moves, but for what says otherwise.</summary>
internal sealed class MemoryIndex(TimeProvider clock, MemoryStoreOptions options, RetentionOptions retention)
{
    private const int MaxAudit = 100;
    private const int MostAudited = 10_000;

    private readonly Dictionary<MessageId, OpenMessage> _byId = [];
    private readonly Dictionary<(string Queue, string Key), DedupEntry> _dedup = [];
    private readonly Queue<((string Queue, string Key) Key, DedupEntry Entry)> _dedupOrder = new();
    private readonly Queue<(OpenMessage Message, int Replays)> _finished = new();
    private readonly Queue<AuditEntry> _audit = new(); // the latest of all
    private long _audited;
    private int _open;
    private long _bytes;

    public long Bytes => Volatile.Read(ref _bytes);

    public OpenMessage? Find(MessageId id) => _byId.TryGetValue(id, out OpenMessage? message) ? message : null;

    /// <summary>All messages at this moment, for a look that goes on without the lock.</summary>
    public OpenMessage[] All() => [.. _byId.Values];

    /// <summary>Refuses messages that would go beyond the bounds. The oldest finished messages make room first.</summary>
    public void CheckBounds(int count, long size)
    {
        if (_open + count > options.Messages)
        {
            throw new StoreUnavailableException(
                $"The memory store holds {_open} open messages; its limit is {options.Messages} (store.memory.messages). "
                + "Nothing was dropped. Let the workers catch up, raise the limit, or use store.kind sqlite.");
        }

        while (size <= options.Size && Bytes + size > options.Size && _finished.TryDequeue(out (OpenMessage Message, int Replays) oldest))
        {
            LetGo(oldest);
        }

        if (Bytes + size > options.Size)
        {
            throw new StoreUnavailableException(
                $"The memory store holds {Bytes} bytes; its limit is {options.Size} (store.memory.size). "
                + "No open message was dropped. Let the workers catch up, raise the limit, or use store.kind sqlite.");
        }
    }

    /// <summary>The result for a message that is already stored; null for a new one.</summary>
    public AppendResult? FindRepeat(Envelope envelope)
    {
        if (_byId.TryGetValue(envelope.Id, out OpenMessage? same))
        {
            return new AppendResult(envelope.Id, Duplicate: true, MessageContent.IsSame(same.Envelope, envelope));
        }

        return envelope.DedupKey is { } key && _dedup.TryGetValue((envelope.Queue, key), out DedupEntry? first) && !IsOver(first)
            ? new AppendResult(first.Id, Duplicate: true, first.Message is { } message
                ? MessageContent.IsSame(message.Envelope, envelope)
                : MessageContent.HashOf(envelope).AsSpan().SequenceEqual(first.ContentHash))
            : null;
    }

    public void Add(OpenMessage message)
    {
        _byId.Add(message.Envelope.Id, message);
        _open++;
        _bytes += Size(message.Envelope);
        if (message.Envelope.DedupKey is { } key)
        {
            DedupEntry entry = new() { Id = message.Envelope.Id, Message = message };
            _dedup[(message.Envelope.Queue, key)] = entry;
            _dedupOrder.Enqueue(((message.Envelope.Queue, key), entry));
            while (_dedupOrder.Count > retention.MaxDedupKeys || (_dedupOrder.TryPeek(out var oldest) && IsOver(oldest.Entry)))
            {
                Forget(_dedupOrder.Dequeue());
            }
        }
    }

    /// <summary>Counts a message as finished and lets go of the oldest ones.</summary>
    public void Finished(OpenMessage message)
    {
        _open--;
        _finished.Enqueue((message, message.Replays));
        if (_finished.Count > options.Finished && _finished.TryDequeue(out (OpenMessage Message, int Replays) oldest))
        {
            LetGo(oldest);
        }
    }

    /// <summary>Removes the content of a finished message; its key still knows a repeat by the hash.</summary>
    /// <returns>Whether there was anything left to remove.</returns>
    public bool Erase(OpenMessage message, bool personal)
    {
        Envelope envelope = message.Envelope;
        if (envelope.Header(HeaderNames.Erased) is not null && (!personal || (envelope.Attachments.Count == 0 && envelope.Headers.Keys.All(HeaderNames.IsTechnical))))
        {
            return false;
        }

        KeepKey(message);
        _bytes -= Size(envelope);
        message.Fill(envelope.Erase(clock.GetUtcNow(), personal));
        return true;
    }

    public void Reopen(OpenMessage message)
    {
        _open++;
        _byId[message.Envelope.Id] = message;
    }

    /// <summary>What people did, newest first.</summary>
    public AuditPage QueryAudit(AuditQuery query)
    {
        AuditEntry[] found = [.. _audit.Reverse().Where(entry => entry.Number < (query.Cursor ?? long.MaxValue) && query.Matches(entry.Record)).Take(query.Limit + 1)];
        return found.Length > query.Limit ? new AuditPage(found[..^1], found[^2].Number) : new AuditPage(found, null);
    }

    public void AddNote(StoreNote note)
    {
        if (note.Kind == NoteKind.Audit && JsonSerializer.Deserialize(note.Data.Span, PostroomJson.Default.AuditRecord) is { } row)
        {
            _audit.Enqueue(new AuditEntry(++_audited, row with { At = note.At }, note.MessageId));
            if (_audit.Count > MostAudited)
            {
                _audit.Dequeue();
            }
        }

        if (note.MessageId is not { } id || Find(id) is not { } message)
        {
            return;
        }

        if (note.Kind == NoteKind.Receipt && JsonSerializer.Deserialize(note.Data.Span, PostroomJson.Default.DeliveryReceipt) is { } receipt)
        {
            (message.Receipts ??= []).Add(receipt);
        }
        else if (note.Kind == NoteKind.Audit && JsonSerializer.Deserialize(note.Data.Span, PostroomJson.Default.AuditRecord) is { } audit)
        {
            List<AuditRecord> kept = message.Audit ??= [];
            if (kept.Count == MaxAudit)
            {
                kept.RemoveAt(0);
            }

            kept.Add(audit with { At = note.At });
        }
    }

    /// <summary>Answers a query from messages taken with <see cref="All"/>. Needs no lock.</summary>
    public static JournalPage Query(OpenMessage[] messages, JournalQuery query)
    {
        JournalEntry[] all = [.. messages.Where(message => JournalMoves.Matches(message, query)).Select(message => message.ToEntry(withBody: false))];
        IEnumerable<JournalEntry> ordered = query.Ascending ? all.OrderBy(entry => entry.Envelope.Seq) : all.OrderByDescending(entry => entry.Envelope.Seq);
        if (query.Cursor is { } cursor)
        {
            ordered = ordered.Where(entry => query.Ascending ? entry.Envelope.Seq > cursor : entry.Envelope.Seq < cursor);
        }

        JournalEntry[] page = [.. ordered.Skip(query.Offset).Take(query.Limit + 1)];
        bool more = page.Length > query.Limit;
        page = more ? page[..query.Limit] : page;
        return new JournalPage(page, Math.Min(all.Length, 10_000), all.Length > 10_000, more ? page[^1].Envelope.Seq : null);
    }

    /// <summary>A message with its attempts and receipts; <see cref="Related"/> adds the others.</summary>
    public JournalRecord? Record(MessageId id, bool withBody)
    {
        if (Find(id) is not { } message)
        {
            return null;
        }

        return new JournalRecord
        {
            Entry = message.ToEntry(withBody),
            Attempts = JournalMoves.Attempts(message),
            Receipts = message.Receipts?.ToArray() ?? [],
            Audit = message.Audit?.ToArray() ?? [],
        };
    }

    /// <summary>Adds children and copies, from messages taken with <see cref="All"/>. Needs no lock.</summary>
    public static JournalRecord Related(JournalRecord record, OpenMessage[] messages)
    {
        MessageId id = record.Entry.Envelope.Id;
        return record with
        {
            Children = [.. Others(messages, other => other.Envelope.ParentId == id)],
            Copies = record.Entry.Envelope.GroupId is { } group ? [.. Others(messages, other => other.Envelope.GroupId == group && other.Envelope.Id != id)] : [],
        };
    }

    /// <summary>The finished messages whose time is past, of those taken with <see cref="All"/>; <see cref="Compact"/> looks again. Needs no lock.</summary>
    public List<MessageId> Ended(OpenMessage[] messages, JournalRetention kept)
    {
        DateTimeOffset now = clock.GetUtcNow();
        List<MessageId> ended = [];
        HashSet<MessageId> parents = [];
        foreach (OpenMessage message in messages)
        {
            MessageId id = message.Envelope.Id;
            if (IsPast(message, kept, now))
            {
                ended.Add(id);
            }
            else if (message is { State: MessageState.Pending or MessageState.Dispatched, Envelope.ParentId: { } parent })
            {
                parents.Add(parent);
            }
        }

        ended.RemoveAll(parents.Contains);
        return ended;
    }

    /// <summary>Removes the messages of a batch that are still past their time.</summary>
    public long Compact(IEnumerable<MessageId> batch, JournalRetention kept, Action<string, MessageState> removed)
    {
        long count = 0;
        DateTimeOffset now = clock.GetUtcNow();
        foreach (MessageId id in batch)
        {
            if (Find(id) is { } message && IsPast(message, kept, now) && Remove(message))
            {
                removed(message.Envelope.Queue, message.State);
                count++;
            }
        }

        return count;
    }

    /// <summary>Forgets a message, unless it was replayed since: then it is open, or finished later.</summary>
    private void LetGo((OpenMessage Message, int Replays) oldest)
    {
        if (oldest.Message is { State: MessageState.Acked or MessageState.Failed, Halts: false } && oldest.Message.Replays == oldest.Replays)
        {
            Remove(oldest.Message);
        }
    }

    private static bool IsPast(OpenMessage message, JournalRetention kept, DateTimeOffset now)
    {
        TimeSpan keep = message.State == MessageState.Acked ? kept.Acked : kept.Failed;
        return message is { State: MessageState.Acked or MessageState.Failed, Halts: false } && message.FinishedAt is { } end && end + keep <= now;
    }

    private static IEnumerable<JournalEntry> Others(OpenMessage[] messages, Func<OpenMessage, bool> which)
    {
        return messages.Where(which).OrderBy(other => other.Seq).Take(1_000).Select(other => other.ToEntry(withBody: false));
    }

    private bool Remove(OpenMessage message)
    {
        if (!_byId.Remove(message.Envelope.Id))
        {
            return false;
        }

        _bytes -= Size(message.Envelope);
        KeepKey(message);
        return true;
    }

    /// <summary>A key outlives its message, but does not keep its body.</summary>
    private void KeepKey(OpenMessage message)
    {
        if (message.Envelope.DedupKey is { } key
            && _dedup.TryGetValue((message.Envelope.Queue, key), out DedupEntry? entry) && ReferenceEquals(entry.Message, message))
        {
            entry.ContentHash = MessageContent.HashOf(message.Envelope);
            entry.FinishedAt = message.FinishedAt;
            entry.Message = null;
        }
    }

    private void Forget(((string Queue, string Key) Key, DedupEntry Entry) oldest)
    {
        if (_dedup.TryGetValue(oldest.Key, out DedupEntry? entry) && ReferenceEquals(entry, oldest.Entry))
        {
            _dedup.Remove(oldest.Key);
        }
    }

    private bool IsOver(DedupEntry entry)
    {
        DateTimeOffset? end = entry.Message is not { } message ? entry.FinishedAt
            : message.State is MessageState.Acked or MessageState.Failed ? message.FinishedAt
            : null;
        return end + retention.Dedup <= clock.GetUtcNow();
    }

    /// <summary>The bytes of a message that count against the bound.</summary>
    public static long Size(Envelope envelope)
    {
        long size = envelope.Body.Length;
        if (envelope.Attachments.Count == 0)
        {
            return size;
        }

        foreach (Attachment attachment in envelope.Attachments)
        {
            size += attachment.Data?.Length ?? 0;
        }

        return size;
    }

    /// <summary>What is kept of a dedup key: the message while it is kept, the hash of its content after.</summary>
    private sealed class DedupEntry
    {
        public required MessageId Id { get; init; }

        public OpenMessage? Message { get; set; }

        public byte[]? ContentHash { get; set; }

        public DateTimeOffset? FinishedAt { get; set; }
    }
}
