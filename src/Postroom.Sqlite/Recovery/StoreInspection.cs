namespace Postroom.Sqlite;

/// <summary>What a store file and the files beside it say before anything is written: nothing here changes them.</summary>
/// <param name="Exists">Whether there is a file with content.</param>
/// <param name="Version">Its schema version; 0 for none.</param>
/// <param name="CommitNo">Its last commit.</param>
/// <param name="Appended">Its appended total.</param>
/// <param name="Clean">Whether its last run ended in order.</param>
/// <param name="Wal">What its WAL holds.</param>
internal sealed record StoreInspection(bool Exists, int Version, long CommitNo, long Appended, bool Clean, WalScanResult Wal)
{
    private const long LeastRoom = 1L << 20;

    /// <summary>Looks at a store file.</summary>
    /// <exception cref="StoreOpenException">It is damaged, or of a newer version.</exception>
    /// <param name="path">The file.</param>
    /// <param name="open">How it is opened; null for a connection that reads only.</param>
    /// <param name="newest">The newest schema version that is read; null for this build's.</param>
    public static StoreInspection Of(string path, Func<string, SqliteConnection>? open = null, int? newest = null)
    {
        WalScanResult wal = WalScan.Scan(WalScan.PathFor(path));
        if (!File.Exists(path) || new FileInfo(path).Length == 0)
        {
            return new StoreInspection(false, 0, 0, 0, true, wal);
        }

        try
        {
            using SqliteConnection connection = open?.Invoke(path) ?? SqliteConnection.Open(path, SqliteAccess.ReadOnly);
            int readable = newest ?? StoreSchema.Version;
            int version = StoreSchema.VersionOf(connection);
            if (version > readable)
            {
                throw new StoreOpenException(
                    StoreOpenFailure.Newer, $"'{path}' has schema version {version}; this program reads up to {readable}. Start the newer program, or restore '{path}.v{readable}.bak'.");
            }

            if (version == 0)
            {
                return new StoreInspection(false, 0, 0, 0, true, wal);
            }

            StoreSchema.CheckDefinitions(connection);
            CheckLength(connection, path, wal);
            using SqliteStatement state = connection.Prepare("state", "select commit_no, appended, clean from store_state where one = 1");
            return state.Step()
                ? new StoreInspection(true, version, state.GetInt64(0), state.GetInt64(1), state.GetInt64(2) != 0, wal)
                : throw Damaged(path, "the row of its state is missing", null);
        }
        catch (SqliteException failure)
        {
            throw failure.IsDamaged || failure.Fault == SqliteFault.Statement
                ? Damaged(path, failure.Message, failure)
                : NotWritable(path, failure);
        }
    }

    /// <summary>How many messages are missing; null when nothing is.</summary>
    public long? MissingBy(Mark? mark)
    {
        if (mark is { } newest && newest.CommitNo > CommitNo)
        {
            return Math.Max(0, newest.AppendedTotal - Appended);
        }

        // Confirmed frames behind a bad one: the mark would tell how many, had it been written.
        return Wal.Verdict is WalVerdict.Damaged or WalVerdict.DamagedHeader ? Math.Max(1, Wal.CommitsBehind) : null;
    }

    /// <summary>What was confirmed and is not there, in words and as a number; null when nothing is missing.</summary>
    public (string Text, long Missing)? LossBy(string path, Mark? mark)
    {
        if (MissingBy(mark) is not { } missing)
        {
            return null;
        }

        string ends = Exists ? $"holds fewer commits than were confirmed: it ends at commit {CommitNo}" : "is gone or empty";
        string text = $"'{path}' {ends}{(mark is { } newest ? $", its mark file says {newest.CommitNo}" : "")}; {missing} accepted {(missing == 1 ? "message is" : "messages are")} missing.";
        return (text, missing);
    }

    /// <summary>Whether a loss is what the last run allowed: a machine that failed while commits were not flushed.</summary>
    public bool MayLose(StoreSynchronous synchronous) => synchronous == StoreSynchronous.Normal && Exists && !Clean;

    /// <summary>What the start says of a loss that nobody has accepted.</summary>
    public static StoreOpenException Loss(string text, long missing) => new(
        StoreOpenFailure.Loss, $"{text} Copy the files, restore what was lost if you can, or accept it: postroom doctor --accept-loss {missing}.")
    {
        Missing = missing,
    };

    public static StoreOpenException Damaged(string path, string what, Exception? cause) => new(
        StoreOpenFailure.Damaged,
        $"'{path}' is damaged: {(cause is SqliteException sqlite ? sqlite.What : what).TrimEnd('.')}. It was left as it is. Copy it with the files beside it, then restore a backup. 'postroom journal list --store FILE' reads what is still readable.",
        cause);

    public static StoreOpenException NotWritable(string path, Exception cause)
    {
        // SQLite calls a volume without room an error of the disk in places.
        string text = cause is SqliteException or IOException && RoomFor(path) < LeastRoom
            ? $"Store '{path}' cannot be opened, because its volume is full ({RoomFor(path)} bytes free). Free some space, or set store.path to another place; nothing is lost meanwhile."
            : $"Store '{path}' cannot be opened: {cause.Message.TrimEnd('.')}. Its folder has to be one that this user can write and that has room; make it so, or set store.path to another place.";
        return new StoreOpenException(StoreOpenFailure.NotWritable, text, cause);
    }

    private static long RoomFor(string path)
    {
        try
        {
            return PrivateFiles.FreeBytes(Path.GetDirectoryName(Path.GetFullPath(path))!);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return long.MaxValue;
        }
    }

    private static void CheckLength(SqliteConnection connection, string path, WalScanResult wal)
    {
        using SqliteStatement pages = connection.Prepare("pages", "select (select page_count from pragma_page_count) * (select page_size from pragma_page_size)");
        long expected = pages.Step() ? pages.GetInt64(0) : 0;
        pages.Reset();
        long found = new FileInfo(path).Length;
        if (wal.SoundFrames == 0 && found < expected)
        {
            throw Damaged(path, $"it was cut short: {expected} bytes are expected and {found} are there", null);
        }
    }
}
