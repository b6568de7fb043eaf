using System.Collections.Concurrent;

namespace Postroom.Tests.Hosting;

/// <summary>Writes down what it is told, in order; its entry ids are the prefix and a number, or empty with an empty prefix.</summary>
internal sealed class RecordingHook(string prefix) : IDispatchHook
{
    private int _entries;

    public ConcurrentQueue<string> Calls { get; } = new();

    public ValueTask<string> OnIntentAsync(string conversationId, string fromId, string toId, string payloadType, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        Calls.Enqueue($"intent {conversationId} {payloadType}");
        return new(prefix.Length == 0 ? "" : $"{prefix}{Interlocked.Increment(ref _entries)}");
    }

    public ValueTask OnDispatchedAsync(string entryId, CancellationToken cancellationToken) => Note($"dispatched {entryId}");

    public ValueTask OnAcknowledgedAsync(string entryId, CancellationToken cancellationToken) => Note($"acknowledged {entryId}");

    public ValueTask OnFailedAsync(string entryId, string error, CancellationToken cancellationToken) => Note($"failed {entryId} {error}");

    public ValueTask OnConversationCompleteAsync(string conversationId, CancellationToken cancellationToken) => Note($"complete {conversationId}");

    private ValueTask Note(string call)
    {
        Calls.Enqueue(call);
        return default;
    }
}
