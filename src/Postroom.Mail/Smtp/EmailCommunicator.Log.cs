using Microsoft.Extensions.Logging;

namespace Postroom.Mail;

public sealed partial class EmailCommunicator
{
    private static partial class Log
    {
        [LoggerMessage(6000, LogLevel.Warning, "Message {Id} has no recipient for communicator '{Communicator}': no direct address, {Reason}. Give it one, or set defaultRecipients.")]
        public static partial void NoRecipient(ILogger logger, MessageId id, string communicator, string reason);
    }
}
