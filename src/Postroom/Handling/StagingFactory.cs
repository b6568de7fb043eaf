using System.Collections.Frozen;
using Postroom.Outbound;
using Postroom.Workers;

namespace Postroom.Handling;

/// <summary>Makes the context of each attempt, with what its verbs need.</summary>
internal sealed class StagingFactory(
    IServiceProvider services, FrozenSet<Type> scoped, OutboundComposer composer, QueuePublisher publisher, PayloadCatalog payloads, IFacts facts, SignalBoard signals, RemoteCalls calls, IncomingFiles files, LimitsOptions limits)
{
    public IServiceProvider Services { get; } = services;

    public OutboundComposer Composer { get; } = composer;

    public QueuePublisher Publisher { get; } = publisher;

    public PayloadCatalog Payloads { get; } = payloads;

    public IFacts Facts { get; } = facts;

    public SignalBoard Signals { get; } = signals;

    public RemoteCalls Calls { get; } = calls;

    public IncomingFiles Files { get; } = files;

    public LimitsOptions Limits { get; } = limits;

    public StagingContext Create(Attempt attempt, bool isDryRun = false) => new(attempt, this, isDryRun);

    /// <summary>Whether a handler was registered with a lifetime shorter than the runtime's.</summary>
    public bool IsScoped(Type handler) => scoped.Contains(handler);
}
