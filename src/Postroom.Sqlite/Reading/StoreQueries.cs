namespace Postroom.Sqlite;

/// <summary>The texts of the reads that must go through an index.</summary>
internal static class StoreQueries
{
    public const string ByOutsideId = "select m.id from messages m where m.outside_id = ?1 and m.outside_id is not null order by m.seq desc limit 1";

    public const string CountKey = """
        select count(*) from (select 1 from messages m where m.queue = ?1 and m.key_hash = ?2 and m.state < 2 and m.key_hash is not null limit ?3)
        """;

    /// <summary>The message that starts a key, whose id the key is; it is not in the index of keys.</summary>
    public const string CountKeyStart = "select count(*) from messages m where m.id = ?2 and m.queue = ?1 and m.state < 2 and m.key_hash is null";

    public const string Dispatched = $"select {MessageRow.WithBody} from messages m where m.state = 1";

    public const string Expired = $"""
        select {MessageRow.WithBody} from messages m where m.state = 0 and m.expires_at is not null and m.expires_at <= ?1 order by m.expires_at limit 1000
        """;

    public const string CountOpen = "select count(*) from messages m indexed by messages_open where m.state < 2";

    /// <summary>By which index a journal query is answered.</summary>
    public enum JournalPath
    {
        All,
        Conversation,
        Parent,
        Group,
        OutsideId,
        Failed,
        OpenOfQueue,
        Open,
    }

    public static JournalPath PathOf(JournalQuery query)
    {
        return query.Parent is not null ? JournalPath.Parent
            : query.Group is not null ? JournalPath.Group
            : query.OutsideId is not null ? JournalPath.OutsideId
            : query.Conversation is not null ? JournalPath.Conversation
            : query.States is [MessageState.Failed] || query.Kind is not null || query.Kinds.Count > 0 ? JournalPath.Failed
            : query.States.Count == 0 || query.States.Any(state => state is MessageState.Acked or MessageState.Failed) ? JournalPath.All
            : query.Queue is not null ? JournalPath.OpenOfQueue
            : JournalPath.Open;
    }

    public static string Journal(JournalPath path, bool ascending)
    {
        string order = ascending ? "order by m.seq" : "order by m.seq desc";
        string behind = ascending ? "m.seq > ?1" : "m.seq < ?1";
        string from = $"select {MessageRow.WithoutBody} from messages m where {behind}";
        return path switch
        {
            JournalPath.Conversation => $"""
                {from} and m.seq in (select c.seq from conversations c where c.conversation = ?2
                  union all select n.seq from messages n where n.seq > (select s.indexed_seq from store_state s) and n.conversation = ?2
                  union all select o.seq from messages o where o.id = ?3 and o.conversation is null) {order}
                """,
            JournalPath.Parent => $"{from} and m.parent = ?2 and m.parent is not null {order}",
            JournalPath.Group => $"{from} and m.group_id = ?2 and m.group_id is not null {order}",
            JournalPath.OutsideId => $"{from} and m.outside_id = ?2 and m.outside_id is not null {order}",
            JournalPath.Failed => $"{from} and m.state = 3 {order}",
            JournalPath.OpenOfQueue => $"{from} and m.queue = ?2 and m.state < 2 {order}",
            JournalPath.Open => $"select {MessageRow.WithoutBody} from messages m indexed by messages_open where {behind} and m.state < 2 {order}",
            _ => $"{from} {order}",
        };
    }
}
