namespace Postroom.Crash;

/// <content>What the store file must have at the end.</content>
public sealed partial class Checker
{
    private void Compare(JournalDump journal, bool drained)
    {
        Dictionary<string, JournalRow> rows = new(StringComparer.Ordinal);
        foreach (JournalRow row in journal.Rows)
        {
            if (!rows.TryAdd(row.Tag, row))
            {
                Broken("I2", $"{row.Tag} is in the store twice: {rows[row.Tag].Id} and {row.Id}.");
            }
        }

        foreach (Track track in _tracks.Values)
        {
            rows.TryGetValue(track.Tag.Text, out JournalRow? row);
            CheckKept(track, row, drained);
            if (track.Overtaken is { } later && row?.State != 3)
            {
                Broken("I5", $"{later} began while {track.Tag.Text} of the same key had neither succeeded nor failed.");
            }
        }

        foreach (JournalRow row in journal.Rows)
        {
            CheckRow(row, drained);
        }

        CheckSums(journal);
        CheckChildren(journal, rows);
        CheckEffects(journal);
    }

    private void CheckKept(Track track, JournalRow? row, bool drained)
    {
        string name = track.Tag.Text;
        if (row is null)
        {
            // A child that has begun was stored with its parent's acknowledgement; a call in doubt may be absent.
            if (track.Stored || track.Attempt > 0)
            {
                Broken("I1", $"{name} ({track.Id}) was {(track.Stored ? "acknowledged to its publisher" : "handled")} and is not in the store.");
            }

            return;
        }

        Identify(track, row.Id);
        if (track.Acked && row.State != 2)
        {
            Broken("I7", $"{name} was acknowledged and is in state {row.State}.");
        }

        if (row.State == 2 && track.DoneRun == 0)
        {
            Broken("I7", $"{name} is acked and no handler has succeeded with it.");
        }

        // Before its next start has recovered the file, the attempts in work are not on their rows.
        if ((drained && row.Attempt < track.Attempt) || row.Attempt > track.Attempt + (_kills - track.KillsAtBegin))
        {
            Broken("I9", $"{name} shows attempt {row.Attempt}; the last one that began was {track.Attempt}.");
        }
        else if (row.State == 2 && row.Attempt != track.DoneAttempt)
        {
            Broken("I9", $"{name} is acked as attempt {row.Attempt}; it succeeded as attempt {track.DoneAttempt}.");
        }
    }

    private void CheckRow(JournalRow row, bool drained)
    {
        string parent = Tag.TryParse(row.Tag, out Tag? tag) ? tag.Parent : row.Tag;
        if (tag is null || !_tracks.TryGetValue(parent, out Track? track) || !track.Called)
        {
            Broken("I2", $"{row.Tag} ({row.Id}) is in the store and nobody published it.");
        }

        if (row.State is < 0 or > 3 || (row.State == 3) != row.Failure.HasValue)
        {
            Broken("I7", $"{row.Tag} is in state {row.State} with failure {row.Failure?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "none"}.");
        }

        if (drained && !row.Ended)
        {
            Broken("I7", $"{row.Tag} is in state {row.State} after everything was drained.");
        }
    }

    private void CheckSums(JournalDump journal)
    {
        foreach (IGrouping<string, JournalRow> queue in journal.Rows.GroupBy(row => row.Queue))
        {
            foreach (int state in (ReadOnlySpan<int>)[0, 2, 3])
            {
                int rows = queue.Count(row => state == 0 ? !row.Ended : row.State == state);
                long told = journal.Totals.GetValueOrDefault((queue.Key, state));
                if (rows != told)
                {
                    Broken("I6", $"Queue {queue.Key} has {rows} messages in state {state} and counts {told}.");
                }
            }
        }

        Dictionary<string, int> present = journal.Rows.CountBy(row => row.Queue).ToDictionary();
        foreach (IGrouping<string, Track> queue in _tracks.Values.Where(track => track.Tag.Child is null).GroupBy(track => track.Tag.Queue))
        {
            int stored = queue.Count(track => track.Stored);
            int doubtful = queue.Count(track => track.Called && !track.Stored);
            int rows = present.GetValueOrDefault(queue.Key);
            if (rows < stored || rows > stored + doubtful)
            {
                Broken("I6", $"Queue {queue.Key} has {rows} messages; {stored} were acknowledged and {doubtful} are in doubt.");
            }
        }
    }

    private void CheckChildren(JournalDump journal, Dictionary<string, JournalRow> rows)
    {
        ILookup<string?, JournalRow> children = journal.Rows.Where(row => row.Parent is not null).ToLookup(row => row.Parent);
        foreach (JournalRow row in journal.Rows)
        {
            if (!Tag.TryParse(row.Tag, out Tag? tag))
            {
                continue;
            }

            int expected = tag is { Kind: 'c', Child: null } && row.State == 2 ? 3 : 0;
            int found = children[row.Id].Count();
            if (found != expected)
            {
                Broken("I11", $"{row.Tag} is in state {row.State} and has {found} children instead of {expected}.");
            }

            if (tag.Child is not null && (!rows.TryGetValue(tag.Parent, out JournalRow? parent) || parent.Id != row.Parent))
            {
                Broken("I11", $"{row.Tag} has no parent in the store.");
            }
        }
    }

    private void CheckEffects(JournalDump journal)
    {
        Dictionary<string, int> acked = [];
        foreach (JournalRow row in journal.Rows)
        {
            if (row.State == 2 && Tag.TryParse(row.Tag, out Tag? tag) && tag is { Kind: 'e', Child: null })
            {
                acked[tag.Key] = acked.GetValueOrDefault(tag.Key) + 1;
            }
        }

        foreach (string key in acked.Keys.Union(journal.Counts.Keys))
        {
            int expected = acked.GetValueOrDefault(key);
            long counted = journal.Counts.GetValueOrDefault(key);
            if (expected != counted)
            {
                Broken("I10", $"The checkpoint of {key} counts {counted}; {expected} such messages are acknowledged.");
            }
        }
    }
}
