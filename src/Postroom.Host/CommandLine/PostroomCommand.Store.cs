using System.CommandLine;
using Postroom.Configuration;
using Postroom.Hosting;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <content>The command that carries a store over into another one (ST-28).</content>
internal static partial class PostroomCommand
{
    private static Command StoreMoves()
    {
        Option<string> to = new("--to") { Description = "Where to: sqlite:FILE. Other kinds of stores are not part of this build.", HelpName = "URL", Required = true };
        Command move = new("move", "Carries everything that the store file holds over into another store. Example: postroom store move --to sqlite:new/postroom.db") { to };
        move.SetAction((result, token) => StoreMoveCommand.RunAsync(Arguments(result), result.GetValue(to)!, token));
        Refuse(move, "it works on the files of a store that no runtime has open", Url, KeyText);
        return new Command("store", "Works with the store as a whole.") { move };
    }
}

/// <summary><c>postroom store move</c>.</summary>
internal static class StoreMoveCommand
{
    private const string Scheme = "sqlite:";

    /// <summary>Moves; the source is only read until all of it is committed at the target, and has another name after that.</summary>
    public static async Task<int> RunAsync(HostArguments arguments, string to, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await ReadCommands.SettingsAsync(arguments, cancellationToken);
        string path = Path.GetFullPath(ReadCommands.StorePath(arguments, settings));
        string target = TargetOf(to);
        if (!File.Exists(path))
        {
            await Console.Error.WriteLineAsync($"There is no store file '{path}', so nothing is moved. A store of memory leaves nothing behind; name another file with --store.");
            return ExitCodes.Failed;
        }

        if (path == target)
        {
            await Console.Error.WriteLineAsync($"'{target}' is the store itself. Name another file with --to.");
            return ExitCodes.Usage;
        }

        PrivateFiles.CreateDirectory(Path.GetDirectoryName(target)!);
        using OwnerLock source = await TakeAsync(path, cancellationToken);
        if (!StoreInspection.Of(path, ColdConnection.Open).Clean)
        {
            throw new StoreOpenException(StoreOpenFailure.InUse, $"The last run of '{path}' did not end in order, and what it was doing is settled by the next start only. Start and stop it once, then move it.");
        }

        StoreMove moved = await MoveAsync(arguments, path, target, settings.Get<StoreOptions>("store").Synchronous, cancellationToken);
        string former = SetAside(path);
        if (!arguments.Quiet)
        {
            Console.WriteLine($"Moved {moved.Open} open and {moved.Finished} finished messages and {moved.Facts} facts to '{target}'{(moved.AlreadyThere > 0 ? $"; {moved.AlreadyThere} were there already" : "")}.");
            Console.WriteLine($"The former store is '{former}' now. Start with store.path={target}.");
        }

        return ExitCodes.Done;
    }

    private static string TargetOf(string to)
    {
        string file = to.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? to[Scheme.Length..] : to;
        if (file.StartsWith("//", StringComparison.Ordinal))
        {
            file = file[2..]; // sqlite:///data/new.db
        }

        return file.Length == 0 || file.Contains("://", StringComparison.Ordinal)
            ? throw new ArgumentException($"--to is '{Names.Shorten(to)}', and this build moves to files of SQLite only. Write sqlite:FILE, such as sqlite:new/postroom.db.")
            : Path.GetFullPath(file);
    }

    private static async Task<OwnerLock> TakeAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            return await OwnerLock.AcquireAsync(path, TimeSpan.FromMilliseconds(300), TimeProvider.System, cancellationToken);
        }
        catch (StoreInUseException e)
        {
            throw new StoreOpenException(StoreOpenFailure.InUse, $"{e.Message} A store is moved while no runtime has it open.", e);
        }
    }

    private static async Task<StoreMove> MoveAsync(HostArguments arguments, string path, string target, StoreSynchronous synchronous, CancellationToken cancellationToken)
    {
        RetentionOptions retention = new();
        await using SqliteStore store = new(new StoreOptions { Kind = "sqlite", Path = target, Synchronous = synchronous }, retention, new Redactor(), TimeProvider.System);
        _ = await store.OpenAsync(new StoreOpening { Node = "move" }, cancellationToken);
        using SqliteJournalReader reader = SqliteJournalReader.Open(path);
        long told = TimeProvider.System.GetTimestamp();
        Progress now = new(moved =>
        {
            if (!arguments.Quiet && TimeProvider.System.GetElapsedTime(told) > TimeSpan.FromSeconds(2))
            {
                told = TimeProvider.System.GetTimestamp();
                Console.Error.WriteLine($"{moved.Finished} finished and {moved.Open} open messages so far. Ctrl+C is fine: the same command goes on behind them.");
            }
        });
        ColdJournal journal = new(reader);
        StoreMove moved = await new StoreMover(journal, new ColdFacts(reader), store, TimeProvider.System).RunAsync(now, cancellationToken);
        await store.CloseAsync(cancellationToken);
        return moved;
    }

    /// <summary>Gives the files of the former store another name, so that nothing starts on them by mistake; nothing is deleted.</summary>
    private static string SetAside(string path)
    {
        string former = path + ".moved";
        for (int number = 2; File.Exists(former); number++)
        {
            former = $"{path}.moved{number}";
        }

        File.Move(path, former);
        foreach (string beside in new[] { WalScan.PathFor(path), $"{path}-shm", MarkFile.PathFor(path), InFlightTable.PathFor(path) }.Where(File.Exists))
        {
            File.Move(beside, former + beside[path.Length..]);
        }

        return former;
    }

    /// <summary>Told in order, on the mover's own thread.</summary>
    internal sealed class Progress(Action<StoreMove> told) : IProgress<StoreMove>
    {
        public void Report(StoreMove value) => told(value);
    }

    internal sealed class ColdFacts(SqliteJournalReader reader) : IFacts
    {
        public ValueTask<StoredFact?> GetAsync(string scope, string key, CancellationToken cancellationToken) => new(reader.Facts(scope).FirstOrDefault(fact => fact.Key == key));

        public ValueTask<IReadOnlyList<StoredFact>> ListAsync(string scope, CancellationToken cancellationToken) => new(reader.Facts(scope));
    }
}
