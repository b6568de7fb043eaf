using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Postroom.Sqlite;

/// <summary>How a database file is opened.</summary>
internal enum SqliteAccess
{
    /// <summary>Reads only; the file must exist.</summary>
    ReadOnly = 0x1,

    /// <summary>Reads and writes; the file must exist.</summary>
    ReadWrite = 0x2,

    /// <summary>Reads and writes; an absent file is created with the process's default mode.</summary>
    ReadWriteCreate = 0x6,
}

/// <summary>How far a checkpoint goes.</summary>
internal enum SqliteCheckpoint
{
    /// <summary>Copies what no reader holds back, without waiting.</summary>
    Passive = 0,

    /// <summary>Waits for readers up to <see cref="SqliteConnection.BusyTimeout"/>, then empties the WAL file.</summary>
    Truncate = 3,
}

/// <summary>What a checkpoint did.</summary>
/// <param name="Blocked">A reader or writer held it back, so that it is not complete.</param>
/// <param name="WalFrames">Frames in the WAL.</param>
/// <param name="CopiedFrames">Those of them that are in the database file now.</param>
internal readonly record struct CheckpointResult(bool Blocked, int WalFrames, int CopiedFrames);

/// <summary>One connection to one database file.</summary>
/// <remarks>
/// Used by one thread at a time, with its statements and backups: SQLite is opened without mutexes.
/// Only <see cref="Interrupt"/> may be called from elsewhere. Automatic checkpoints are off: the wal hook that counts
/// <see cref="WalFrames"/> takes their place.
/// </remarks>
internal sealed unsafe class SqliteConnection : IDisposable
{
    private const int OpenWithoutMutex = 0x8000;
    private const int OpenUri = 0x40;
    private const uint PreparePersistent = 1;
    private const int LongestBusySleepMilliseconds = 10;

    private readonly SqliteLibrary _library;
    private readonly List<IDisposable> _children = [];
    private readonly Lock _closing = new();
    private readonly GCHandle _self;
    private nint _handle;
    private long _busySince;
    private volatile int _interrupts;
    private int _interruptsBeforeCall;

    private SqliteConnection(SqliteLibrary library, nint handle, string path)
    {
        _library = library;
        _handle = handle;
        Path = path;
        _self = GCHandle.Alloc(this);
        _ = library.ExtendedResultCodes(handle, 1);
        _ = library.BusyHandler(handle, &OnBusy, GCHandle.ToIntPtr(_self));
        _ = library.WalHook(handle, &OnWalCommit, GCHandle.ToIntPtr(_self));
    }

    /// <summary>The file as it was given.</summary>
    public string Path { get; }

    /// <summary>How long a lock held by another connection is waited for; 5 seconds unless set.</summary>
    public TimeSpan BusyTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Frames in the WAL after this connection's last commit; 0 before the first.</summary>
    public int WalFrames { get; private set; }

    /// <summary>Rows changed by the last insert, update or delete.</summary>
    public int Changes => _library.Changes(_handle);

    /// <summary>Whether a transaction is open. SQLite rolls some back by itself, for instance when the disk is full.</summary>
    public bool InTransaction => _library.GetAutocommit(_handle) == 0;

    internal SqliteLibrary Library => _library;

    internal nint Handle => _handle;

    /// <summary>Opens a database file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="access">What is done with it.</param>
    /// <param name="library">The library to use; null for <see cref="SqliteLibrary.Current"/>.</param>
    /// <param name="parameters">Query parameters of SQLite's file URI; null for none.</param>
    /// <exception cref="SqliteException">The file cannot be opened. What it holds is read only by the first statement.</exception>
    public static SqliteConnection Open(string path, SqliteAccess access, SqliteLibrary? library = null, string? parameters = null)
    {
        library ??= SqliteLibrary.Current;
        nint handle;
        int code;
        string target = parameters is null ? path : $"file:{string.Join('/', System.IO.Path.GetFullPath(path).Split('/').Select(Uri.EscapeDataString))}?{parameters}";
        fixed (byte* name = Utf8(target))
        {
            code = library.OpenV2(name, &handle, (int)access | OpenWithoutMutex | (parameters is null ? 0 : OpenUri), null);
        }

        if (code == SqliteCode.Ok)
        {
            return new SqliteConnection(library, handle, path);
        }

        string detail = handle == 0 ? TextOf(library.ErrorString(code)) : TextOf(library.ErrorMessage(handle));
        _ = library.CloseV2(handle);
        throw SqliteException.Create(code, detail, "open", path);
    }

