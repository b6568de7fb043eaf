using Microsoft.Extensions.Logging;

namespace Postroom.Redis;

/// <content>What it logs.</content>
internal sealed partial class RedisWriter
{
    private static partial class Log
    {
        [LoggerMessage(2910, LogLevel.Warning, "{Problem} A batch of {Count} operations was not written; their callers are told.")]
        public static partial void Failed(ILogger logger, string problem, int count);
    }
}
