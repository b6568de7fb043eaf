using Postroom.Benchmarks.Harness;
using Postroom.Sqlite;

namespace Postroom.Benchmarks.Runtime;

/// <summary>Fills a store with messages and closes it in order, so that runs can begin with a copy of its files.</summary>
internal static class StoreFiller
{
    /// <summary>The store's file in its folder.</summary>
    public const string FileName = "postroom.db";

    private const int Batch = 1_000;

    /// <summary>A copy of a store with so many orders.</summary>
    /// <param name="workspace">Where it is made.</param>
    /// <param name="messages">How many.</param>
    /// <param name="held">Whether they are not due within the run.</param>
    public static Task<Folder> OrdersAsync(Workspace workspace, int messages, bool held = false)
    {
        return workspace.CopyOfAsync($"orders {messages} {held}", folder => FillAsync(folder, messages, number => Make(number, held)));
    }

    /// <summary>Appends messages to a new store in a folder.</summary>
    public static async Task FillAsync(Folder folder, int messages, Func<int, Envelope> make)
    {
        StoreOptions options = new() { Path = folder.File(FileName), Synchronous = StoreSynchronous.Normal };
        await using SqliteStore store = new(options, new RetentionOptions(), new Redactor(), TimeProvider.System);
        await store.OpenAsync(new StoreOpening { Node = "filler" }, CancellationToken.None);
        for (int first = 0; first < messages; first += Batch)
        {
            Envelope[] batch = [.. Enumerable.Range(first, Math.Min(Batch, messages - first)).Select(make)];
            await store.AppendAsync(batch, checkpoint: null, CancellationToken.None);
        }

        await store.CloseAsync(CancellationToken.None);
    }

    private static Envelope Make(int number, bool held) => new(MessageId.New(), OrderModule.Queue, Order.Type, Order.Encode(OrderMaker.Default.Make(number)))
    {
        Conversation = MessageId.New().ToString(),
        NotBefore = held ? TimeProvider.System.GetUtcNow().AddDays(1) : null,
    };
}
