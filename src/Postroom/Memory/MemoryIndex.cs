using System.Collections.Concurrent;
using System.Text.Json;
using Postroom.Storage;

namespace Postroom.Memory;

/// <summary>Finds messages by id and dedup key, keeps the last finished ones, and answers journal queries by looking at all of them.</summary>
internal sealed class MemoryIndex(TimeProvider clock, MemoryStoreOptions options, RetentionOptions retention)
{
    private const int MaxAudit = 100;

    private readonly ConcurrentDictionary<MessageId, OpenMessage> _byId = new();
    private readonly Dictionary<(string Queue, string Key), DedupEntry> _dedup = [];
    private readonly Queue<((string Queue, string Key) Key, DedupEntry Entry)> _dedupOrder = new();
    private readonly ConcurrentQueue<OpenMessage> _finished = new();
    private int _finishedCount;
    private int _open;
    private long _bytes;

    public long Bytes => Volatile.Read(ref _bytes);

    public OpenMessage? Find(MessageId id) => _byId.TryGetValue(id, out OpenMessage? message) ? message : null;

    /// <summary>Refuses a batch that would go beyond the bounds. The oldest finished messages make room first.</summary>
    public void CheckBounds(IReadOnlyList<Envelope> batch)
    {
        if (_open + batch.Count > options.Messages)
        {
            throw new StoreUnavailableException(
                $"The memory store holds {_open} open messages; its limit is {options.Messages} (store.memory.messages). "
                + "Nothing was dropped. Let the workers catch up, raise the limit, or use store.kind sqlite.");
        }

        long size = 0;
        for (int i = 0; i < batch.Count; i++)
        {
            size += Size(batch[i]);
        }

        while (size <= options.Size && Bytes + size > options.Size && _finished.TryDequeue(out OpenMessage? oldest))
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
        _byId[message.Envelope.Id] = message;
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
        Interlocked.Decrement(ref _open);
        _finished.Enqueue(message);
        if (Interlocked.Increment(ref _finishedCount) <= options.Finished || !_finished.TryDequeue(out OpenMessage? oldest))
        {
            return;
        }

        LetGo(oldest);
    }

    public void Reopen(OpenMessage message)
    {
        Interlocked.Increment(ref _open);
        _byId[message.Envelope.Id] = message;
    }

    public void AddNote(StoreNote note)
    {
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

    public JournalPage Query(JournalQuery query)
    {
        JournalEntry[] all = [.. _byId.Values.Where(message => JournalMoves.Matches(message, query)).Select(message => message.ToEntry(withBody: false))];
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

    /// <summary>Adds children and copies. Looks at all messages, so it is called without a lock.</summary>
    public JournalRecord Related(JournalRecord record)
    {
        MessageId id = record.Entry.Envelope.Id;
        return record with
        {
            Children = [.. Others(other => other.Envelope.ParentId == id)],
            Copies = record.Entry.Envelope.GroupId is { } group ? [.. Others(other => other.Envelope.GroupId == group && other.Envelope.Id != id)] : [],
        };
    }

    /// <summary>The finished messages whose time is past, as they were seen; <see cref="Compact"/> looks again.</summary>
    public List<MessageId> Ended(JournalRetention kept)
    {
        DateTimeOffset now = clock.GetUtcNow();
        List<MessageId> ended = [];
        HashSet<MessageId> parents = [];
        foreach ((MessageId id, OpenMessage message) in _byId)
        {
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

    private void LetGo(OpenMessage oldest)
    {
        Interlocked.Decrement(ref _finishedCount);
        if (oldest is { State: MessageState.Acked or MessageState.Failed, Halts: false })
        {
            Remove(oldest);
        }
    }

    private static bool IsPast(OpenMessage message, JournalRetention kept, DateTimeOffset now)
    {
        TimeSpan keep = message.State == MessageState.Acked ? kept.Acked : kept.Failed;
        return message is { State: MessageState.Acked or MessageState.Failed, Halts: false } && message.FinishedAt is { } end && end + keep <= now;
    }

    private IEnumerable<JournalEntry> Others(Func<OpenMessage, bool> which)
    {
        return _byId.Values.Where(which).OrderBy(other => other.Seq).Take(1_000).Select(other => other.ToEntry(withBody: false));
    }

    private bool Remove(OpenMessage message)
    {
        if (!_byId.TryRemove(message.Envelope.Id, out _))
        {
            return false;
        }

        Interlocked.Add(ref _bytes, -Size(message.Envelope));
        if (message.Envelope.DedupKey is { } key
            && _dedup.TryGetValue((message.Envelope.Queue, key), out DedupEntry? entry) && ReferenceEquals(entry.Message, message))
        {
            // The key outlives the message, but does not keep its body.
            entry.ContentHash = MessageContent.HashOf(message.Envelope);
            entry.FinishedAt = message.FinishedAt;
            entry.Message = null;
        }

        return true;
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

    private static long Size(Envelope envelope)
    {
        long size = envelope.Body.Length;
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
