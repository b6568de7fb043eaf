using System.Diagnostics.CodeAnalysis;
using Postroom.Configuration;

namespace Postroom.Chat;

/// <summary>The settings of a WhatsApp communicator (WA-1). Bound from <c>communications.backends.{name}</c> of type <c>whatsapp</c>. Immutable.</summary>
public sealed record WhatsAppCommunicatorConfig : CommunicatorBackendConfig
{
    /// <summary>The type as configuration names it.</summary>
    public const string Kind = "whatsapp";

    /// <summary>Where a bridge is looked for unless set.</summary>
    public const string DefaultBridgeUrl = "http://localhost:3001";

    /// <summary>Meta's Graph API with its version, unless set.</summary>
    public const string DefaultGraphUrl = "https://graph.facebook.com/v24.0";

    /// <summary>What a number may send in a second unless Meta raised it. Source: https://developers.facebook.com/docs/whatsapp/cloud-api/overview#throughput</summary>
    public const int DefaultMessagesPerSecond = 80;

    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);

    /// <summary>Settings with every default, except those that must be set.</summary>
    public WhatsAppCommunicatorConfig()
    {
    }

    [SetsRequiredMembers]
    private WhatsAppCommunicatorConfig(CommunicatorBackendConfig common)
        : base(common)
    {
    }

    /// <summary>How WhatsApp is reached. <see cref="WhatsAppClientKind.Web"/> unless set.</summary>
    public WhatsAppClientKind Client { get; init; }

    /// <summary>Phone numbers by label, at least 5 digits each; the entry <c>default</c> serves every other label. None unless set.</summary>
    public IReadOnlyDictionary<string, string> Chats { get; init; } = new Dictionary<string, string>();

    /// <summary>Where the bridge is; web only. <see cref="DefaultBridgeUrl"/> unless set.</summary>
    public string BridgeUrl { get; init; } = DefaultBridgeUrl;

    /// <summary>The bearer token that the bridge asks for; web only. Null, the default, sends none.</summary>
    public Secret? BridgeToken { get; init; }

    /// <summary>The access token of the Graph API; required for the Cloud API.</summary>
    public Secret? AccessToken { get; init; }

    /// <summary>Meta's id of the sending phone number, digits; required for the Cloud API.</summary>
    public string PhoneNumberId { get; init; } = "";

    /// <summary>The secret of Meta's app, which signs webhooks; required for the Cloud API. Without it every post is answered with 503.</summary>
    public Secret? AppSecret { get; init; }

    /// <summary>The word that Meta shows when it verifies the webhook's address; required for the Cloud API. Without it every verification is answered with 403.</summary>
    public Secret? VerifyToken { get; init; }

    /// <summary>Where the Graph API is, version included. <see cref="DefaultGraphUrl"/> unless set.</summary>
    public string GraphUrl { get; init; } = DefaultGraphUrl;

    /// <summary>How long one request may take. 100 ms to 5 minutes; null, the default, is 30 seconds for the bridge and 15 for the Cloud API.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>
    /// How many messages the number may send in a second; Cloud API only. 1 to 1,000, <see cref="DefaultMessagesPerSecond"/> unless set: Meta raises it for some numbers, and
    /// shows it as their throughput.
    /// </summary>
    public int MessagesPerSecond { get; init; } = DefaultMessagesPerSecond;

    /// <summary>What is sent instead of a message more than 24 hours after the contact's last one (WA-7); null, the default, refuses it.</summary>
    public WhatsAppTemplate? FallbackTemplate { get; init; }

    /// <summary>The time-out that holds.</summary>
    internal TimeSpan RequestTimeout => Timeout ?? TimeSpan.FromSeconds(Client == WhatsAppClientKind.Web ? 30 : 15);

    /// <summary>Reads the settings; every problem is reported through the reader. A <see cref="BackendSchema"/>.</summary>
    /// <param name="common">The settings all communicators have.</param>
    /// <param name="reader">The settings of the communicator.</param>
    /// <remarks>
    /// A send of uncertain end is asked about for 10 minutes with the Cloud API, where callbacks are repeated late after downtime, and sent again with the bridge,
    /// unless <c>uncertain</c> and <c>askTimeout</c> say otherwise (LN-8, WA-5).
    /// </remarks>
    public static WhatsAppCommunicatorConfig Read(CommunicatorBackendConfig common, SectionReader reader)
    {
        WhatsAppCommunicatorConfig config = new(common)
        {
            Client = reader.ReadChoice("client", WhatsAppClientKind.Web),
            Chats = ReadChats(reader.ReadSection("chats")),
            BridgeUrl = ReadUrl(reader, "bridgeUrl", DefaultBridgeUrl),
            BridgeToken = ReadToken(reader, "bridgeToken"),
            AccessToken = ReadToken(reader, "accessToken"),
            PhoneNumberId = reader.ReadText("phoneNumberId", "")!.Trim(),
            AppSecret = reader.ReadSecrets("appSecret"),
            VerifyToken = reader.ReadSecret("verifyToken"),
            GraphUrl = ReadUrl(reader, "graphUrl", DefaultGraphUrl),
            Timeout = reader.ReadOptionalDuration("timeout", null, Shortest, Longest),
            MessagesPerSecond = reader.ReadCount("messagesPerSecond", DefaultMessagesPerSecond, 1, 1_000),
            FallbackTemplate = ReadTemplate(reader.ReadSection("fallbackTemplate")),
        };
        if (config.Client == WhatsAppClientKind.Web)
        {
            return config with { Uncertain = common.Uncertain ?? UncertainPolicy.Retry };
        }

        RequireCloudSettings(reader, config);
        return config with { Uncertain = common.Uncertain ?? UncertainPolicy.Ask, AskTimeout = common.AskTimeout ?? TimeSpan.FromMinutes(10) };
    }

    private static void RequireCloudSettings(SectionReader reader, WhatsAppCommunicatorConfig config)
    {
        (string Name, bool Missing, string Remedy)[] required =
        [
            ("accessToken", config.AccessToken is null, "It is the token of a system user with the permission whatsapp_business_messaging"),
            ("phoneNumberId", config.PhoneNumberId.Length == 0, "It is shown beside the number in Meta's app dashboard under WhatsApp, API setup"),
            ("appSecret", config.AppSecret is null, "It is in Meta's app dashboard under App settings, Basic; webhooks are signed with it"),
            ("verifyToken", config.VerifyToken is null, "It is a word of your own that you also write in Meta's app dashboard beside the webhook's address"),
        ];
        foreach ((string name, bool missing, string remedy) in required)
        {
            if (missing)
            {
                reader.AddError(name, $"{reader.Path}.{name} is missing, which client business_api needs. {remedy}; or set client to web.");
            }
        }

        if (config.PhoneNumberId.Length > 32 || !config.PhoneNumberId.All(char.IsAsciiDigit))
        {
            reader.AddError("phoneNumberId", $"{reader.Path}.phoneNumberId is '{Names.Shorten(config.PhoneNumberId)}'; it must be 1 to 32 digits. It is Meta's id of the number, not the number itself.");
        }
    }

    private static IReadOnlyDictionary<string, string> ReadChats(SectionReader reader)
    {
        return reader.ReadNamed(null, (label, chat) =>
        {
            string number = chat.RequireText("number", "Write the phone number with its country code, such as '+49 170 1234567'.");
            if (number.Length > 0 && !PhoneNumber.TryParse(number, out _))
            {
                chat.AddError("number", $"{chat.Path}.number is '{Names.Shorten(number)}', which is no phone number. Write at least {PhoneNumber.MinDigits} digits with the country code, such as '+49 170 1234567'.");
            }

            return number;
        });
    }

    private static WhatsAppTemplate? ReadTemplate(SectionReader reader)
    {
        if (reader.IsEmpty)
        {
            // Asked for all the same, so that the names are known.
            reader.ReadText("name");
            reader.ReadText("language", "en_US");
            return null;
        }

        WhatsAppTemplate template = new(reader.RequireText("name", "Write the name of a template that Meta has approved."), reader.ReadText("language", "en_US")!);
        if (template.Name.Length > 0 && !CloudLimits.IsTemplateName(template.Name))
        {
            reader.AddError("name", $"{reader.Path}.name is '{Names.Shorten(template.Name)}'; it must be 1 to {CloudLimits.TemplateName} lower-case letters, digits and '_'.");
        }

        return template;
    }

    private static string ReadUrl(SectionReader reader, string name, string fallback)
    {
        string text = reader.ReadText(name, fallback)!.Trim();
        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? url) || url.Scheme is not ("http" or "https") || url.UserInfo.Length > 0 || url.Query.Length > 0 || url.Fragment.Length > 0)
        {
            // Not quoted: what is wrong with it may be a password in it.
            reader.AddError(name, $"{reader.Path}.{name} is no address such as {fallback}. Write http or https, host and path, without user, query and fragment.");
            return fallback;
        }

        return text.TrimEnd('/');
    }

    /// <summary>A secret that goes into a header, where line ends and blanks would break out of it.</summary>
    private static Secret? ReadToken(SectionReader reader, string name)
    {
        Secret? token = reader.ReadSecret(name);
        if (token is not null && token.Reveal().Any(letter => letter is <= ' ' or > '~'))
        {
            reader.AddError(name, $"{reader.Path}.{name} has a blank, a line end or a letter outside ASCII, which no token has. Copy it again.");
            return null;
        }

        return token;
    }
}
