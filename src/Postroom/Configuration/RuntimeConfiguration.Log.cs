using Microsoft.Extensions.Logging;

namespace Postroom.Configuration;

public sealed partial class RuntimeConfiguration
{
    /// <summary>Event ids 100 to 199 belong to the configuration.</summary>
    private static partial class Log
    {
        [LoggerMessage(100, LogLevel.Information, "Configuration version {Version} is in force; {Changes} settings changed")]
        public static partial void Published(ILogger logger, long version, int changes);

        [LoggerMessage(101, LogLevel.Warning, "The new configuration is refused and the former one stays; problems ({Count}): {Problems}")]
        public static partial void Rejected(ILogger logger, int count, string problems);

        [LoggerMessage(102, LogLevel.Error, "A subscriber of configuration section {Section} failed")]
        public static partial void SubscriberFailed(ILogger logger, string section, Exception exception);

        [LoggerMessage(103, LogLevel.Error, "Watching the configuration layer {Layer} ended; changes of it need a reload on request")]
        public static partial void WatchFailed(ILogger logger, string layer, Exception exception);
    }
}
