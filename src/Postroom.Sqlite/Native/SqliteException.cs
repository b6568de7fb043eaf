namespace Postroom.Sqlite;

/// <summary>What a SQLite error means for the store.</summary>
internal enum SqliteFault
{
    /// <summary>The statement or its use is wrong; a bug here, nothing an operator can change.</summary>
    Statement,

    /// <summary>A constraint refused the row; concerns its own operation only.</summary>
    Constraint,

    /// <summary>A value is larger than SQLite takes; concerns its own operation only.</summary>
    TooBig,

    /// <summary><see cref="SqliteConnection.Interrupt"/> ended it.</summary>
    Interrupted,

    /// <summary>A foreign program held the lock for the whole <see cref="SqliteConnection.BusyTimeout"/>.</summary>
    Busy,

    /// <summary>The volume or a quota is full.</summary>
    DiskFull,

    /// <summary>Reading, writing or flushing failed in the operating system.</summary>
    Io,

    /// <summary>The file or its directory may not be written, or the file was moved while open.</summary>
    ReadOnly,

    /// <summary>The file could not be opened.</summary>
    CannotOpen,

    /// <summary>The process has no memory left for SQLite.</summary>
    OutOfMemory,

    /// <summary>The content is not what SQLite wrote.</summary>
    Damaged,
}

/// <summary>A refused SQLite call, with its classification.</summary>
internal sealed class SqliteException : Exception
{
    private SqliteException(string what, string? remedy, SqliteFault fault, int extendedCode, string statement)
        : base(remedy is null ? what : $"{what} {remedy}")
    {
        What = what;
        Fault = fault;
        ExtendedCode = extendedCode;
        Statement = statement;
    }

    /// <summary>What happened, without what to do about it.</summary>
    public string What { get; }

    /// <summary>What the error means for the store.</summary>
    public SqliteFault Fault { get; }

    /// <summary>SQLite's primary result code, 1 to 255.</summary>
    public int Code => ExtendedCode & 0xFF;

    /// <summary>SQLite's extended result code; its low byte is <see cref="Code"/>.</summary>
    public int ExtendedCode { get; }

    /// <summary>The name of the statement that failed, never its text.</summary>
    public string Statement { get; }

    /// <summary>The store works again once the surroundings do: waiting or an operator's hand helps, the data is sound.</summary>
    public bool IsUnavailable =>
        Fault is SqliteFault.Busy or SqliteFault.DiskFull or SqliteFault.Io or SqliteFault.ReadOnly or SqliteFault.CannotOpen or SqliteFault.OutOfMemory;

    /// <summary>The file is damaged; trying again does not help.</summary>
    public bool IsDamaged => Fault == SqliteFault.Damaged;

    /// <summary>Makes the exception of one failed call.</summary>
    /// <param name="extendedCode">The extended result code.</param>
    /// <param name="detail">SQLite's own text; it names columns, never values.</param>
    /// <param name="statement">The name of the statement.</param>
    /// <param name="path">The database file.</param>
    public static SqliteException Create(int extendedCode, string detail, string statement, string path)
    {
        SqliteFault fault = Classify(extendedCode);
        string remedy = fault switch
        {
            SqliteFault.Busy => "Another program holds a lock on it; close that program.",
            SqliteFault.DiskFull => "Free space on its volume or raise the quota; nothing is lost meanwhile.",
            SqliteFault.Io => "Look at the kernel log for the disk's error.",
            SqliteFault.ReadOnly or SqliteFault.CannotOpen =>
                "Its file and directory must exist and belong to the user of this process, with modes 0600 and 0700.",
            SqliteFault.OutOfMemory => "Give the process more memory.",
            SqliteFault.Damaged => "Stop, keep all of its files as they are, and restore a backup. 'postroom journal list --store FILE' reads what is still readable.",
            _ => "This is a fault of Postroom; please report it.",
        };

        string message = $"SQLite refused '{statement}' on '{path}' (code {extendedCode & 0xFF}, extended {extendedCode}): {detail}.";
        return new SqliteException(
            message,
            fault is SqliteFault.Constraint or SqliteFault.TooBig or SqliteFault.Interrupted ? null : remedy,
            fault,
            extendedCode,
            statement);
    }

    private static SqliteFault Classify(int extendedCode) => extendedCode switch
    {
        SqliteCode.IoNoMemory => SqliteFault.OutOfMemory,
        SqliteCode.IoCorruptFileSystem => SqliteFault.Damaged,
        _ => (extendedCode & 0xFF) switch
        {
            SqliteCode.Busy or SqliteCode.Locked or SqliteCode.Protocol => SqliteFault.Busy,
            SqliteCode.NoMemory => SqliteFault.OutOfMemory,
            SqliteCode.ReadOnly => SqliteFault.ReadOnly,
            SqliteCode.Interrupt => SqliteFault.Interrupted,
            SqliteCode.Io => SqliteFault.Io,
            SqliteCode.Corrupt or SqliteCode.NotADatabase => SqliteFault.Damaged,
            SqliteCode.Full => SqliteFault.DiskFull,
            SqliteCode.CannotOpen or SqliteCode.Permission => SqliteFault.CannotOpen,
            SqliteCode.TooBig => SqliteFault.TooBig,
            SqliteCode.Constraint => SqliteFault.Constraint,
            _ => SqliteFault.Statement,
        },
    };
}
