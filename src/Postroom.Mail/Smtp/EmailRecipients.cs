using System.Text.Json;

namespace Postroom.Mail;

/// <summary>Finds who gets a message by mail (EM-3).</summary>
/// <param name="To">Who it is for; empty when nobody was found.</param>
/// <param name="Cc">Who gets a copy that all see.</param>
/// <param name="Bcc">Who gets a copy that nobody sees.</param>
internal sealed record EmailRecipients(IReadOnlyList<Mailbox> To, IReadOnlyList<Mailbox> Cc, IReadOnlyList<Mailbox> Bcc)
{
    private const string RecipientsKey = "recipients";
    private const string CcKey = "cc";
    private const string BccKey = "bcc";

    /// <summary>Everyone, each address once, in order.</summary>
    public IReadOnlyList<Mailbox> All { get; } = [.. To.Concat(Cc).Concat(Bcc).DistinctBy(mailbox => mailbox.Address, StringComparer.OrdinalIgnoreCase)];

    /// <summary>Finds them: the direct address; else the metadata's, also when its list is empty; else the settings'.</summary>
    /// <param name="message">The message.</param>
    /// <param name="direct">Its direct address; null for none.</param>
    /// <param name="defaults">The settings' recipients.</param>
    /// <exception cref="FormatException">An address is none, or a list is neither list nor text.</exception>
    public static EmailRecipients Of(OutgoingMessage message, Address? direct, IReadOnlyList<Mailbox> defaults)
    {
        IReadOnlyList<Mailbox> to = direct is { Kind: AddressKind.Recipient } ? [Mailbox.Parse(Message.RecipientOf(direct))]
            : message.Metadata.TryGetValue(RecipientsKey, out JsonElement given) ? Read(RecipientsKey, given)
            : defaults;
        return new EmailRecipients(to, Read(message, CcKey), Read(message, BccKey));
    }

    private static IReadOnlyList<Mailbox> Read(OutgoingMessage message, string key) => message.Metadata.TryGetValue(key, out JsonElement value) ? Read(key, value) : [];

    private static IReadOnlyList<Mailbox> Read(string key, JsonElement value)
    {
        return value.ValueKind switch
        {
            JsonValueKind.Null => [],
            JsonValueKind.String => Mailbox.ParseList(value.GetString()!),
            JsonValueKind.Array => [.. value.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.String ? Mailbox.Parse(item.GetString()!) : throw Unfit(key))],
            _ => throw Unfit(key),
        };
    }

    private static FormatException Unfit(string key) => new($"metadata.{key} is neither a list of addresses nor one text with commas.");
}
