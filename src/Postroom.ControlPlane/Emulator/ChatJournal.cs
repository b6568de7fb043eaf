using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Postroom.ControlPlane;

/// <summary>What the web chat reads of the journal: missed answers, and states of the contact's own messages (EU-3, EU-4).</summary>
/// <param name="runtime">Has the journal.</param>
/// <param name="communicators">The names of the web chats, each with the contact that label messages go to; null for none.</param>
/// <param name="published">Answers that were shown and whose settlement may still be on its way.</param>
/// <param name="tellReasons">Whether the texts of failures are shown to contacts.</param>
/// <param name="carried">Told of each answer that a stream carried.</param>
internal sealed class ChatJournal(
    IRuntimeView runtime, IReadOnlyDictionary<string, string?> communicators, PublishedAnswers published, bool tellReasons, Action<string, long> carried) : IChatJournal
{
    private const int MostReplayed = 1_000;
    private const int MostScanned = 10_000;
    private const int MostStates = 50;

    public async IAsyncEnumerable<ServerEvent> ReplayAsync(string? contact, string afterId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Another server's or a damaged id: nothing is known to be missed.
        long after = long.TryParse(afterId, NumberStyles.None, CultureInfo.InvariantCulture, out long position) ? position : long.MaxValue;
        foreach ((long seq, MessageId id) in await MissedAsync(contact, after, cancellationToken))
        {
            if (await runtime.Journal.GetAsync(id, withBody: true, cancellationToken) is { } record && Decode(record.Entry.Envelope) is { } message)
            {
                published.Add(seq, id);
                yield return ChatEvents.Message(seq, message);
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
        long newest = 0;
        foreach (string name in communicators.Keys)
        {
            await foreach (JournalEntry entry in AnswersAsync(name, contact, after: 0, cancellationToken))
            {
                newest = Math.Max(newest, entry.Envelope.Seq);
                break;
            }
        }

        return newest.ToString(CultureInfo.InvariantCulture);
    }

    public void Carried(string contact, string id)
    {
        if (long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out long seq))
        {
            carried(contact, seq);
        }
    }

    /// <summary>What a contact may know of a failure.</summary>
    public string? Reason(FailureKind? kind, string? text) => kind is null ? null : tellReasons && text is not null ? text : $"It could not be processed ({Explaining.Why.Word(kind.Value)}).";

    private async ValueTask<IReadOnlyList<(long Seq, MessageId Id)>> MissedAsync(string? contact, long after, CancellationToken cancellationToken)
    {
        List<(long Seq, MessageId Id)> missed = [];
        foreach (string name in communicators.Keys)
        {
            int taken = 0;
            await foreach (JournalEntry entry in AnswersAsync(name, contact, after, cancellationToken))
            {
                missed.Add((entry.Envelope.Seq, entry.Envelope.Id));
                if (++taken == MostReplayed)
                {
                    break;
                }
            }
        }

        missed.Sort((left, right) => left.Seq.CompareTo(right.Seq));
        return missed.Count <= MostReplayed ? missed : missed[^MostReplayed..];
    }

    /// <summary>Answers to a contact behind a position, newest first: when there are too many, the latest matter most.</summary>
    private async IAsyncEnumerable<JournalEntry> AnswersAsync(string name, string? contact, long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? fallback = communicators[name];
        JournalQuery query = new()
        {
            Queue = $"out.{name}",
            Type = PayloadTypes.Notify,
            To = contact is null || contact == fallback ? null : $"{name}:{contact}",
            States = [MessageState.Acked, MessageState.Dispatched],
            Limit = 100,
        };
        for (int scanned = 0; scanned < MostScanned; scanned += query.Limit)
        {
            JournalPage page = await runtime.Journal.QueryAsync(query, cancellationToken);
            foreach (JournalEntry entry in page.Items)
            {
                Envelope envelope = entry.Envelope;
                if (envelope.Seq <= after)
                {
                    yield break;
                }

                // An answer is shown before its settlement commits; in between it counts as shown.
                bool shown = entry.State == MessageState.Acked || published.Find(envelope.Seq) is not null;
                string? to = envelope.To is { Kind: AddressKind.Recipient } address ? Postroom.Message.RecipientOf(address) : fallback;
                if (shown && (contact is null || contact == to))
                {
                    yield return entry;
                }
            }

            if (page.Next is not { } next)
            {
                yield break;
            }

            query = query with { Cursor = next };
        }
    }

    private async ValueTask<IReadOnlyList<JournalEntry>> OwnMessagesAsync(string contact, CancellationToken cancellationToken)
    {
        List<JournalEntry> own = [];
        foreach (string name in communicators.Keys)
        {
            JournalQuery query = new() { Conversation = Postroom.Message.ConversationOf(name, contact), Direction = MessageDirection.Inbound, Limit = MostStates };
            own.AddRange((await runtime.Journal.QueryAsync(query, cancellationToken)).Items);
        }

        own.Sort((left, right) => left.Envelope.Seq.CompareTo(right.Envelope.Seq));
        return own;
    }

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
