namespace Postroom;

/// <summary>When a part of the runtime starts; parts stop in reverse. Parts of one phase start side by side.</summary>
public enum RuntimePhase
{
    /// <summary>Configuration is loaded and validated.</summary>
    Configuration = 1,

    /// <summary>Logs, traces and metrics; the HTTP listener answers live, not ready.</summary>
    Telemetry = 2,

    /// <summary>The store opens and recovers.</summary>
    Store = 3,

    /// <summary>Outbound and completion lanes begin reading.</summary>
    Lanes = 4,

    /// <summary>Communicators connect.</summary>
    Communicators = 5,

    /// <summary>Worker pools lease.</summary>
    Workers = 6,

    /// <summary>Sources run.</summary>
    Sources = 7,

    /// <summary>HTTP intake opens and the runtime is ready.</summary>
    Ready = 8,
}

/// <summary>A part of the runtime with a place in the order of start and stop.</summary>
public interface IRuntimeComponent
{
    /// <summary>The part's name, for the record.</summary>
    string Name { get; }

    /// <summary>When it starts.</summary>
    RuntimePhase Phase { get; }

    /// <summary>Starts it; an exception ends the start of the runtime.</summary>
    Task StartAsync(CancellationToken cancellationToken);

    /// <summary>Stops it.</summary>
    /// <param name="drain">How long work in flight may go on.</param>
    /// <param name="cancellationToken">Ends the stop at the stop limit.</param>
    Task StopAsync(TimeSpan drain, CancellationToken cancellationToken);
}
