using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Postroom.Sqlite;

/// <summary>Makes one process the owner of a store file for as long as it lives.</summary>
/// <remarks>
/// The lock is the operating system's on <c>{path}.lock</c>, which contains the owner's process id: the kernel releases it however
/// the process ends. On Unix it is <c>flock</c>, because that belongs to the open file and so survives an exec that keeps
/// <see cref="Handle"/>; on Windows it is the share mode. The file is never deleted: a waiting process would lock the old file
/// while a third one locks a new one.
/// </remarks>
internal sealed class OwnerLock : IDisposable
{
    // One write of fixed length, so that a reader never sees half an id.
    private const int IdBytes = 12;

    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(20);

    private readonly SafeFileHandle _file;

    private OwnerLock(SafeFileHandle file) => _file = file;

    /// <summary>The locked file. Handed on across exec; closing it gives the lock up.</summary>
    public SafeFileHandle Handle => _file;

    /// <summary>The lock file of a store file.</summary>
    public static string PathFor(string storePath) => $"{storePath}.lock";

    /// <summary>Takes the lock or fails at once.</summary>
    /// <exception cref="StoreInUseException">Another process, or another store of this process, has it.</exception>
    /// <exception cref="IOException">The lock file cannot be created.</exception>
    public static OwnerLock Acquire(string storePath) => TryAcquire(storePath) ?? throw new StoreInUseException(storePath, ReadOwner(storePath));

    /// <summary>Takes the lock, waiting for an owner that is about to end (a hot restart).</summary>
    /// <param name="storePath">The store file.</param>
    /// <param name="wait">How long to wait; zero for not at all.</param>
    /// <param name="clock">Measures the wait.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="StoreInUseException">The owner still has it after <paramref name="wait"/>.</exception>
    public static async ValueTask<OwnerLock> AcquireAsync(string storePath, TimeSpan wait, TimeProvider clock, CancellationToken cancellationToken)
    {
        long begun = clock.GetTimestamp();
        for (int tries = 1; ; tries++)
        {
            if (TryAcquire(storePath) is { } taken)
            {
                return taken;
            }

            // Twice at least: whoever only asks has the lock for a moment.
            if (tries > 1 && clock.GetElapsedTime(begun) >= wait)
            {
                throw new StoreInUseException(storePath, ReadOwner(storePath));
            }

            await Task.Delay(RetryDelay, clock, cancellationToken);
        }
    }

    /// <summary>Takes over the locked file of the program whose place this one took; null when it is not the one of this store, or not locked.</summary>
    public static OwnerLock? Adopt(string storePath, SafeHandle handed)
    {
        SafeFileHandle file = new(handed.DangerousGetHandle(), ownsHandle: true);
        handed.SetHandleAsInvalid();
        if (file.IsInvalid || FileIdentity.Of(PathFor(storePath)) is not { } named || named != FileIdentity.Of(file) || NativeMethods.Lock(file, NativeMethods.LockExclusive | NativeMethods.LockWithoutWaiting) != 0)
        {
            file.Dispose();
            return null;
        }

        return new OwnerLock(file);
    }

    /// <summary>The process id in the lock file, of the owner or of the last one; null when the file is absent or unreadable.</summary>
    /// <remarks>Leaves the lock alone, unlike <see cref="File"/>, whose reading would take a lock itself.</remarks>
    public static int? ReadOwner(string storePath)
    {
        using SafeFileHandle? file = TryOpenForReading(PathFor(storePath));
        if (file is null)
        {
            return null;
        }

        Span<byte> text = stackalloc byte[IdBytes];
        int length = RandomAccess.Read(file, text, fileOffset: 0);
        return int.TryParse(Encoding.ASCII.GetString(text[..length]).Trim(), CultureInfo.InvariantCulture, out int id) ? id : null;
    }

    /// <summary>Whether a process has the lock, without taking it for longer than the question.</summary>
    public static bool IsHeld(string storePath)
    {
        if (OperatingSystem.IsWindows())
        {
            return File.Exists(PathFor(storePath)) && TryOpenForReading(PathFor(storePath)) is null;
        }

        // The lock itself is asked, in shared mode: the id in the file may be of a process that has ended, has given the lock up, or is in another container.
        using SafeFileHandle? file = TryOpenForReading(PathFor(storePath));
        return file is not null && NativeMethods.Lock(file, NativeMethods.LockShared | NativeMethods.LockWithoutWaiting) != 0;
    }

    /// <summary>Gives the lock up; the file stays.</summary>
    public void Dispose()
    {
        if (!OperatingSystem.IsWindows() && !_file.IsClosed)
        {
            // A child process between its fork and its exec has the open file too; closing ours alone would leave the lock with it.
            _ = NativeMethods.Lock(_file, NativeMethods.LockRelease);
        }

        _file.Dispose();
    }

    private static OwnerLock? TryAcquire(string storePath)
    {
        string path = PathFor(storePath);
        while (true)
        {
            SafeFileHandle? file = OperatingSystem.IsWindows() ? TryOpenAlone(path) : OpenShared(path);
            if (file is null)
            {
                return null;
            }

            if (!OperatingSystem.IsWindows() && !TryLock(file, path))
            {
                file.Dispose();
                return null;
            }

            if (FileIdentity.Of(path) != FileIdentity.Of(file))
            {
                file.Dispose(); // deleted between opening and locking: the lock would protect nothing
                continue;
            }

            string id = Environment.ProcessId.ToString(CultureInfo.InvariantCulture).PadRight(IdBytes - 1);
            RandomAccess.Write(file, Encoding.ASCII.GetBytes($"{id}\n"), fileOffset: 0);
            return new OwnerLock(file);
        }
    }

    private static SafeFileHandle? TryOpenAlone(string path)
    {
        try
        {
            return File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        }
        catch (IOException) when (File.Exists(path))
        {
            return null;
        }
    }

    // Not through File: that takes a shared flock on every file it opens, so that two processes starting at once would refuse each other.
    private static SafeFileHandle OpenShared(string path)
    {
        while (true)
        {
            PrivateFiles.CreateUnlessExists(path);
            int file = NativeMethods.Open(path, NativeMethods.OpenReadWrite | NativeMethods.OpenCloseOnExec);
            int error = Marshal.GetLastPInvokeError();
            if (file >= 0)
            {
                return new SafeFileHandle(file, ownsHandle: true);
            }

            if (error != NativeMethods.NoSuchFile)
            {
                throw new IOException($"'{path}' cannot be opened: {Marshal.GetPInvokeErrorMessage(error)}. It must belong to the user of this process.");
            }
        }
    }

    private static bool TryLock(SafeFileHandle file, string path)
    {
        const int WouldBlock = 11;
        const int WouldBlockOnMac = 35;
        if (NativeMethods.Lock(file, NativeMethods.LockExclusive | NativeMethods.LockWithoutWaiting) == 0)
        {
            return true;
        }

        int error = Marshal.GetLastPInvokeError();
        return error is WouldBlock or WouldBlockOnMac
            ? false
            : throw new IOException($"'{path}' cannot be locked: {Marshal.GetPInvokeErrorMessage(error)}. Put the store on a local file system.");
    }

    private static SafeFileHandle? TryOpenForReading(string path)
    {
        if (!OperatingSystem.IsWindows())
        {
            int file = NativeMethods.Open(path, NativeMethods.OpenReadOnly | NativeMethods.OpenCloseOnExec);
            return file < 0 ? null : new SafeFileHandle(file, ownsHandle: true);
        }

        try
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
