using System.Collections.Concurrent;

namespace Postroom.Diagnostics;

/// <summary>Reports a conversation as complete when no message of it is open any more. Works only while someone listens.</summary>
internal sealed class ConversationWatch(IJournal journal, HookDispatcher hooks)
{
    // The newest message that was already reported as complete, per conversation with work under way.
    private readonly ConcurrentDictionary<string, Entry> _reported = new(StringComparer.Ordinal);

    public bool IsOn => !hooks.IsEmpty;

    /// <summary>Looks whether a conversation is complete after one of its messages ended.</summary>
    public async ValueTask OnEndedAsync(string? conversation)
    {
        if (!IsOn || string.IsNullOrEmpty(conversation))
        {
            return;
        }

        Entry entry = _reported.GetOrAdd(conversation, static _ => new Entry());
        await entry.Gate.WaitAsync();
        try
        {
            JournalPage open = await journal.QueryAsync(
                new JournalQuery { Conversation = conversation, States = [MessageState.Pending, MessageState.Dispatched], Limit = 1 }, CancellationToken.None);
            if (open.Items.Count > 0)
            {
                return;
            }

            JournalPage newest = await journal.QueryAsync(new JournalQuery { Conversation = conversation, Limit = 1 }, CancellationToken.None);
            long seq = newest.Items.Count > 0 ? newest.Items[0].Envelope.Seq : 0;
            int replays = newest.Items.Count > 0 ? newest.Items[0].Replays : 0;
            if (entry.Seq == seq && entry.Replays == replays)
            {
                return; // Two copies ended side by side; the other one has reported.
            }

            (entry.Seq, entry.Replays) = (seq, replays);
            await hooks.CompleteAsync(conversation);
        }
        finally
        {
            entry.Gate.Release();
        }

        Forget();
    }

    /// <summary>Reports a conversation that ended otherwise: by recovery, or killed.</summary>
    public ValueTask CompleteAsync(string conversation) => IsOn ? hooks.CompleteAsync(conversation) : default;

    private void Forget()
    {
        // Losing an entry costs at most one repeated report.
        if (_reported.Count > 100_000)
        {
            _reported.Clear();
        }
    }

    private sealed class Entry
    {
        public SemaphoreSlim Gate { get; } = new(1, 1);

        public long Seq { get; set; } = -1;

        public int Replays { get; set; }
    }
}
