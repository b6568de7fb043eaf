using System.Diagnostics;

namespace Postroom;

/// <summary>One finished span, as transports get it.</summary>
public sealed record TraceSpan
{
    /// <summary>What was done, such as <c>postroom.handle</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The trace, as 32 lower-case hexadecimal digits.</summary>
    public required string TraceId { get; init; }

    /// <summary>The span, as 16 lower-case hexadecimal digits.</summary>
    public required string SpanId { get; init; }

    /// <summary>The span it is a part of, as 16 hexadecimal digits; null for the first of a trace.</summary>
    public string? ParentSpanId { get; init; }

    /// <summary>W3C trace state; null for none.</summary>
    public string? TraceState { get; init; }

    /// <summary>Which side of a message it is.</summary>
    public ActivityKind Kind { get; init; }

    /// <summary>When it began.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>How long it took.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>Whether it ended well; unset when nobody said so.</summary>
    public ActivityStatusCode Status { get; init; }

    /// <summary>Why it did not end well, masked; null for none.</summary>
    public string? StatusText { get; init; }

    /// <summary>Attributes: texts, numbers and truth values; texts are masked.</summary>
    public IReadOnlyList<KeyValuePair<string, object?>> Tags { get; init; } = [];

    /// <summary>Other spans it belongs to without being a part of them: the first attempt of the same message, or the batch it came in.</summary>
    public IReadOnlyList<TraceLink> Links { get; init; } = [];
}

/// <summary>A span that another one refers to.</summary>
/// <param name="TraceId">The trace, as 32 hexadecimal digits.</param>
/// <param name="SpanId">The span, as 16 hexadecimal digits.</param>
public sealed record TraceLink(string TraceId, string SpanId);
