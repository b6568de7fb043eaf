using Microsoft.Extensions.Logging;

namespace Postroom.Mail;

public sealed partial class EmailCommunicator
{
    private static partial class Log
    {
        [LoggerMessage(6000, LogLevel.Warning, "Message {Id} has no recipient for communicator '{Communicator}': no direct address, {Reason}. Give it one, or set defaultRecipients.")]
        public static partial void NoRecipient(ILogger logger, MessageId id, string communicator, string reason);

        [LoggerMessage(6001, LogLevel.Warning, "Replies of '{Communicator}' to '{Address}' are held: {Most} went there within an hour, so two programs may be answering each other. Discard what is held, or raise repliesPerHour.", EventName = "replies.held")]
        public static partial void RepliesHeld(ILogger logger, string communicator, string address, int most);
    }
}
