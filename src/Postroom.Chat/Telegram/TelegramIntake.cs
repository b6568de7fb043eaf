using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Postroom.Chat;

/// <summary>Takes updates, however they come in: who may, stored first, then the press of a button is answered (TG-12, TG-13). Safe for concurrent use.</summary>
internal sealed partial class TelegramIntake(
    string name,
    TelegramAccess access,
    TelegramMoves moves,
    Func<IReadOnlyList<IncomingMessage>, CancellationToken, ValueTask> accept,
    ILogger log)
{
    private static readonly TimeSpan PressTimeout = TimeSpan.FromSeconds(10);
    private long _ignored;

    /// <summary>How many updates were not taken: from chats that may not, or of kinds that say nothing.</summary>
    public long Ignored => Volatile.Read(ref _ignored);

    /// <summary>Stores what the updates bring and returns after the commit.</summary>
    /// <param name="updates">The updates, in order.</param>
    /// <param name="api">Answers presses.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The highest number of an update; null for none.</returns>
    /// <exception cref="JsonException">One has no number, so that it could never be confirmed. Nothing was stored.</exception>
    public async Task<long?> TakeAsync(IReadOnlyList<JsonElement> updates, TelegramApi api, CancellationToken cancellationToken)
    {
        TelegramUpdate[] read = [.. updates.Select(update => TelegramUpdate.Read(update, name, access) ?? throw new JsonException("An update has no update_id."))];
        foreach (TelegramUpdate update in read)
        {
            if (update.MovedTo is { } movedTo && update.Chat.Length > 0)
            {
                await moves.RememberAsync(update.Chat, movedTo, cancellationToken);
            }
        }

        IncomingMessage[] messages = [.. read.Select(update => update.Message).OfType<IncomingMessage>()];
        Interlocked.Add(ref _ignored, read.Length - messages.Length);
        if (messages.Length > 0)
        {
            await accept(messages, cancellationToken);
        }

        await Task.WhenAll(read.Select(update => update.Press).OfType<string>().Select(press => AnswerAsync(api, press, cancellationToken)));
        return read.Length == 0 ? null : read.Max(update => update.Id);
    }

    /// <summary>Ends the waiting sign on a button. The press is stored already, so a failure loses nothing.</summary>
    private async Task AnswerAsync(TelegramApi api, string press, CancellationToken cancellationToken)
    {
        try
        {
            using RequestBody body = RequestBody.Json(new CallbackAnswer(press), TelegramJson.Default.CallbackAnswer);
            _ = await api.CallAsync("answerCallbackQuery", body, PressTimeout, cancellationToken);
        }
        catch (TelegramException e)
        {
            LogUnanswered(name, e.Message);
        }
    }

    [LoggerMessage(6020, LogLevel.Information, "{Communicator}: the press of a button was stored, but not answered. {Failure}")]
    private partial void LogUnanswered(string communicator, string failure);
}
