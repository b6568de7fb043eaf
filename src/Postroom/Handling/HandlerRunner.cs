using Postroom.Diagnostics;
using Postroom.Workers;

namespace Postroom.Handling;

/// <summary>Runs an attempt through its handler: find, decode, tell hooks, call through the middleware.</summary>
internal sealed class HandlerRunner(
    HandlerTable handlers,
    PayloadCatalog payloads,
    IReadOnlyList<IHandlerMiddleware> middleware,
    StagingFactory staging,
    HookDispatcher hooks,
    QueueCatalog queues,
    WorkerOptions options,
    LimitsOptions limits,
    TimeProvider clock,
    Func<double> random) : IMessageRunner
{
    private WorkerOptions _options = options;

    /// <summary>Types whose handlers may be run without effect.</summary>
    public IReadOnlySet<string> DryRuns { get; init; } = new HashSet<string>();

    public void Change(WorkerOptions options) => Volatile.Write(ref _options, options);

    public ValueTask WaitUntilReadyAsync(CancellationToken cancellationToken) => default;

    public Settlement Decide(Attempt attempt, AttemptEnd end)
    {
        if (ReferenceEquals(end, AttemptEnd.Success))
        {
            return Settlement.Acknowledge;
        }

        Backoff backoff = queues.Get(attempt.Envelope.Queue).Backoff.ToBackoff();
        return RetryPolicy.Decide(end, attempt.Lease, backoff, _options.RetryTimeouts, random(), clock.GetUtcNow());
    }

    public async ValueTask<AttemptEnd> RunAsync(Attempt attempt)
    {
        Envelope envelope = attempt.Envelope;
        if (envelope.Hops > limits.Hops)
        {
            return new AttemptEnd.Unfit(FailureKind.Invalid, $"too_deep: the message came through {envelope.Hops} handlers; the limit is {limits.Hops} (limits.hops). Two handlers may be answering each other.");
        }

        if (envelope.Headers.Count > 0 && envelope.Header(Intake.IncomingTranslation.Unreadable) is { } unreadable)
        {
            return new AttemptEnd.Unfit(FailureKind.Invalid, unreadable);
        }

        if (handlers.Find(envelope.Queue, envelope.Type) is not { } entry)
        {
            return new AttemptEnd.Unfit(FailureKind.Unroutable, NoHandler(envelope));
        }

        object? payload;
        try
        {
            payload = entry.Decode(envelope, payloads.Upcast(envelope.Type, envelope.Body));
        }
        catch (Exception e)
        {
            return new AttemptEnd.Unfit(FailureKind.Invalid, $"The body ({envelope.Body.Length} bytes, {envelope.ContentType}) is not a '{envelope.Type}': {e.Message}");
        }

        StagingContext context = staging.Create(attempt);
        attempt.Context = context;
        try
        {
            if (!hooks.IsEmpty)
            {
                attempt.Hooks = await hooks.BeginAsync(attempt, $"{envelope.Queue}/{entry.Name}");
                attempt.ThrowIfCancelled(); // taken away, or out of time, while hooks were told
            }

            HandlerResult result = await CallAsync(entry, payload, context, 0, attempt.CancellationToken);
            context.Close();
            return EndOf(result, entry);
        }
        catch (Exception e)
        {
            return EndOf(e, attempt);
        }
    }

    /// <summary>Runs a handler without effect: outside of every pool, without hooks, and on a context whose messages go nowhere.</summary>
    /// <exception cref="DryRunUnsupportedException">No handler may be run so.</exception>
    /// <exception cref="TimeoutException">It goes on although its time is over.</exception>
    public async Task<DryRunResult> DryRunAsync(Envelope envelope, CancellationToken cancellationToken)
    {
        HandlerEntry entry = handlers.Find(envelope.Queue, envelope.Type) ?? throw new DryRunUnsupportedException(NoHandler(envelope));
        if (!DryRuns.Contains(envelope.Type))
        {
            throw new DryRunUnsupportedException($"Handler {entry.Name} of type '{envelope.Type}' does not say that it may be run without effect. Call SupportsDryRun(\"{envelope.Type}\") where it is added, once it changes nothing while IsDryRun.");
        }

        using CancellationTokenSource time = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Attempt attempt = new(new MessageLease { Envelope = envelope, Attempt = 1, Fence = 0, Owner = "dry-run" }, 0, clock.GetTimestamp(), time);
        StagingContext context = staging.Create(attempt, isDryRun: true);
        attempt.Context = context;
        await using ITimer timer = clock.CreateTimer(_ => _ = attempt.TryCancel(CancelReason.Timeout) ? time.CancelAsync() : Task.CompletedTask, null, _options.HandlerTimeout, Timeout.InfiniteTimeSpan);
        AttemptEnd end = await Task.Run(() => RehearseAsync(entry, attempt, context), cancellationToken).WaitAsync(_options.HandlerTimeout + _options.CancelGrace, clock, cancellationToken);
        Settlement settlement = Decide(attempt, end);
        DryRunResult result = settlement switch
        {
            Settlement.Acknowledged => new DryRunResult("acked", null, context.StagedFor(settlement)),
            Settlement.Failed failed => new DryRunResult("failed", failed.Reason, context.StagedFor(settlement)),
            Settlement.Retried retried => new DryRunResult("pending", retried.Reason, []),
            _ => new DryRunResult("pending", null, []),
        };
        context.Dispose();
        return result;
    }

    private async Task<AttemptEnd> RehearseAsync(HandlerEntry entry, Attempt attempt, StagingContext context)
    {
        try
        {
            Envelope envelope = attempt.Envelope;
            HandlerResult result = await CallAsync(entry, entry.Decode(envelope, payloads.Upcast(envelope.Type, envelope.Body)), context, 0, attempt.CancellationToken);
            context.Close();
            return EndOf(result, entry);
        }
        catch (Exception e)
        {
            return EndOf(e, attempt);
        }
    }

    private static AttemptEnd EndOf(HandlerResult result, HandlerEntry entry) => result switch
    {
        HandlerResult.Done => AttemptEnd.Success,
        null => new AttemptEnd.Threw(new InvalidOperationException($"Handler {entry.Name} returned null. Return HandlerResult.Completed, RetryAfter or Fail.")),
        _ => new AttemptEnd.Returned(result),
    };

    private AttemptEnd EndOf(Exception exception, Attempt attempt) => exception switch
    {
        OperationCanceledException => attempt.CancelReason switch
        {
            CancelReason.Timeout => new AttemptEnd.TimedOut(_options.HandlerTimeout),
            CancelReason.Stopping or CancelReason.Operator => AttemptEnd.Cancelled,
            _ => new AttemptEnd.Threw(exception),
        },
        StagingLimitException => new AttemptEnd.Unfit(FailureKind.Rejected, exception.Message),
        _ => new AttemptEnd.Threw(exception),
    };

    private ValueTask<HandlerResult> CallAsync(HandlerEntry entry, object? payload, HandlerContext context, int index, CancellationToken cancellationToken)
    {
        return index == middleware.Count
            ? entry.InvokeAsync(payload, context, cancellationToken)
            : PassAsync(entry, payload, context, index, cancellationToken);
    }

    // Apart from CallAsync, which would otherwise make the closure for every message without middleware too.
    private ValueTask<HandlerResult> PassAsync(HandlerEntry entry, object? payload, HandlerContext context, int index, CancellationToken cancellationToken)
    {
        return middleware[index].InvokeAsync(context, (inner, token) => CallAsync(entry, payload, inner, index + 1, token), cancellationToken);
    }

    private string NoHandler(Envelope envelope)
    {
        string known = string.Join(", ", handlers.Handlers.Where(entry => entry.Queue == envelope.Queue).Select(entry => entry.Type).Order(StringComparer.Ordinal).Take(20));
        return $"No handler of queue '{envelope.Queue}' takes type '{envelope.Type}'. "
            + (known.Length > 0 ? $"It has handlers for {known}. " : "It has no handlers. ")
            + $"Call AddHandler for '{envelope.Type}' and replay the message.";
    }
}
