using Postroom.Storage;

namespace Postroom.Sqlite;

/// <summary>The tables of the store, and the way from older versions to this one.</summary>
internal static class StoreSchema
{
    /// <summary>The version this build writes.</summary>
    public const int Version = 1;

    private const string Name = "schema";

    // The columns that statistics and retention read come first: a row's body may fill overflow pages that they then never touch.
    private const string Tables = """
        create table schema_version(version integer not null);
        create table store_state(one integer primary key check(one = 1), commit_no integer not null, appended integer not null, last_seq integer not null,
          run integer not null, clean integer not null, indexed_seq integer not null, schema_crc integer not null);
        create table names(id integer primary key, kind integer not null check(kind in (0, 1)), name text not null, crc integer not null, unique(kind, name));
        create table messages(seq integer primary key, id blob not null check(length(id) = 16), queue integer not null, type integer not null,
          state integer not null check(state between 0 and 3), key_hash integer, created_at integer not null,
          attempt integer not null, failures integer not null, deaths integer not null, fence integer not null,
          not_before integer, hold integer not null check(hold in (0, 1)), expires_at integer, finished_at integer, failure_kind integer,
          body_crc integer not null, row_crc integer not null, outside_id text, parent blob, group_id blob, conversation text,
          track blob, error text, extra blob, body_hash blob, body blob,
          check((state >= 2) = (finished_at is not null)), check((state = 3) = (failure_kind is not null)), check(hold = 0 or not_before is not null));
        create table bodies(no integer primary key, hash blob not null unique, size integer not null, refs integer not null, data blob not null);
        create table attempts(message integer not null, attempt integer not null, fence integer not null, started_at integer, ended_at integer,
          outcome text not null, kind integer, error text, owner text, crc integer not null, primary key(message, attempt, fence)) without rowid;
        create table dedup(queue integer not null, key_hash blob not null, message blob not null, body_hash blob not null, expires_at integer,
          crc integer not null, primary key(queue, key_hash)) without rowid;
        create table totals(queue integer not null, type integer not null, state integer not null, n integer not null, crc integer not null,
          primary key(queue, type, state)) without rowid;
        create table facts(scope text not null, key text not null, value blob not null, expires_at integer, updated_at integer not null,
          crc integer not null, primary key(scope, key)) without rowid;
        create table notes(no integer primary key, kind integer not null, at integer not null, message blob, data blob not null, crc integer not null);
        create table conversations(conversation text not null, seq integer not null, primary key(conversation, seq)) without rowid;
        create unique index messages_id on messages(id);
        create index messages_open on messages(queue, seq) where state < 2;
        create index messages_key on messages(queue, key_hash, seq) where state < 2 and key_hash is not null;
        create index messages_due on messages(queue, not_before) where state = 0 and not_before is not null;
        create index messages_expiry on messages(expires_at) where state = 0 and expires_at is not null;
        create index messages_dispatched on messages(seq) where state = 1;
        create index messages_failed on messages(seq) where state = 3;
        create index messages_parent on messages(parent) where parent is not null;
        create index messages_group on messages(group_id) where group_id is not null;
        create index messages_outside on messages(outside_id) where outside_id is not null;
        create index dedup_expiry on dedup(expires_at) where expires_at is not null;
        create index facts_expiry on facts(expires_at) where expires_at is not null;
        create index notes_message on notes(message) where message is not null;
        create index notes_at on notes(kind, at);
        """;

    /// <summary>Sets what every connection needs.</summary>
    public static void Configure(SqliteConnection connection, StoreSynchronous synchronous)
    {
        connection.Execute(Name, synchronous == StoreSynchronous.Full ? "pragma synchronous=full" : "pragma synchronous=normal");
        connection.Execute(Name, "pragma foreign_keys=on; pragma temp_store=memory; pragma mmap_size=0; pragma cache_size=-32768;");
    }

    /// <summary>Makes the tables in an empty file.</summary>
    public static void Create(SqliteConnection connection)
    {
        connection.Execute(Name, "pragma auto_vacuum=incremental; pragma journal_mode=wal;");
        connection.Execute(Name, "begin immediate");
        connection.Execute(Name, Tables);
        connection.Execute(Name, "insert into schema_version values(1)");
        Stamp(connection, "insert into store_state values(1, 0, 0, 0, 0, 1, 0, ?1)");
        connection.Execute(Name, "commit");
    }

    /// <summary>The version of a file; 0 for one without tables.</summary>
    public static int VersionOf(SqliteConnection connection)
    {
        using SqliteStatement tables = connection.Prepare(Name, "select count(*), sum(name = 'schema_version') from sqlite_master");
        _ = tables.Step();
        long all = tables.GetInt64(0);
        bool versioned = tables.GetInt64(1) > 0;
        tables.Reset();
        if (!versioned)
        {
            return all == 0 ? 0 : throw Foreign(connection);
        }

        using SqliteStatement version = connection.Prepare(Name, "select version from schema_version");
        int found = version.Step() ? version.GetInt32(0) : throw Foreign(connection);
        version.Reset();
        return found;
    }

