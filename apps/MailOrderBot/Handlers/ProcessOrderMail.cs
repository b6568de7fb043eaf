using System.Globalization;
using System.Text.Json;
using MailOrderBot.Domain;
using MailOrderBot.Services;
using MailOrderBot.Sources;
using Postroom;
using Postroom.Configuration;

namespace MailOrderBot.Handlers;

/// <summary>Takes an order from a mail and answers in its thread. The shop's database decides; what it decided is staged here, once more after a crash (MB-17).</summary>
internal sealed class ProcessOrderMail(OrderDesk desk, IRuntimeConfiguration configuration) : IMessageHandler<MailMessage>
{
    /// <summary>Who sends the letters and notices, also in their keys.</summary>
    public const string Source = "mail-order-bot";

    private const string Unknown = "unknown";

    /// <inheritdoc/>
    public async ValueTask<HandlerResult> HandleAsync(MailMessage message, HandlerContext context, CancellationToken cancellationToken)
    {
        MailOrderOptions options = configuration.Current.Get<MailOrderOptions>(MailOrderOptions.Section);
        OrderMail mail = OrderMailReader.Read(message, context.Envelope, options.Addresses);
        if (options.OperatorsLabel.Length > 0)
        {
            context.SendOnFailure(ToOperators(options, new Notice(NoticeLevel.Error, $"The mail '{message.Subject}' of {mail.Sender} ({mail.Key}) could not be handled. See message {context.MessageId}."), null));
        }

        (string mailKey, Answer answer) = await desk.HandleAsync(mail, cancellationToken);
        string key = Letters.IdFor(mailKey);
        if (answer.Letter is { } letter)
        {
            context.Reply(new OutgoingMessage(letter.Text)
            {
                To = context.From is { Scheme: Unknown } from ? Address.ForRecipient(options.ReplyVia, from.Target) : null,
                Subject = message.Subject.Length == 0 ? "Re: your order" : null,
                Source = Source,
                IdempotencyKey = $"{Source}:{letter.Id}",
                Metadata = new Dictionary<string, JsonElement> { ["html"] = Json(letter.Html), ["messageId"] = Json(letter.Id) },
            });
        }

        if (options.OperatorsLabel.Length > 0)
        {
            for (int i = 0; i < answer.Notices.Count; i++)
            {
                context.Send(ToOperators(options, answer.Notices[i], string.Create(CultureInfo.InvariantCulture, $"{Source}:{key}:{i}")));
            }
        }

        return HandlerResult.Completed;
    }

    /// <summary>The id of the letter that a message is, by its key; null when it is none.</summary>
    internal static string? LetterOf(string? key) => key?.Split(':') is [Source, { Length: > 0 } id] ? id : null;

    /// <summary>A notice as a message to the operators.</summary>
    internal static OutgoingMessage ToOperators(MailOrderOptions options, Notice notice, string? key) => new(options.OperatorsLabel, notice.Text)
    {
        Severity = notice.Level switch
        {
            NoticeLevel.Error => MessageSeverity.Error,
            NoticeLevel.Warning => MessageSeverity.Warning,
            _ => MessageSeverity.Info,
        },
        Subject = notice.Level == NoticeLevel.Info ? "Mail orders" : "Mail orders need you",
        Source = Source,
        IdempotencyKey = key,
    };

    private static JsonElement Json(string text) => JsonSerializer.SerializeToElement(text, PayloadJson.Default.String);
}

/// <summary>How metadata is written.</summary>
[System.Text.Json.Serialization.JsonSerializable(typeof(string))]
internal sealed partial class PayloadJson : System.Text.Json.Serialization.JsonSerializerContext;
