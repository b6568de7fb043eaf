namespace Postroom;

/// <summary>Where spans go. Bound from <c>tracing</c>.</summary>
public sealed record TracingOptions
{
    /// <summary>The transport: <c>none</c>, <c>console</c>, <c>file</c>, <c>otlp</c> or a registered one. <c>none</c> unless set.</summary>
    public string Transport { get; set; } = "none";

    /// <summary>Where the transport sends to: a collector for <c>otlp</c> (over gRPC, or over HTTP when it has a path), a path for <c>file</c>. Empty, the default, is <c>http://localhost:4317</c> and <c>traces/traces.jsonl</c> in the data directory.</summary>
    public string Endpoint { get; set; } = "";

    /// <summary>The share of traces that are kept. 0 to 1; 1 unless set.</summary>
    public double SampleRatio { get; set; } = 1;

    /// <summary>How many spans views keep while a transport is on. 0 to 100,000; 1,000 unless set.</summary>
    public int Keep { get; set; } = 1_000;
}
