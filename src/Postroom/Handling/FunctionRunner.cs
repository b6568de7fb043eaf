using System.Text.Json;
using Postroom.Workers;

namespace Postroom.Handling;

/// <summary>Runs an attempt through one function that takes every incoming message; returning is success.</summary>
internal sealed class FunctionRunner(MessageHandler handler, QueueCatalog queues, WorkerOptions options, TimeProvider clock, Func<double> random) : IMessageRunner
{
    private WorkerOptions _options = options;

    public void Change(WorkerOptions options) => Volatile.Write(ref _options, options);

    public ValueTask WaitUntilReadyAsync(CancellationToken cancellationToken) => default;

    public Settlement Decide(Attempt attempt, AttemptEnd end)
    {
        Backoff backoff = queues.Get(attempt.Envelope.Queue).Backoff.ToBackoff();
        return RetryPolicy.Decide(end, attempt.Lease, backoff, _options.RetryTimeouts, random(), clock.GetUtcNow());
    }

    public async ValueTask<AttemptEnd> RunAsync(Attempt attempt)
    {
        IncomingMessage message;
        try
        {
            message = JsonSerializer.Deserialize(attempt.Envelope.Body.Span, PostroomJson.Default.IncomingMessage) ?? throw new JsonException("The body is null.");
        }
        catch (JsonException e)
        {
            return new AttemptEnd.Unfit(FailureKind.Invalid, $"The body is not an incoming message: {e.Message}");
        }

        try
        {
            await handler(message with { Attachments = attempt.Envelope.Attachments }, attempt.CancellationToken);
            return AttemptEnd.Success;
        }
        catch (OperationCanceledException) when (attempt.CancelReason == CancelReason.Timeout)
        {
            return new AttemptEnd.TimedOut(_options.HandlerTimeout);
        }
        catch (OperationCanceledException) when (attempt.CancelReason != CancelReason.None)
        {
            return AttemptEnd.Cancelled;
        }
    }
}
