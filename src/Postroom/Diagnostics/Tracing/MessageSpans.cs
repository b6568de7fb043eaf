using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Postroom.Workers;

namespace Postroom.Diagnostics;

/// <summary>The spans of a message's walk and what they say (TR-3). Values are names, numbers and ids; a conversation is a hash.</summary>
/// <remarks>Nothing is made while nobody looks at spans. Safe for concurrent use.</remarks>
internal sealed class MessageSpans(TraceService traces, Redactor redactor)
{
    public const string Source = "postroom.source";
    public const string Accept = "postroom.accept";
    public const string Handle = "postroom.handle";
    public const string Settle = "postroom.settle";
    public const string Deliver = "postroom.deliver";
    public const string Call = "postroom.call";

    private readonly FirstAttempts _first = new();

    /// <summary>Whether anybody looks.</summary>
    public bool IsOn => traces.IsOn;

    /// <summary>Begins the spans of a batch that comes in; null when nobody looks.</summary>
    public AcceptSpans? BeginAccept(string source, IReadOnlyList<SourceMessage> messages)
    {
        return IsOn ? AcceptSpans.Begin(traces, source, messages) : null;
    }

    /// <summary>Begins the span of an attempt, which is current for what the handler or the communicator does.</summary>
    /// <remarks>A further attempt is linked to the first; when that was in another process, or is forgotten, to the span that stored the message.</remarks>
    public void BeginAttempt(Attempt attempt)
    {
        Envelope envelope = attempt.Envelope;
        string? communicator = OutboundQueue.CommunicatorOf(envelope.Queue);
        ActivityContext? parent = traces.Extract(envelope);
        ActivityContext? first = attempt.Lease.Attempt > 1 || attempt.Lease.Redelivered ? _first.Find(envelope.Id) ?? parent : null;
        Activity? span = communicator is null
            ? traces.Start(Handle, ActivityKind.Consumer, parent, first, isCurrent: true)
            : traces.Start(Deliver, ActivityKind.Producer, parent, first, isCurrent: true);
        if (span is null)
        {
            return;
        }

        Describe(span, envelope, communicator is null ? "process" : "send");
        span.SetTag("postroom.attempt", attempt.Lease.Attempt);
        span.SetTag("postroom.communicator", communicator);
        if (attempt.Lease.Redelivered)
        {
            span.SetTag("postroom.redelivered", true);
        }

        attempt.Span = span;
    }

    /// <summary>Ends the span of an attempt, and begins that of its settlement. An attempt that was given up may come here twice.</summary>
    public void BeginSettle(Attempt attempt, Settlement settlement)
    {
        if (attempt.Span is not { } span || attempt.SettleSpan is not null)
        {
            return;
        }

        if (settlement is Settlement.Retried or Settlement.Released)
        {
            _first.Keep(attempt.Envelope.Id, span.Context);
        }
        else
        {
            _first.Forget(attempt.Envelope.Id);
        }

        End(span, settlement);
        attempt.SettleSpan = traces.Start(Settle, ActivityKind.Internal, span.Context, link: null, isCurrent: false);
        if (attempt.SettleSpan is { } settle)
        {
            Describe(settle, attempt.Envelope, "settle");
            settle.SetTag("postroom.attempt", attempt.Lease.Attempt);
        }
    }

    /// <summary>Ends the span of a settlement: stored as this, or refused because somebody else had decided.</summary>
    public void EndSettle(Attempt attempt, Settlement? settlement)
    {
        if (attempt.SettleSpan is { IsStopped: false } span)
        {
            if (settlement is null)
            {
                span.SetTag("postroom.outcome", "lost");
                span.SetStatus(ActivityStatusCode.Error, "Another attempt had decided.");
                span.Stop();
            }
            else
            {
                End(span, settlement);
            }
        }
    }

    /// <summary>Begins the span of a remote call, which is current for the communicator; null when nobody looks.</summary>
    public Activity? BeginCall(string communicator, string method)
    {
        Activity? span = traces.Start(Call, ActivityKind.Client, Activity.Current?.Context, link: null, isCurrent: true);
        span?.SetTag("postroom.communicator", communicator);
        span?.SetTag("rpc.method", method);
        return span;
    }

    /// <summary>Names the message, its queue and its kind as the conventions for messaging do.</summary>
    public static void Describe(Activity span, Envelope envelope, string operation)
    {
        span.SetTag("messaging.system", "postroom");
        span.SetTag("messaging.operation.type", operation);
        span.SetTag("messaging.destination.name", envelope.Queue);
        span.SetTag("messaging.message.id", envelope.Id.ToString());
        span.SetTag("postroom.message.type", envelope.Type);
        if (envelope.Conversation is { } conversation)
        {
            span.SetTag("postroom.conversation.hash", Hash(conversation));
        }
    }

    /// <summary>Who talks is nobody's business outside: eight bytes of the hash are enough to find what belongs together.</summary>
    private static string Hash(string conversation) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(conversation)).AsSpan(0, 8));

    private void End(Activity span, Settlement settlement)
    {
        (string outcome, FailureKind? kind, string? reason) = settlement switch
        {
            Settlement.Acknowledged => ("acked", (FailureKind?)null, (string?)null),
            Settlement.Failed failed => ("failed", failed.Kind, failed.Reason),
            Settlement.Retried retried => ("retry", retried.Cause, retried.Reason),
            _ => ("released", null, null),
        };
        span.SetTag("postroom.outcome", outcome);
        if (kind is { } why)
        {
            span.SetTag("postroom.failure.kind", why.ToString().ToLowerInvariant());
            span.SetStatus(ActivityStatusCode.Error, redactor.ErrorText(reason));
        }

        span.Stop();
    }
}
