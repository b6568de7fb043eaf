using Microsoft.Extensions.DependencyInjection;
using Postroom.Workers;

namespace Postroom.Handling;

/// <summary>An attempt staged more than it may.</summary>
internal sealed class StagingLimitException(string message) : Exception(message);

/// <summary>What one attempt stages. Nothing leaves before its acknowledgement is stored.</summary>
internal sealed class StagingContext(Attempt attempt, StagingFactory factory) : HandlerContext, IDisposable
{
    private List<Envelope>? _staged;
    private List<Envelope>? _onFailure;
    private List<FactChange>? _facts;
    private AsyncServiceScope? _scope;
    private readonly Lock _gate = new();
    private long _bytes;
    private bool _closed;

    public override Envelope Envelope => attempt.Envelope;

    public override int Attempt => attempt.Lease.Attempt;

    public override bool Redelivered => attempt.Lease.Redelivered;

    public override string? TraceId => Envelope.Header(HeaderNames.TraceParent) is { Length: >= 35 } parent ? parent[3..35] : null;

    public override IServiceProvider Services => (_scope ??= factory.Services.CreateAsyncScope()).ServiceProvider;

    public T Resolve<T>()
        where T : class
    {
        return (factory.IsScoped(typeof(T)) ? Services : factory.Services).GetRequiredService<T>();
    }

    public override void Send(OutgoingMessage message)
    {
        foreach (Envelope envelope in factory.Composer.Compose(message, Origin()))
        {
            Stage(ref _staged, envelope);
        }
    }

    public override void Reply(OutgoingMessage message)
    {
        foreach (Envelope envelope in factory.Composer.ComposeReply(message, Envelope, Origin()))
        {
            Stage(ref _staged, envelope);
        }
    }

    public override void SendOnFailure(OutgoingMessage message)
    {
        foreach (Envelope envelope in factory.Composer.Compose(message, Origin()))
        {
            Stage(ref _onFailure, envelope);
        }
    }

    public override void Publish<T>(string queue, string type, T payload, PublishOptions? options = null)
    {
        ReadOnlyMemory<byte> body = factory.Payloads.Write(type, payload);
        PublishOptions inherited = (options ?? QueuePublisher.Defaults) with { Conversation = Conversation };
        Stage(ref _staged, factory.Publisher.Compose(queue, new QueueMessage(type, body), inherited, Origin()));
    }

    public override void Signal(Signal signal)
    {
        if (signal is Signal.Reaction)
        {
            if (factory.Composer.ComposeSignal(signal, Origin()) is { } envelope)
            {
                Stage(ref _staged, envelope);
            }
        }
        else
        {
            factory.Signals.Show(signal);
        }
    }

    public override void Checkpoint(string name, ReadOnlyMemory<byte> value)
    {
        ThrowIfClosed();
        if (value.Length > StoredFact.MaxValueBytes)
        {
            throw new ArgumentException($"Checkpoint '{name}' has {value.Length} bytes; the limit is {StoredFact.MaxValueBytes}. Keep large data elsewhere and its key here.", nameof(value));
        }

        (_facts ??= []).Add(new FactChange(FactScopes.HandlerCheckpoint, CheckpointKey(name), value));
    }

    public override async ValueTask<ReadOnlyMemory<byte>?> GetCheckpointAsync(string name, CancellationToken cancellationToken)
    {
        string key = CheckpointKey(name);
        if (_facts?.FindLast(fact => fact.Key == key) is { } staged)
        {
            return staged.Value;
        }

        StoredFact? fact = await factory.Facts.GetAsync(FactScopes.HandlerCheckpoint, key, cancellationToken);
        return fact?.Value;
    }

    public override void CompleteOrigin(MarkRequest request) => Stage(ref _staged, factory.Publisher.ComposeMark(request, Origin()));

    /// <summary>The handler has returned: what it stages later is a mistake.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
        }
    }

    /// <summary>What is stored with an outcome: everything when acknowledged, the failure notes when failed, otherwise nothing.</summary>
    public IReadOnlyList<Envelope> StagedFor(Settlement settlement)
    {
        return settlement switch
        {
            Settlement.Acknowledged => _staged ?? (IReadOnlyList<Envelope>)[],
            Settlement.Failed => _onFailure ?? (IReadOnlyList<Envelope>)[],
            _ => [],
        };
    }

    public IReadOnlyList<FactChange> FactsFor(Settlement settlement)
    {
        return settlement is Settlement.Acknowledged ? _facts ?? (IReadOnlyList<FactChange>)[] : [];
    }

    public void Dispose()
    {
        _closed = true;
        if (_scope is { } scope)
        {
            _scope = null;
            _ = DisposeScopeAsync(scope);
        }
    }

    private static async Task DisposeScopeAsync(AsyncServiceScope scope) => await scope.DisposeAsync();

    private MessageOrigin Origin() => new(Envelope.Id, Conversation, Envelope.Hops + 1, Envelope);

    private string CheckpointKey(string name) => $"{Conversation ?? Envelope.Id.ToString()}/{name}";

    private void Stage(ref List<Envelope>? list, Envelope envelope)
    {
        // An abandoned handler may still be staging while its outcome is decided.
        lock (_gate)
        {
            Add(ref list, envelope);
        }
    }

    private void Add(ref List<Envelope>? list, Envelope envelope)
    {
        ThrowIfClosed();
        int count = (_staged?.Count ?? 0) + (_onFailure?.Count ?? 0) + 1;
        _bytes += envelope.Body.Length + envelope.Attachments.Sum(attachment => attachment.Data?.Length ?? 0L);
        if (count > factory.Limits.Staged || _bytes > factory.Limits.StagedSize)
        {
            throw new StagingLimitException(
                $"The attempt staged {count} messages with {_bytes} bytes; the limits are {factory.Limits.Staged} (limits.staged) and {factory.Limits.StagedSize} bytes "
                + "(limits.stagedSize). Publish one message per part and stage from there.");
        }

        (list ??= []).Add(envelope);
    }

    private void ThrowIfClosed()
    {
        if (_closed)
        {
            throw new InvalidOperationException("The handler has returned, so its context stages nothing any more. Await everything the handler starts.");
        }
    }
}
