using Microsoft.Extensions.Logging;

namespace Postroom.Mail;

public sealed partial class ImapSource
{
    private static partial class Log
    {
        [LoggerMessage(6100, LogLevel.Warning, "Source '{Source}': the mails of '{Mailbox}' have new numbers (UIDVALIDITY {UidValidity}, UIDNEXT {UidNext}). All unread ones are looked at again; those that are known make no second message.")]
        public static partial void NewNumbers(ILogger logger, string source, string mailbox, uint uidValidity, uint uidNext);

        [LoggerMessage(6101, LogLevel.Warning, "Source '{Source}': {Server} does not offer IDLE, so the mailbox is looked at every {Interval} instead. Set mode to polling or auto to be rid of this line.")]
        public static partial void NoIdle(ILogger logger, string source, string server, TimeSpan interval);

        [LoggerMessage(6102, LogLevel.Warning, "Source '{Source}': mails could not be marked; that is tried again: {Why}")]
        public static partial void Unmarked(ILogger logger, string source, string why);
    }
}
