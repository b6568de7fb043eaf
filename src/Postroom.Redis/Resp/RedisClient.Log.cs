using Microsoft.Extensions.Logging;

namespace Postroom.Redis;

/// <content>What it logs.</content>
internal sealed partial class RedisClient
{
    private static partial class Log
    {
        [LoggerMessage(2900, LogLevel.Information, "Connected to Redis {Server} as {Client} with RESP{Protocol}.")]
        public static partial void Connected(ILogger logger, RedisAddress server, string client, int protocol);

        [LoggerMessage(2901, LogLevel.Warning, "{Problem} Trying again in {Delay}.")]
        public static partial void Unreachable(ILogger logger, string problem, TimeSpan delay);

        [LoggerMessage(2902, LogLevel.Warning, "{Problem} Connecting again.")]
        public static partial void Lost(ILogger logger, string problem);
    }
}
