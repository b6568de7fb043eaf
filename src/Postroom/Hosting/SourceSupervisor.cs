using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Postroom.Diagnostics;
using Postroom.Intake;

namespace Postroom.Hosting;

/// <summary>Owns the loops of all sources: starts, pauses and stops them by name, and starts a failed one again with backoff.</summary>
internal sealed partial class SourceSupervisor(MessageIntake intake, LateReceipts late, IFacts facts, IJournal journal, MarkLanes marks, RuntimeMetrics metrics, TimeProvider clock, Func<double> random, ILogger log)
{
    private static readonly TimeSpan LongestStop = TimeSpan.FromSeconds(5);
    private static readonly Backoff Again = new(TimeSpan.FromSeconds(1), 2, TimeSpan.FromSeconds(60), 0.2);

    /// <summary>After refused logins: servers lock accounts that try too often (SR-5).</summary>
    private static readonly Backoff AgainLater = new(TimeSpan.FromSeconds(10), 2, TimeSpan.FromMinutes(15), 0.2);

    private readonly ConcurrentDictionary<string, Entry> _sources = new(StringComparer.Ordinal);

    /// <summary>Whether a source that is added begins paused, because the whole is.</summary>
    public bool AddsPaused { get; set; }

    /// <summary>Takes a source; it is started apart.</summary>
    /// <param name="source">The source.</param>
    /// <param name="queue">Where its messages go.</param>
    /// <param name="isPaused">Whether an operator holds the name back.</param>
    public void Add(IMessageSource source, string queue, bool isPaused = false)
    {
        Entry entry = new(source, queue);
        if (AddsPaused || isPaused)
        {
            entry.Pause(clock.GetUtcNow());
        }

        _sources[source.Name] = entry;
        marks.Add(source);
    }

    /// <summary>Whether sources run, so that one which is added has to be started.</summary>
    public bool AreRunning { get; private set; }

    /// <summary>What an operator did to a source: whether it is held back, and whether it was stopped while the others run.</summary>
    public (bool IsPaused, bool IsStopped) HoldOf(string name)
    {
        if (!_sources.TryGetValue(name, out Entry? entry))
        {
            return default;
        }

        lock (entry)
        {
            return (entry.Paused is not null, AreRunning && entry.Stop is null);
        }
    }

    /// <summary>Ends a source and forgets it. One that ignores its token is waited for up to 5 s and then left to itself: what it brings is refused.</summary>
    public async Task RemoveAsync(string name)
    {
        if (_sources.TryGetValue(name, out Entry? entry))
        {
            Task stop = StopAsync(entry);
            await EndedAsync(stop, [entry], LongestStop);
            _sources.TryRemove(name, out _);
            await marks.RemoveAsync(name);
            if (stop.IsCompleted)
            {
                (entry.Source as IDisposable)?.Dispose();
            }
        }
    }

    /// <summary>The source of a name.</summary>
    public IMessageSource SourceOf(string name) => Find(name).Source;

    public IReadOnlyDictionary<string, SourceStatus> Status() => _sources.ToDictionary(pair => pair.Key, pair => pair.Value.Status, StringComparer.Ordinal);

    public void StartAll()
    {
        AreRunning = true;
        marks.StartAll();
        foreach (Entry entry in _sources.Values)
        {
            Start(entry);
        }
    }

    public void Start(string name) => Start(Find(name));

    /// <summary>Stops a source. One that ignores its token is waited for up to 5 s and then left to itself: what it brings is refused.</summary>
    public Task StopAsync(string name)
    {
        Entry entry = Find(name);
        return EndedAsync(StopAsync(entry), [entry], LongestStop);
    }

    /// <summary>Stops all sources. One that ignores its token is waited for up to the drain limit, at most 5 s, and then left to itself.</summary>
    public async Task StopAllAsync(TimeSpan drain)
    {
        AreRunning = false;
        Entry[] entries = [.. _sources.Values];
        await EndedAsync(Task.WhenAll(entries.Select(StopAsync)), entries, drain < LongestStop ? drain : LongestStop);
        await marks.StopAllAsync();
    }

    /// <summary>Holds a source back: it acknowledges nothing until it is resumed.</summary>
    public void Pause(string name) => Find(name).Pause(clock.GetUtcNow());

