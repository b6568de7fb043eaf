using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;

namespace MailOrderBot.Services;

/// <summary>The file that holds catalogue, orders and stock. One transaction that writes at a time, which is on disk when it returns; who only reads waits for none of them.</summary>
/// <remarks>One process owns the file while it runs; others may read it. Safe for concurrent use.</remarks>
internal sealed class ShopDatabase : IDisposable
{
    private const int SchemaVersion = 1;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly SemaphoreSlim _readTurn = new(1, 1);
    private readonly SqliteConnection _connection;
    private readonly SqliteConnection _reading;

    static ShopDatabase()
    {
        // The bundled library sleeps whole seconds on Linux (docs/decisions/0001): the system's is taken where there is one.
        nint library = 0;
        bool system = OperatingSystem.IsLinux() && NativeLibrary.TryLoad("libsqlite3.so.0", out library);
        NativeLibrary.SetDllImportResolver(typeof(SQLitePCL.SQLite3Provider_e_sqlite3).Assembly, (name, _, _) => system && name == "e_sqlite3" ? library : 0);
        SQLitePCL.Batteries_V2.Init();
    }

    private ShopDatabase(SqliteConnection connection, SqliteConnection reading, string path) => (_connection, _reading, Path) = (connection, reading, path);

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Called at named points of the work; tests end the process there. Null for nobody.</summary>
    public Action<string>? Passing { get; init; }

    /// <summary>Opens the file, and makes it with its tables when it is absent.</summary>
    /// <param name="path">The file; its folder is made too.</param>
    /// <param name="passing">See <see cref="Passing"/>.</param>
    /// <exception cref="InvalidOperationException">The file is none of this program, is of a later version, or cannot be used.</exception>
    public static ShopDatabase Open(string path, Action<string>? passing = null)
    {
        SqliteConnection? connection = null;
        try
        {
            string full = System.IO.Path.GetFullPath(path);
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(full)!);
            if (!File.Exists(full) && !OperatingSystem.IsWindows())
            {
                // Orders hold names and addresses: nobody else reads them.
                using FileStream made = new(full, new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
            }

            connection = Connect(full, SqliteOpenMode.ReadWriteCreate);
            Execute(connection, "pragma journal_mode = wal; pragma synchronous = full;");
            Migrate(connection, path);
            return new ShopDatabase(connection, Connect(full, SqliteOpenMode.ReadOnly), path) { Passing = passing };
        }
        catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException)
        {
            connection?.Dispose();
            throw new InvalidOperationException($"The shop's database '{path}' cannot be used: {e.Message.TrimEnd('.')}. Check the folder and its rights, or set mailOrder.database.", e);
        }
        catch
        {
            connection?.Dispose();
            throw;
        }
    }

    /// <summary>Runs work in one transaction, which is on disk when this returns; an exception takes everything back.</summary>
    public async Task<T> WriteAsync<T>(Func<ShopTransaction, T> work, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            T result = work(new ShopTransaction(_connection, transaction));
            Passing?.Invoke("before commit");
            transaction.Commit();
            Passing?.Invoke("after commit");
            return result;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Reads what is on disk at one moment; nothing that writes waits for it, nor it for that.</summary>
    public async Task<T> ReadAsync<T>(Func<ShopTransaction, T> work, CancellationToken cancellationToken)
    {
        await _readTurn.WaitAsync(cancellationToken);
        try
        {
            using SqliteTransaction transaction = _reading.BeginTransaction(deferred: true);
            return work(new ShopTransaction(_reading, transaction));
        }
        finally
        {
            _readTurn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _reading.Dispose();
        _connection.Dispose();
        _turn.Dispose();
        _readTurn.Dispose();
    }

    private static SqliteConnection Connect(string path, SqliteOpenMode mode)
    {
        SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, ForeignKeys = true, Pooling = false, DefaultTimeout = 5 }.ToString());
        connection.Open();
        return connection;
    }

    private static void Migrate(SqliteConnection connection, string path)
    {
        using SqliteTransaction transaction = connection.BeginTransaction();
        long version = (long)Scalar(connection, transaction, "pragma user_version")!;
        if (version > SchemaVersion)
        {
            throw new InvalidOperationException($"The shop's database '{path}' has version {version}; this program knows {SchemaVersion}. Use the program that wrote it.");
        }

        if (version == 0)
        {
            if ((long)Scalar(connection, transaction, "select count(*) from sqlite_master")! > 0)
            {
                throw new InvalidOperationException($"The file '{path}' is a database of another program. Set mailOrder.database to a file of its own.");
            }

            Execute(connection, Schema, transaction);
        }

        Execute(connection, Cancelling, transaction);
        transaction.Commit();
    }

    private static void Execute(SqliteConnection connection, string sql, SqliteTransaction? transaction = null)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.Transaction = transaction;
