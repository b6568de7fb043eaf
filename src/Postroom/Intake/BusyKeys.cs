using System.Collections.Concurrent;
using System.Globalization;

namespace Postroom.Intake;

/// <summary>Which order keys had as many messages waiting as one may have: those whose callers are refused, and those that go on waiting unseen. Safe for concurrent use.</summary>
internal sealed class BusyKeys(IQueueControl control, QueueCatalog queues)
{
    private const int MostKnown = 50;
    private readonly ConcurrentDictionary<(string Queue, string Key), byte> _known = new();

    /// <summary>Notes one; beyond a few dozen the first ones tell enough.</summary>
    public void Note(string queue, string key)
    {
        if (_known.Count < MostKnown)
        {
            _known.TryAdd((queue, key), 0);
        }
    }

    /// <summary>Those of which that is still so, a sentence each; the others are forgotten.</summary>
    public async ValueTask<IReadOnlyList<string>> ReadAsync(CancellationToken cancellationToken)
    {
        List<string> busy = [];
        foreach ((string queue, string key) in _known.Keys.OrderBy(static one => one.Queue, StringComparer.Ordinal).ThenBy(static one => one.Key, StringComparer.Ordinal))
        {
            int limit = queues.Get(queue).MaxPerKey;
            if (await control.CountKeyAsync(queue, key, limit, cancellationToken) >= limit)
            {
                busy.Add(string.Create(CultureInfo.InvariantCulture, $"{limit} or more messages of '{Names.Shorten(key)}' wait in queue '{queue}' (maxPerKey); look at the first of them."));
            }
            else
            {
                _known.TryRemove((queue, key), out _);
            }
        }

        return busy;
    }
}
