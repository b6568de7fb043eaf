namespace Postroom.Chat;

/// <summary>Telegram's limits, splitting and formats, for the bot and for the web chat that stands for it (TG-4, TG-6, TG-7).</summary>
internal sealed class TelegramRules : IChannelRules
{
    /// <summary>How many messages a bot may send in a second.</summary>
    public const int SendsPerSecond = 30;

    private static readonly Rate BotRate = new(SendsPerSecond, TimeSpan.FromSeconds(1));
    private static readonly Rate ChatRate = new(1, TimeSpan.FromSeconds(1));
    private static readonly Rate GroupRate = new(20, TimeSpan.FromMinutes(1));

    /// <inheritdoc/>
    public string Kind => "telegram";

    /// <inheritdoc/>
    public CommunicatorCapabilities Capabilities { get; } = new()
    {
        TextLimit = TelegramPlan.TextLimit,
        SplitsText = true,
        Formats = [TextFormat.Html, TextFormat.Markdown],
        Attachments = true,
        Buttons = true,
        Lists = true,
        Links = true,
        Typing = true,
        Reactions = true,
        Receiving = true,
    };

    /// <summary>What a chat is called in limits, groups too.</summary>
    public static string KeyOf(string chat) => $"chat/{chat}";

    /// <summary>The limits of https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this: 30 a second, 1 a second in a chat, 20 a minute in a group.</summary>
    /// <param name="chat">The chat; null where it is not known.</param>
    /// <param name="isGroup">Whether it is a group.</param>
    public static IReadOnlyList<SendLimit> Limits(string? chat, bool isGroup)
    {
        SendLimit bot = new("", BotRate, SendsPerSecond);
        if (chat is null)
        {
            return [bot];
        }

        SendLimit one = new(KeyOf(chat), ChatRate, 3);
        return isGroup ? [bot, one, new SendLimit($"group/{chat}", GroupRate, GroupRate.Count)] : [bot, one];
    }

    /// <inheritdoc/>
    public IReadOnlyList<SendLimit> LimitsOf(string chat) => Limits(chat, isGroup: false);

    /// <inheritdoc/>
    public IReadOnlyList<OutgoingMessage> PartsOf(OutgoingMessage message, out IReadOnlyList<string> degraded)
    {
        TelegramPlan plan = TelegramPlan.Of(message, TextFormat.Text);
        degraded = plan.Degraded;
        Interactive? keyboard = plan.Keyboard is null ? null : message.Interactive;
        return
        [
            .. plan.Steps.Select((step, i) => message with
            {
                Message = step.Visible,
                Format = TextFormat.Text,
                Attachments = step.File is { } file ? [file.Attachment] : [],
                Interactive = i == plan.Steps.Count - 1 ? keyboard : null,
            }),
        ];
    }
}
