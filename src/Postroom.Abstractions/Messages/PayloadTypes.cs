namespace Postroom;

/// <summary>The payload types the runtime itself uses.</summary>
public static class PayloadTypes
{
    /// <summary>A text from a chat; body <see cref="IncomingMessage"/>.</summary>
    public const string ChatText = "chat.text";

    /// <summary>A reaction to a message; body <see cref="IncomingMessage"/>.</summary>
    public const string ChatReaction = "chat.reaction";

    /// <summary>An edited message; body <see cref="IncomingMessage"/>.</summary>
    public const string ChatEdit = "chat.edit";

    /// <summary>A mail from a mailbox; body <see cref="MailMessage"/>.</summary>
    public const string MailReceived = "mail.received";

    /// <summary>A message on its way out; body <see cref="OutgoingMessage"/>.</summary>
    public const string Notify = "notify";

    /// <summary>Typing is shown or hidden; body <see cref="Signal"/>.</summary>
    public const string SignalTyping = "signal.typing";

    /// <summary>Presence changes; body <see cref="Signal"/>.</summary>
    public const string SignalPresence = "signal.presence";

    /// <summary>A reaction is set or taken away; body <see cref="Signal"/>.</summary>
    public const string SignalReaction = "signal.reaction";

    /// <summary>A call to a communicator.</summary>
    public const string RpcCall = "rpc.call";

    /// <summary>A later receipt of a delivery; body <see cref="DeliveryReceipt"/>.</summary>
    public const string ReceiptChanged = "receipt.changed";

    /// <summary>A completion action for a source; body <see cref="MarkRequest"/>.</summary>
    public const string SourceMark = "source.mark";

    /// <summary>A file from a drop folder; body <see cref="ReceivedFile"/>, the file is attached.</summary>
    public const string FileReceived = "file.received";

    private static readonly (string Word, string Type)[] WebhookWords =
    [
        ("chat", ChatText), ("ptt", "chat.voice"), ("vcard", "chat.contact"),
    ];

    /// <summary>The payload type of a webhook's <c>msg_type</c> word, or null when the word is refused.</summary>
    /// <remarks><c>chat</c>, <c>ptt</c> and <c>vcard</c> have names of their own; any other word of 1 to 32 characters of <c>a-z0-9-</c> becomes <c>chat.{word}</c>.</remarks>
    public static string? FromWebhookWord(string word)
    {
        foreach ((string known, string type) in WebhookWords)
        {
            if (string.Equals(known, word, StringComparison.Ordinal))
            {
                return type;
            }
        }

        if (word.Length is 0 or > 32)
        {
            return null;
        }

        foreach (char c in word)
        {
            if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '-')
            {
                return null;
            }
        }

        return $"chat.{word}";
    }

    /// <summary>The webhook word of a chat payload type; the inverse of <see cref="FromWebhookWord"/>.</summary>
    public static string ToWebhookWord(string type)
    {
        foreach ((string word, string known) in WebhookWords)
        {
            if (string.Equals(known, type, StringComparison.Ordinal))
            {
                return word;
            }
        }

        return type.StartsWith("chat.", StringComparison.Ordinal) ? type["chat.".Length..] : type;
    }
}
