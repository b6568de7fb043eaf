namespace Postroom.Sqlite;

/// <summary>Creates the store's files for their owner alone, and looks at where they are.</summary>
internal static class PrivateFiles
{
    private const UnixFileMode FileMode0600 = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode DirectoryMode0700 = FileMode0600 | UnixFileMode.UserExecute;
    private const UnixFileMode Others = (UnixFileMode)0x3F; // rwxrwx of group and others

    /// <summary>Creates the directory with mode 0700, parents included; one that exists keeps its mode.</summary>
    /// <exception cref="IOException">The path is a file.</exception>
    /// <exception cref="UnauthorizedAccessException">The parent may not be written.</exception>
    public static void CreateDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path); // inherits the access list of the parent
        }
        else
        {
            Directory.CreateDirectory(path, DirectoryMode0700);
        }
    }

    /// <summary>Creates an empty file with mode 0600.</summary>
    /// <exception cref="IOException">The file exists, or its directory does not.</exception>
    /// <exception cref="UnauthorizedAccessException">The directory may not be written.</exception>
    public static void CreateNew(string path) => new FileStream(path, Options(FileMode.CreateNew, FileShare.None)).Dispose();

    /// <summary>Creates an empty file with mode 0600 unless one exists; that one is not opened, so SQLite's locks on it stay.</summary>
    /// <exception cref="IOException">The directory does not exist.</exception>
    public static void CreateUnlessExists(string path)
    {
        try
        {
            if (!File.Exists(path))
            {
                CreateNew(path);
            }
        }
        catch (IOException) when (File.Exists(path))
        {
            // another process was faster
        }
    }

    /// <summary>Opens a side file for reading and writing; a new one gets mode 0600.</summary>
    public static FileStream OpenOrCreate(string path, FileShare share) => new(path, Options(FileMode.OpenOrCreate, share));

    /// <summary>Whether anyone but the owner may read, write or enter an existing path. False where modes do not exist, and for an absent path.</summary>
    public static bool IsTooOpen(string path) =>
        !OperatingSystem.IsWindows() && Path.Exists(path) && (File.GetUnixFileMode(path) & Others) != 0;

    /// <summary>What of a store's files and of where they are is not as it should be, a sentence each (ST-15, ST-16).</summary>
    /// <remarks>A directory that others may read shows them names; one that they may write lets them put other files in the place of these.</remarks>
    /// <param name="path">The store file, in a directory that exists.</param>
    public static IReadOnlyList<string> Notices(string path)
    {
        List<string> notices = [];
        string directory = Path.GetDirectoryName(Path.GetFullPath(path))!;
        string[] open = [.. new[] { path, WalScan.PathFor(path), $"{path}-shm", OwnerLock.PathFor(path), MarkFile.PathFor(path), InFlightTable.PathFor(path) }.Where(IsTooOpen)];
        if (open.Length > 0)
        {
            notices.Add($"Others than their owner may read or write {string.Join(", ", open.Select(static file => $"'{file}' ({Mode(file)})"))}, which hold messages. Set them to 0600: chmod 600 {string.Join(' ', open.Select(static file => $"'{file}'"))}");
        }

        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(directory) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0)
        {
            notices.Add($"Others than its owner may write to '{directory}' ({Mode(directory)}) and could exchange the store. Set it to 0700: chmod 700 '{directory}'");
        }

        if (NetworkFileSystem(directory) is { } system)
        {
            notices.Add($"'{directory}' is on a network file system ({system}), where locks and flushes do not hold what a store needs. That is not supported: set store.path to a local disk.");
        }

        return notices;
    }

    /// <summary>Bytes free to this process on the volume of an existing directory.</summary>
    /// <exception cref="IOException">The volume cannot be asked.</exception>
    public static long FreeBytes(string directory) => Volume(directory).AvailableFreeSpace;

    /// <summary>The network file system a directory is on, such as <c>nfs</c>; null for a local one or where the platform does not tell.</summary>
    public static string? NetworkFileSystem(string directory)
    {
        try
        {
            DriveInfo volume = Volume(directory);
            return volume.DriveType == DriveType.Network ? volume.DriveFormat : null;
        }
        catch (IOException)
        {
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string Mode(string path) => OperatingSystem.IsWindows() ? "" : Convert.ToString((int)File.GetUnixFileMode(path), 8).PadLeft(4, '0');

    // On Unix any directory stands for its volume; Windows wants the root.
    private static DriveInfo Volume(string directory)
    {
        string full = Path.GetFullPath(directory);
        return new DriveInfo(OperatingSystem.IsWindows() ? Path.GetPathRoot(full)! : full);
    }

    private static FileStreamOptions Options(FileMode mode, FileShare share)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.ReadWrite, Share = share, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = FileMode0600;
        }

        return options;
    }
}
