using Microsoft.Extensions.Logging;

namespace Postroom.Sqlite;

/// <content>What it logs.</content>
public sealed partial class SqliteStore
{
    private static partial class Log
    {
        [LoggerMessage(2100, LogLevel.Information, "Store {Path} is open as run {Run}: SQLite {Version}, synchronous {Synchronous}.")]
        public static partial void Opened(ILogger logger, string path, long run, string version, StoreSynchronous synchronous);

        [LoggerMessage(2108, LogLevel.Warning, "More than {Most} dedup keys (retention.maxDedupKeys): the {Forgotten} oldest were forgotten; repeats are recognized for {Window} after their message has finished.")]
        public static partial void RepeatsCapped(ILogger logger, int most, long forgotten, TimeSpan window);

        [LoggerMessage(2110, LogLevel.Warning, "The store is near store.maxSize ({Most} bytes): {Removed} acknowledged messages were removed before retention.acked.")]
        public static partial void RemovedEarly(ILogger logger, long removed, long most);

        [LoggerMessage(2111, LogLevel.Warning, "Acknowledged messages could not be removed before their time to stay below store.maxSize; the next commit tries again.")]
        public static partial void EarlyFailed(ILogger logger, Exception failure);
    }
}
