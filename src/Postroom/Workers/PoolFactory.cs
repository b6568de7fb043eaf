using Microsoft.Extensions.Logging;
using Postroom.Settling;

namespace Postroom.Workers;

/// <summary>Makes pools from what all pools of a runtime share.</summary>
internal sealed class PoolFactory(IMessageStore store, Settler settler, string owner, TimeProvider clock, ILogger log)
{
    /// <summary>Watches them all.</summary>
    public AttemptWatch Watch { get; } = new(clock, log);

    /// <summary>Makes a pool; it runs once it is started.</summary>
    public WorkerPool Create(WorkerDefinition definition) => new(definition, store, settler, Watch, owner, clock, log);
}
