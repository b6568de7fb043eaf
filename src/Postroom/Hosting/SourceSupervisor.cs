using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Postroom.Intake;

namespace Postroom.Hosting;

/// <summary>Owns the loops of all sources: starts, pauses and stops them by name, and starts a failed one again with backoff.</summary>
internal sealed partial class SourceSupervisor(MessageIntake intake, IFacts facts, TimeProvider clock, Func<double> random, ILogger log)
{
    private static readonly TimeSpan LongestStop = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, Entry> _sources = new(StringComparer.Ordinal);

    public void Add(IMessageSource source, string queue) => _sources[source.Name] = new Entry(source, queue);

    public IReadOnlyDictionary<string, SourceStatus> Status() => _sources.ToDictionary(pair => pair.Key, pair => pair.Value.Status, StringComparer.Ordinal);

    public void StartAll()
    {
        foreach (Entry entry in _sources.Values)
        {
            Start(entry);
        }
    }

    public void Start(string name) => Start(Find(name));

    public Task StopAsync(string name) => StopAsync(Find(name));

    /// <summary>Stops all sources. One that ignores its token is waited for up to the drain limit, at most 5 s, and then left to itself.</summary>
    public async Task StopAllAsync(TimeSpan drain)
    {
        Task[] stops = [.. _sources.Values.Select(StopAsync)];
        try
        {
            await Task.WhenAll(stops).WaitAsync(drain < LongestStop ? drain : LongestStop, clock);
        }
        catch (TimeoutException)
        {
            LogLeft(string.Join(", ", _sources.Values.Where(entry => !entry.Loop.IsCompleted).Select(entry => entry.Source.Name)));
        }
    }

    /// <summary>Holds a source back: it acknowledges nothing until it is resumed.</summary>
    public void Pause(string name) => Find(name).Pause();

    public void Resume(string name) => Find(name).Resume();

    /// <summary>Looks for news at once.</summary>
    /// <exception cref="NotSupportedException">The source cannot be asked.</exception>
    public ValueTask<int> PollAsync(string name, CancellationToken cancellationToken)
    {
        return Find(name).Source is IPollNow poll
            ? poll.PollNowAsync(cancellationToken)
            : throw new NotSupportedException($"Source '{name}' is told of news by its origin; there is nothing to poll.");
    }

    private Entry Find(string name)
    {
        return _sources.TryGetValue(name, out Entry? entry)
            ? entry
            : throw new KeyNotFoundException($"There is no source '{name}'. Sources are {string.Join(", ", _sources.Keys.Order(StringComparer.Ordinal))}.");
    }

    private void Start(Entry entry)
    {
        lock (entry)
        {
            if (entry.Stop is null)
            {
                entry.Stop = new CancellationTokenSource();
                CancellationToken token = entry.Stop.Token;
                entry.Loop = Task.Run(() => RunAsync(entry, token), CancellationToken.None);
            }
        }
    }

    private async Task StopAsync(Entry entry)
    {
        CancellationTokenSource? stop;
        lock (entry)
        {
            stop = entry.Stop;
            entry.Stop = null;
        }

        if (stop is not null)
        {
            await stop.CancelAsync();
            await entry.Loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            stop.Dispose();
            entry.Set(SourceState.Stopped, clock.GetUtcNow());
        }
    }

    private async Task RunAsync(Entry entry, CancellationToken cancellationToken)
    {
        Backoff backoff = new(TimeSpan.FromSeconds(1), 2, TimeSpan.FromSeconds(60), 0.2);
        PacedSink sink = new(entry, new SourceSink(entry.Source.Name, intake, facts), intake, clock);
        for (int failures = 0; !cancellationToken.IsCancellationRequested;)
        {
            string why;
            long begun = clock.GetTimestamp();
            try
            {
                entry.Set(SourceState.Running, clock.GetUtcNow());
                await entry.Source.RunAsync(sink, cancellationToken);
                why = "It ended by itself.";
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                why = e.Message;
            }

            // A run that held for a while starts the backoff over.
            failures = clock.GetElapsedTime(begun) > backoff.Max ? 1 : failures + 1;
            entry.Fail(why, clock.GetUtcNow());
            LogFailed(entry.Source.Name, why);
            await Task.Delay(backoff.After(failures, random()), clock, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    [LoggerMessage(510, LogLevel.Warning, "Source '{Source}' failed and is started again: {Why}")]
    private partial void LogFailed(string source, string why);

    [LoggerMessage(511, LogLevel.Warning, "Sources that did not end when asked are left to themselves, and what they bring is refused: {Sources}")]
    private partial void LogLeft(string sources);

    internal sealed class Entry(IMessageSource source, string queue)
    {
        private TaskCompletionSource? _paused;
        private SourceStatus _status = new();

        public IMessageSource Source { get; } = source;

        public string Queue { get; } = queue;

        public CancellationTokenSource? Stop { get; set; }

        public Task Loop { get; set; } = Task.CompletedTask;

        public SourceStatus Status => _status with
        {
            LastSuccessAt = Source.Status.LastSuccessAt ?? _status.LastSuccessAt,
            Lag = Source.Status.Lag,
            Checkpoint = Source.Status.Checkpoint,
        };

        public Task? Paused => _paused?.Task;

        public void Pause() => _paused ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Resume()
        {
            _paused?.TrySetResult();
            _paused = null;
        }

        public void Set(SourceState state, DateTimeOffset now) => _status = _status with { State = state, Since = now };

        public void Fail(string error, DateTimeOffset now) => _status = _status with { State = SourceState.Backoff, Since = now, LastError = error };

        public void Count(int produced, int duplicates, DateTimeOffset now) => _status = _status with
        {
            Produced = _status.Produced + produced,
            Duplicates = _status.Duplicates + duplicates,
            LastSuccessAt = now,
        };
    }

    /// <summary>Holds a source back while it is paused, its queue is too full, or the store cannot write: the call waits, and nothing is acknowledged.</summary>
    private sealed class PacedSink(Entry entry, SourceSink inner, MessageIntake intake, TimeProvider clock) : IMessageSink
    {
        private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);

        public ValueTask<ReadOnlyMemory<byte>?> GetCheckpointAsync(CancellationToken cancellationToken) => inner.GetCheckpointAsync(cancellationToken);

        public async ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, CancellationToken cancellationToken)
        {
            while (true)
            {
                if (entry.Paused is { } paused)
                {
                    entry.Set(SourceState.Paused, clock.GetUtcNow());
                    await paused.WaitAsync(cancellationToken);
                }

                try
                {
                    IReadOnlyList<AcceptResult> results = await inner.AcceptAsync(batch, checkpoint, cancellationToken);
                    int duplicates = results.Count(result => result.Duplicate);
                    entry.Count(results.Count - duplicates, duplicates, clock.GetUtcNow());
                    if (entry.Status.State == SourceState.Paused)
                    {
                        entry.Set(SourceState.Running, clock.GetUtcNow());
                    }

                    return results;
                }
                catch (IntakeClosedException e) when (e.Refusal is IntakeRefusal.HighWater or IntakeRefusal.StoreUnavailable or IntakeRefusal.TooManyPerKey or IntakeRefusal.NotRunning)
                {
                    entry.Set(SourceState.Paused, clock.GetUtcNow());
                    do
                    {
                        await Task.Delay(Look, clock, cancellationToken);
                    }
                    while (intake.HighWaterMarks.IsAbove(entry.Queue));
                }
            }
        }
    }
}