    /// <summary>Whether a source is held back by <see cref="Pause"/>.</summary>
    public bool IsPaused(string name) => Find(name).Paused is not null;

    public void Resume(string name) => Find(name).Resume(clock.GetUtcNow());

    /// <summary>Looks for news at once.</summary>
    /// <exception cref="NotSupportedException">The source cannot be asked.</exception>
    public ValueTask<int> PollAsync(string name, CancellationToken cancellationToken)
    {
        return Find(name).Source is IPollNow poll
            ? poll.PollNowAsync(cancellationToken)
            : throw new NotSupportedException($"Source '{name}' is told of news by its origin; there is nothing to poll.");
    }

    /// <summary>What keeps sources from bringing anything, a sentence each; empty when all do.</summary>
    public IReadOnlyList<string> Problems()
    {
        DateTimeOffset now = clock.GetUtcNow();
        return [.. _sources.OrderBy(static pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, Problem: pair.Value.ProblemAt(now))).Where(static one => one.Problem is not null).Select(static one => $"{one.Key}: {one.Problem}")];
    }

    /// <summary>What keeps one source from bringing anything; null when nothing does, and for one that is gone.</summary>
    public string? FindProblem(string name) => _sources.TryGetValue(name, out Entry? entry) ? entry.ProblemAt(clock.GetUtcNow()) : null;

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
            if (entry.Stop is not null)
            {
                return;
            }

            CancellationTokenSource stop = new();
            Task former = entry.Loop;
            entry.Stop = stop;
            entry.Set(SourceState.Starting, clock.GetUtcNow());
            entry.Loop = Task.Run(
                async () =>
                {
                    await former.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // A source that is still stopping never runs twice.
                    await RunAsync(entry, stop.Token);
                },
                CancellationToken.None);
        }
    }

    /// <summary>Ends a source; returns once it has ended, also when another stop had begun before.</summary>
    private async Task StopAsync(Entry entry)
    {
        CancellationTokenSource? stop;
        Task loop;
        lock (entry)
        {
            (stop, loop) = (entry.Stop, entry.Loop);
            entry.Stop = null;
        }

        if (stop is not null)
        {
            await stop.CancelAsync();
        }

        await loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stop?.Dispose();
        lock (entry)
        {
            if (entry.Stop is null && entry.Loop == loop)
            {
                entry.Set(SourceState.Stopped, clock.GetUtcNow());
            }
        }
    }

    /// <summary>Waits until sources have ended, or their time is over.</summary>
    private async Task EndedAsync(Task stops, IReadOnlyList<Entry> entries, TimeSpan limit)
    {
        try
        {
            await stops.WaitAsync(limit, clock);
        }
        catch (TimeoutException)
        {
            Entry[] left = [.. entries.Where(static entry => !entry.Loop.IsCompleted)];
            foreach (Entry entry in left)
            {
                entry.IsLeft = true;
            }

            LogLeft(string.Join(", ", left.Select(static entry => entry.Source.Name)));
        }
    }

    private async Task RunAsync(Entry entry, CancellationToken cancellationToken)
    {
        PacedSink sink = new(entry, new SourceSink(entry.Source.Name, entry.Source.AnswersAtOnce, intake, late, facts, journal), intake, clock, cancellationToken);
        entry.IsLeft = false;
        int refusals = 0;
        for (int failures = 0; !cancellationToken.IsCancellationRequested;)
        {
            string why;
            bool refused = false;
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
                refused = e is OriginRefusedException;
            }

            // A run that held for a while starts the backoff over.
            // A login may be refused slowly, so how long that took says nothing.
            failures = clock.GetElapsedTime(begun) > Again.Max ? 1 : failures + 1;
            refusals = refused ? refusals + 1 : failures == 1 ? 0 : refusals;
            entry.Fail(why, clock.GetUtcNow());
            metrics.SourceFailed(entry.Source.Name);
            LogFailed(entry.Source.Name, why);
            await Task.Delay(refused ? AgainLater.After(refusals, random()) : Again.After(failures, random()), clock, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    [LoggerMessage(510, LogLevel.Warning, "Source '{Source}' failed and is started again: {Why}")]
    private partial void LogFailed(string source, string why);

    [LoggerMessage(511, LogLevel.Warning, "Sources that did not end when asked are left to themselves, and what they bring is refused: {Sources}")]
    private partial void LogLeft(string sources);
}
