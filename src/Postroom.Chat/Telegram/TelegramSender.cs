using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Postroom.Chat;

/// <summary>Sends the steps of a plan to a chat (TG-4 to TG-6). Safe for concurrent use.</summary>
internal sealed class TelegramSender(TelegramApi api)
{
    /// <summary>Sends one step.</summary>
    /// <param name="chat">The chat.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="index">Which of its steps.</param>
    /// <param name="message">What the plan was made of.</param>
    /// <param name="replyTo">The message that is answered; null for none.</param>
    /// <param name="leaving">Told when the request begins to leave.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The service's id of the message.</returns>
    /// <exception cref="TelegramException">It did not succeed.</exception>
    public async Task<string> SendAsync(TelegramChat chat, TelegramPlan plan, int index, OutgoingMessage message, int? replyTo, Action leaving, CancellationToken cancellationToken)
    {
        TelegramStep step = plan.Steps[index];
        SendMessageRequest request = new(
            chat.Id,
            chat.Topic,
            step.Text,
            step.IsHtml ? "HTML" : null,
            message.Severity == MessageSeverity.Debug ? true : null,
            index == 0 && replyTo is { } id ? new ReplyParameters(id) : null,
            index == plan.Steps.Count - 1 ? plan.Keyboard : null);
        (string method, RequestBody body) = step.File is { } file
            ? (file.Method, Form(request, file))
            : ("sendMessage", RequestBody.Json(request, TelegramJson.Default.SendMessageRequest));
        using (body)
        {
            body.Leaving = leaving;
            JsonElement sent = await api.CallAsync(method, body, TelegramApi.RequestTimeout, cancellationToken);
            return sent.WholeNumber("message_id") is { } number
                ? number.ToString(CultureInfo.InvariantCulture)
                : throw new TelegramException(new DeliveryFailure.Uncertain(), $"Telegram answered {method} with ok, but without the id of the message.");
        }
    }

    private static RequestBody Form(SendMessageRequest request, TelegramFile file)
    {
        List<(string, string?)> fields =
        [
            ("chat_id", request.ChatId),
            ("message_thread_id", request.MessageThreadId?.ToString(CultureInfo.InvariantCulture)),
            ("caption", request.Text.Length > 0 ? request.Text : null),
            ("parse_mode", request.Text.Length > 0 ? request.ParseMode : null),
            ("disable_notification", request.DisableNotification is true ? "true" : null),
            ("reply_parameters", Text(request.ReplyParameters, TelegramJson.Default.ReplyParameters)),
            ("reply_markup", Text(request.ReplyMarkup, TelegramJson.Default.InlineKeyboard)),
        ];
        if (file.Attachment.Data is null)
        {
            fields.Add((file.Field, file.Attachment.Reference));
            return RequestBody.Form(fields);
        }

        return RequestBody.Form(fields, file.Field, file.Attachment);
    }

    private static string? Text<T>(T? value, JsonTypeInfo<T> json)
        where T : class => value is null ? null : JsonSerializer.Serialize(value, json);
}
