using Postroom.Benchmarks.Runtime;
using Postroom.Sqlite;

namespace Postroom.Benchmarks.Raw;

/// <summary>Finishes the waiting rows of a store's file with nothing around it: reads some, decodes them, writes that they are done, commits.</summary>
internal static class RawDrain
{
    private const string Waiting = """
        select seq, body from messages where queue = (select queue from messages limit 1) and state < 2 and seq > ?1 order by seq limit ?2
        """;

    private const string FinishOne = """
        update messages set state = 2, attempt = 1, fence = ?2, finished_at = ?3, row_crc = ?4 where seq = ?1 and state < 2 and fence <= ?2
        """;

    /// <summary>Finishes all that waits.</summary>
    /// <param name="file">A file that a store has filled and closed.</param>
    /// <param name="batch">Rows of one commit.</param>
    /// <param name="opened">Called when the file is open.</param>
    /// <returns>How many rows were finished, in how many commits.</returns>
    public static (long Rows, long Commits) Run(string file, int batch, Action opened)
    {
        using SqliteConnection connection = SqliteConnection.Open(file, SqliteAccess.ReadWrite);
        StoreSchema.Configure(connection, StoreSynchronous.Full);
        using SqliteStatement begin = connection.Prepare("begin", "begin immediate");
        using SqliteStatement commit = connection.Prepare("commit", "commit");
        using SqliteStatement waiting = connection.Prepare("waiting", Waiting);
        using SqliteStatement finish = connection.Prepare("finish", FinishOne);
        opened();
        Counter counter = new();
        List<long> read = new(batch);
        long last = 0;
        long commits = 0;
        do
        {
            read.Clear();
            _ = begin.Run();
            waiting.Bind(1, last);
            waiting.Bind(2, (long)batch);
            while (waiting.Step())
            {
                read.Add(waiting.GetInt64(0));
                counter.Count(Order.Decode(waiting.GetBlob(1)));
            }

            foreach (long seq in read)
            {
                Finish(finish, seq);
                last = seq;
            }

            _ = commit.Run();
            commits++;
            if (connection.WalFrames >= RawWriter.CheckpointFrames)
            {
                _ = connection.Checkpoint(SqliteCheckpoint.Passive);
            }
        }
        while (read.Count == batch);
        return (counter.Handled, commits);
    }

    private static void Finish(SqliteStatement finish, long seq)
    {
        finish.Bind(1, seq);
        finish.Bind(2, (1L << 32) + seq);
        finish.Bind(3, TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
        finish.Bind(4, 0xFEEDL + seq);
        _ = finish.Run();
    }
}
