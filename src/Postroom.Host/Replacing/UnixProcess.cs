using System.Globalization;
using System.Runtime.InteropServices;

namespace Postroom.Host;

/// <summary>The calls of the C library by which a process replaces itself. Unix only.</summary>
internal static unsafe partial class UnixProcess
{
    private const int GetFlags = 1;
    private const int SetFlags = 2;
    private const int CloseOnExecFlag = 1;
    private const int HangUp = 1;
    private const int Interrupt = 2;
    private const int Termination = 15;
    private const int Pipe = 13;
    private const int FileSizeExceeded = 25;
    private const nint Default = 0;
    private const nint Ignore = 1;

    /// <summary>The number of the last error, in words.</summary>
    public static string LastError => Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());

    /// <summary>The user this process acts for.</summary>
    public static uint User => GetEffectiveUser();

    /// <summary>Whether the program may be executed by this process.</summary>
    public static bool MayExecute(string path)
    {
        const int ExecuteAccess = 1;
        return Access(path, ExecuteAccess) == 0;
    }

    /// <summary>A second descriptor of the same open file, which outlives an exec and is inherited by children.</summary>
    public static int Duplicate(nint descriptor)
    {
        int copy = Copy((int)descriptor);
        return copy >= 0 ? copy : throw new IOException($"Descriptor {descriptor} cannot be handed over: {LastError}.");
    }

    /// <summary>Whether a descriptor ends with an exec. Linux only: elsewhere what .NET opens ends with it anyway.</summary>
    public static void CloseOnExec(int descriptor, bool close)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        int flags = Control(descriptor, GetFlags, 0);
        if (flags >= 0)
        {
            _ = Control(descriptor, SetFlags, close ? flags | CloseOnExecFlag : flags & ~CloseOnExecFlag);
        }
    }

    /// <summary>Leaves no descriptor but the standard ones and those given to the next program.</summary>
    public static void KeepOnly(IReadOnlyCollection<int> kept)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        foreach (string entry in Directory.GetFileSystemEntries("/proc/self/fd"))
        {
            if (int.TryParse(Path.GetFileName(entry), CultureInfo.InvariantCulture, out int descriptor) && descriptor > 2)
            {
                CloseOnExec(descriptor, !kept.Contains(descriptor));
            }
        }
    }

    /// <summary>A SIGHUP that comes before the next program can take it is dropped instead of ending it: one restart at a time.</summary>
    public static void DropHangUps() => _ = SetSignal(HangUp, Ignore);

    /// <summary>From now on a signal to stop ends the process instead of reaching a handler that soon is no more.</summary>
    public static void EndAtOnceByStops()
    {
        _ = SetSignal(Interrupt, Default);
        _ = SetSignal(Termination, Default);
    }

    /// <summary>Asks another process to stop.</summary>
    public static void Terminate(int process) => _ = Kill(process, Termination);

    /// <summary>Signals that this process, or whoever started it, ignores reach their handlers again.</summary>
    public static void HearHangUps() => _ = SetSignal(HangUp, Default);

    /// <summary>Puts another program in the place of this one, with the same process id. Returns only when that failed.</summary>
    public static void Execute(string program, IReadOnlyList<string> words, IReadOnlyDictionary<string, string> environment)
    {
        string?[] arguments = [.. words, null];
        string?[] variables = [.. environment.Select(static pair => $"{pair.Key}={pair.Value}"), null];

        // What this process ignores would stay ignored; what it blocks would stay blocked.
        _ = SetSignal(Pipe, Default);
        _ = SetSignal(FileSizeExceeded, Default);
        byte* none = stackalloc byte[128];
        new Span<byte>(none, 128).Clear();
        int setMask = OperatingSystem.IsMacOS() ? 3 : 2;
        _ = SetSignalMask(setMask, none, null);

        nint* argumentTexts = stackalloc nint[arguments.Length];
        for (int i = 0; i < arguments.Length; i++)
        {
            argumentTexts[i] = Marshal.StringToCoTaskMemUTF8(arguments[i]);
        }

        nint* variableTexts = stackalloc nint[variables.Length];
        for (int i = 0; i < variables.Length; i++)
        {
            variableTexts[i] = Marshal.StringToCoTaskMemUTF8(variables[i]);
        }

        _ = Exec(program, argumentTexts, variableTexts);
    }

    [LibraryImport("libc", EntryPoint = "execve", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Exec(string program, nint* arguments, nint* environment);

    // fcntl is variadic; on Linux its third argument is passed as any other.
    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Control(int descriptor, int command, int value);

    [LibraryImport("libc", EntryPoint = "dup", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Copy(int descriptor);

    [LibraryImport("libc", EntryPoint = "signal")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint SetSignal(int number, nint handler);

    [LibraryImport("libc", EntryPoint = "sigprocmask")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetSignalMask(int how, byte* mask, byte* former);

    [LibraryImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Kill(int process, int signal);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial uint GetEffectiveUser();

    [LibraryImport("libc", EntryPoint = "access", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Access(string path, int mode);
}
