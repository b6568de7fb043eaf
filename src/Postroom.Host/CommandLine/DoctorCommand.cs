using System.Globalization;
using Postroom.Configuration;
using Postroom.Mail;
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
        if (acceptLoss is null ? backup is not null && !File.Exists(path) : !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path))))
        {
            throw new NotReachableException($"There is no store '{path}'. Name the file with --store, or set store.path as the runtime has it.");
        }

        if (acceptLoss is { } missing)
        {
            SqliteMaintenance.AcceptLoss(path, missing);
            return Tell(arguments, [new Finding(true, $"The loss of {missing} messages is accepted and recorded. The next start goes on with what is there.")]);
        }

        if (backup is not null)
        {
            await SqliteMaintenance.BackupAsync(path, backup, cancellationToken);
            if (SqliteMaintenance.FindDamage(backup) is { Count: > 0 } damage)
            {
                return Tell(arguments, [new Finding(false, $"Copied '{path}' to '{backup}', and the copy is damaged as the store is: {damage[0]} Keep both, and go back to an older copy.")]);
            }

            return Tell(arguments, [new Finding(true, $"Copied '{path}' to '{backup}' ({Output.Size(new FileInfo(backup).Length)}).")]);
        }

        Finding[] findings =
        [
            new Finding(true, $"SQLite {SqliteStore.LibraryVersion}"),
            Writable(arguments.Store is null ? "store.path" : "--store", Path.GetDirectoryName(Path.GetFullPath(path))!),
            Writable("runtime.dataDirectory", Path.GetFullPath(settings.Get<RuntimeOptions>("runtime").DataDirectory)),
            .. Files(path, settings),
            .. DoctorLooks.AtPlace(path, settings),
            .. await DoctorLooks.AtRuntimeAsync(arguments, path, settings, cancellationToken),
            .. await DoctorConnections.LookAsync(arguments, path, cancellationToken),
        ];
        return Tell(arguments, findings);
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

    /// <summary>Whether a folder can be written or, where it does not exist, made. Leaves nothing behind.</summary>
    private static Finding Writable(string setting, string folder)
    {
        string there = FolderAccess.NearestOf(folder);
        try
        {
            FolderAccess.RequireWritable(folder, CancellationToken.None);
            return new(true, there == folder ? $"Folder '{folder}' of {setting} can be written." : $"Folder '{folder}' of {setting} does not exist yet and can be made.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            string why = File.Exists(there) ? $"'{there}' is a file" : $"user '{Environment.UserName}' may not write '{there}'";
            return new(false, $"Folder '{folder}' of {setting} cannot be {(there == folder ? "written" : "made")}: {why}. Give that user the right, or set {(setting == "--store" ? "store.path" : setting)} to another folder.");
        }
    }

    /// <summary>The bytes of a store, with what waits in its write-ahead log.</summary>
    private static long SizeOf(string path) =>
        new[] { path, WalScan.PathFor(path) }.Select(static file => new FileInfo(file)).Sum(static file => file.Exists ? file.Length : 0);

    private static Finding Readable(string path)
    {
        try
        {
            using SqliteJournalReader journal = SqliteJournalReader.Open(path);
            if (SqliteMaintenance.FindDamage(path) is { Count: > 0 } damage)
            {
                return new(false, $"Store '{path}' is damaged: {damage[0]} Keep its files as they are, and go back to a backup. 'postroom journal list --store FILE' reads what is still readable.");
            }

            JournalPage newest = journal.Query(new JournalQuery { Limit = 1 });
            return new(true, $"Store '{path}' has {Output.Size(SizeOf(path))} and can be read; it holds {newest.Total}{(newest.TotalIsAtLeast ? " or more" : "")} message{(newest.Total == 1 ? "" : "s")}.");
        }
        catch (StoreOpenException e)
        {
            return new(false, e.Message); // It says what to do.
        }
        catch (Exception e)
        {
            return new(false, $"Store '{path}' cannot be read: {e.Message} Leave it as it is, and go back to a backup.");
        }
    }

    /// <summary>What the start says of accepted messages that are missing; null when none are, or when the store cannot be read anyway.</summary>
    private static Finding? Loss(string path, ConfigurationSnapshot settings)
    {
        try
        {
            return SqliteMaintenance.FindLoss(path, settings.Get<StoreOptions>("store").Synchronous) is { } loss ? new Finding(false, loss.Message) : null;
        }
        catch (Exception e) when (e is StoreOpenException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static IEnumerable<Finding> Files(string path, ConfigurationSnapshot settings)
    {
        Finding? loss = Loss(path, settings);
        if (!File.Exists(path))
        {
            yield return loss ?? new(true, $"Store '{path}' does not exist yet; 'postroom run' makes it.");
            yield break;
        }

        Finding readable = Readable(path);
        yield return readable;
        if (loss is not null && loss != readable)
        {
            yield return loss;
        }

        DriveInfo drive = new(Path.GetFullPath(path));
        long reserve = settings.Get<StoreOptions>("store").Reserve;
        yield return drive.AvailableFreeSpace > reserve
            ? new Finding(true, string.Create(CultureInfo.InvariantCulture, $"{Output.Size(drive.AvailableFreeSpace)} are free; the reserve is {Output.Size(reserve)}."))
            : new Finding(false, $"Only {Output.Size(drive.AvailableFreeSpace)} are free, less than store.reserve ({Output.Size(reserve)}): nothing new is accepted. Free some space.");
    }
}
