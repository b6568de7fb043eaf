namespace Postroom.Sqlite;

/// <summary>Facts, read by the readers.</summary>
internal sealed class StoreFacts(Func<ReaderPool> readers, TimeProvider clock) : IFacts
{
    private const string Columns = "select key, value, expires_at, updated_at, crc from facts where scope = ?1";

    public ValueTask<StoredFact?> GetAsync(string scope, string key, CancellationToken cancellationToken)
    {
        return readers().ReadAsync(
            session =>
            {
                SqliteStatement one = session.Statement($"{Columns} and key = ?2");
                one.BindText(2, key);
                return Read(one, scope).FirstOrDefault();
            },
            cancellationToken);
    }

    public ValueTask<IReadOnlyList<StoredFact>> ListAsync(string scope, CancellationToken cancellationToken)
    {
        return readers().ReadAsync<IReadOnlyList<StoredFact>>(session => Read(session.Statement($"{Columns} order by key"), scope), cancellationToken);
    }

    public ValueTask<IReadOnlyList<StoredFact>> ListLastAsync(string scope, string prefix, string? before, int limit, CancellationToken cancellationToken)
    {
        return readers().ReadAsync<IReadOnlyList<StoredFact>>(
            session =>
            {
                SqliteStatement last = session.Statement($"{Columns} and key >= ?2 and key < ?3 order by key desc limit ?4");
                last.BindText(2, prefix);
                last.BindText(3, before ?? $"{prefix[..^1]}{(char)(prefix[^1] + 1)}");
                last.Bind(4, limit);
                return Read(last, scope);
            },
            cancellationToken);
    }

    /// <summary>The keys that are held, for the start.</summary>
    public static List<StoredFact> Halted(SqliteConnection connection, TimeProvider clock) => List(connection, FactScopes.Halt, clock);

    /// <summary>The facts of a scope, by one connection.</summary>
    public static List<StoredFact> List(SqliteConnection connection, string scope, TimeProvider clock)
    {
        using SqliteStatement all = connection.Prepare("facts", Columns);
        return new StoreFacts(null!, clock).Read(all, scope);
    }

    private List<StoredFact> Read(SqliteStatement rows, string scope)
    {
        List<StoredFact> facts = [];
        rows.BindText(1, scope);
        try
        {
            while (rows.Step())
            {
                string key = rows.GetText(0);
                byte[] value = rows.GetBlob(1).ToArray();
                long? expiresAt = rows.GetOptionalInt64(2);
                long updatedAt = rows.GetInt64(3);
                if (RowSums.Fact(scope, key, value, expiresAt, updatedAt) != rows.GetInt64(4))
                {
                    throw new InvalidDataException($"Fact '{key}' of '{scope}' is damaged.");
                }

                DateTimeOffset? end = expiresAt is { } instant ? DateTimeOffset.FromUnixTimeMilliseconds(instant) : null;
                if (end is null || end > clock.GetUtcNow())
                {
                    facts.Add(new StoredFact(scope, key, value, end, DateTimeOffset.FromUnixTimeMilliseconds(updatedAt)));
                }
            }
        }
        finally
        {
            rows.Reset();
        }

        return facts;
    }
}
