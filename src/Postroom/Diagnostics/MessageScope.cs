using System.Collections;
using Microsoft.Extensions.Logging;

namespace Postroom.Diagnostics;

/// <summary>Puts the id of a message and of its trace on every line that is logged within (TR-7).</summary>
internal sealed class MessageScope(MessageId message, string? trace) : IReadOnlyList<KeyValuePair<string, object?>>
{
    /// <summary>The key of the message's id, as templates of log lines call it too.</summary>
    public const string Message = "MessageId";

    /// <summary>The key of the trace's id.</summary>
    public const string Trace = "TraceId";

    public int Count => trace is null ? 1 : 2;

    public KeyValuePair<string, object?> this[int index] => index switch
    {
        0 => new(Message, message),
        1 when trace is not null => new(Trace, trace),
        _ => throw new ArgumentOutOfRangeException(nameof(index)),
    };

    /// <summary>Opens the scope of a message; null where nothing is logged, and then nothing was made.</summary>
    public static IDisposable? Open(ILogger log, MessageId message, string? trace) =>
        log.IsEnabled(LogLevel.Critical) ? log.BeginScope(new MessageScope(message, trace)) : null;

    /// <summary>Opens the scope of a message by its headers.</summary>
    public static IDisposable? Open(ILogger log, Envelope envelope) => log.IsEnabled(LogLevel.Critical) ? Open(log, envelope.Id, TraceService.TraceIdOf(envelope)) : null;

    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator()
    {
        for (int i = 0; i < Count; i++)
        {
            yield return this[i];
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>What providers show that know no pairs.</summary>
    public override string ToString() => trace is null ? $"message {message}" : $"message {message}, trace {trace}";
}
