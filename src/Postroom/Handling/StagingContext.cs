using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Postroom.Workers;

namespace Postroom.Handling;

/// <summary>An attempt staged more than it may.</summary>
internal sealed class StagingLimitException(string message) : Exception(message);

/// <summary>What one attempt stages. Nothing leaves before its acknowledgement is stored.</summary>
internal sealed class StagingContext(Attempt attempt, StagingFactory factory) : HandlerContext, IDisposable
{
    private Effects? _effects;
    private bool _closed;

    public override Envelope Envelope => attempt.Envelope;

    public override int Attempt => attempt.Lease.Attempt;

    public override bool Redelivered => attempt.Lease.Redelivered;

    public override string? TraceId => attempt.Span?.TraceId.ToHexString() ?? TraceService.TraceIdOf(Envelope);

    public override IServiceProvider Services => (Staged.Scope ??= factory.Services.CreateAsyncScope()).ServiceProvider;

    /// <summary>Whether all attempts share one service of this type.</summary>
    public bool IsShared<T>() => !factory.IsScoped(typeof(T));

    public T Resolve<T>()
        where T : class
    {
        return (factory.IsScoped(typeof(T)) ? Services : factory.Services).GetRequiredService<T>();
    }

    public override void Send(OutgoingMessage message)
    {
        foreach (Envelope envelope in factory.Composer.Compose(message, Origin()))
        {
            Stage(envelope);
        }
    }

    public override void Reply(OutgoingMessage message)
    {
        foreach (Envelope envelope in factory.Composer.ComposeReply(message, Envelope, Origin()))
        {
            Stage(envelope);
        }
    }

    public override void SendOnFailure(OutgoingMessage message)
    {
        foreach (Envelope envelope in factory.Composer.Compose(message, Origin()))
        {
            Stage(envelope, onFailure: true);
        }
    }

    public override void Publish<T>(string queue, string type, T payload, PublishOptions? options = null)
    {
        ReadOnlyMemory<byte> body = factory.Payloads.Write(type, payload);
        PublishOptions inherited = (options ?? QueuePublisher.Defaults) with { Conversation = Conversation };
        Stage(factory.Publisher.Compose(queue, new QueueMessage(type, body), inherited, Origin()));
    }

    public override void Signal(Signal signal)
    {
        if (signal is Signal.Reaction)
        {
            if (factory.Composer.ComposeSignal(signal, Origin()) is { } envelope)
            {
                Stage(envelope);
            }
        }
        else if (signal is Signal.Typing typing)
        {
            Type(typing);
        }
        else
        {
            factory.Signals.Show(signal);
        }
    }

