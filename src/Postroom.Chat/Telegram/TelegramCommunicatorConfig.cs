using System.Diagnostics.CodeAnalysis;
using Postroom.Configuration;

namespace Postroom.Chat;

/// <summary>The settings of a Telegram bot (TG-1). Bound from <c>communications.backends.{name}</c> with <c>type: telegram</c>. Immutable; printed, its secrets are masked.</summary>
public sealed record TelegramCommunicatorConfig : CommunicatorBackendConfig
{
    /// <summary>The type as configuration names it.</summary>
    public const string Kind = "telegram";

    /// <summary>Settings that have their defaults except for the type.</summary>
    public TelegramCommunicatorConfig()
    {
    }

    [SetsRequiredMembers]
    private TelegramCommunicatorConfig(CommunicatorBackendConfig common)
        : base(common) => Token = new Secret("");

    /// <summary>The token of the bot, <c>{number}:{letters}</c>, as BotFather gives it.</summary>
    public required Secret Token { get; init; }

    /// <summary>The MTProto application's number, accepted and unused; null unless set.</summary>
    public Secret? ApiId { get; init; }

    /// <summary>The MTProto application's hash, accepted and unused; null unless set.</summary>
    public Secret? ApiHash { get; init; }

    /// <summary>An MTProto session, accepted and unused; null unless set.</summary>
    public Secret? SessionString { get; init; }

    /// <summary>Whether it receives messages. False unless set.</summary>
    public bool ListenToCommands { get; init; }

    /// <summary>Its chats by label; empty unless set.</summary>
    public IReadOnlyDictionary<string, TelegramChatConfig> Chats { get; init; } = new Dictionary<string, TelegramChatConfig>();

    /// <summary>Whose messages are taken. Those of configured chats unless set.</summary>
    public TelegramAcceptance AcceptFrom { get; init; }

    /// <summary>Where the HTTP Bot API answers; Telegram's own server unless set.</summary>
    public Uri BaseUrl { get; init; } = new("https://api.telegram.org");

    /// <summary>How updates come in. By polling unless set.</summary>
    public TelegramUpdateMode Updates { get; init; }

    /// <summary>With <see cref="TelegramUpdateMode.Webhook"/>: where the service reaches this program, such as <c>https://bot.example.org</c>; null otherwise.</summary>
    public Uri? PublicUrl { get; init; }

    /// <summary>What the service puts into the header <c>X-Telegram-Bot-Api-Secret-Token</c>, 1 to 256 of <c>A-Za-z0-9_-</c>; null for one that is made at the start.</summary>
    public Secret? SecretToken { get; init; }

    /// <summary>Whether polling may take away a webhook that another program has set. False unless set.</summary>
    public bool TakeOver { get; init; }

    /// <summary>The format of messages that say none, which are those of <see cref="TextFormat.Text"/>. Plain text unless set.</summary>
    public TextFormat Format { get; init; }

    /// <summary>Reads the settings; what is wrong is reported to the reader. A <see cref="BackendSchema"/>.</summary>
    /// <param name="common">The settings all communicators have.</param>
    /// <param name="reader">The settings of the communicator.</param>
    public static TelegramCommunicatorConfig Read(CommunicatorBackendConfig common, SectionReader reader)
    {
        TelegramCommunicatorConfig config = new(common)
        {
            Token = reader.RequireSecret("token", "Write the token that BotFather gave the bot, such as ${secret://env:TELEGRAM_TOKEN}."),
            ApiId = reader.ReadSecret("apiId"),
            ApiHash = reader.ReadSecret("apiHash"),
            SessionString = reader.ReadSecret("sessionString"),
            ListenToCommands = reader.ReadFlag("listenToCommands", false),
            Chats = reader.ReadSection("chats").ReadNamed(null, static (_, chat) => TelegramChatConfig.Read(chat)),
            AcceptFrom = reader.ReadChoice("acceptFrom", TelegramAcceptance.Configured),
            BaseUrl = ReadUrl(reader, "baseUrl", "https://api.telegram.org")!,
            Updates = reader.ReadChoice("updates", TelegramUpdateMode.Polling),
            PublicUrl = ReadUrl(reader, "publicUrl", null),
            SecretToken = reader.ReadSecret("secretToken"),
            TakeOver = reader.ReadFlag("takeOver", false),
            Format = reader.ReadChoice("format", TextFormat.Text),
        };
        config.Check(reader);
        return config;
    }

