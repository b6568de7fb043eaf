namespace Postroom.Hosting;

/// <summary>What is kept of one contact: the messages from it, to it, and of its own conversation (JN-12).</summary>
internal sealed class ContactRecords(IJournal journal)
{
    /// <summary>How many there are.</summary>
    public async Task<ContactMessages> CountAsync(Address contact, CancellationToken cancellationToken)
    {
        long open = 0;
        long finished = 0;
        await foreach (JournalEntry entry in EachAsync(contact, cancellationToken))
        {
            (open, finished) = IsOpen(entry) ? (open + 1, finished) : (open, finished + 1);
        }

        return new ContactMessages(open, finished);
    }

    /// <summary>Erases what has ended, unless something is open.</summary>
    public async Task<long> EraseAsync(Address contact, CancellationToken cancellationToken)
    {
        HashSet<MessageId> finished = [];
        await foreach (JournalEntry entry in EachAsync(contact, cancellationToken))
        {
            if (IsOpen(entry))
            {
                throw new RuntimeConflictException($"Message {entry.Envelope.Id} of {contact} is still open, so nothing was erased. Wait until its messages have ended, or discard them.");
            }

            finished.Add(entry.Envelope.Id);
        }

        long erased = 0;
        foreach (MessageId id in finished)
        {
            try
            {
                erased += await journal.EraseAsync(id, cancellationToken) ? 1 : 0;
            }
            catch (JournalConflictException gone) when (gone.State is null)
            {
                // Its time was past meanwhile, and all of it is gone.
            }
            catch (JournalConflictException reopened)
            {
                throw new RuntimeConflictException($"{reopened.Message} {erased} others of {contact} are erased. Repeat it then.");
            }
        }

        return erased;
    }

    private static bool IsOpen(JournalEntry entry) => entry.State is MessageState.Pending or MessageState.Dispatched;

    private async IAsyncEnumerable<JournalEntry> EachAsync(Address contact, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string text = contact.ToString();
        JournalQuery all = new() { Limit = 100 };
        List<JournalQuery> queries = [all with { From = text }, all with { To = text }];
        if (contact.Topic is null)
        {
            queries.Add(all with { Conversation = Message.ConversationOf(contact.Scheme, contact.Target) });
        }

        HashSet<MessageId> seen = [];
        foreach (JournalQuery query in queries)
        {
            await foreach (JournalEntry entry in journal.EachAsync(query, cancellationToken))
            {
                // A query takes every address that begins alike: telegram:4711 for telegram:47 as well.
                bool isOf = query.Conversation is not null || IsSame(entry.Envelope.From) || IsSame(entry.Envelope.To);
                if (isOf && seen.Add(entry.Envelope.Id))
                {
                    yield return entry;
                }
            }
        }

        bool IsSame(Address? one) => one is { Kind: AddressKind.Recipient } && one.Scheme == contact.Scheme && one.Target == contact.Target && (contact.Topic is null || one.Topic == contact.Topic);
    }
}
