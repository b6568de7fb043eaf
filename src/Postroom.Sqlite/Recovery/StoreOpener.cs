namespace Postroom.Sqlite;

/// <summary>An opened store file, with what was found on the way.</summary>
internal sealed record OpenedStore(WriteSession Session, MarkFile Mark, bool PreviousRunClean, bool IsNew, List<string> Notices);

/// <summary>Opens a store file for its one writer: looks at it first, refuses what is lost or damaged, then creates or migrates.</summary>
internal static class StoreOpener
{
    /// <summary>Files up to this size are verified as a whole before they are ready, after an unclean end.</summary>
    private const long WholeCheckBytes = 16L << 20;

    /// <summary>Opens the file; its owner lock is held by the caller.</summary>
    /// <exception cref="StoreOpenException">It is damaged, newer, lost messages, or cannot be written.</exception>
    public static OpenedStore Open(StoreOptions options, RetentionOptions retention, TimeProvider clock, SchemaPlan? plan = null)
    {
        plan ??= SchemaPlan.Current;
        List<string> notices = [];
        StoreInspection found = StoreInspection.Of(options.Path, newest: plan.Version);
        MarkFile mark = MarkFile.Open(options.Path);
        SqliteConnection? connection = null;
        try
        {
            CheckLoss(options, found, mark, notices);
            if (!found.Exists)
            {
                PrivateFiles.CreateUnlessExists(options.Path);
            }

            connection = Connect(options);
            if (!found.Exists)
            {
                StoreSchema.Create(connection);
            }
            else
            {
                StoreSchema.Migrate(connection, found.Version, plan);
                if (!found.Clean && options.Check != StoreCheck.Never && new FileInfo(options.Path).Length <= WholeCheckBytes)
                {
                    CheckWhole(connection);
                }
            }

            connection.Execute("run", "update store_state set run = run + 1, clean = 0");
            NameTable names = new();
            names.Load(connection);
            Totals totals = new();
            totals.Load(connection);
            var session = new WriteSession(connection, names, totals, retention, clock);
            Mark first = new(session.Run, session.Committed.CommitNo, session.Committed.Appended);
            mark.Write(first);
            mark.Write(first);
            return new OpenedStore(session, mark, !found.Exists || found.Clean, !found.Exists, notices);
        }
        catch (Exception failure)
        {
            connection?.Dispose();
            mark.Dispose();
            throw failure switch
            {
                StoreOpenException => failure,
                InvalidDataException => StoreInspection.Damaged(options.Path, failure.Message, failure),
                SqliteException { IsDamaged: true } => StoreInspection.Damaged(options.Path, failure.Message, failure),
                SqliteException or IOException or UnauthorizedAccessException => StoreInspection.NotWritable(options.Path, failure),
                _ => failure,
            };
        }
    }

    /// <summary>A connection that writes, as every one of the store's is set up.</summary>
    public static SqliteConnection Connect(StoreOptions options)
    {
        SqliteConnection connection = SqliteConnection.Open(options.Path, SqliteAccess.ReadWrite);
        try
        {
            StoreSchema.Configure(connection, options.Synchronous);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static void CheckLoss(StoreOptions options, StoreInspection found, MarkFile mark, List<string> notices)
    {
        if (mark.State == MarkFileState.Unreadable)
        {
            notices.Add($"Both slots of '{MarkFile.PathFor(options.Path)}' were unreadable and are rewritten; a loss before this start could not be found by them.");
        }

        if (mark.State == MarkFileState.New && found is { Exists: true, Appended: > 0 })
        {
            notices.Add($"'{MarkFile.PathFor(options.Path)}' was missing and is made anew; a loss before this start could not be found by it.");
        }

        if (found.LossBy(options.Path, mark.Newest) is not { } loss)
        {
            return;
        }

        if (found.MayLose(options.Synchronous))
        {
            notices.Add($"{loss.Text} With store.synchronous normal the last commits may be lost when the machine fails.");
            return;
        }

        throw StoreInspection.Loss(loss.Text, loss.Missing);
    }

    private static void CheckWhole(SqliteConnection connection)
    {
        using SqliteStatement check = connection.Prepare("integrity", "pragma integrity_check(10)");
        List<string> found = [];
        while (check.Step())
        {
            found.Add(check.GetText(0));
        }

        if (found is not ["ok"])
        {
            throw new InvalidDataException(string.Join("; ", found));
        }
    }
}
