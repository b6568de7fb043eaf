namespace Postroom.Scripts;

/// <summary>Makes a script of a conversation that is still kept (EU-9). Works on a stopped store as well.</summary>
internal static class ScriptRecorder
{
    /// <summary>The most messages that are looked at, the latest ones.</summary>
    public const int MostMessages = 2_000;

    private const int MostBytes = 16 << 20;

    // The web chat's page adds these by itself; they would only hide what was said.
    private static readonly string[] OfThePage = ["sent_at", "language", "time_zone"];

    /// <summary>Records a conversation; null when nothing of it was said.</summary>
    /// <param name="journal">Where it is kept.</param>
    /// <param name="conversation">Its id, such as <c>emulator/12345678</c>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async ValueTask<ScriptFile?> RecordAsync(IJournal journal, string conversation, CancellationToken cancellationToken)
    {
        (List<JournalEntry> entries, bool cut) = await LatestAsync(journal, conversation, cancellationToken);
        Dictionary<MessageId, int> turnOf = [];
        List<List<ScriptStep>> turns = [];
        HashSet<MessageId> repeats = []; // second deliveries on purpose, and what came of them
        long bytes = 0;
        foreach (JournalEntry entry in entries)
        {
            Envelope envelope = entry.Envelope;
            if (envelope.Header(HeaderNames.Fault) == HeaderNames.FaultTwice || (envelope.ParentId is { } cause && repeats.Contains(cause)))
            {
                repeats.Add(envelope.Id);
                continue;
            }

            if (turnOf.TryGetValue(envelope.ParentId ?? default, out int turn))
            {
                turnOf[envelope.Id] = turn; // what a handler passes on answers what it came from, whenever that is
            }

            bool isInput = envelope.Direction == MessageDirection.Inbound;
            bool isAnswer = envelope.Type == PayloadTypes.Notify && envelope.Direction == MessageDirection.Outbound;
            if (envelope.ReplayOf is not null || !(isInput || isAnswer) || await ReadAsync(journal, entry, cancellationToken) is not { } read)
            {
                continue;
            }

            bytes += read.Body.Length + read.Attachments.Sum(file => file.Data?.Length ?? 0L);
            if (bytes > MostBytes)
            {
                throw new InvalidOperationException($"Conversation '{Names.Shorten(conversation)}' has more than {MostBytes >> 20} MiB, which is the most that a script holds. Save one with smaller files.");
            }

            if (isInput)
            {
                turnOf[envelope.Id] = turns.Count;
                turns.Add([SaidOf(read)]);
            }
            else if (turns.Count > 0)
            {
                turns[envelope.ParentId is not null && turnOf.TryGetValue(envelope.Id, out int of) ? of : turns.Count - 1].Add(AnswerOf(read));
            }
        }

        return turns.Count == 0 ? null : new ScriptFile([.. turns.SelectMany(steps => steps)])
        {
            Note = cut ? $"The latest {MostMessages} messages of the conversation; earlier ones are left out." : null,
        };
    }

    private static async ValueTask<(List<JournalEntry> Entries, bool Cut)> LatestAsync(IJournal journal, string conversation, CancellationToken cancellationToken)
    {
        List<JournalEntry> entries = [];
        JournalQuery query = new() { Conversation = conversation, Limit = 100, WithTotal = false };
        await foreach (JournalEntry entry in journal.EachAsync(query, cancellationToken))
        {
            if (entries.Count == MostMessages)
            {
                return (Ordered(entries), true);
            }

            entries.Add(entry);
        }

        return (Ordered(entries), false);
    }

    private static List<JournalEntry> Ordered(List<JournalEntry> entries)
    {
        entries.Sort((left, right) => left.Envelope.Seq.CompareTo(right.Envelope.Seq));
        return entries;
    }

    /// <summary>A message with its body; null for one whose body is erased.</summary>
    private static async ValueTask<Envelope?> ReadAsync(IJournal journal, JournalEntry entry, CancellationToken cancellationToken)
    {
        JournalRecord? record = await journal.GetAsync(entry.Envelope.Id, withBody: true, cancellationToken);
        return record is { Entry: { Envelope.Body.IsEmpty: false } read } ? read.Envelope : null;
    }

    private static ScriptStep.Say SaidOf(Envelope envelope)
    {
        Message message = Message.FromEnvelope(envelope);
        return new ScriptStep.Say(message.MessageType, message.RawPayload)
        {
            Metadata = message.Metadata.Where(pair => !OfThePage.Contains(pair.Key)).ToDictionary(),
            Attachments = message.Attachments,
        };
    }

    private static ScriptStep.Answer AnswerOf(Envelope envelope)
    {
        Message message = Message.FromEnvelope(envelope);
        string[] files = [.. envelope.Attachments.Select(file => file.Name)];
        return new ScriptStep.Answer(ExpectedText.Recorded(message.RawPayload)) { Files = files.Length > 0 ? files : null };
    }
}
