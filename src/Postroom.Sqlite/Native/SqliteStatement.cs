using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;

namespace Postroom.Sqlite;

/// <summary>One compiled statement, used many times.</summary>
/// <remarks>
/// Used on the thread of its connection. Parameters count from 1 and columns from 0, as in SQLite. Bound values are copied and
/// stay bound until bound again. Neither binding nor stepping allocates.
/// </remarks>
internal sealed unsafe class SqliteStatement : IDisposable
{
    private const int TypeNull = 5;
    private const int StackBytes = 768;

    // SQLITE_TRANSIENT: SQLite copies before it returns, so nothing has to stay pinned.
    private const nint Copied = -1;

    private readonly SqliteConnection _connection;
    private readonly SqliteLibrary _library;
    private nint _handle;

    internal SqliteStatement(SqliteConnection connection, nint handle, string name)
    {
        _connection = connection;
        _library = connection.Library;
        _handle = handle;
        Name = name;
    }

    /// <summary>What an error calls it.</summary>
    public string Name { get; }

    /// <summary>Binds an integer.</summary>
    public void Bind(int parameter, long value) => Check(_library.BindInt64(_handle, parameter, value));

    /// <summary>Binds a number.</summary>
    public void Bind(int parameter, double value) => Check(_library.BindDouble(_handle, parameter, value));

    /// <summary>Binds an integer, or NULL for null.</summary>
    public void Bind(int parameter, long? value)
    {
        if (value is { } number)
        {
            Bind(parameter, number);
        }
        else
        {
            BindNull(parameter);
        }
    }

    /// <summary>Binds NULL.</summary>
    public void BindNull(int parameter) => Check(_library.BindNull(_handle, parameter));

    /// <summary>Binds text, or NULL for null.</summary>
    public void BindText(int parameter, string? value)
    {
        if (value is null)
        {
            BindNull(parameter);
        }
        else
        {
            BindText(parameter, value.AsSpan());
        }
    }

    /// <summary>Binds text; an empty span is the empty text.</summary>
    public void BindText(int parameter, ReadOnlySpan<char> value)
    {
        int most = Encoding.UTF8.GetMaxByteCount(value.Length);
        if (most <= StackBytes)
        {
            Span<byte> utf8 = stackalloc byte[StackBytes];
            BindUtf8(parameter, utf8[..Encoding.UTF8.GetBytes(value, utf8)]);
            return;
        }

        byte[] rented = ArrayPool<byte>.Shared.Rent(most);
        try
        {
            BindUtf8(parameter, rented.AsSpan(0, Encoding.UTF8.GetBytes(value, rented)));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>Binds text that is UTF-8 already; an empty span is the empty text.</summary>
    public void BindUtf8(int parameter, ReadOnlySpan<byte> value)
    {
        byte none = 0;
        fixed (byte* bytes = value)
        {
            // SQLite reads a null pointer as NULL, and the address of an empty span is one.
            Check(_library.BindText(_handle, parameter, bytes == null ? &none : bytes, value.Length, Copied));
        }
    }

    /// <summary>Binds the 16 bytes of an id.</summary>
    public void BindId(int parameter, MessageId id)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.WriteBytes(bytes);
        BindBlob(parameter, bytes);
    }

    /// <summary>Binds bytes; an empty span is the empty blob.</summary>
    public void BindBlob(int parameter, ReadOnlySpan<byte> value)
    {
        byte none = 0;
        fixed (byte* bytes = value)
        {
            Check(_library.BindBlob(_handle, parameter, bytes == null ? &none : bytes, value.Length, Copied));
        }
    }

    /// <summary>Moves to the next row.</summary>
    /// <returns>False at the end; the statement is then reset already and can be bound and stepped again.</returns>
    /// <exception cref="SqliteException">It failed; the statement is reset. A transaction may have been rolled back.</exception>
    public bool Step()
    {
        _connection.NoteInterrupts();
        int code = _library.Step(_handle);
        if (code == SqliteCode.Row)
        {
            return true;
        }

        if (code == SqliteCode.Done)
        {
            _ = _library.Reset(_handle);
            return false;
        }

        // The reset may replace the text of the error.
        SqliteException failure = _connection.Failure(Name);
        _ = _library.Reset(_handle);
        throw failure;
    }

    /// <summary>Runs to the end, dropping rows.</summary>
    /// <returns>The rows changed, when it inserts, updates or deletes.</returns>
    /// <exception cref="SqliteException">As for <see cref="Step"/>.</exception>
    public int Run()
    {
        while (Step())
        {
        }

        return _connection.Changes;
    }

    /// <summary>Ends the current run before its last row; an error of that run was reported already.</summary>
    public void Reset() => _ = _library.Reset(_handle);

    /// <summary>Whether the column of the current row is NULL.</summary>
    public bool IsNull(int column) => _library.ColumnType(_handle, column) == TypeNull;

    /// <summary>The column as an integer; NULL is 0.</summary>
    public long GetInt64(int column) => _library.ColumnInt64(_handle, column);

    /// <summary>The column as an integer; a value beyond 32 bits is an error.</summary>
    /// <exception cref="OverflowException">The value needs more than 32 bits.</exception>
    public int GetInt32(int column) => checked((int)_library.ColumnInt64(_handle, column));

    /// <summary>The column as an integer, or null for NULL.</summary>
    public long? GetOptionalInt64(int column) => IsNull(column) ? null : GetInt64(column);

    /// <summary>The column as a number; NULL is 0.</summary>
    public double GetDouble(int column) => _library.ColumnDouble(_handle, column);

    /// <summary>The column as text; NULL is the empty text.</summary>
    public string GetText(int column) => Encoding.UTF8.GetString(GetUtf8(column));

    /// <summary>The column as text, or null for NULL.</summary>
    public string? GetOptionalText(int column) => IsNull(column) ? null : GetText(column);

    /// <summary>The column's UTF-8; valid until the next step or reset.</summary>
    public ReadOnlySpan<byte> GetUtf8(int column)
    {
        byte* bytes = _library.ColumnText(_handle, column);
        return new ReadOnlySpan<byte>(bytes, _library.ColumnBytes(_handle, column));
    }

    /// <summary>The column's bytes; valid until the next step or reset. NULL is empty.</summary>
    public ReadOnlySpan<byte> GetBlob(int column)
    {
        byte* bytes = _library.ColumnBlob(_handle, column);
        return new ReadOnlySpan<byte>(bytes, _library.ColumnBytes(_handle, column));
    }

    /// <summary>Frees the statement.</summary>
    public void Dispose()
    {
        if (_handle == 0)
        {
            return;
        }

        _ = _library.FinalizeStatement(_handle);
        _handle = 0;
        _connection.Forget(this);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Check(int code)
    {
        if (code != SqliteCode.Ok)
        {
            throw _connection.Failure(Name);
        }
    }
}
