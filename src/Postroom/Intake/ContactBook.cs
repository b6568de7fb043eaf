using System.Collections.Concurrent;
using System.Text;

namespace Postroom.Intake;

/// <summary>Remembers through which channel each contact wrote last: as facts for a year from then, and in memory for the latest contacts (SE-11). Safe for concurrent use.</summary>
/// <param name="facts">The store.</param>
/// <param name="clock">Ages contacts.</param>
/// <param name="limits">Has the most contacts in memory, which may change.</param>
internal sealed class ContactBook(IFacts facts, TimeProvider clock, LimitsOptions limits)
{
    /// <summary>How long the channel of somebody is known who writes no more.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(365);

    private static readonly TimeSpan Freshness = TimeSpan.FromMinutes(1);
    private readonly ConcurrentDictionary<string, (string Channel, long At)> _latest = new(StringComparer.Ordinal);
    private readonly Lock _evicting = new();

    /// <summary>How many are in memory.</summary>
    public int InMemory => _latest.Count;

    /// <summary>Notes a contact's channel. Returns the change to store with the message; null when the store knows it already.</summary>
    public FactChange? Note(string contact, string channel)
    {
        long now = clock.GetTimestamp();
        if (_latest.TryGetValue(contact, out (string Channel, long At) known) && known.Channel == channel && clock.GetElapsedTime(known.At, now) < Freshness)
        {
            return null;
        }

        _latest[contact] = (channel, now);
        if (_latest.Count > limits.Contacts)
        {
            Evict();
        }

        return new FactChange(FactScopes.Contact, contact, Encoding.UTF8.GetBytes(channel), clock.GetUtcNow() + Kept);
    }

    /// <summary>Takes those out of memory who wrote longest ago; some at once, so that the next ones cost no search. The facts remember them.</summary>
    private void Evict()
    {
        lock (_evicting)
        {
            int capacity = limits.Contacts;
            int tooMany = _latest.Count - capacity;
            if (tooMany > 0)
            {
                foreach (string contact in _latest.OrderBy(static pair => pair.Value.At).Take(tooMany + (capacity / 16)).Select(static pair => pair.Key).ToArray())
                {
                    _latest.TryRemove(contact, out _);
                }
            }
        }
    }

    /// <summary>Takes a note back whose change was not stored.</summary>
    public void Forget(string contact) => _latest.TryRemove(contact, out _);

    /// <summary>The channel a contact wrote through last, and the contact in the form it is known by; null when it never wrote.</summary>
    /// <param name="contact">In any form: a phone number also without its plus sign, or as a bridge writes it.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<(string Channel, string Contact)?> FindAsync(string contact, CancellationToken cancellationToken)
    {
        if (await LastChannelAsync(contact, cancellationToken) is { } channel)
        {
            return (channel, contact);
        }

        string number = Message.ContactOf(contact, "whatsapp");
        return number != contact && await LastChannelAsync(number, cancellationToken) is { } other ? (other, number) : null;
    }

    private async ValueTask<string?> LastChannelAsync(string contact, CancellationToken cancellationToken)
    {
        if (_latest.TryGetValue(contact, out (string Channel, long At) known))
        {
            return known.Channel;
        }

        StoredFact? fact = await facts.GetAsync(FactScopes.Contact, contact, cancellationToken);
        return fact is null ? null : Encoding.UTF8.GetString(fact.Value.Span);
    }
}
