using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Postroom.Handling;

/// <summary>One registered handler: how its payload is read and how it is called.</summary>
internal abstract class HandlerEntry(string queue, string type, string name)
{
    public string Queue { get; } = queue;

    public string Type { get; } = type;

    /// <summary>The handler's own name, for records and hooks.</summary>
    public string Name { get; } = name;

    /// <summary>Reads the payload.</summary>
    /// <exception cref="JsonException">The body is not one.</exception>
    public abstract object? Decode(Envelope envelope, ReadOnlyMemory<byte> body);

    /// <summary>Calls the handler.</summary>
    public abstract ValueTask<HandlerResult> InvokeAsync(object? payload, HandlerContext context, CancellationToken cancellationToken);

    protected static object? Read<T>(Envelope envelope, ReadOnlyMemory<byte> body, JsonTypeInfo<T> json)
    {
        T? payload = JsonSerializer.Deserialize(body.Span, json);
        return payload switch
        {
            null => throw new JsonException($"The body of type '{envelope.Type}' is null."),
            IncomingMessage incoming when envelope.Attachments.Count > 0 => incoming with { Attachments = envelope.Attachments },
            MailMessage mail when envelope.Attachments.Count > 0 => mail with { Attachments = envelope.Attachments },
            _ => payload,
        };
    }
}

/// <summary>A handler class.</summary>
internal sealed class HandlerEntry<T, THandler>(string queue, string type, JsonTypeInfo<T> json) : HandlerEntry(queue, type, typeof(THandler).Name)
    where THandler : class, IMessageHandler<T>
{
    private readonly HandlerInstance<THandler> _handler = new();

    public override object? Decode(Envelope envelope, ReadOnlyMemory<byte> body) => Read(envelope, body, json);

    public override ValueTask<HandlerResult> InvokeAsync(object? payload, HandlerContext context, CancellationToken cancellationToken)
    {
        return _handler.For((StagingContext)context).HandleAsync((T)payload!, context, cancellationToken);
    }
}

/// <summary>A handler function.</summary>
internal sealed class FunctionEntry<T>(
    string queue, string type, JsonTypeInfo<T> json, Func<T, HandlerContext, CancellationToken, ValueTask<HandlerResult>> handle) : HandlerEntry(queue, type, "function")
{
    public override object? Decode(Envelope envelope, ReadOnlyMemory<byte> body) => Read(envelope, body, json);

    public override ValueTask<HandlerResult> InvokeAsync(object? payload, HandlerContext context, CancellationToken cancellationToken)
    {
        return handle((T)payload!, context, cancellationToken);
    }
}

/// <summary>What takes every type of a queue that no handler takes.</summary>
internal sealed class FallbackEntry<THandler>(string queue) : HandlerEntry(queue, "*", typeof(THandler).Name)
    where THandler : class, IFallbackHandler
{
    private readonly HandlerInstance<THandler> _handler = new();

    public override object? Decode(Envelope envelope, ReadOnlyMemory<byte> body) => null;

    public override ValueTask<HandlerResult> InvokeAsync(object? payload, HandlerContext context, CancellationToken cancellationToken)
    {
        return _handler.For((StagingContext)context).HandleAsync(context.Envelope, context, cancellationToken);
    }
}

/// <summary>A handler as it is registered: one for the runtime's life is asked for once, others for each attempt.</summary>
internal sealed class HandlerInstance<THandler>
    where THandler : class
{
    private THandler? _shared;

    public THandler For(StagingContext context) => _shared ?? (context.IsShared<THandler>() ? _shared = context.Resolve<THandler>() : context.Resolve<THandler>());
}
