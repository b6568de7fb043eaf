namespace Postroom;

/// <summary>Takes finished spans somewhere. Registered with <see cref="IApplicationBuilder.AddTraceTransport"/> and chosen by <c>tracing.transport</c>.</summary>
/// <remarks>
/// Called by one loop, a batch at a time. What it throws is a notice of the runtime and nothing more: the batch is tried again with growing pauses, at most five
/// times, and dropped then; what comes meanwhile waits in a bounded buffer. One that was registered is never disposed here: the setting may come back to it.
/// </remarks>
public interface ITraceTransport
{
    /// <summary>Its name, as the setting names it.</summary>
    string Name { get; }

    /// <summary>Hands a batch over.</summary>
    /// <param name="batch">From 1 to 512 spans, in the order in which they ended. Texts are masked already.</param>
    /// <param name="cancellationToken">Ends it after 10 s, or when the runtime has stopped.</param>
    ValueTask ExportAsync(IReadOnlyList<TraceSpan> batch, CancellationToken cancellationToken);
}
