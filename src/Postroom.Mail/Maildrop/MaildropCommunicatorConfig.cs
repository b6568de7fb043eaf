using System.Diagnostics.CodeAnalysis;
using Postroom.Configuration;

namespace Postroom.Mail;

/// <summary>Settings of a communicator that writes mails into a folder instead of sending them. Bound from <c>communications.backends.{name}</c> with type <c>maildrop</c>. Immutable.</summary>
public sealed record MaildropCommunicatorConfig : CommunicatorBackendConfig
{
    /// <summary>The type as configuration names it.</summary>
    public const string Kind = "maildrop";

    /// <summary>Makes settings with defaults.</summary>
    [SetsRequiredMembers]
    public MaildropCommunicatorConfig() => Type = Kind;

    [SetsRequiredMembers]
    private MaildropCommunicatorConfig(CommunicatorBackendConfig common)
        : base(common)
    {
    }

    /// <summary>The folder; it is made when it is absent. Required; empty only where that was reported.</summary>
    public string Path { get; init; } = "";

    /// <summary>Who the mail is from: an address, or <c>Name &lt;address&gt;</c>. Required; empty only where that was reported.</summary>
    public string FromAddress { get; init; } = "";

    /// <summary>Who gets a message that names nobody. Empty unless set.</summary>
    public IReadOnlyList<string> DefaultRecipients { get; init; } = [];

    /// <summary>Reads the settings and reports everything wrong with them; the schema to register with the type.</summary>
    /// <param name="common">The settings all communicators have; they are copied.</param>
    /// <param name="reader">The settings of the communicator.</param>
    /// <returns>The settings; usable only when no error was reported.</returns>
    public static MaildropCommunicatorConfig Read(CommunicatorBackendConfig common, SectionReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        MaildropCommunicatorConfig config = new(common)
        {
            Path = reader.RequireText("path", "Say which folder the mails are written into."),
            FromAddress = reader.RequireText("fromAddress", $"Say who the mail is from. {Mailbox.Rule}"),
            DefaultRecipients = reader.ReadTexts("defaultRecipients"),
        };
        foreach ((string name, string text) in config.DefaultRecipients.Select(recipient => ("defaultRecipients", recipient)).Prepend(("fromAddress", config.FromAddress)))
        {
            if (text.Length > 0 && !Mailbox.TryParse(text, out _))
            {
                reader.AddError(name, $"{reader.Path}.{name} has '{Names.Shorten(text)}', which is no mail address. {Mailbox.Rule}");
            }
        }

        return config;
    }
}
