using System.Globalization;

namespace Postroom.Chat;

/// <summary>A contact's last message.</summary>
/// <param name="At">When it was written.</param>
/// <param name="MessageId">Its id.</param>
internal sealed record LastMessage(DateTimeOffset At, string MessageId);

/// <summary>Keeps when each contact wrote last, in the store (WA-7).</summary>
/// <param name="facts">The store; gives null until the dispatcher has set it, and then nothing is known.</param>
/// <param name="clock">Nobody wrote in the future.</param>
internal sealed class ContactMemory(Func<IChannelFacts?> facts, TimeProvider clock)
{
    // Forgotten contacts count as unknown, and WhatsApp itself then says whether it takes the message.
    private static readonly TimeSpan Kept = TimeSpan.FromDays(365);

    /// <summary>The last message; null when it is not known.</summary>
    public async ValueTask<LastMessage?> LastAsync(PhoneNumber contact, CancellationToken cancellationToken)
    {
        return facts() is { } store && await store.ReadAsync(Key(contact), cancellationToken) is { } text
            && text.Split(' ', 2) is [var seconds, var id]
            && long.TryParse(seconds, NumberStyles.None, CultureInfo.InvariantCulture, out long unix)
            ? new LastMessage(DateTimeOffset.FromUnixTimeSeconds(unix), id)
            : null;
    }

    /// <summary>Notes a message, unless a later one is known; returns after the commit.</summary>
    public async ValueTask NoteAsync(PhoneNumber contact, LastMessage message, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        DateTimeOffset at = message.At > now ? now : message.At;
        if (facts() is { } store && !(await LastAsync(contact, cancellationToken) is { } known && known.At >= at))
        {
            await store.WriteAsync(Key(contact), string.Create(CultureInfo.InvariantCulture, $"{at.ToUnixTimeSeconds()} {message.MessageId}"), Kept, cancellationToken);
        }
    }

    private static string Key(PhoneNumber contact) => $"contact/{contact.Digits}";
}
