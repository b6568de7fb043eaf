using System.Collections.Concurrent;
using System.Text.Json;
using Postroom.Workers;

namespace Postroom.Intake;

/// <summary>The lanes on which origins are told what became of their messages, one for each source that can tell (SR-8).</summary>
internal sealed class MarkLanes(QueueCatalog queues, PoolFactory pools, TimeProvider clock, Func<double> random)
{
    private const int AtATime = 32;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Drain = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, WorkerPool> _pools = new(StringComparer.Ordinal);
    private volatile bool _run;

    /// <summary>How marks are tried: as a lane tries to deliver (LN-9).</summary>
    public static QueueOptions Options { get; } = new()
    {
        MaxAttempts = 10,
        Backoff = new BackoffOptions { Base = TimeSpan.FromSeconds(1), Factor = 2, Max = TimeSpan.FromMinutes(5) },
        Order = new QueueOrder(QueueOrderKind.None),
        HighWater = int.MaxValue,
        LowWater = int.MaxValue,
    };

    /// <summary>The queue of a source's marks.</summary>
    public static string QueueOf(string source) => $"mark.{source}";

    /// <summary>Whether a lane takes the messages of a queue.</summary>
    public bool Serves(string queue) => _pools.ContainsKey(queue);

    /// <summary>Makes the lane of a source whose origin can be told; of any other nothing.</summary>
    public void Add(IMessageSource source)
    {
        if (source is not IMarkOrigin origin)
        {
            return;
        }

        string queue = QueueOf(source.Name);
        queues.Declare(queue, Options);
        WorkerOptions options = new() { Queue = queue, Parallelism = AtATime, Prefetch = AtATime, HandlerTimeout = Limit };
        WorkerPool pool = _pools[queue] = pools.Create(new WorkerDefinition(queue, options, new Lane(origin, clock, random), TimeSpan.FromSeconds(30)));
        if (_run)
        {
            pool.Start();
        }
    }

    /// <summary>Ends the lane of a source; what it has not told stays in its queue.</summary>
    public async Task RemoveAsync(string source)
    {
        if (_pools.TryRemove(QueueOf(source), out WorkerPool? pool))
        {
            await pool.StopAsync(Drain, Drain, CancellationToken.None);
        }
    }

    public void StartAll()
    {
        _run = true;
        foreach (WorkerPool pool in _pools.Values)
        {
            pool.Start();
        }
    }

    public Task StopAllAsync()
    {
        _run = false;
        return Task.WhenAll(_pools.Values.Select(pool => pool.StopAsync(Drain, Drain, CancellationToken.None)));
    }

    private sealed class Lane(IMarkOrigin origin, TimeProvider clock, Func<double> random) : IMessageRunner
    {
        private static readonly TimeSpan SoonAgain = TimeSpan.FromSeconds(5);
        private static readonly TimeSpan AtOnce = TimeSpan.FromMilliseconds(100);

        public bool IsAlwaysReady => false;

        public ValueTask WaitUntilReadyAsync(CancellationToken cancellationToken) => origin.Reachable is { IsCompleted: false } reachable ? new(reachable.WaitAsync(cancellationToken)) : default;

        public Settlement Decide(Attempt attempt, AttemptEnd end) =>
            RetryPolicy.Decide(end, attempt.Lease, Options.Backoff.ToBackoff(), retryTimeouts: true, random(), clock.GetUtcNow());

        public async ValueTask<AttemptEnd> RunAsync(Attempt attempt)
        {
            try
            {
                MarkRequest request = JsonSerializer.Deserialize(attempt.Envelope.Body.Span, PostroomJson.Default.MarkRequest) ?? throw new JsonException("The body is null.");
                await origin.MarkAsync(request, attempt.CancellationToken);
                return AttemptEnd.Success;
            }
            catch (JsonException e)
            {
                return new AttemptEnd.Unfit(FailureKind.Invalid, $"The body is not a mark: {e.Message}");
            }
            catch (OriginUnavailableException e)
            {
                return new AttemptEnd.Returned(HandlerResult.RetryAfter(origin.Reachable.IsCompleted ? SoonAgain : AtOnce, e.Message, countsAttempt: false));
            }
            catch (OperationCanceledException) when (attempt.CancellationToken.IsCancellationRequested)
            {
                return attempt.CancelReason == CancelReason.Timeout ? new AttemptEnd.TimedOut(Limit) : AttemptEnd.Cancelled;
            }
            catch (Exception e)
            {
                return new AttemptEnd.Threw(e);
            }
        }
    }
}
