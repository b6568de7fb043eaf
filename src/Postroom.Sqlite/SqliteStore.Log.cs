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
    }
}
