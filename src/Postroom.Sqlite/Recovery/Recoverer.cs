using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>Brings back what an earlier run left in work, in one transaction before anything else happens. Touches open rows only.</summary>
internal sealed class Recoverer(WriteSession session, InFlightTable inFlight, bool previousRunClean, Func<string, QueueRules> rules)
{
    private const int MostExpired = 5_000;

    private readonly HashSet<long> _seen = [];

    public long Redelivered { get; private set; }

    public long Poisoned { get; private set; }

    public long Uncertain { get; private set; }

    public long Expired { get; private set; }

    /// <summary>Messages that were in work when the process died twice.</summary>
    public List<OpenMessage> Suspects { get; } = [];

    /// <summary>What does not fit together.</summary>
    public List<string> Damage { get; } = [];

    /// <summary>Conversations of messages that ended here.</summary>
    public List<string> Ended { get; } = [];

    public void Run()
    {
        session.Begin();
        session.BeginOperation();
        foreach (InFlightEntry entry in inFlight.Leftovers)
        {
            TakeBack(entry);
        }

        foreach (OpenMessage message in All(session.Statement("dispatched", StoreQueries.Dispatched)))
        {
            TakeBack(message, message.Attempt);
        }

        Expire();
        if (Ended.Count > 0)
        {
            session.IndexConversations(int.MaxValue); // few rows, and each look at a conversation then goes through the index alone
        }

        session.KeepOperation(savepoint: false);
        session.WriteCounters();
        session.Commit();
        session.Committing();
        inFlight.Clear();
    }

    /// <summary>Whether no message of a conversation is open.</summary>
    public bool IsComplete(string conversation)
    {
        SqliteStatement open = session.Statement(
            "open of conversation", "select 1 from conversations c where c.conversation = ?1 and exists (select 1 from messages m where m.seq = c.seq and m.state < 2) limit 1");
        open.BindText(1, conversation);
        bool found = open.Step();
        open.Reset();
        return !found && !(MessageId.TryParse(conversation, out MessageId first) && session.Find(first, withBody: false) is { State: MessageState.Pending or MessageState.Dispatched } begun
            && begun.Envelope.Conversation == conversation);
    }

    private void TakeBack(InFlightEntry entry)
    {
        Span<byte> bytes = stackalloc byte[16];
        _ = entry.Id.TryWriteBytes(bytes, bigEndian: true, out _);
        SqliteStatement find = session.Statement("in flight", $"select {MessageRow.WithBody} from messages m where m.seq = ?1 and m.id = ?2 and m.state < 2");
        find.Bind(1, entry.Seq);
        find.BindBlob(2, bytes);
        OpenMessage? message = All(find).FirstOrDefault();

        // The attempt's outcome is on the row already when the row counts it and nobody has it.
        if (message is not null && (message.State == MessageState.Dispatched || message.Attempt < entry.Attempt))
        {
            TakeBack(message, entry.Attempt);
        }
    }

    private void TakeBack(OpenMessage message, int attempt)
    {
        if (!_seen.Add(message.Seq))
        {
            return;
        }

        bool outbound = OutboundQueue.Is(message.Envelope.Queue);
        bool died = !previousRunClean && !outbound;
        DateTimeOffset now = session.Clock.GetUtcNow();
        string? owner = message.Owner;
        DateTimeOffset? begun = message.DispatchedAt;
        message.State = MessageState.Pending;
        message.Attempt = attempt;
        message.Deaths += died ? 1 : 0;
        message.Redelivered = true;
        message.DueAt = null;
        message.RowDue = null;
        message.RowHolds = false;
        message.RowHasTrack = true;
        message.Owner = null;
        message.DispatchedAt = null;
        bool poison = died && message.Deaths >= rules(message.Envelope.Queue).PoisonDeaths;
        if (poison)
        {
            GiveUp(message, FailureKind.Poison, $"The process ended {message.Deaths} times while it was in work.", now);
            Poisoned++;
        }
        else
        {
            _ = session.Move(message, RowMove.Of(message, MessageState.Pending), message.SendStartedAt, owner: null);
            Redelivered++;
            Uncertain += outbound && message.SendStartedAt is not null ? 1 : 0;
            if (died && message.Deaths >= 2)
            {
                Suspects.Add(message);
            }
        }

        session.AddAttempt(message.Seq, message.Fence, new AttemptRecord
        {
            Attempt = attempt,
            StartedAt = begun,
            EndedAt = now,
            Outcome = previousRunClean ? "released" : "died",
            Kind = poison ? FailureKind.Poison : null,
            Error = previousRunClean ? "The program stopped before it ended." : "The process ended while it was in work.",
            Owner = owner,
        });
    }

    private void Expire()
    {
        SqliteStatement expired = session.Statement("expired", StoreQueries.Expired);
        DateTimeOffset now = session.Clock.GetUtcNow();
        while (Expired < MostExpired)
        {
            expired.Bind(1, now.ToUnixTimeMilliseconds());
            OpenMessage[] batch = [.. All(expired).Where(message => message.SendStartedAt is null)];
            foreach (OpenMessage message in batch)
            {
                GiveUp(message, FailureKind.Expired, ExpireOperation.Text(message.Envelope), now);
                Suspects.RemoveAll(suspect => suspect.Seq == message.Seq);
                Expired++;
            }

            if (batch.Length < 1_000)
            {
                return;
            }
        }
    }

    private void GiveUp(OpenMessage message, FailureKind kind, string reason, DateTimeOffset now)
    {
        _ = session.Move(
            message,
            RowMove.Of(message, MessageState.Failed) with { FinishedAt = now.ToUnixTimeMilliseconds(), Kind = (long)kind, Error = reason },
            message.SendStartedAt,
            owner: null);
        session.Count(message.Envelope, MessageState.Pending, MessageState.Failed);
        session.EndRepeat(message.Envelope);
        if (JournalMoves.Halts(message.Envelope, rules(message.Envelope.Queue)))
        {
            session.SetFact(WriteOperation.Halt(message.Envelope, halted: true));
        }

        if (message.Envelope.Conversation is { } conversation && Ended.Count < 10_000)
        {
            Ended.Add(conversation);
        }
    }

    private List<OpenMessage> All(SqliteStatement rows)
    {
        List<OpenMessage> messages = [];
        try
        {
            while (rows.Step())
            {
                if (MessageRow.IsSound(rows, withBody: true))
                {
                    messages.Add(MessageRow.Read(rows, session.Names, session.ReadApart));
                }
                else
                {
                    Damage.Add($"Open message {rows.GetInt64(0)} does not match its checksum and is not leased.");
                }
            }
        }
        finally
        {
            rows.Reset();
        }

        return messages;
    }
}
