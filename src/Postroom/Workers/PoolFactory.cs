using Microsoft.Extensions.Logging;
using Postroom.Settling;

namespace Postroom.Workers;

/// <summary>Makes pools from what all pools of a runtime share.</summary>
internal sealed class PoolFactory(IMessageStore store, Settler settler, string owner, TimeProvider clock, ILogger log)
{
    /// <summary>Watches them all.</summary>
    public AttemptWatch Watch { get; } = new(clock, log);

    /// <summary>Whether a pool that is made begins paused, because the whole is.</summary>
    public bool MakesPaused { get; set; }

    /// <summary>Makes a pool; it runs once it is started.</summary>
    public WorkerPool Create(WorkerDefinition definition)
    {
        WorkerPool pool = new(definition, store, settler, Watch, owner, clock, log);
        if (MakesPaused)
        {
            pool.Pause();
        }

        return pool;
    }
}
