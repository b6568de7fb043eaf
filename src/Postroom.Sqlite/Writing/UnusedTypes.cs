namespace Postroom.Sqlite;

/// <summary>Which types have no message in any queue. Their names come from outside and would pile up (EN-4).</summary>
internal static class UnusedTypes
{
    /// <summary>The numbers of the types without a message, counting what the transaction brings.</summary>
    public static List<long> Find(WriteSession session)
    {
        HashSet<long> used = session.Totals.UsedTypes();
        List<long> unused = [];
        SqliteStatement all = session.Statement("all types", "select id from names where kind = 1");
        while (all.Step())
        {
            long type = all.GetInt64(0);
            if (!used.Contains(type) && !session.IsNewName(type))
            {
                unused.Add(type);
            }
        }

        return unused;
    }
}

/// <summary>Removes names and counts of types that have had no message for a while.</summary>
/// <param name="names">The names in memory; they go once the removal is stored.</param>
/// <param name="totals">The counts in memory, likewise.</param>
/// <param name="candidates">At most <see cref="Most"/> types that had none when the last compaction ended; those that have one by now stay.</param>
internal sealed class ForgetTypesOperation(NameTable names, Totals totals, IReadOnlyList<long> candidates) : StoreOperation<int>
{
    /// <summary>Types of one batch: its transaction holds writers back for a few milliseconds.</summary>
    public const int Most = 1_000;

    private HashSet<long> _forgotten = [];

    public override void Run(WriteSession session)
    {
        _forgotten = [.. UnusedTypes.Find(session)];
        _forgotten.IntersectWith(candidates);
        SqliteStatement count = session.Statement("forget count", "delete from totals where queue = ?1 and type = ?2 and state = ?3");
        foreach ((long queue, long type, int state) in session.Totals.CountsOf(_forgotten))
        {
            count.Bind(1, queue);
            count.Bind(2, type);
            count.Bind(3, (long)state);
            _ = count.Run();
        }

        foreach (long type in _forgotten)
        {
            session.DropTypeName(type);
        }
    }

    public override void Complete()
    {
        totals.Forget(_forgotten);
        foreach (long type in _forgotten)
        {
            // The name may have come back meanwhile, in the same transaction, under another number.
            string name = names.Type(type);
            long? now = names.Find(NameTable.TypeKind, name);
            names.Remove(type);
            if (now is { } other && other != type)
            {
                names.Add(other, NameTable.TypeKind, name);
            }
        }

        SetAnswer(_forgotten.Count);
    }
}
