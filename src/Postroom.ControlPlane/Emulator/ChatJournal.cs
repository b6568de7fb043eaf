using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Postroom.ControlPlane;

/// <summary>What the web chat reads of the journal: missed answers, and states of the contact's own messages (EU-3, EU-4).</summary>
/// <param name="runtime">Has the journal.</param>
/// <param name="communicators">The names of the web chats, each with what it stands for.</param>
/// <param name="published">Answers that were shown and whose settlement may still be on its way.</param>
/// <param name="tellReasons">Whether the texts of failures are shown to contacts.</param>
/// <param name="carried">Told of each answer that a stream carried.</param>
internal sealed class ChatJournal(
    IRuntimeView runtime, IReadOnlyDictionary<string, EmulatedChannel> communicators, PublishedAnswers published, Func<bool> tellReasons, Action<string, long> carried) : IChatJournal
{
    private const int MostReplayed = 1_000;
    private const int MostStates = 50;

    public async IAsyncEnumerable<ServerEvent> ReplayAsync(string? contact, string afterId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Another server's or a damaged id: nothing is known to be missed.
        // An answer in parts is missed from the part behind the one that is known.
        long after = EmulatedChannel.TryReadId(afterId, out long position, out int known) ? known > 0 ? position - 1 : position : long.MaxValue;
        if (after != long.MaxValue && await NewestAsync(cancellationToken) is var newest && after > newest)
        {
            after = 0; // The store went back to a copy: what it has is told again, and the client knows what it has seen.
            yield return ChatEvents.Restored(newest);
        }

        foreach ((long seq, MessageId id) in await MissedAsync(contact, after, cancellationToken))
        {
            if (await runtime.Journal.GetAsync(id, withBody: true, cancellationToken) is { } record && Decode(record.Entry.Envelope) is { } message)
            {
                published.Add(seq, id);
                IReadOnlyList<OutgoingMessage> parts = ShownOf(record.Entry.Envelope, message);
                for (int i = seq == position ? known : 0; i < parts.Count; i++)
                {
                    yield return ChatEvents.Message(EmulatedChannel.IdOf(seq, i + 1, parts.Count), parts[i]);
                }
            }
        }

        if (contact is null)
        {
            yield break;
        }

        foreach (JournalEntry entry in await OwnMessagesAsync(contact, cancellationToken))
        {
            yield return ChatEvents.State(entry.Envelope.Id, entry.State, entry.Attempt, Reason(entry.FailureKind, entry.Error));
        }
    }

    public async ValueTask<string?> PositionAsync(string? contact, CancellationToken cancellationToken)
    {
        // Behind the newest message there is nothing to miss yet, but for answers that wait in a lane: before the first of those.
        long position = await NewestAsync(cancellationToken);
        foreach (string name in communicators.Keys)
        {
            JournalQuery waiting = AnswersOf(name, contact) with { States = [MessageState.Pending, MessageState.Dispatched], Ascending = true, Limit = 1 };
            JournalPage page = await runtime.Journal.QueryAsync(waiting, cancellationToken);
            position = Math.Min(position, page.Items is [var first] ? first.Envelope.Seq - 1 : page.Next ?? position);
        }

        return position.ToString(CultureInfo.InvariantCulture);
    }

    private async ValueTask<long> NewestAsync(CancellationToken cancellationToken)
    {
        JournalQuery newest = new() { Limit = 1, WithTotal = false };
        return (await runtime.Journal.QueryAsync(newest, cancellationToken)).Items is [var last] ? last.Envelope.Seq : 0;
    }

    public void Carried(string contact, string id)
    {
        if (EmulatedChannel.TryReadId(id, out long seq, out _))
        {
            carried(contact, seq);
        }
    }

    /// <summary>What a contact may know of a failure.</summary>
    public string? Reason(FailureKind? kind, string? text) => kind is null ? null : text is not null && tellReasons() ? text : $"It could not be processed ({Explaining.Why.Word(kind.Value)}).";

    /// <summary>What was shown behind a position, oldest first; when there is too much, the latest matters most.</summary>
    private async ValueTask<IEnumerable<KeyValuePair<long, MessageId>>> MissedAsync(string? contact, long after, CancellationToken cancellationToken)
    {
        SortedList<long, MessageId> missed = [];
        foreach (string name in communicators.Keys)
        {
            await foreach (JournalEntry entry in AnswersAsync(name, contact, after, cancellationToken))
            {
                if (!WasShown(entry) || (contact is not null && contact != ContactOf(entry, name)))
                {
                    continue;
                }

                missed[entry.Envelope.Seq] = entry.Envelope.Id;
                if (missed.Count > MostReplayed)
                {
                    missed.RemoveAt(0);
                }
            }
        }

        foreach ((long seq, MessageId id) in await LateAsync(contact, after, cancellationToken))
        {
            missed[seq] = id;
        }

        while (missed.Count > MostReplayed)
        {
            missed.RemoveAt(0);
        }

        return missed;
    }

    /// <summary>Answers before a position that were shown after it. A position that is no answer was given for what waited then, and nothing before it is missed.</summary>
    private async ValueTask<IReadOnlyList<(long Seq, MessageId Id)>> LateAsync(string? contact, long after, CancellationToken cancellationToken)
    {
        return published.Find(after) is not null || await IsAnswerAsync(contact, after, cancellationToken) ? published.ShownLate(after, contact) : [];
    }

    private async ValueTask<bool> IsAnswerAsync(string? contact, long seq, CancellationToken cancellationToken)
    {
        foreach (string name in communicators.Keys)
        {
            JournalQuery first = AnswersOf(name, contact) with { Ascending = true, Cursor = seq - 1, Limit = 1 };
            if (seq > 0 && (await runtime.Journal.QueryAsync(first, cancellationToken)).Items is [var found] && found.Envelope.Seq == seq)
            {
                return true;
            }
        }

        return false;
    }

    private IAsyncEnumerable<JournalEntry> AnswersAsync(string name, string? contact, long after, CancellationToken cancellationToken)
    {
        JournalQuery answers = AnswersOf(name, contact);
        return contact is null || contact == DefaultContactOf(name)
            ? runtime.Journal.EachAsync(answers with { Ascending = true, Cursor = after }, cancellationToken)
            : runtime.Journal.EachAsync(answers with { Conversation = Postroom.Message.ConversationOf(name, contact) }, cancellationToken)
                .TakeWhile(entry => entry.Envelope.Seq > after)
                .Take(MostReplayed)
                .Concat(ElsewhereAsync(answers, after, cancellationToken));
    }

    /// <summary>Answers of a communicator; those to a contact by their address, but for the one who also gets what has no address.</summary>
    private JournalQuery AnswersOf(string name, string? contact) => new()
    {
        Queue = OutboundQueue.Of(name),
        Type = PayloadTypes.Notify,
        To = contact is null || contact == DefaultContactOf(name) ? null : $"{name}:{contact}",
        States = [MessageState.Acked, MessageState.Dispatched],
        Limit = 100,
        WithTotal = false,
    };

    /// <summary>
    /// What other conversations sent to a contact, from the position on. No index knows a recipient, so every message since is looked at;
    /// a page that found nothing in its time ends it.
    /// </summary>
    private async IAsyncEnumerable<JournalEntry> ElsewhereAsync(JournalQuery query, long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long? place = after;
        for (int found = 0; place is not null && found < MostReplayed;)
        {
            JournalPage page = await runtime.Journal.QueryAsync(query with { Ascending = true, Cursor = place }, cancellationToken);
            foreach (JournalEntry entry in page.Items)
            {
                yield return entry;
            }

            found += page.Items.Count;
            place = page.Items.Count > 0 ? page.Next : null;
        }
    }

    /// <summary>An answer is shown before its settlement commits; in between it counts as shown.</summary>
    private bool WasShown(JournalEntry entry) => entry.State == MessageState.Acked || published.Find(entry.Envelope.Seq) is not null;

    /// <summary>Who gets what names nobody; null also for a web chat that was taken away meanwhile.</summary>
    private string? DefaultContactOf(string name) => communicators.GetValueOrDefault(name)?.Config.Contact;

    private string? ContactOf(JournalEntry entry, string name) =>
        entry.Envelope.To is { Kind: AddressKind.Recipient } address ? Postroom.Message.RecipientOf(address) : DefaultContactOf(name);

    private async ValueTask<IReadOnlyList<JournalEntry>> OwnMessagesAsync(string contact, CancellationToken cancellationToken)
    {
        List<JournalEntry> own = [];
        foreach (string name in communicators.Keys)
        {
            JournalQuery query = new() { Conversation = Postroom.Message.ConversationOf(name, contact), Direction = MessageDirection.Inbound, Limit = MostStates, WithTotal = false };
            own.AddRange((await runtime.Journal.QueryAsync(query, cancellationToken)).Items);
        }

        own.Sort((left, right) => left.Envelope.Seq.CompareTo(right.Envelope.Seq));
        return own;
    }

    private IReadOnlyList<OutgoingMessage> ShownOf(Envelope envelope, OutgoingMessage message) =>
        OutboundQueue.CommunicatorOf(envelope.Queue) is { } name && communicators.TryGetValue(name, out EmulatedChannel? channel) ? channel.ShownOf(message) : [message];

    private static OutgoingMessage? Decode(Envelope envelope)
    {
        try
        {
            OutgoingMessage? message = envelope.Body.IsEmpty ? null : JsonSerializer.Deserialize(envelope.Body.Span, PostroomJson.Default.OutgoingMessage);
            return message is not null && envelope.Attachments.Count > 0 ? message with { Attachments = envelope.Attachments } : message;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
