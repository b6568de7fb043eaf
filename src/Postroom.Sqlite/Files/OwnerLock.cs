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

    private readonly FileStream _file;

    private OwnerLock(FileStream file) => _file = file;

    /// <summary>The locked file. Handed on across exec; closing it gives the lock up.</summary>
    public SafeFileHandle Handle => _file.SafeFileHandle;

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
        while (true)
        {
            if (TryAcquire(storePath) is { } taken)
            {
                return taken;
            }

            if (clock.GetElapsedTime(begun) >= wait)
            {
                throw new StoreInUseException(storePath, ReadOwner(storePath));
            }

            await Task.Delay(RetryDelay, clock, cancellationToken);
        }
    }

    /// <summary>Gives the lock up; the file stays.</summary>
    public void Dispose() => _file.Dispose();

    private static OwnerLock? TryAcquire(string storePath)
    {
        string path = PathFor(storePath);
        while (true)
        {
            FileStream file;
            try
            {
                file = PrivateFiles.OpenOrCreate(path, OperatingSystem.IsWindows() ? FileShare.Read : FileShare.ReadWrite | FileShare.Delete);
            }
            catch (IOException) when (OperatingSystem.IsWindows() && File.Exists(path))
            {
                return null; // the share mode of the owner
            }

            if (!OperatingSystem.IsWindows() && !TryLock(file, path))
            {
                file.Dispose();
                return null;
            }

            FileIdentity? named = FileIdentity.Of(path);
            if (FileIdentity.IsKnown && named != FileIdentity.Of(file.SafeFileHandle))
            {
                file.Dispose(); // deleted between opening and locking: the lock would protect nothing
                continue;
            }

            string id = Environment.ProcessId.ToString(CultureInfo.InvariantCulture).PadRight(IdBytes - 1);
            RandomAccess.Write(file.SafeFileHandle, Encoding.ASCII.GetBytes($"{id}\n"), fileOffset: 0);
            return new OwnerLock(file);
        }
    }

    private static bool TryLock(FileStream file, string path)
    {
        const int WouldBlock = 11;
        const int WouldBlockOnMac = 35;
        if (NativeMethods.Lock(file.SafeFileHandle, NativeMethods.LockExclusive | NativeMethods.LockWithoutWaiting) == 0)
        {
            return true;
        }

        int error = Marshal.GetLastPInvokeError();
        return error is WouldBlock or WouldBlockOnMac
            ? false
            : throw new IOException($"'{path}' cannot be locked: {Marshal.GetPInvokeErrorMessage(error)}. Put the store on a local file system.");
    }

    private static int? ReadOwner(string storePath)
    {
        try
        {
            using FileStream file = new(PathFor(storePath), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            Span<byte> text = stackalloc byte[IdBytes];
            int length = file.ReadAtLeast(text, IdBytes, throwOnEndOfStream: false);
            return int.TryParse(Encoding.ASCII.GetString(text[..length]).Trim(), CultureInfo.InvariantCulture, out int id) ? id : null;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
