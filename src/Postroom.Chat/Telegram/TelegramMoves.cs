using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Postroom.Chat;

/// <summary>Groups that became supergroups and have another number since (<c>migrate_to_chat_id</c>): remembered in the store, so that they are followed at once.</summary>
internal sealed partial class TelegramMoves(Func<IChannelFacts?> facts, ILogger log)
{
    private const int MostKnown = 1_000;
    private readonly ConcurrentDictionary<string, string> _known = new(StringComparer.Ordinal); // also groups that have not moved, under their own number

    /// <summary>The number that a chat has now, as far as this process has learned it.</summary>
    public string Known(string chat) => _known.GetValueOrDefault(chat, chat);

    /// <summary>The number that a chat has now.</summary>
    public async ValueTask<string> CurrentAsync(string chat, CancellationToken cancellationToken)
    {
        if (_known.TryGetValue(chat, out string? known) || !new TelegramChat(chat, null).MayMove || facts() is not { } store)
        {
            return known ?? chat;
        }

        string current = await store.ReadAsync(KeyOf(chat), cancellationToken) ?? chat;
        Keep(chat, current);
        return current;
    }

    /// <summary>Remembers a move for ever.</summary>
    public async ValueTask RememberAsync(string chat, string movedTo, CancellationToken cancellationToken)
    {
        if (Known(chat) == movedTo)
        {
            return;
        }

        Keep(chat, movedTo);
        LogMoved(chat, movedTo);
        if (facts() is { } store)
        {
            await store.WriteAsync(KeyOf(chat), movedTo, keep: null, cancellationToken);
        }
    }

    private static string KeyOf(string chat) => $"moved/{chat}";

    private void Keep(string chat, string current)
    {
        if (_known.Count < MostKnown || _known.ContainsKey(chat))
        {
            _known[chat] = current;
        }
    }

    [LoggerMessage(6010, LogLevel.Warning, "Group {Chat} became the supergroup {MovedTo}; it is followed. Change chatId in the settings.")]
    private partial void LogMoved(string chat, string movedTo);
}
