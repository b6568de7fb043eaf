using Microsoft.Extensions.Logging;
using Postroom.Workers;

namespace Postroom.Outbound;

/// <summary>The way out of one communicator: a worker pool on <c>out.{communicator}</c> whose handler is the communicator.</summary>
internal sealed partial class OutboundLane(string communicator, WorkerPool pool, LaneGate gate, ILogger log)
{
    public string Communicator { get; } = communicator;

    public string Queue => OutboundQueue.Of(Communicator);

    public WorkerPool Pool { get; } = pool;

    public LaneGate Gate { get; } = gate;

    /// <summary>How many sends a communicator may have at a time.</summary>
    public static int MaxInFlight(Registration registration) => registration.Config.MaxInFlight ?? registration.Config.Outbound.MaxInFlight;

    /// <summary>Whether it sends as a communicator's settings say.</summary>
    public bool Fits(Registration registration) =>
        Pool.Options.Parallelism == MaxInFlight(registration) && Pool.Options.HandlerTimeout == BuiltInKinds.SendTimeout(registration.Config);

    /// <summary>Begins reading and returns at once.</summary>
    public void Start()
    {
        LogStart(Communicator, Queue, Pool.Parallelism);
        Pool.Start();
    }

    [LoggerMessage(410, LogLevel.Information, "Lane of '{Communicator}' reads queue '{Queue}' with up to {MaxInFlight} sends in flight.")]
    private partial void LogStart(string communicator, string queue, int maxInFlight);
}
