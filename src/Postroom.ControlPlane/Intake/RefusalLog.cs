namespace Postroom.ControlPlane;

/// <summary>Keeps a cause that refuses every request from writing a line for each: within a while they share one line, and its id.</summary>
/// <remarks>Safe for concurrent use. Causes are texts of this program, so there are few.</remarks>
/// <param name="clock">Measures the while.</param>
/// <param name="shared">How long it is; null for 10 seconds.</param>
internal sealed class RefusalLog(TimeProvider clock, TimeSpan? shared = null)
{
    private readonly TimeSpan _shared = shared ?? TimeSpan.FromSeconds(10);
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (long At, string Id, long Unlogged)> _latest = new(StringComparer.Ordinal);

    /// <summary>The id to tell the caller, and how many had no line of their own since the last one; null when this one gets none either.</summary>
    public (string Id, long? Unlogged) Next(string cause)
    {
        lock (_lock)
        {
            if (_latest.TryGetValue(cause, out (long At, string Id, long Unlogged) latest) && clock.GetElapsedTime(latest.At) < _shared)
            {
                _latest[cause] = latest with { Unlogged = latest.Unlogged + 1 };
                return (latest.Id, null);
            }

            string id = Problem.NewId();
            _latest[cause] = (clock.GetTimestamp(), id, 0);
            return (id, latest.Unlogged);
        }
    }
}
