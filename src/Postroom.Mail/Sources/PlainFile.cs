using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Postroom.Mail;

/// <summary>Reads plain files that somebody else puts there: no link is followed, and neither a pipe nor a device is waited for.</summary>
internal static partial class PlainFile
{
    private const int TooManyLinks = 40;
    private const int TooManyLinksOfMac = 62;
    private const int NotThere = 2;

    /// <summary>Reads a file's beginning.</summary>
    /// <param name="path">The file.</param>
    /// <param name="max">The most bytes.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>The bytes and the length of the whole; null when there is no such plain file any more.</returns>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static async ValueTask<(byte[] Bytes, long Length)?> ReadAsync(string path, long max, CancellationToken cancellationToken)
    {
        using SafeFileHandle? file = Open(path);
        if (file is null)
        {
            return null;
        }

        long length;
        try
        {
            length = RandomAccess.GetLength(file);
        }
        catch (NotSupportedException)
        {
            return null; // A pipe or a socket.
        }

        byte[] bytes = new byte[Math.Min(length, max)];
        int read = 0;
        while (read < bytes.Length && await RandomAccess.ReadAsync(file, bytes.AsMemory(read), read, cancellationToken) is > 0 and int more)
        {
            read += more;
        }

        return (read == bytes.Length ? bytes : bytes[..read], length);
    }

    private static SafeFileHandle? Open(string path)
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS())
        {
            // Whoever may write here may not make links on Windows without a right of its own.
            return new FileInfo(path) is { Exists: true, LinkTarget: null } ? File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read) : null;
        }

        SafeFileHandle file = NativeOpen(Encoding.UTF8.GetBytes(path + '\0'), Flags());
        if (!file.IsInvalid)
        {
            return file;
        }

        int error = Marshal.GetLastPInvokeError();
        file.Dispose();
        string why = $"'{path}' cannot be read: {Marshal.GetPInvokeErrorMessage(error)}.";
        return error switch
        {
            NotThere => null,
            TooManyLinks when OperatingSystem.IsLinux() => null,
            TooManyLinksOfMac when OperatingSystem.IsMacOS() => null,
            13 or 1 => throw new UnauthorizedAccessException($"{why} Let the account of this program read it."),
            _ => throw new IOException(why),
        };
    }

    /// <summary>To read, without following a link, without waiting for a pipe's other end, and not inherited by other programs (open(2)).</summary>
    private static int Flags()
    {
        if (OperatingSystem.IsMacOS())
        {
            return 0x100 | 0x4 | 0x1000000;
        }

        bool isArm = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;
        return (isArm ? 0x8000 : 0x20000) | 0x800 | 0x80000;
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial SafeFileHandle NativeOpen(byte[] path, int flags);
}
