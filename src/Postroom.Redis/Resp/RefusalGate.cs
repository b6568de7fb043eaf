using System.Collections.Concurrent;

namespace Postroom.Redis;

/// <summary>Keeps what a server refused for its configuration from being asked over and over. Safe for concurrent use.</summary>
/// <param name="clock">Runs the time.</param>
/// <param name="time">How long a refusal is repeated without asking.</param>
internal sealed class RefusalGate(TimeProvider clock, TimeSpan time)
{
    private const string Everything = "";

    // Names of commands only, which this program has few of.
    private readonly ConcurrentDictionary<string, (RedisException Refusal, long At)> _closed = new(StringComparer.Ordinal);

    /// <summary>Repeats a refusal whose time is not over.</summary>
    /// <param name="command">The name of the command.</param>
    public void Check(string command)
    {
        if (!_closed.IsEmpty)
        {
            Check(command, clock.GetTimestamp());
            Check(Everything, clock.GetTimestamp());
        }
    }

    /// <summary>Begins to repeat a refusal.</summary>
    /// <param name="command">The command that it concerns; null for all.</param>
    /// <param name="refusal">The refusal.</param>
    public void Close(string? command, RedisException refusal) => _closed[command ?? Everything] = (refusal, clock.GetTimestamp());

    private void Check(string name, long now)
    {
        if (!_closed.TryGetValue(name, out (RedisException Refusal, long At) closed))
        {
            return;
        }

        if (clock.GetElapsedTime(closed.At, now) < time)
        {
            throw closed.Refusal;
        }

        _closed.TryRemove(name, out _);
    }
}
