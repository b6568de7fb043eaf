using Microsoft.Extensions.Logging;

namespace Postroom.Mail;

public sealed partial class ImapSource
{
    private static partial class Log
    {
        [LoggerMessage(6100, LogLevel.Warning, "Source '{Source}': the mails of '{Mailbox}' have new numbers (UIDVALIDITY is now {UidValidity}). All unread ones are looked at again; those that are known make no second message.")]
        public static partial void NewValidity(ILogger logger, string source, string mailbox, uint uidValidity);

        [LoggerMessage(6101, LogLevel.Warning, "Source '{Source}': {Server} does not offer IDLE, so the mailbox is looked at every {Interval} instead. Set mode to polling or auto to be rid of this line.")]
        public static partial void NoIdle(ILogger logger, string source, string server, TimeSpan interval);
    }
}
