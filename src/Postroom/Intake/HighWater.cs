using System.Collections.Concurrent;

namespace Postroom.Intake;

/// <summary>Whether queues are above their high-water mark; once above, they stay so until they are below the low one.</summary>
internal sealed class HighWater(IQueueControl control, QueueCatalog queues)
{
    private readonly ConcurrentDictionary<string, bool> _above = new(StringComparer.Ordinal);

    /// <summary>Looks now; from memory, cheap enough for every message.</summary>
    public bool IsAbove(string queue)
    {
        QueueOptions options = queues.Get(queue);
        long due = control.CountDue(queue);
        bool was = _above.TryGetValue(queue, out bool known) && known;
        bool above = was ? due >= options.LowWater : due >= options.HighWater;
        if (above != was)
        {
            _above[queue] = above;
        }

        return above;
    }
}