    private static Uri? ReadUrl(SectionReader reader, string name, string? fallback)
    {
        string? text = reader.ReadText(name, fallback);
        if (text is null)
        {
            return null;
        }

        if (Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && url.Scheme is "https" or "http" && url.UserInfo.Length == 0 && url.Query.Length == 0 && url.Fragment.Length == 0)
        {
            return url;
        }

        reader.AddError(name, $"{reader.Path}.{name} is no address such as https://api.telegram.org; it has a scheme of http or https and no user, query or fragment. Correct it.");
        return fallback is null ? null : new Uri(fallback);
    }

    private void Check(SectionReader reader)
    {
        string token = Token.Reveal();
        int colon = token.IndexOf(':', StringComparison.Ordinal);
        if (token.Length > 0 && (token.Length > 256 || colon < 1 || !token.AsSpan(0, colon).ContainsOnly(char.IsAsciiDigit) || !IsWord(token.AsSpan(colon + 1))))
        {
            reader.AddError("token", $"{reader.Path}.token is no bot token, which is a number, a colon and letters, digits, '-' and '_', at most 256 characters. Copy it from BotFather.");
        }

        if (ApiId is { } id && !id.Reveal().Trim().AsSpan().ContainsOnly(char.IsAsciiDigit))
        {
            reader.AddError("apiId", $"{reader.Path}.apiId is no number. It is not used here; remove it, or write the number of the application.");
        }

        if (SecretToken is { } secret && (secret.Reveal().Length > 256 || !IsWord(secret.Reveal())))
        {
            reader.AddError("secretToken", $"{reader.Path}.secretToken has characters or a length that Telegram refuses; it takes 1 to 256 of A-Z, a-z, 0-9, '_' and '-'. Choose another, or remove it for one that is made at the start.");
        }

        if (Updates == TelegramUpdateMode.Webhook && ListenToCommands && PublicUrl is null)
        {
            reader.AddError("publicUrl", $"{reader.Path}.publicUrl is missing, but updates is webhook. Write the address at which Telegram reaches this program, or set updates to polling.");
        }

        string[] unused = [.. new (string Name, Secret? Value)[] { ("apiId", ApiId), ("apiHash", ApiHash), ("sessionString", SessionString) }.Where(setting => setting.Value is not null).Select(setting => setting.Name)];
        if (unused.Length > 0)
        {
            reader.AddNotice(unused[0], $"{reader.Path}: {string.Join(", ", unused)} of MTProto {(unused.Length == 1 ? "is" : "are")} accepted and not used; the HTTP Bot API needs the token alone.");
        }
    }

    private static bool IsWord(ReadOnlySpan<char> text) => text.ContainsOnly(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-');
}

/// <summary>A chat of a bot, under its label in <see cref="TelegramCommunicatorConfig.Chats"/>. Immutable.</summary>
public sealed record TelegramChatConfig
{
    /// <summary>The chat's number, negative for groups, or <c>@name</c> of a public one.</summary>
    public required string ChatId { get; init; }

    /// <summary>The topic inside a forum, from <c>message_thread_id</c>; null for none.</summary>
    public int? TopicId { get; init; }

    /// <summary>Whether messages of the chat are taken. False unless set.</summary>
    public bool CommandAuthorized { get; init; }

    /// <summary>Whether messages are sent to it; receiving does not ask. True unless set.</summary>
    public bool Active { get; init; } = true;

    internal static TelegramChatConfig Read(SectionReader reader)
    {
        string id = reader.RequireText("chatId", "Write the chat's number, such as -1001234567890, or @name of a public chat.").Trim();
        if (id.Length > 0 && !TelegramChat.IsId(id))
        {
            reader.AddError("chatId", $"{reader.Path}.chatId is '{Names.Shorten(id)}', which is neither a number nor a public name of 4 to 32 letters, digits and '_' behind '@'. Correct it.");
        }

        return new TelegramChatConfig
        {
            ChatId = id,
            TopicId = reader.ReadOptionalCount("topicId", null, 1),
            CommandAuthorized = reader.ReadFlag("commandAuthorized", false),
            Active = reader.ReadFlag("active", true),
        };
    }
}

/// <summary>Whose messages a bot takes.</summary>
public enum TelegramAcceptance
{
    /// <summary>Those of chats with <see cref="TelegramChatConfig.CommandAuthorized"/>.</summary>
    Configured,

    /// <summary>Everyone's: a public bot.</summary>
    Anyone,
}

/// <summary>How the updates of a bot come in.</summary>
public enum TelegramUpdateMode
{
    /// <summary>They are asked for with <c>getUpdates</c>.</summary>
    Polling,

    /// <summary>The service posts them to <see cref="TelegramCommunicatorConfig.PublicUrl"/>.</summary>
    Webhook,
}