    public override ValueTask<RemoteCallResult> CallAsync(string communicator, string method, JsonElement arguments, TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        factory.Calls.CallAsync(communicator, method, arguments, timeout, cancellationToken);

    public override ValueTask<Stream> OpenAsync(Attachment attachment, CancellationToken cancellationToken = default) => factory.Files.OpenAsync(Envelope, attachment, cancellationToken);

    public override void Checkpoint(string name, ReadOnlyMemory<byte> value)
    {
        ThrowIfClosed();
        if (value.Length > StoredFact.MaxValueBytes)
        {
            throw new ArgumentException($"Checkpoint '{name}' has {value.Length} bytes; the limit is {StoredFact.MaxValueBytes}. Keep large data elsewhere and its key here.", nameof(value));
        }

        (Staged.Facts ??= []).Add(new FactChange(FactScopes.HandlerCheckpoint, CheckpointKey(name), value));
    }

    public override async ValueTask<ReadOnlyMemory<byte>?> GetCheckpointAsync(string name, CancellationToken cancellationToken)
    {
        string key = CheckpointKey(name);
        if (_effects?.Facts?.FindLast(fact => fact.Key == key) is { } staged)
        {
            return staged.Value;
        }

        StoredFact? fact = await factory.Facts.GetAsync(FactScopes.HandlerCheckpoint, key, cancellationToken);
        return fact?.Value;
    }

    public override void CompleteOrigin(MarkRequest request) => Stage(factory.Publisher.ComposeMark(request, Origin()));

    /// <summary>The handler has returned: what it stages later is a mistake.</summary>
    public void Close()
    {
        lock (attempt)
        {
            _closed = true;
            EndTyping();
        }
    }

    /// <summary>What is stored with an outcome: everything when acknowledged, the failure notes when failed, otherwise nothing.</summary>
    public IReadOnlyList<Envelope> StagedFor(Settlement settlement)
    {
        return settlement switch
        {
            Settlement.Acknowledged => _effects?.Messages ?? (IReadOnlyList<Envelope>)[],
            Settlement.Failed => _effects?.OnFailure ?? (IReadOnlyList<Envelope>)[],
            _ => [],
        };
    }

    public IReadOnlyList<FactChange> FactsFor(Settlement settlement)
    {
        return settlement is Settlement.Acknowledged ? _effects?.Facts ?? (IReadOnlyList<FactChange>)[] : [];
    }

    public void Dispose()
    {
        lock (attempt)
        {
            _closed = true;
            EndTyping();
        }

        if (_effects is { Scope: { } scope } effects)
        {
            effects.Scope = null;
            _ = DisposeScopeAsync(scope);
        }
    }

    private static async Task DisposeScopeAsync(AsyncServiceScope scope) => await scope.DisposeAsync();

    private Effects Staged => _effects ??= new Effects();

    private MessageOrigin Origin() => new(Envelope.Id, Conversation, Envelope.Hops + 1, Envelope) { Span = attempt.Span };

    /// <summary>Shows typing until the handler has returned, or hides it again.</summary>
    private void Type(Signal.Typing typing)
    {
        lock (attempt)
        {
            if (_effects?.Typing?.Remove(typing.Address, out IDisposable? before) == true)
            {
                before.Dispose();
            }

            if (typing.Ttl <= TimeSpan.Zero || _closed)
            {
                factory.Signals.Show(typing);
            }
            else if (factory.Signals.Keep(typing) is { } kept)
            {
                (Staged.Typing ??= []).Add(typing.Address, kept);
            }
        }
    }

    private void EndTyping()
    {
        foreach (IDisposable kept in _effects?.Typing?.Values ?? (IEnumerable<IDisposable>)[])
        {
            kept.Dispose();
        }

        _effects?.Typing?.Clear();
    }

    private string CheckpointKey(string name) => $"{Conversation ?? Envelope.Id.ToString()}/{name}";

    private void Stage(Envelope envelope, bool onFailure = false)
    {
        // An abandoned handler may still be staging while its outcome is decided.
        lock (attempt)
        {
            Add(envelope, onFailure);
        }
    }

    private void Add(Envelope envelope, bool onFailure)
    {
        ThrowIfClosed();
        Effects effects = Staged;
        int count = (effects.Messages?.Count ?? 0) + (effects.OnFailure?.Count ?? 0) + 1;
        effects.Bytes += envelope.Body.Length + envelope.Attachments.Sum(attachment => attachment.Data?.Length ?? 0L);
        if (count > factory.Limits.Staged || effects.Bytes > factory.Limits.StagedSize)
        {
            throw new StagingLimitException(
                $"The attempt staged {count} messages with {effects.Bytes} bytes; the limits are {factory.Limits.Staged} (limits.staged) and {factory.Limits.StagedSize} bytes "
                + "(limits.stagedSize). Publish one message per part and stage from there.");
        }

        (onFailure ? effects.OnFailure ??= [] : effects.Messages ??= []).Add(envelope);
    }

    private void ThrowIfClosed()
    {
        if (_closed)
        {
            throw new InvalidOperationException("The handler has returned, so its context stages nothing any more. Await everything the handler starts.");
        }
    }

    /// <summary>What a handler asked for; many ask for nothing.</summary>
    private sealed class Effects
    {
        public List<Envelope>? Messages;
        public List<Envelope>? OnFailure;
        public List<FactChange>? Facts;
        public Dictionary<Address, IDisposable>? Typing;
        public AsyncServiceScope? Scope;
        public long Bytes;
    }
}