#pragma warning disable CA2100 // Constant text of this class.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.ExecuteNonQuery();
    }

    private static object? Scalar(SqliteConnection connection, SqliteTransaction transaction, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.Transaction = transaction;
#pragma warning disable CA2100 // Constant text of this class.
        command.CommandText = sql;
#pragma warning restore CA2100
        return command.ExecuteScalar();
    }

    // An order that somebody cancels by hand gives its stock back; one that the bot cancels has given it back before.
    private const string Cancelling = """
        create trigger if not exists order_cancelled after update of status on orders when new.status = 'cancelled' and old.status <> 'cancelled'
        begin
          update products set stock = stock - (select sum(delta) from stock_moves where order_id = new.id and stock_moves.sku = products.sku)
            where sku in (select sku from stock_moves where order_id = new.id);
          insert into stock_moves(sku, order_id, delta, at)
            select sku, order_id, -sum(delta), strftime('%Y-%m-%dT%H:%M:%fZ', 'now') from stock_moves where order_id = new.id group by sku having sum(delta) <> 0;
        end;
        """;

    // Checks repeat the rules of the domain, so that a mistake stops at the door.
    private const string Schema = """
        create table products(sku text primary key collate nocase, name text not null, aliases text not null, unit text not null,
          price_minor integer not null check(price_minor >= 0), currency text not null, tax_bp integer not null check(tax_bp between 0 and 10000),
          pack_size integer not null check(pack_size >= 1), stock integer not null check(stock >= 0), active integer not null check(active in (0, 1)));
        create table loads(what text primary key, print text not null);
        create table customers(email text primary key, name text not null, blocked integer not null default 0 check(blocked in (0, 1)));
        create table orders(id integer primary key, number text not null unique, message_id text not null unique, conversation text not null,
          customer_email text not null, reference text, ship_to text, note text,
          status text not null check(status in ('confirmed', 'clarification', 'cancelled', 'needs-person')),
          currency text not null, net_minor integer not null, tax_minor integer not null, gross_minor integer not null check(gross_minor = net_minor + tax_minor),
          created_at text not null, updated_at text not null);
        create index orders_by_conversation on orders(conversation, id);
        create table order_lines(order_id integer not null references orders(id), line_no integer not null, raw text not null, sku text, quantity integer,
          unit_price_minor integer, net_minor integer not null, tax_minor integer not null, problem text, primary key(order_id, line_no)) without rowid;
        create table stock_moves(sku text not null, order_id integer not null references orders(id), delta integer not null check(delta <> 0), at text not null);
        create index stock_moves_by_order on stock_moves(order_id);
        create table mails(message_id text primary key, order_id integer references orders(id), direction text not null check(direction in ('in', 'out')),
          outcome text not null, sender text not null, at text not null, answer text);
        create index mails_by_order on mails(order_id, direction, outcome);
        create index mails_by_sender on mails(sender, at);
        pragma user_version = 1;
        """;
}
