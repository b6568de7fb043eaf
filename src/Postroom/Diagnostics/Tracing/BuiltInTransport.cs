namespace Postroom.Diagnostics;

/// <summary>A transport that the runtime made itself and disposes when another takes its place.</summary>
internal abstract class BuiltInTransport(string name) : ITraceTransport, IDisposable
{
    public string Name { get; } = name;

    /// <summary>The transport that settings name; null for none.</summary>
    /// <param name="options">The settings.</param>
    /// <param name="dataDirectory">Where files go whose place nobody says.</param>
    /// <param name="resource">What the spans come from: name and value.</param>
    public static ITraceTransport? Create(TracingOptions options, string dataDirectory, IReadOnlyList<KeyValuePair<string, object?>> resource) => options.Transport switch
    {
        "console" => new ConsoleTransport(Console.Out),
        "file" => new FileTransport(options.Endpoint.Length > 0 ? options.Endpoint : Path.Combine(dataDirectory, "traces", "traces.jsonl")),
        "otlp" => new OtlpTransport(options.Endpoint, resource),
        _ => null,
    };

    public abstract ValueTask ExportAsync(IReadOnlyList<TraceSpan> batch, CancellationToken cancellationToken);

    public virtual void Dispose()
    {
    }
}
