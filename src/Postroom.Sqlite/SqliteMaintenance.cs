namespace Postroom.Sqlite;

/// <summary>What the command line does with a store file: accept a loss, copy it.</summary>
public static class SqliteMaintenance
{
    private const int PagesPerStep = 1_024;

    /// <summary>Accepts that a number of messages is missing, so that the store opens again. The store must not be in use.</summary>
    /// <param name="path">The store file.</param>
    /// <param name="missing">The number that the start named.</param>
    /// <exception cref="StoreOpenException">The store is in use or damaged.</exception>
    /// <exception cref="ArgumentException">Another number is missing, or nothing is.</exception>
    public static void AcceptLoss(string path, long missing)
    {
        using OwnerLock owner = Take(path);
        using MarkFile mark = MarkFile.Open(path);
        StoreInspection found = StoreInspection.Of(path);
        if (found.MissingBy(mark.Newest) is not { } lost || lost != missing)
        {
            throw new ArgumentException($"'{path}' misses {(found.MissingBy(mark.Newest) is { } other ? $"{other} messages, not {missing}" : "nothing")}. Name the number that the start reported.");
        }

        if (found.Exists)
        {
            // SQLite drops what is behind the damage; from here on the WAL is sound.
            using SqliteConnection connection = StoreOpener.Connect(new StoreOptions { Path = path });
            _ = connection.Checkpoint(SqliteCheckpoint.Truncate);
        }
        else
        {
            File.Delete(WalScan.PathFor(path));
        }

        mark.Rewrite(new Mark(mark.Newest?.Run ?? 0, found.CommitNo, found.Appended));
    }

    /// <summary>What the next start of a store that no process has open would say of accepted messages that are missing; null when none are. Changes nothing.</summary>
    /// <param name="path">The store file, which may be gone.</param>
    /// <param name="synchronous">As the store is opened.</param>
    /// <exception cref="StoreOpenException">It is damaged, newer, or cannot be read.</exception>
    internal static StoreOpenException? FindLoss(string path, StoreSynchronous synchronous = StoreSynchronous.Full)
    {
        if (OwnerLock.IsHeld(path))
        {
            return null; // Its runtime looked at its start, and the two are not written in one step.
        }

        StoreInspection found = StoreInspection.Of(path, ColdConnection.Open);
        return found.LossBy(path, MarkFile.Read(path)) is { } loss && !found.MayLose(synchronous) ? StoreInspection.Loss(loss.Text, loss.Missing) : null;
    }

    /// <summary>What is damaged in a store file, open or not, as SQLite's own check finds it; empty for a sound one. Reads the whole file, and changes nothing.</summary>
    /// <param name="path">The store file.</param>
    /// <exception cref="StoreOpenException">It cannot be read at all.</exception>
    internal static IReadOnlyList<string> FindDamage(string path)
    {
        using SqliteConnection connection = ColdConnection.Open(path);
        List<string> found = [];
        try
        {
            using SqliteStatement check = connection.Prepare("integrity", "pragma quick_check(10)");
            while (check.Step())
            {
                found.Add(check.GetText(0));
            }
        }
        catch (SqliteException failure) when (failure.IsDamaged)
        {
            found.Add(failure.Message);
        }

        return found is ["ok"] ? [] : found;
    }

    /// <summary>Makes a consistent copy of a store file that no process of this program has open; for one that has, see <see cref="SqliteStore.BackupAsync"/>.</summary>
    /// <param name="path">The store file.</param>
    /// <param name="target">A file that does not exist.</param>
    /// <param name="cancellationToken">Ends it; the incomplete copy is deleted.</param>
    public static ValueTask BackupAsync(string path, string target, CancellationToken cancellationToken) =>
        CopyAsync(path, target, ColdConnection.Open, new CopyLimits(), cancellationToken);

    /// <summary>What bounds a copy of a store in use: its snapshot keeps the WAL from beginning again.</summary>
    internal sealed record CopyLimits
    {
        /// <summary>How far the WAL may grow meanwhile.</summary>
        public long WalGrowth { get; init; } = 256L << 20;

        /// <summary>How often the copy is begun.</summary>
        public int Tries { get; init; } = 3;

        public int PagesPerStep { get; init; } = SqliteMaintenance.PagesPerStep;

        /// <summary>Called with the number of the try after each step; for tests.</summary>
        public Action<int>? Stepped { get; init; }
    }

    internal static async ValueTask CopyAsync(string path, string target, Func<string, SqliteConnection> open, CopyLimits limits, CancellationToken cancellationToken)
    {
        await Task.Factory.StartNew(() => Copy(path, target, open, limits, cancellationToken), cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private static void Copy(string path, string target, Func<string, SqliteConnection> open, CopyLimits limits, CancellationToken cancellationToken)
    {
        if (File.Exists(target))
        {
            throw new IOException($"'{target}' exists already, and a copy overwrites nothing. Name a new file, or move that one away.");
        }

        if (Path.GetDirectoryName(Path.GetFullPath(target)) is { } folder && !Directory.Exists(folder))
        {
            throw new IOException($"The folder '{folder}' of the copy does not exist. Make it, or name a file in another one.");
        }

        // Only this file is ever deleted: whatever stands at the target belongs to somebody else.
        string incomplete = target + ".incomplete";
        try
        {
            File.Delete(incomplete);
            for (int number = 1; !TryCopy(path, incomplete, open, limits, number, cancellationToken); number++)
            {
                if (number == limits.Tries)
                {
                    throw new StoreUnavailableException(
                        $"The copy to '{target}' was begun {number} times, and each time the WAL grew by {limits.WalGrowth} bytes before it was complete. Copy at a quieter time or to a faster volume.");
                }
            }

            File.Move(incomplete, target, overwrite: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"The copy '{target}' cannot be written: {e.Message.TrimEnd('.')}. Name a file in a folder that this user can write and that has room; the store is as it was.", e);
        }
    }

    /// <summary>One try; false when the WAL grew too far, so that the copy's snapshot had to be let go.</summary>
    private static bool TryCopy(string path, string target, Func<string, SqliteConnection> open, CopyLimits limits, int number, CancellationToken cancellationToken)
    {
        bool complete = false;
        FileInfo wal = new(WalScan.PathFor(path));
        long before = wal.Exists ? wal.Length : 0;
        try
        {
            using SqliteConnection source = open(path);
            using SqliteBackup backup = SqliteBackup.Begin(source, target);
            while (backup.Step(limits.PagesPerStep))
            {
                cancellationToken.ThrowIfCancellationRequested();
                limits.Stepped?.Invoke(number);
                wal.Refresh();
                if (wal.Exists && wal.Length - before > limits.WalGrowth)
                {
                    return false;
                }
            }

            return complete = true;
        }
        catch (SqliteException failure)
        {
            throw new StoreUnavailableException($"The copy to '{target}' failed: {failure.Message}", failure);
        }
        finally
        {
            if (!complete)
            {
                File.Delete(target);
            }
        }
    }

    private static OwnerLock Take(string path)
    {
        try
        {
            return OwnerLock.Acquire(path);
        }
        catch (StoreInUseException inUse)
        {
            throw new StoreOpenException(StoreOpenFailure.InUse, inUse.Message, inUse);
        }
    }
}
