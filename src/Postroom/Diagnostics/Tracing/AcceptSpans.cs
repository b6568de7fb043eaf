using System.Diagnostics;

namespace Postroom.Diagnostics;

/// <summary>The span of a batch that comes in, and one for each message that is stored of it.</summary>
/// <remarks>
/// A message alone in its batch continues the trace of its own headers through the source's span. Several are traces of their own, linked to the batch: what
/// happened to come in together has nothing else in common.
/// </remarks>
internal sealed class AcceptSpans
{
    private readonly Activity? _source;
    private readonly Activity?[] _accepts;

    private AcceptSpans(Activity? source, Activity?[] accepts)
    {
        _source = source;
        _accepts = accepts;
    }

    public static AcceptSpans Begin(TraceService traces, string source, IReadOnlyList<SourceMessage> messages)
    {
        ActivityContext? only = messages.Count == 1 ? ContextOf(messages[0]) ?? Recorded() : Recorded();
        Activity? batch = traces.Start(MessageSpans.Source, ActivityKind.Consumer, only, link: null, isCurrent: false);
        batch?.SetTag("messaging.system", "postroom");
        batch?.SetTag("messaging.operation.type", "receive");
        batch?.SetTag("messaging.batch.message_count", messages.Count);
        batch?.SetTag("postroom.source", source);
        Activity?[] accepts = new Activity?[messages.Count];
        for (int i = 0; i < accepts.Length; i++)
        {
            accepts[i] = messages.Count == 1
                ? traces.Start(MessageSpans.Accept, ActivityKind.Producer, batch?.Context ?? only, link: null, isCurrent: false)
                : traces.Start(MessageSpans.Accept, ActivityKind.Producer, ContextOf(messages[i]), batch?.Context, isCurrent: false);
        }

        return new AcceptSpans(batch, accepts);
    }

    /// <summary>The headers of a message with what its attempts continue.</summary>
    public Dictionary<string, string> Put(int message, Dictionary<string, string> headers) =>
        _accepts[message] is { Id: { } id } span ? TraceService.With(headers, id, span.TraceStateString) : headers;

    /// <summary>The batch is stored.</summary>
    public void End(IReadOnlyList<Envelope> envelopes, IReadOnlyList<AppendResult> stored, string source)
    {
        for (int i = 0; i < _accepts.Length; i++)
        {
            if (_accepts[i] is { } span)
            {
                MessageSpans.Describe(span, envelopes[i], "create");
                span.SetTag("messaging.message.id", stored[i].Id.ToString());
                span.SetTag("postroom.source", source);
                span.SetTag("postroom.outcome", stored[i].Duplicate ? "duplicate" : "accepted");
                span.Stop();
            }
        }

        _source?.Stop();
    }

    /// <summary>Nothing of the batch is stored. The text is the runtime's own.</summary>
    public void Fail(string why)
    {
        foreach (Activity? span in _accepts.Append(_source))
        {
            span?.SetTag("postroom.outcome", "refused");
            span?.SetStatus(ActivityStatusCode.Error, why);
            span?.Stop();
        }
    }

    private static ActivityContext? ContextOf(SourceMessage message) =>
        TraceService.ContextOf(message.Headers.GetValueOrDefault(HeaderNames.TraceParent), message.Headers.GetValueOrDefault(HeaderNames.TraceState));

    /// <summary>What is current around the call, such as the request of a listener, when somebody records it.</summary>
    private static ActivityContext? Recorded() => Activity.Current is { Recorded: true } current ? current.Context : null;
}
