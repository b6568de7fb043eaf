using System.Globalization;
using Postroom.Configuration;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <summary>Checks what a runtime needs, and mends what only a person may decide.</summary>
internal static class DoctorCommand
{
    public static async Task<int> RunAsync(HostArguments arguments, string? backup, long? acceptLoss, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await ReadCommands.SettingsAsync(arguments, cancellationToken);
        string path = ReadCommands.StorePath(arguments, settings);
        if (acceptLoss is { } missing)
        {
            SqliteMaintenance.AcceptLoss(path, missing);
            Console.WriteLine($"The loss of {missing} messages is accepted and recorded. The next start goes on with what is there.");
            return ExitCodes.Done;
        }

        if (backup is not null)
        {
            await SqliteMaintenance.BackupAsync(path, backup, cancellationToken);
            Console.WriteLine($"Copied '{path}' to '{backup}' ({Output.Size(new FileInfo(backup).Length)}).");
            return ExitCodes.Done;
        }

        List<(bool Good, string Text)> findings = [(true, $"SQLite {SqliteStore.LibraryVersion}")];
        findings.AddRange(Files(path, settings));
        foreach ((bool good, string text) in findings)
        {
            Console.WriteLine($"{(good ? "ok  " : "LOOK")} {text}");
        }

        return findings.TrueForAll(finding => finding.Good) ? ExitCodes.Done : ExitCodes.Failed;
    }

    private static (bool Good, string Text) Readable(string path)
    {
        try
        {
            using SqliteJournalReader journal = SqliteJournalReader.Open(path);
            JournalPage newest = journal.Query(new JournalQuery { Limit = 1 });
            return (true, $"Store '{path}' has {Output.Size(new FileInfo(path).Length)} and can be read; it holds {newest.Total}{(newest.TotalIsAtLeast ? " or more" : "")} messages.");
        }
        catch (Exception e)
        {
            return (false, $"Store '{path}' cannot be read: {e.Message} Leave it as it is, and go back to a backup.");
        }
    }

    private static IEnumerable<(bool Good, string Text)> Files(string path, ConfigurationSnapshot settings)
    {
        if (!File.Exists(path))
        {
            yield return (true, $"Store '{path}' does not exist yet; 'postroom run' makes it.");
            yield break;
        }

        yield return Readable(path);
        if (!OperatingSystem.IsWindows())
        {
            UnixFileMode open = File.GetUnixFileMode(path) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite);
            yield return open == 0
                ? (true, "Only its owner can read it.")
                : (false, $"Others can read '{path}' (mode {Convert.ToString((int)File.GetUnixFileMode(path), 8)}). Run: chmod 600 {path}");
        }

        DriveInfo drive = new(Path.GetFullPath(path));
        long reserve = settings.Get<StoreOptions>("store").Reserve;
        yield return drive.AvailableFreeSpace > reserve
            ? (true, string.Create(CultureInfo.InvariantCulture, $"{Output.Size(drive.AvailableFreeSpace)} are free; the reserve is {Output.Size(reserve)}."))
            : (false, $"Only {Output.Size(drive.AvailableFreeSpace)} are free, less than store.reserve ({Output.Size(reserve)}): nothing new is accepted. Free some space.");
    }
}
