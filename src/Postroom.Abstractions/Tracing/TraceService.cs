using System.Diagnostics;

namespace Postroom;

/// <summary>Makes spans, and carries their context in the headers of messages, so that one trace goes from source to delivery and through a restart (TR-2).</summary>
/// <remarks>
/// Spans exist only while a transport is on (<c>tracing.transport</c>) or somebody listens to the activity source <see cref="SourceName"/>; otherwise every
/// method returns at once and makes nothing. Safe for concurrent use.
/// </remarks>
public sealed class TraceService : IDisposable
{
    /// <summary>The name of the activity source.</summary>
    public const string SourceName = "Postroom";

    private const string ModuleTag = "postroom.module";
    private const int LongestState = 512; // W3C: what every vendor must be able to carry

    /// <summary>The activity source; each runtime has its own.</summary>
    internal ActivitySource Source { get; } = new(SourceName);

    /// <summary>Whether anybody looks at spans.</summary>
    public bool IsOn => Source.HasListeners();

    /// <summary>Begins a span. Dispose it where the work ends.</summary>
    /// <param name="operation">What is done; a name, never content of a message.</param>
    /// <param name="parent">What it is a part of; null for the span that is current, or a trace of its own when none is.</param>
    /// <returns>The span; null while nobody looks.</returns>
    public Activity? Start(string operation, ActivityContext? parent = null) => Start(operation, ActivityKind.Internal, parent ?? Activity.Current?.Context, link: null, isCurrent: true);

    /// <summary>The message with the current span as what it continues; the same message when there is none.</summary>
    /// <param name="envelope">The message.</param>
    public Envelope Inject(Envelope envelope)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        return IsOn && Activity.Current is { IdFormat: ActivityIdFormat.W3C, Id: { } id } current
            ? envelope with { Headers = With(envelope.Headers, id, current.TraceStateString) }
            : envelope;
    }

    /// <summary>What a message continues; null for nothing, or for headers that are not W3C trace context.</summary>
    /// <param name="envelope">The message.</param>
    public ActivityContext? Extract(Envelope envelope)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        return ContextOf(envelope.Header(HeaderNames.TraceParent), envelope.Header(HeaderNames.TraceState));
    }

    /// <summary>Spans of a module, which say whose they are.</summary>
    /// <param name="name">The module.</param>
    public ITraceFactory ForModule(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return new Factory(this, name);
    }

    /// <inheritdoc/>
    public void Dispose() => Source.Dispose();

    /// <summary>Begins a span with exactly this parent, whatever is current; null while nobody looks.</summary>
    internal Activity? Start(string operation, ActivityKind kind, ActivityContext? parent, ActivityContext? link, bool isCurrent)
    {
        if (!Source.HasListeners())
        {
            return null;
        }

        Activity? before = Activity.Current;
        Activity.Current = null; // without a parent given, the current one would be taken
        Activity? span = Source.StartActivity(kind, parent ?? default, tags: null, link is { } other ? [new ActivityLink(other)] : null, startTime: default, operation);
        if (span is null || !isCurrent)
        {
            Activity.Current = before;
        }

        return span;
    }

    /// <summary>The context of headers; null for none.</summary>
    internal static ActivityContext? ContextOf(string? traceParent, string? traceState) =>
        traceParent is not null && ActivityContext.TryParse(traceParent, traceState, isRemote: true, out ActivityContext context) ? context : null;

    /// <summary>The trace of a message's headers, as 32 hexadecimal digits; null for none.</summary>
    internal static string? TraceIdOf(Envelope envelope) => envelope.Headers.Count > 0 && envelope.Header(HeaderNames.TraceParent) is { Length: >= 55 } parent ? parent[3..35] : null;

    /// <summary>Headers with a context in the place of the one they had.</summary>
    internal static Dictionary<string, string> With(IReadOnlyDictionary<string, string> headers, string traceParent, string? traceState)
    {
        Dictionary<string, string> changed = new(headers, StringComparer.Ordinal) { [HeaderNames.TraceParent] = traceParent };
        if (traceState is { Length: > 0 and <= LongestState })
        {
            changed[HeaderNames.TraceState] = traceState;
        }
        else
        {
            changed.Remove(HeaderNames.TraceState);
        }

        return changed;
    }

    private sealed class Factory(TraceService traces, string module) : ITraceFactory
    {
        public Activity? Create(string operation, IReadOnlyList<KeyValuePair<string, object?>>? tags = null)
        {
            Activity? span = traces.Start(operation);
            span?.SetTag(ModuleTag, module);
            foreach ((string name, object? value) in span is null ? [] : tags ?? [])
            {
                span!.SetTag(name, value);
            }

            return span;
        }
    }
}
