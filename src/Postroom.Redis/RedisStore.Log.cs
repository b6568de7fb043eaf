using Microsoft.Extensions.Logging;

namespace Postroom.Redis;

/// <content>What it logs.</content>
internal sealed partial class RedisStore
{
    private static partial class Log
    {
        [LoggerMessage(2930, LogLevel.Warning, "Queue {Queue}: partition {Partition} is another node's; what was in work here in epoch {Epoch} cannot be settled.")]
        public static partial void Lost(ILogger logger, string queue, int partition, long epoch);

        [LoggerMessage(2935, LogLevel.Critical, "{Loss}")]
        public static partial void LostData(ILogger logger, string loss);

        [LoggerMessage(2931, LogLevel.Warning, "Partitions could not be kept: {Problem}")]
        public static partial void BeatFailed(ILogger logger, string problem);

        [LoggerMessage(2932, LogLevel.Warning, "Queue {Queue}: message number {Seq} is stored, but was not read within a second; it comes when the reader is back.")]
        public static partial void ReadLate(ILogger logger, string queue, long seq);

        [LoggerMessage(2933, LogLevel.Critical, "{Why} The store refuses everything from now on.")]
        public static partial void Replaced(ILogger logger, string why);

        [LoggerMessage(2936, LogLevel.Warning, "What another node asked ({Kind}) of communicator '{Communicator}' was not answered: {Problem}")]
        public static partial void NotAnswered(ILogger logger, string kind, string communicator, string problem);

        [LoggerMessage(2934, LogLevel.Warning, "Message {Id} was in work on node {Node} (attempt {Attempt}, {Deaths} deaths) and is taken back.")]
        public static partial void TakenBack(ILogger logger, MessageId id, string node, int attempt, int deaths);
    }
}
