namespace Postroom.Benchmarks.Runtime;

/// <summary>A hook that wants every call and counts them.</summary>
internal class CountingHook : IDispatchHook
{
    private long _calls;

    public virtual ValueTask<string> OnIntentAsync(
        string conversationId, string fromId, string toId, string payloadType, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _calls);
        return new ValueTask<string>("1");
    }

    public ValueTask OnDispatchedAsync(string entryId, CancellationToken cancellationToken) => Count();

    public ValueTask OnAcknowledgedAsync(string entryId, CancellationToken cancellationToken) => Count();

    public ValueTask OnFailedAsync(string entryId, string error, CancellationToken cancellationToken) => Count();

    public ValueTask OnConversationCompleteAsync(string conversationId, CancellationToken cancellationToken) => Count();

    private ValueTask Count()
    {
        Interlocked.Increment(ref _calls);
        return default;
    }
}

/// <summary>A hook that writes every payload to a file, a line each; not flushed to the disk.</summary>
internal sealed class BodyFileHook(string file) : CountingHook, IDisposable
{
    private readonly Lock _gate = new();
    private readonly FileStream _stream = new(file, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 64 * 1024);

    public override ValueTask<string> OnIntentAsync(
        string conversationId, string fromId, string toId, string payloadType, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _stream.Write(payload.Span);
            _stream.WriteByte((byte)'\n');
        }

        return base.OnIntentAsync(conversationId, fromId, toId, payloadType, payload, cancellationToken);
    }

    public void Dispose() => _stream.Dispose();
}
