using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Postroom.Sqlite;

/// <summary>Which file a path names, apart from its content.</summary>
/// <param name="Device">The volume.</param>
/// <param name="Inode">The file on the volume.</param>
/// <param name="Links">The names it has; 0 once unlinked.</param>
internal readonly record struct FileIdentity(ulong Device, ulong Inode, uint Links)
{
    /// <summary>Whether this platform tells; elsewhere no file has an identity.</summary>
    public static bool IsKnown { get; } = OperatingSystem.IsLinux()
        && NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "statx", out _); // absent from old C libraries

    /// <summary>Asks by path and never opens the file: closing a second handle would drop SQLite's locks on it.</summary>
    /// <returns>Null when nothing has that name, or the platform does not tell.</returns>
    public static FileIdentity? Of(string path) => Ask(NativeMethods.RelativeToCurrentDirectory, path, flags: 0);

    /// <summary>Asks for an open file; null where the platform does not tell.</summary>
    public static FileIdentity? Of(SafeFileHandle file)
    {
        bool held = false;
        try
        {
            file.DangerousAddRef(ref held);
            return Ask((int)file.DangerousGetHandle(), "", NativeMethods.EmptyPath);
        }
        finally
        {
            if (held)
            {
                file.DangerousRelease();
            }
        }
    }

    private static unsafe FileIdentity? Ask(int directory, string path, int flags)
    {
        if (!IsKnown)
        {
            return null;
        }

        NativeMethods.StatxResult result;
        return NativeMethods.Statx(directory, path, flags, NativeMethods.BasicStatistics, &result) == 0
            ? new FileIdentity(((ulong)result.DeviceMajor << 32) | result.DeviceMinor, result.Inode, result.Links)
            : null;
    }
}

/// <summary>Finds out that an open file was moved, replaced or deleted under its path, which no write would report.</summary>
/// <remarks>Used by one thread. Where <see cref="FileIdentity.IsKnown"/> is false it never finds anything.</remarks>
internal sealed class FileIdentityWatch(TimeProvider clock)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly List<(string Path, FileIdentity? Opened)> _files = [];
    private long _lookedAt;
    private string? _difference;

    /// <summary>Remembers which file a path names now; to be called once the file is open. Another call for it replaces the first.</summary>
    public void Remember(string path)
    {
        _files.RemoveAll(file => file.Path == path);
        _files.Add((path, FileIdentity.Of(path)));
        _lookedAt = clock.GetTimestamp();
        _difference = null;
    }

    /// <summary>Compares the paths with the files opened; at most once a second, in between the last answer is repeated.</summary>
    /// <returns>What differs, as a sentence; null when all is as it was.</returns>
    public string? Check()
    {
        if (clock.GetElapsedTime(_lookedAt) < Interval)
        {
            return _difference;
        }

        _lookedAt = clock.GetTimestamp();
        return _difference = FindDifference();
    }

    private string? FindDifference()
    {
        foreach ((string path, FileIdentity? opened) in _files)
        {
            FileIdentity? now = FileIdentity.Of(path);
            if (now != opened)
            {
                return (opened, now) switch
                {
                    (_, null) => $"'{path}' was deleted or moved while it is open, so what is written to it would be lost. Stop, and put the file back.",
                    (null, _) => $"'{path}' appeared after the store was opened. Stop, and remove the foreign file.",
                    _ when opened.Value with { Links = now.Value.Links } == now =>
                        $"'{path}' has {now.Value.Links} names instead of {opened.Value.Links}. Remove the additional link, or put the missing one back.",
                    _ => $"'{path}' was replaced by another file while it is open, so what is written to it would be lost. Stop, and put the file back.",
                };
            }
        }

        return null;
    }
}
