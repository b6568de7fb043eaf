using System.Globalization;
using Postroom.Configuration;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <summary>One thing that was looked at.</summary>
/// <param name="Good">False when somebody has to do something.</param>
/// <param name="Text">What was found and, unless it is good, what to do.</param>
internal sealed record Finding(bool Good, string Text);

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
            return Tell(arguments, [new Finding(true, $"The loss of {missing} messages is accepted and recorded. The next start goes on with what is there.")]);
        }

        if (backup is not null)
        {
            await SqliteMaintenance.BackupAsync(path, backup, cancellationToken);
            return Tell(arguments, [new Finding(true, $"Copied '{path}' to '{backup}' ({Output.Size(new FileInfo(backup).Length)}).")]);
        }

        return Tell(arguments, [new Finding(true, $"SQLite {SqliteStore.LibraryVersion}"), .. Files(path, settings)]);
    }

    private static int Tell(HostArguments arguments, IReadOnlyList<Finding> findings)
    {
        if (arguments.Json)
        {
            Output.Json(findings, HostJson.Default.IReadOnlyListFinding);
        }
        else
        {
            foreach (Finding finding in findings)
            {
                Console.WriteLine($"{(finding.Good ? "ok  " : "LOOK")} {finding.Text}");
            }
        }

        return findings.All(finding => finding.Good) ? ExitCodes.Done : ExitCodes.Failed;
    }

    private static Finding Readable(string path)
    {
        try
        {
            using SqliteJournalReader journal = SqliteJournalReader.Open(path);
            JournalPage newest = journal.Query(new JournalQuery { Limit = 1 });
            return new(true, $"Store '{path}' has {Output.Size(new FileInfo(path).Length)} and can be read; it holds {newest.Total}{(newest.TotalIsAtLeast ? " or more" : "")} messages.");
        }
        catch (Exception e)
        {
            return new(false, $"Store '{path}' cannot be read: {e.Message} Leave it as it is, and go back to a backup.");
        }
    }

    private static IEnumerable<Finding> Files(string path, ConfigurationSnapshot settings)
    {
        if (!File.Exists(path))
        {
            yield return new(true, $"Store '{path}' does not exist yet; 'postroom run' makes it.");
            yield break;
        }

        yield return Readable(path);
        if (!OperatingSystem.IsWindows())
        {
            UnixFileMode open = File.GetUnixFileMode(path) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite);
            yield return open == 0
                ? new Finding(true, "Only its owner can read it.")
                : new Finding(false, $"Others can read '{path}' (mode {Convert.ToString((int)File.GetUnixFileMode(path), 8)}). Run: chmod 600 {path}");
        }

        DriveInfo drive = new(Path.GetFullPath(path));
        long reserve = settings.Get<StoreOptions>("store").Reserve;
        yield return drive.AvailableFreeSpace > reserve
            ? new Finding(true, string.Create(CultureInfo.InvariantCulture, $"{Output.Size(drive.AvailableFreeSpace)} are free; the reserve is {Output.Size(reserve)}."))
            : new Finding(false, $"Only {Output.Size(drive.AvailableFreeSpace)} are free, less than store.reserve ({Output.Size(reserve)}): nothing new is accepted. Free some space.");
    }
}
