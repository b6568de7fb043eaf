using Postroom.Configuration;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <summary>The store file of an earlier start with another kind of store (ST-28).</summary>
internal static class FormerStore
{
    /// <summary>Refuses a start that would leave open messages behind in a file that it does not open.</summary>
    /// <exception cref="StoreOpenException">There are some; the message says where, how many, and what to do.</exception>
    public static void Check(ConfigurationSnapshot settings)
    {
        StoreOptions store = settings.Get<StoreOptions>("store");
        if (store.Kind is not ("memory" or "redis"))
        {
            return; // sqlite opens the file, and a store of a module may
        }

        string[] places = [store.Path, Path.Combine(settings.Get<RuntimeOptions>("runtime").DataDirectory, Path.GetFileName(new StoreOptions().Path))];
        foreach (string path in places.Select(Path.GetFullPath).Distinct(StringComparer.Ordinal))
        {
            if (CountOpen(path) is > 0 and { } open)
            {
                throw new StoreOpenException(
                    StoreOpenFailure.InUse,
                    $"store.kind is '{store.Kind}', but the store file '{path}' of an earlier start holds {open} open {(open == 1 ? "message" : "messages")}, which nothing would handle. "
                    + "Start with store.kind=sqlite until they are done, or carry them over with 'postroom store move --to URL'. To leave them there, move the file away.");
            }
        }
    }

    /// <summary>How many messages of a store file are open; zero where there is none, and for one that another process has open or that cannot be read.</summary>
    private static long CountOpen(string path)
    {
        if (!File.Exists(path) || OwnerLock.IsHeld(path))
        {
            return 0;
        }

        try
        {
            using SqliteJournalReader reader = SqliteJournalReader.Open(path);
            return reader.Query(new JournalQuery { States = [MessageState.Pending, MessageState.Dispatched], Limit = 1 }).Total;
        }
        catch (Exception e) when (e is StoreOpenException or SqliteException or InvalidDataException or IOException or UnauthorizedAccessException)
        {
            return 0; // 'postroom doctor' tells what is wrong with it.
        }
    }
}
