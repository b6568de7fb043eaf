using System.Runtime.InteropServices;

namespace Postroom.Sqlite;

/// <summary>The few calls of the C library that .NET does not offer. Unix only; <see cref="Statx"/> Linux only.</summary>
internal static unsafe partial class NativeMethods
{
    public const int OpenReadOnly = 0;
    public const int OpenReadWrite = 2;
    public const int NoSuchFile = 2;

    public const int LockShared = 1;
    public const int LockRelease = 8;
    public const int LockExclusive = 2;
    public const int LockWithoutWaiting = 4;

    public const int RelativeToCurrentDirectory = -100;
    public const int EmptyPath = 0x1000;
    public const uint BasicStatistics = 0x7FF;

    /// <summary>SIG_IGN.</summary>
    public const nint IgnoreSignal = 1;

    [LibraryImport("libc", EntryPoint = "signal")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial nint Signal(int number, nint handler);

    [LibraryImport("libc", EntryPoint = "usleep")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int Sleep(uint microseconds);

    /// <summary>Close-on-exec, the one flag of open(2) that differs between Linux and macOS.</summary>
    public static int OpenCloseOnExec => OperatingSystem.IsMacOS() ? 0x100_0000 : 0x8_0000;

    // Without a mode: open is variadic, and only its two fixed arguments are passed alike on every platform.
    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int Lock(SafeHandle file, int operation);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial int Statx(int directory, string path, int flags, uint mask, StatxResult* result);

    /// <summary><c>struct statx</c>: the same on every architecture, unlike <c>struct stat</c>.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    internal struct StatxResult
    {
        [FieldOffset(16)]
        public uint Links;

        [FieldOffset(20)]
        public uint Owner;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;
    }
}
