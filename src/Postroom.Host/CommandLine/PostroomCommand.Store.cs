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
        Option<string> to = new("--to") { Description = "Where to: sqlite:FILE, or redis://HOST:PORT with the other settings of redis.* as they are configured.", HelpName = "URL", Required = true };
        Command move = new("move", "Carries everything that the configured store holds over into another store. Examples: postroom store move --to redis://localhost:6379, postroom store move --to sqlite:new/postroom.db") { to };
        move.SetAction((result, token) => StoreMoveCommand.RunAsync(Arguments(result), result.GetValue(to)!, token));
        Refuse(move, "it works on a store that no runtime has open", Url, KeyText);
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
        if (arguments.Store is null && settings.Get<StoreOptions>("store").Kind == "redis")
        {
            return await FromRedisAsync(arguments, to, settings, cancellationToken);
        }

        string path = Path.GetFullPath(ReadCommands.StorePath(arguments, settings));
        if (RedisPreview.IsOn && RedisStorePlace.Is(to))
        {
            return await ToRedisAsync(arguments, path, to, cancellationToken);
        }

        string target = TargetOf(to);
        if (!await ExistsAsync(path))
        {
            return ExitCodes.Failed;
        }

        if (path == target)
        {
            await Console.Error.WriteLineAsync($"'{target}' is the store itself. Name another file with --to.");
            return ExitCodes.Usage;
        }

        PrivateFiles.CreateDirectory(Path.GetDirectoryName(target)!);
        using OwnerLock source = await TakeAsync(path, cancellationToken);
        StoreMove moved = await MoveAsync(arguments, path, target, settings.Get<StoreOptions>("store").Synchronous, cancellationToken);
        string former = SetAside(path);
        Tell(arguments, moved, target, $"The former store is '{former}' now. Start with store.path={target}.");
        return ExitCodes.Done;
    }

    /// <summary>Moves a store file to a Redis server.</summary>
    private static async Task<int> ToRedisAsync(HostArguments arguments, string path, string to, CancellationToken cancellationToken)
    {
        if (!await ExistsAsync(path))
        {
            return ExitCodes.Failed;
        }

        using OwnerLock source = await TakeAsync(path, cancellationToken);
        RedisOptions options = await DoctorRedis.ReadAsync(arguments, cancellationToken) with { Url = new Secret(to) };
        StoreMove moved;
        string where;
        await using (RedisStorePlace target = await RedisStorePlace.OpenAsync(options, cancellationToken))
        {
            using SqliteJournalReader reader = SqliteJournalReader.Open(path);
            moved = await target.FillAsync(new ColdJournal(reader), new ColdFacts(reader), Told(arguments), cancellationToken);
            where = target.Text;
        }

        string former = SetAside(path);
        Tell(arguments, moved, where, $"The former store is '{former}' now. Start with store.kind=redis.");
        return ExitCodes.Done;
    }

    /// <summary>Moves the store of a Redis server to a file.</summary>
    private static async Task<int> FromRedisAsync(HostArguments arguments, string to, ConfigurationSnapshot settings, CancellationToken cancellationToken)
    {
        string target = RedisStorePlace.Is(to)
            ? throw new ArgumentException("--to is a Redis server, and so is the configured store. Write sqlite:FILE; from one Redis server to another, its own replication copies everything.")
            : TargetOf(to);
        await using RedisStorePlace source = await RedisStorePlace.OpenAsync(await DoctorRedis.ReadAsync(arguments, cancellationToken), cancellationToken);
        PrivateFiles.CreateDirectory(Path.GetDirectoryName(target)!);
        RetentionOptions retention = new();
        StoreOptions options = new() { Kind = "sqlite", Path = target, Synchronous = settings.Get<StoreOptions>("store").Synchronous };
        await using SqliteStore store = new(options, retention, new Redactor(), TimeProvider.System);
        _ = await store.OpenAsync(new StoreOpening { Node = "move" }, cancellationToken);
        StoreMove moved = await new StoreMover(source.Store, source.Store.Facts, store, TimeProvider.System).RunAsync(Told(arguments), cancellationToken);
        await store.CloseAsync(cancellationToken);
        await source.SetAsideAsync($"sqlite:{target}", cancellationToken);
        Tell(arguments, moved, target, $"The store at {source.Text} is marked as moved and does not start any more; nothing of it was deleted. Start with store.kind=sqlite and store.path={target}.");
        return ExitCodes.Done;
    }

    private static void Tell(HostArguments arguments, StoreMove moved, string where, string next)
    {
        if (!arguments.Quiet)
        {
            Console.WriteLine($"Moved {moved.Open} open and {moved.Finished} finished messages and {moved.Facts} facts to '{where}'{(moved.AlreadyThere > 0 ? $"; {moved.AlreadyThere} were there already" : "")}.");
            Console.WriteLine(next);
        }
    }

    private static async Task<bool> ExistsAsync(string path)
    {
        if (!File.Exists(path))
        {
            await Console.Error.WriteLineAsync($"There is no store file '{path}', so nothing is moved. A store of memory leaves nothing behind; name another file with --store.");
            return false;
        }

        return true;
    }

    private static string TargetOf(string to)
    {
        string file = to.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? to[Scheme.Length..] : to;
        if (file.StartsWith("//", StringComparison.Ordinal))
        {
            file = file[2..]; // sqlite:///data/new.db
        }

        return file.Length == 0 || file.Contains("://", StringComparison.Ordinal)
            ? throw new ArgumentException($"--to is '{Names.Shorten(to)}', which is neither a file of SQLite nor a Redis server. Write sqlite:FILE, such as sqlite:new/postroom.db, or redis://HOST:PORT.")
            : Path.GetFullPath(file);
    }

    private static async Task<OwnerLock> TakeAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            OwnerLock taken = await OwnerLock.AcquireAsync(path, TimeSpan.FromMilliseconds(300), TimeProvider.System, cancellationToken);
            if (StoreInspection.Of(path, ColdConnection.Open).Clean)
            {
                return taken;
            }

            taken.Dispose();
            throw new StoreOpenException(StoreOpenFailure.InUse, $"The last run of '{path}' did not end in order, and what it was doing is settled by the next start only. Start and stop it once, then move it.");
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
        ColdJournal journal = new(reader);
        StoreMove moved = await new StoreMover(journal, new ColdFacts(reader), store, TimeProvider.System).RunAsync(Told(arguments), cancellationToken);
        await store.CloseAsync(cancellationToken);
        return moved;
    }

    private static Progress Told(HostArguments arguments)
    {
        long told = TimeProvider.System.GetTimestamp();
        return new Progress(moved =>
        {
            if (!arguments.Quiet && TimeProvider.System.GetElapsedTime(told) > TimeSpan.FromSeconds(2))
            {
                told = TimeProvider.System.GetTimestamp();
                Console.Error.WriteLine($"{moved.Finished} finished and {moved.Open} open messages so far. Ctrl+C is fine: the same command goes on behind them.");
            }
        });
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
