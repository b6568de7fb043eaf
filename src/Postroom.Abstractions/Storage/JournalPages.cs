using System.Runtime.CompilerServices;

namespace Postroom;

/// <summary>Reads a journal over the ends of its pages.</summary>
internal static class JournalPages
{
    /// <summary>What matches, page after page, until the end.</summary>
    public static async IAsyncEnumerable<JournalEntry> EachAsync(this IJournal journal, JournalQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (JournalQuery? rest = query with { WithTotal = false }; rest is not null;)
        {
            JournalPage page = await journal.QueryAsync(rest, cancellationToken);
            foreach (JournalEntry entry in page.Items)
            {
                yield return entry;
            }

            rest = page.Next is { } next ? rest with { Cursor = next } : null;
        }
    }

    /// <summary>The first that matches; null when none does.</summary>
    public static async ValueTask<JournalEntry?> FirstAsync(this IJournal journal, JournalQuery query, CancellationToken cancellationToken)
    {
        await foreach (JournalEntry entry in journal.EachAsync(query with { Limit = 1 }, cancellationToken))
        {
            return entry;
        }

        return null;
    }
}
