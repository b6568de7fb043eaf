using Microsoft.Extensions.Logging;

namespace Postroom.Redis;

/// <content>What it logs.</content>
internal sealed partial class RedisQueue
{
    private static partial class Log
    {
        [LoggerMessage(2920, LogLevel.Information, "Queue {Queue}: partition {Partition} is this node's in epoch {Epoch}; before it was with {Before}, which had {Begun} of its messages in work.")]
        public static partial void Taken(ILogger logger, string queue, int partition, long epoch, string before, int begun);

        [LoggerMessage(2923, LogLevel.Information, "Queue {Queue}: partition {Partition} is given up in epoch {Epoch}, because it falls to another node.")]
        public static partial void Left(ILogger logger, string queue, int partition, long epoch);

        [LoggerMessage(2921, LogLevel.Warning, "Queue {Queue} could not be read: {Problem}")]
        public static partial void ReadFailed(ILogger logger, string queue, string problem);

        [LoggerMessage(2922, LogLevel.Error, "Queue {Queue} has an entry that cannot be read and is not leased: {Problem}")]
        public static partial void Damaged(ILogger logger, string queue, string problem);
    }
}
