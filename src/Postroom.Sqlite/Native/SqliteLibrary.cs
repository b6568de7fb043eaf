using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Postroom.Sqlite;

/// <summary>The entry points of one loaded SQLite library.</summary>
/// <remarks>
/// Safe for concurrent use: it holds addresses only. Calls marked <c>SuppressGCTransition</c> neither block nor call back;
/// on them the switch to native code would cost more than the call itself.
/// </remarks>
internal sealed unsafe class SqliteLibrary
{
    // RETURNING came with 3.35.
    private const int OldestVersion = 3_035_000;

    private static readonly Lazy<SqliteLibrary> Chosen = new(() => LoadSystem() ?? LoadBundled());

    internal readonly delegate* unmanaged[Cdecl]<byte*, nint*, int, byte*, int> OpenV2;
    internal readonly delegate* unmanaged[Cdecl]<nint, int> CloseV2;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, int> ExtendedResultCodes;
    internal readonly delegate* unmanaged[Cdecl]<nint, byte*, nint, nint, byte**, int> Exec;
    internal readonly delegate* unmanaged[Cdecl]<nint, void> Interrupt;
    internal readonly delegate* unmanaged[Cdecl]<nint, int> ExtendedErrorCode;
    internal readonly delegate* unmanaged[Cdecl]<nint, byte*> ErrorMessage;
    internal readonly delegate* unmanaged[Cdecl]<int, byte*> ErrorString;
    internal readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int> Changes;
    internal readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int> GetAutocommit;
    internal readonly delegate* unmanaged[Cdecl]<nint, delegate* unmanaged[Cdecl]<nint, int, int>, nint, int> BusyHandler;
    internal readonly delegate* unmanaged[Cdecl]<nint, delegate* unmanaged[Cdecl]<nint, nint, byte*, int, int>, nint, nint> WalHook;
    internal readonly delegate* unmanaged[Cdecl]<nint, byte*, int, int*, int*, int> WalCheckpointV2;
    internal readonly delegate* unmanaged[Cdecl]<int, int> Sleep;

    internal readonly delegate* unmanaged[Cdecl]<nint, byte*, int, uint, nint*, byte**, int> PrepareV3;
    internal readonly delegate* unmanaged[Cdecl]<nint, int> Step;
    internal readonly delegate* unmanaged[Cdecl]<nint, int> Reset;
    internal readonly delegate* unmanaged[Cdecl]<nint, int> FinalizeStatement;
    internal readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, long, int> BindInt64;
    internal readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, double, int> BindDouble;
    internal readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, int> BindNull;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, byte*, int, nint, int> BindText;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, byte*, int, nint, int> BindBlob;
    internal readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, int> ColumnType;
    internal readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, long> ColumnInt64;
    internal readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, double> ColumnDouble;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, byte*> ColumnText;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, byte*> ColumnBlob;
    internal readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, int> ColumnBytes;

    internal readonly delegate* unmanaged[Cdecl]<nint, byte*, nint, byte*, nint> BackupInit;
    internal readonly delegate* unmanaged[Cdecl]<nint, int, int> BackupStep;
    internal readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int> BackupRemaining;
    internal readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int> BackupPageCount;
    internal readonly delegate* unmanaged[Cdecl]<nint, int> BackupFinish;

    private SqliteLibrary(nint library, string origin)
    {
        OpenV2 = (delegate* unmanaged[Cdecl]<byte*, nint*, int, byte*, int>)Export("sqlite3_open_v2");
        CloseV2 = (delegate* unmanaged[Cdecl]<nint, int>)Export("sqlite3_close_v2");
        ExtendedResultCodes = (delegate* unmanaged[Cdecl]<nint, int, int>)Export("sqlite3_extended_result_codes");
        Exec = (delegate* unmanaged[Cdecl]<nint, byte*, nint, nint, byte**, int>)Export("sqlite3_exec");
        Interrupt = (delegate* unmanaged[Cdecl]<nint, void>)Export("sqlite3_interrupt");
        ExtendedErrorCode = (delegate* unmanaged[Cdecl]<nint, int>)Export("sqlite3_extended_errcode");
        ErrorMessage = (delegate* unmanaged[Cdecl]<nint, byte*>)Export("sqlite3_errmsg");
        ErrorString = (delegate* unmanaged[Cdecl]<int, byte*>)Export("sqlite3_errstr");
        Changes = (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int>)Export("sqlite3_changes");
        GetAutocommit = (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int>)Export("sqlite3_get_autocommit");
        BusyHandler = (delegate* unmanaged[Cdecl]<nint, delegate* unmanaged[Cdecl]<nint, int, int>, nint, int>)Export("sqlite3_busy_handler");
        WalHook = (delegate* unmanaged[Cdecl]<nint, delegate* unmanaged[Cdecl]<nint, nint, byte*, int, int>, nint, nint>)Export("sqlite3_wal_hook");
        WalCheckpointV2 = (delegate* unmanaged[Cdecl]<nint, byte*, int, int*, int*, int>)Export("sqlite3_wal_checkpoint_v2");
        Sleep = (delegate* unmanaged[Cdecl]<int, int>)Export("sqlite3_sleep");

        PrepareV3 = (delegate* unmanaged[Cdecl]<nint, byte*, int, uint, nint*, byte**, int>)Export("sqlite3_prepare_v3");
        Step = (delegate* unmanaged[Cdecl]<nint, int>)Export("sqlite3_step");
        Reset = (delegate* unmanaged[Cdecl]<nint, int>)Export("sqlite3_reset");
        FinalizeStatement = (delegate* unmanaged[Cdecl]<nint, int>)Export("sqlite3_finalize");
        BindInt64 = (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, long, int>)Export("sqlite3_bind_int64");
        BindDouble = (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, double, int>)Export("sqlite3_bind_double");
        BindNull = (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, int>)Export("sqlite3_bind_null");
        BindText = (delegate* unmanaged[Cdecl]<nint, int, byte*, int, nint, int>)Export("sqlite3_bind_text");
        BindBlob = (delegate* unmanaged[Cdecl]<nint, int, byte*, int, nint, int>)Export("sqlite3_bind_blob");
        ColumnType = (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, int>)Export("sqlite3_column_type");
        ColumnInt64 = (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, long>)Export("sqlite3_column_int64");
        ColumnDouble = (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, double>)Export("sqlite3_column_double");
        ColumnText = (delegate* unmanaged[Cdecl]<nint, int, byte*>)Export("sqlite3_column_text");
        ColumnBlob = (delegate* unmanaged[Cdecl]<nint, int, byte*>)Export("sqlite3_column_blob");
        ColumnBytes = (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int, int>)Export("sqlite3_column_bytes");

        BackupInit = (delegate* unmanaged[Cdecl]<nint, byte*, nint, byte*, nint>)Export("sqlite3_backup_init");
        BackupStep = (delegate* unmanaged[Cdecl]<nint, int, int>)Export("sqlite3_backup_step");
        BackupRemaining = (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int>)Export("sqlite3_backup_remaining");
        BackupPageCount = (delegate* unmanaged[Cdecl, SuppressGCTransition]<nint, int>)Export("sqlite3_backup_pagecount");
        BackupFinish = (delegate* unmanaged[Cdecl]<nint, int>)Export("sqlite3_backup_finish");

        Origin = origin;
        Version = Marshal.PtrToStringUTF8((nint)((delegate* unmanaged[Cdecl]<byte*>)Export("sqlite3_libversion"))()) ?? "unknown";

        nint Export(string name) => NativeLibrary.GetExport(library, name);
    }

