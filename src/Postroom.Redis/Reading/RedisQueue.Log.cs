using Microsoft.Extensions.Logging;

namespace Postroom.Redis;

/// <content>What it logs.</content>
internal sealed partial class RedisQueue
{
    private static partial class Log
    {
        [LoggerMessage(2920, LogLevel.Information, "Queue {Queue}: partition {Partition} is this node's in epoch {Epoch}, with {Open} open messages.")]
        public static partial void Taken(ILogger logger, string queue, int partition, long epoch, int open);

        [LoggerMessage(2921, LogLevel.Warning, "Queue {Queue} could not be read: {Problem}")]
        public static partial void ReadFailed(ILogger logger, string queue, string problem);

        [LoggerMessage(2922, LogLevel.Error, "Queue {Queue} has an entry that cannot be read and is not leased: {Problem}")]
        public static partial void Damaged(ILogger logger, string queue, string problem);
    }
}
