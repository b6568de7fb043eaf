using Microsoft.Extensions.Logging;

namespace Postroom.Redis;

/// <content>What it logs.</content>
internal sealed partial class RedisQueue
{
    private static partial class Log
    {
        [LoggerMessage(2920, LogLevel.Information, "Queue {Queue}: this node has partitions {Partitions} now, before with {Before}; {Begun} of their messages were in work and are taken back.")]
        public static partial void Taken(ILogger logger, string queue, string partitions, string before, int begun);

        [LoggerMessage(2923, LogLevel.Information, "Queue {Queue}: partitions {Partitions} are given up, because they fall to another node.")]
        public static partial void Left(ILogger logger, string queue, string partitions);

        [LoggerMessage(2921, LogLevel.Warning, "Queue {Queue} could not be read: {Problem}")]
        public static partial void ReadFailed(ILogger logger, string queue, string problem);

        [LoggerMessage(2922, LogLevel.Error, "Queue {Queue} has an entry that cannot be read and is not leased: {Problem}")]
        public static partial void Damaged(ILogger logger, string queue, string problem);
    }
}
