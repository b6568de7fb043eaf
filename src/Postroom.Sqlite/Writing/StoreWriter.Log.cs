using Microsoft.Extensions.Logging;

namespace Postroom.Sqlite;

/// <content>What it logs.</content>
internal sealed partial class StoreWriter
{
    private static partial class Log
    {
        [LoggerMessage(2101, LogLevel.Error, "The store's writer failed; the next batch is tried.")]
        public static partial void LoopFailed(ILogger logger, Exception failure);

        [LoggerMessage(2102, LogLevel.Warning, "The store could not be closed in order; the next start verifies it.")]
        public static partial void EndFailed(ILogger logger, Exception failure);

        [LoggerMessage(2103, LogLevel.Warning, "The mark file could not be written; a loss might not be found.")]
        public static partial void MarkFailed(ILogger logger, Exception failure);

        [LoggerMessage(2104, LogLevel.Error, "A commit failed; the store is opened again and looked at.")]
        public static partial void CommitFailed(ILogger logger, Exception failure);

        [LoggerMessage(2105, LogLevel.Warning, "The store refused a batch: {Reason}")]
        public static partial void Refused(ILogger logger, string reason);

        [LoggerMessage(2106, LogLevel.Warning, "A checkpoint failed; the WAL still holds everything.")]
        public static partial void CheckpointFailed(ILogger logger, Exception failure);

        [LoggerMessage(2107, LogLevel.Error, "A committed operation could not be applied in memory; its messages come back with the next start.")]
        public static partial void ApplyFailed(ILogger logger, Exception failure);
    }
}