    /// <summary>Runs constant SQL of one or more statements; rows are dropped.</summary>
    /// <param name="name">What an error calls it.</param>
    /// <param name="sql">The statements; never built from input.</param>
    /// <exception cref="SqliteException">A statement failed; the ones before it stand unless a transaction is open.</exception>
    public void Execute(string name, string sql)
    {
        int code;
        NoteInterrupts();
        fixed (byte* text = Utf8(sql))
        {
            code = _library.Exec(_handle, text, 0, 0, null);
        }

        if (code != SqliteCode.Ok)
        {
            throw Failure(name);
        }
    }

    /// <summary>Compiles one statement for many uses.</summary>
    /// <param name="name">What an error calls it.</param>
    /// <param name="sql">One statement; never built from input.</param>
    /// <returns>The statement; it ends with this connection at the latest.</returns>
    /// <exception cref="SqliteException">The text does not compile, or the schema could not be read.</exception>
    /// <exception cref="ArgumentException">The text is empty or a comment.</exception>
    public SqliteStatement Prepare(string name, string sql)
    {
        nint statement;
        int code;
        NoteInterrupts();
        fixed (byte* text = Utf8(sql))
        {
            code = _library.PrepareV3(_handle, text, -1, PreparePersistent, &statement, null);
        }

        if (code != SqliteCode.Ok)
        {
            throw Failure(name);
        }

        return statement == 0
            ? throw new ArgumentException($"The SQL of '{name}' holds no statement.", nameof(sql))
            : Adopt(new SqliteStatement(this, statement, name));
    }

    /// <summary>Copies frames of the WAL into the database file and flushes it.</summary>
    /// <returns>How far it came; being held back by a reader is not an error.</returns>
    /// <exception cref="SqliteException">The copy failed; the WAL still holds everything.</exception>
    public CheckpointResult Checkpoint(SqliteCheckpoint mode)
    {
        int frames = 0;
        int copied = 0;
        NoteInterrupts();
        int code = _library.WalCheckpointV2(_handle, null, (int)mode, &frames, &copied);
        bool blocked = (code & 0xFF) is SqliteCode.Busy or SqliteCode.Locked;
        if (code != SqliteCode.Ok && !blocked)
        {
            throw Failure("checkpoint");
        }

        // A file that is not in WAL mode answers -1.
        return new CheckpointResult(blocked || copied < frames, Math.Max(frames, 0), Math.Max(copied, 0));
    }

    /// <summary>Ends the running statement or its wait for a lock with <see cref="SqliteFault.Interrupted"/> or <see cref="SqliteFault.Busy"/>.</summary>
    /// <remarks>Callable from any thread; without effect when nothing runs or the connection is closed.</remarks>
    public void Interrupt()
    {
        lock (_closing)
        {
            if (_handle != 0)
            {
                _interrupts++;
                _library.Interrupt(_handle);
            }
        }
    }

    /// <summary>Ends the statements and backups of this connection and closes it; an open transaction is rolled back.</summary>
    public void Dispose()
    {
        while (_children.Count > 0)
        {
            _children[^1].Dispose();
        }

        lock (_closing)
        {
            if (_handle == 0)
            {
                return;
            }

            _ = _library.CloseV2(_handle);
            _handle = 0;
            _self.Free();
        }
    }

    internal T Adopt<T>(T child)
        where T : IDisposable
    {
        _children.Add(child);
        return child;
    }

    internal void Forget(IDisposable child) => _children.Remove(child);

    /// <summary>Remembers which interrupts are over: only one that comes during the call ends its wait for a lock.</summary>
    internal void NoteInterrupts() => _interruptsBeforeCall = _interrupts;

    /// <summary>The exception for the last failed call.</summary>
    internal SqliteException Failure(string statement) =>
        SqliteException.Create(_library.ExtendedErrorCode(_handle), TextOf(_library.ErrorMessage(_handle)), statement, Path);

    // A handler of our own rather than sqlite3_busy_timeout: that one counts whole seconds in the bundled library.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnBusy(nint self, int tries)
    {
        var connection = (SqliteConnection)GCHandle.FromIntPtr(self).Target!;
        return connection.WaitForLock(tries) ? 1 : 0;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnWalCommit(nint self, nint database, byte* schema, int frames)
    {
        ((SqliteConnection)GCHandle.FromIntPtr(self).Target!).WalFrames = frames;
        return SqliteCode.Ok;
    }

    private static string TextOf(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "no detail";

    private static byte[] Utf8(string text)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(text) + 1];
        _ = Encoding.UTF8.GetBytes(text, bytes);
        return bytes;
    }

    private bool WaitForLock(int tries)
    {
        if (tries == 0)
        {
            _busySince = Stopwatch.GetTimestamp();
        }

        if (_interrupts != _interruptsBeforeCall || Stopwatch.GetElapsedTime(_busySince) >= BusyTimeout)
        {
            return false;
        }

        _ = _library.Sleep(Math.Min(tries + 1, LongestBusySleepMilliseconds));
        return true;
    }
}