    /// <summary>Brings an older file forward, each version in one transaction, after a copy <c>{file}.v{n}.bak</c>. Ended anywhere, it goes on at the next start.</summary>
    public static void Migrate(SqliteConnection connection, int from, SchemaPlan plan)
    {
        if (from == plan.Version)
        {
            return;
        }

        Keep(connection, $"{connection.Path}.v{from}.bak", plan);
        for (int version = from; version < plan.Version; version++)
        {
            SchemaStep step = plan.Steps.FirstOrDefault(step => step.From == version) ?? throw new StoreOpenException(
                StoreOpenFailure.Damaged,
                $"'{connection.Path}' has schema version {version}, from which no way leads to version {plan.Version}. Restore '{connection.Path}.v{from}.bak' with the program that wrote it.");
            Take(connection, step, plan);
        }
    }

    private static void Take(SqliteConnection connection, SchemaStep step, SchemaPlan plan)
    {
        connection.Execute(Name, "begin immediate");
        try
        {
            connection.Execute(Name, step.Sql);
            plan.Reached?.Invoke($"{step.From} changed");
            using (SqliteStatement version = connection.Prepare(Name, "update schema_version set version = ?1"))
            {
                version.Bind(1, step.From + 1L);
                _ = version.Run();
            }

            Stamp(connection, "update store_state set schema_crc = ?1 where one = 1");
            plan.Reached?.Invoke($"{step.From} stamped");
            connection.Execute(Name, "commit");
        }
        catch
        {
            if (connection.InTransaction)
            {
                connection.Execute(Name, "rollback");
            }

            throw;
        }

        plan.Reached?.Invoke($"{step.From} committed");
    }

    /// <summary>Copies the file under a name that only a complete copy gets.</summary>
    private static void Keep(SqliteConnection connection, string copy, SchemaPlan plan)
    {
        if (File.Exists(copy))
        {
            return;
        }

        string incomplete = $"{copy}.tmp";
        File.Delete(incomplete); // of a start that was ended
        using (SqliteBackup backup = SqliteBackup.Begin(connection, incomplete))
        {
            plan.Reached?.Invoke("copying");
            while (backup.Step(1_024))
            {
            }
        }

        plan.Reached?.Invoke("copied");
        File.Move(incomplete, copy);
        plan.Reached?.Invoke("kept");
    }

    /// <summary>Refuses a file whose table definitions are not the ones that were written into it.</summary>
    public static void CheckDefinitions(SqliteConnection connection)
    {
        using SqliteStatement stored = connection.Prepare(Name, "select schema_crc from store_state where one = 1");
        bool same = stored.Step() && stored.GetInt64(0) == DefinitionsCrc(connection);
        stored.Reset();
        if (!same)
        {
            throw new StoreOpenException(StoreOpenFailure.Damaged, $"The table definitions of '{connection.Path}' are damaged. Keep its files as they are and restore a backup. 'postroom journal list --store FILE' reads what is still readable.");
        }
    }

    private static void Stamp(SqliteConnection connection, string sql)
    {
        long crc = DefinitionsCrc(connection);
        using SqliteStatement stamp = connection.Prepare(Name, sql);
        stamp.Bind(1, crc);
        _ = stamp.Run();
    }

    private static long DefinitionsCrc(SqliteConnection connection)
    {
        uint crc = 0;
        using SqliteStatement all = connection.Prepare(Name, "select name || ifnull(sql, '') || type || tbl_name from sqlite_master order by name");
        while (all.Step())
        {
            crc = Crc32C.Append(crc, all.GetUtf8(0));
        }

        return crc;
    }

    private static StoreOpenException Foreign(SqliteConnection connection) => new(
        StoreOpenFailure.Damaged, $"'{connection.Path}' is a SQLite file but not a store of Postroom. Set store.path to another file.");
}

/// <summary>One step from a schema version to the next.</summary>
/// <param name="From">The version it starts at.</param>
/// <param name="Sql">Constant statements.</param>
internal sealed record SchemaStep(int From, string Sql);

/// <summary>The version a build writes and the steps that lead to it.</summary>
/// <param name="Version">The version.</param>
/// <param name="Steps">One for each version before it.</param>
internal sealed record SchemaPlan(int Version, IReadOnlyList<SchemaStep> Steps)
{
    /// <summary>This build's: there has been no other version.</summary>
    public static SchemaPlan Current { get; } = new(StoreSchema.Version, []);

    /// <summary>Called at each point between two effects; for tests that end it there.</summary>
    public Action<string>? Reached { get; init; }
}