    /// <summary>The library this process uses: the system's where there is one, else the bundled one.</summary>
    public static SqliteLibrary Current => Chosen.Value;

    /// <summary>The version as SQLite writes it, such as <c>3.40.1</c>.</summary>
    public string Version { get; }

    /// <summary>The file name it was loaded by; for the start line.</summary>
    public string Origin { get; }

    /// <summary>Loads the distribution's library; null where there is none, or it is older than 3.35 or built without threads.</summary>
    public static SqliteLibrary? LoadSystem()
    {
        const string Name = "libsqlite3.so.0";
        return OperatingSystem.IsLinux() && NativeLibrary.TryLoad(Name, out nint library) && IsUsable(library)
            ? new SqliteLibrary(library, Name)
            : null;
    }

    /// <summary>Loads the library that ships with Postroom, and repairs its sleep on Unix.</summary>
    /// <exception cref="DllNotFoundException">This platform has no bundled library.</exception>
    public static SqliteLibrary LoadBundled()
    {
        const string Name = "e_sqlite3";
        nint library = NativeLibrary.Load(Name, typeof(SqliteLibrary).Assembly, searchPath: null);
        ReplaceSleep(library);
        return new SqliteLibrary(library, Name);
    }

    private static bool IsUsable(nint library)
    {
        var version = (delegate* unmanaged[Cdecl]<int>)NativeLibrary.GetExport(library, "sqlite3_libversion_number");
        var threads = (delegate* unmanaged[Cdecl]<int>)NativeLibrary.GetExport(library, "sqlite3_threadsafe");
        return version() >= OldestVersion && threads() != 0;
    }

    /// <summary>Gives the default file system of the bundled library a sleep that counts microseconds.</summary>
    /// <remarks>
    /// e_sqlite3 2.0.6 is built without <c>usleep</c> on Unix, so each of its waits lasts whole seconds: single reads of
    /// 1000 ms beside a busy writer were measured, 4 to 12 ms with this sleep.
    /// </remarks>
    private static void ReplaceSleep(nint library)
    {
        if (OperatingSystem.IsWindows())
        {
            return; // that build sleeps milliseconds
        }

        ((delegate* unmanaged[Cdecl]<int>)NativeLibrary.GetExport(library, "sqlite3_initialize"))();
        var find = (delegate* unmanaged[Cdecl]<byte*, nint>)NativeLibrary.GetExport(library, "sqlite3_vfs_find");
        ((Vfs*)find(null))->Sleep = &SleepMicroseconds;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int SleepMicroseconds(nint vfs, int microseconds)
    {
        // usleep may refuse a second or more.
        for (int left = microseconds; left > 0; left -= 999_999)
        {
            _ = NativeMethods.Sleep((uint)Math.Min(left, 999_999));
        }

        return microseconds;
    }

    /// <summary>The start of <c>sqlite3_vfs</c>; its layout is part of SQLite's stable interface.</summary>
    [StructLayout(LayoutKind.Sequential)]
    [SuppressMessage("Performance", "CA1823:Avoid unused private fields", Justification = "The unused fields give the layout.")]
    private struct Vfs
    {
        private readonly int _version;
        private readonly int _fileSize;
        private readonly int _longestPath;
        private readonly nint _next;
        private readonly nint _name;
        private readonly nint _data;
        private readonly nint _open;
        private readonly nint _delete;
        private readonly nint _access;
        private readonly nint _fullPath;
        private readonly nint _libraryOpen;
        private readonly nint _libraryError;
        private readonly nint _librarySymbol;
        private readonly nint _libraryClose;
        private readonly nint _randomness;
        public delegate* unmanaged[Cdecl]<nint, int, int> Sleep;
    }
}
