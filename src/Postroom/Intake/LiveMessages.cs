using System.Collections.Concurrent;
using System.Text.Json;
using Postroom.Workers;

namespace Postroom.Intake;

/// <summary>Hands stored incoming messages to live subscribers and then acknowledges them: the runner of queue <c>in</c> where nothing handles it.</summary>
/// <remarks>Keeps what has just come in, with the channel's own event object; what is not kept is read from the store.</remarks>
internal sealed class LiveMessages(IncomingPublisher incoming, QueueCatalog queues, TimeProvider clock, Func<double> random) : IMessageRunner
{
    private const int Capacity = 1_000;

    private readonly ConcurrentDictionary<MessageId, IncomingMessage> _kept = new();

    /// <summary>Makes the pool that runs this: one message at a time, in order.</summary>
    public WorkerDefinition Definition(string pool) => new(pool, new WorkerOptions { Queue = "in", Parallelism = 1 }, this, queues.Get("in").Lease);

    /// <summary>Keeps a message as it came in, until it is published or forgotten.</summary>
    public void Keep(MessageId id, IncomingMessage message)
    {
        if (_kept.Count < Capacity)
        {
            _kept[id] = message;
        }
    }

    public void Forget(MessageId id) => _kept.TryRemove(id, out _);

    public ValueTask WaitUntilReadyAsync(CancellationToken cancellationToken) => default;

    public Settlement Decide(Attempt attempt, AttemptEnd end)
    {
        return RetryPolicy.Decide(end, attempt.Lease, queues.Get(attempt.Envelope.Queue).Backoff.ToBackoff(), retryTimeouts: true, random(), clock.GetUtcNow());
    }

    public ValueTask<AttemptEnd> RunAsync(Attempt attempt)
    {
        try
        {
            incoming.Publish(_kept.TryRemove(attempt.Envelope.Id, out IncomingMessage? message) ? message : Decode(attempt.Envelope));
            return new ValueTask<AttemptEnd>(AttemptEnd.Success);
        }
        catch (JsonException e)
        {
            return new ValueTask<AttemptEnd>(new AttemptEnd.Unfit(FailureKind.Invalid, $"The body is not an incoming message: {e.Message}"));
        }
    }

    private static IncomingMessage Decode(Envelope envelope)
    {
        IncomingMessage message = JsonSerializer.Deserialize(envelope.Body.Span, PostroomJson.Default.IncomingMessage) ?? throw new JsonException("The body is null.");
        return message with { Attachments = envelope.Attachments };
    }
}
