using System.Collections.Frozen;

namespace Postroom.Handling;

/// <summary>Finds the handler of a message: by exact type, then by the type's current name, then the queue's fallback.</summary>
internal sealed class HandlerTable
{
    private readonly FrozenDictionary<(string Queue, string Type), HandlerEntry> _byType;
    private readonly FrozenDictionary<string, HandlerEntry> _fallbacks;
    private readonly PayloadCatalog _payloads;
    private Found? _last;

    public HandlerTable(IEnumerable<HandlerEntry> handlers, IEnumerable<HandlerEntry> fallbacks, PayloadCatalog payloads)
    {
        _byType = handlers.ToFrozenDictionary(entry => (entry.Queue, entry.Type));
        _fallbacks = fallbacks.ToFrozenDictionary(entry => entry.Queue, StringComparer.Ordinal);
        _payloads = payloads;
    }

    public IEnumerable<HandlerEntry> Handlers => _byType.Values;

    public IEnumerable<HandlerEntry> Fallbacks => _fallbacks.Values;

    public HandlerEntry? Find(string queue, string type)
    {
        // One type of one queue comes many times in a row.
        if (_last is { } last && last.Type == type && last.Queue == queue)
        {
            return last.Entry;
        }

        HandlerEntry? entry = Look(queue, type);
        _last = new Found(queue, type, entry);
        return entry;
    }

    /// <summary>Whether a queue has any handler.</summary>
    public bool Serves(string queue) => _fallbacks.ContainsKey(queue) || _byType.Keys.Any(key => key.Queue == queue);

    private HandlerEntry? Look(string queue, string type)
    {
        return _byType.TryGetValue((queue, type), out HandlerEntry? entry)
            || _byType.TryGetValue((queue, _payloads.Resolve(type)), out entry)
            || _fallbacks.TryGetValue(queue, out entry)
            ? entry
            : null;
    }

    private sealed record Found(string Queue, string Type, HandlerEntry? Entry);
}
