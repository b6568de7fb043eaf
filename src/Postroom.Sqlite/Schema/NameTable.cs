using System.Collections.Concurrent;

namespace Postroom.Sqlite;

/// <summary>The names of queues and types as integers, in memory. Read by every thread, grown by the writer.</summary>
internal sealed class NameTable
{
    public const int QueueKind = 0;
    public const int TypeKind = 1;

    private readonly ConcurrentDictionary<long, (int Kind, string Name)> _byId = new();
    private readonly ConcurrentDictionary<string, long>[] _byName = [new(StringComparer.Ordinal), new(StringComparer.Ordinal)];

    public long LastId { get; private set; }

    public string Queue(long id) => Name(id, QueueKind);

    public string Type(long id) => Name(id, TypeKind);

    public long? Find(int kind, string name) => _byName[kind].TryGetValue(name, out long id) ? id : null;

    public void Add(long id, int kind, string name)
    {
        _byId[id] = (kind, name);
        _byName[kind][name] = id;
        LastId = Math.Max(LastId, id);
    }

    public void Remove(long id)
    {
        if (_byId.TryRemove(id, out (int Kind, string Name) name))
        {
            _byName[name.Kind].TryRemove(name.Name, out _);
        }
    }

    /// <summary>Reads all names; a damaged one is an <see cref="InvalidDataException"/>.</summary>
    public void Load(SqliteConnection connection)
    {
        using SqliteStatement all = connection.Prepare("names", "select id, kind, name, crc from names");
        while (all.Step())
        {
            long id = all.GetInt64(0);
            int kind = (int)all.GetInt64(1);
            string name = all.GetText(2);
            if (Crc(id, kind, name) != all.GetInt64(3))
            {
                throw new InvalidDataException($"Name {id} of queues and types is damaged.");
            }

            Add(id, kind, name);
        }
    }

    public static long Crc(long id, int kind, string name)
    {
        RowChecksum sum = default;
        sum.Add(id);
        sum.Add((long)kind);
        sum.AddText(name);
        return sum.Value;
    }

    private string Name(long id, int kind) => _byId.TryGetValue(id, out (int Kind, string Name) found) && found.Kind == kind
        ? found.Name
        : throw new InvalidDataException($"Name {id} of a {(kind == QueueKind ? "queue" : "type")} is missing.");
}
