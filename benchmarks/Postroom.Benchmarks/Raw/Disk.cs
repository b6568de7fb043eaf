using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Postroom.Benchmarks.Harness;
using Postroom.Sqlite;

namespace Postroom.Benchmarks.Raw;

/// <summary>What the disk itself can do, before anything is held against it.</summary>
internal static partial class Disk
{
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(0.5);
    private static readonly byte[] Body = new byte[Runtime.OrderMaker.DefaultBytes];

    /// <summary>Flushes and single commits per second.</summary>
    public static IReadOnlyList<Figure> Calibrate(Workspace workspace)
    {
        using Folder folder = workspace.NewFolder();
        return
        [
            new(new Metric("fdatasync/s after a write of 4 KiB in place", true), Flushes(folder.File("in-place"), grow: false)),
            new(new Metric("fdatasync/s after an append of 4 KiB", true), Flushes(folder.File("append"), grow: true)),
            new(new Metric("single-row commits/s, store's table, full", true), Commits(folder.File("store.db"), StoreTable.Create)),
            new(new Metric("single-row commits/s, six columns, full", true), Commits(folder.File("six.db"), SixColumnTable.Create)),
        ];
    }

    /// <summary>Flushes one after the other for a while, and says how long each took.</summary>
    public static Sample FlushTimes(string file, TimeSpan duration)
    {
        using SafeFileHandle handle = Open(file);
        byte[] page = new byte[4_096];
        return Times(duration, count =>
        {
            RandomAccess.Write(handle, page, fileOffset: count * page.Length);
            Flush(handle);
        });
    }

    /// <summary>Commits a row of the store's table one after the other for a while, and says how long each took.</summary>
    public static Sample CommitTimes(string file, TimeSpan duration)
    {
        using SqliteConnection connection = OpenStore(file);
        RawTable table = StoreTable.Create(connection);
        return Times(duration, count => Commit(table, count));
    }

    private static Sample Times(TimeSpan duration, Action<long> step)
    {
        List<double> times = [];
        long started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < duration)
        {
            long before = Stopwatch.GetTimestamp();
            step(times.Count + 1);
            times.Add(Stopwatch.GetElapsedTime(before).TotalMilliseconds);
        }

        return new Sample(
        [
            new(Metric.PerSecond, times.Count / Stopwatch.GetElapsedTime(started).TotalSeconds),
            new(Metric.Median, Statistics.Median(times)),
            new(Metric.Tail, Statistics.Percentile(times, 0.99)),
        ]);
    }

    private static double Flushes(string file, bool grow)
    {
        using SafeFileHandle handle = Open(file);
        byte[] page = new byte[4_096];
        RandomAccess.Write(handle, page, 0);
        Flush(handle);
        return Rate(count =>
        {
            RandomAccess.Write(handle, page, grow ? count * page.Length : 0);
            Flush(handle);
        });
    }

    private static double Commits(string file, Func<SqliteConnection, RawTable> create)
    {
        using SqliteConnection connection = OpenStore(file);
        RawTable table = create(connection);
        return Rate(count => Commit(table, count));
    }

    private static SqliteConnection OpenStore(string file)
    {
        SqliteConnection connection = SqliteConnection.Open(file, SqliteAccess.ReadWriteCreate);
        StoreSchema.Configure(connection, StoreSynchronous.Full);
        return connection;
    }

    private static void Commit(RawTable table, long seq) => table.Append(new RawMessage(Body) { Seq = seq });

    private static double Rate(Action<long> step)
    {
        long count = 0;
        long started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < Time)
        {
            step(++count);
        }

        return count / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static SafeFileHandle Open(string file) => File.OpenHandle(file, FileMode.Create, FileAccess.ReadWrite);

    private static void Flush(SafeFileHandle handle)
    {
        // RandomAccess.FlushToDisk is fsync; SQLite uses fdatasync.
        if (OperatingSystem.IsLinux())
        {
            if (DataSync(handle) != 0)
            {
                throw new IOException($"fdatasync failed with {Marshal.GetLastPInvokeError()}.");
            }
        }
        else
        {
            RandomAccess.FlushToDisk(handle);
        }
    }

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int DataSync(SafeFileHandle handle);
}
