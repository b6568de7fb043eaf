using System.Collections.Frozen;
using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Postroom.Scheduling;

/// <summary>Appends the messages of schedules when they are due (SR-18 to SR-21).</summary>
/// <remarks>
/// One loop for all schedules. It sleeps until the next one is due, and not at all where there is none. The wall clock decides, so that the loop looks again after at most
/// <see cref="LongestSleep"/>: a clock that was set forward is noticed then.
/// </remarks>
internal sealed partial class Scheduler(
    IMessageStore store, IJournal journal, QueueCatalog queues, QueuePublisher publisher, QueueActivity activity, Func<RetentionOptions> retention, TimeProvider clock, ILogger log)
{
    private static readonly TimeSpan LongestSleep = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan SoonAgain = TimeSpan.FromSeconds(5);

    /// <summary>A clock that was set back by more shows that it was wrong before: what it had decided ahead is not waited for.</summary>
    private static readonly TimeSpan LongestWayBack = TimeSpan.FromHours(24);

    private readonly SemaphoreSlim _turn = new(1, 1);
    private volatile FrozenDictionary<string, ScheduleEntry> _entries = FrozenDictionary<string, ScheduleEntry>.Empty;
    private volatile TaskCompletionSource _wake = NewWake();
    private CancellationTokenSource? _stop;
    private Task _loop = Task.CompletedTask;

    /// <summary>How the schedules stand, by name.</summary>
    public IReadOnlyList<ScheduleStatus> Status() => [.. _entries.Values.Select(entry => entry.Status).OrderBy(status => status.Name, StringComparer.Ordinal)];

    /// <summary>Brings the schedules in line with the settings: new times apply from now, the same times go on where they were.</summary>
    /// <exception cref="StoreUnavailableException">The store cannot write now; nothing was changed.</exception>
    public async Task ApplyAsync(IReadOnlyDictionary<string, ScheduleOptions> schedules, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            Dictionary<string, ScheduleMark?> marks = (await store.Facts.ListAsync(FactScopes.Schedule, cancellationToken)).ToDictionary(fact => fact.Key, ScheduleMark.Of, StringComparer.Ordinal);
            DateTimeOffset now = clock.GetUtcNow();
            List<FactChange> changes = [];
            List<ScheduleEntry> entries = [];
            foreach ((string name, ScheduleOptions options) in schedules)
            {
                ScheduleEntry entry = Make(name, options);
                entries.Add(entry);
                if (entry.Times is not { } times)
                {
                    continue;
                }

                ScheduleMark? former = marks.GetValueOrDefault(name);
                entry.Mark = former?.Times == times.Text ? former : new ScheduleMark(times.Text, now, former?.Message);
                entry.Status = entry.Status with { NextAt = times.Next(entry.Mark.Until) };
                if (entry.Mark != former)
                {
                    changes.Add(entry.Mark.ToFact(name));
                }
            }

            // What does not fire begins anew when it comes back (SR-21).
            changes.AddRange(marks.Keys.Where(name => !entries.Exists(entry => entry.Name == name && entry.Times is not null)).Select(name => new FactChange(FactScopes.Schedule, name, null)));
            if (changes.Count > 0)
            {
                await store.WriteAsync(new StoreWrite { Facts = changes }, cancellationToken);
            }

            _entries = entries.ToFrozenDictionary(entry => entry.Name, StringComparer.Ordinal);
        }
        finally
        {
            _turn.Release();
        }

        Wake();
    }

    /// <summary>Looks at once.</summary>
    public void Wake() => _wake.TrySetResult();

    /// <summary>Whether it fires.</summary>
    public bool IsRunning => Volatile.Read(ref _stop) is not null;

    /// <summary>Begins to fire, first what was missed.</summary>
    public void Start()
    {
        _stop = new CancellationTokenSource();
        CancellationToken stopping = _stop.Token;
        _loop = Task.Run(() => RunAsync(stopping), CancellationToken.None);
    }

    /// <summary>Fires nothing more; returns once the loop has ended.</summary>
    public async Task StopAsync()
    {
        if (Interlocked.Exchange(ref _stop, null) is { } stop)
        {
            await stop.CancelAsync();
            await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            stop.Dispose();
        }
    }

    private static TaskCompletionSource NewWake() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ScheduleEntry Make(string name, ScheduleOptions options)
    {
        ScheduleEntry entry = new(name, options) { Times = options.Enabled && queues.IsDeclared(options.Queue) ? ScheduleTimes.Of(options) : null };
        if (options.Enabled && entry.Times is null)
        {
            string problem = $"Queue '{options.Queue}' is not declared, so schedule '{name}' fires nothing. Declare the queue, or set schedules.{name}.queue.";
            entry.Status = entry.Status with { Problem = problem };
            LogProblem(problem);
        }

        return entry;
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            TaskCompletionSource wake = _wake;
            if (wake.Task.IsCompleted)
            {
                _wake = wake = NewWake();
            }

            TimeSpan sleep = await LookAsync(cancellationToken);
            using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Task due = sleep == Timeout.InfiniteTimeSpan ? Task.Delay(sleep, end.Token) : Task.Delay(sleep, clock, end.Token);
            await Task.WhenAny(due, wake.Task);
            await end.CancelAsync();
        }
    }

    /// <summary>Decides everything that is due.</summary>
    /// <returns>How long nothing will be.</returns>
    private async Task<TimeSpan> LookAsync(CancellationToken cancellationToken)
    {
        TimeSpan sleep = Timeout.InfiniteTimeSpan;
        await _turn.WaitAsync(cancellationToken);
        try
        {
            foreach (ScheduleEntry entry in _entries.Values.Where(entry => entry.Times is not null))
            {
                TimeSpan left = await TryAsync(entry, cancellationToken);
                sleep = sleep == Timeout.InfiniteTimeSpan || left < sleep ? left : sleep;
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // What is not decided is due after the next start.
        }
        finally
        {
            _turn.Release();
        }

        return sleep;
    }

    private async Task<TimeSpan> TryAsync(ScheduleEntry entry, CancellationToken cancellationToken)
    {
        try
        {
            await DecideAsync(entry, cancellationToken);
            DateTimeOffset? next = entry.Times!.Next(entry.Mark!.Until);
            entry.Status = entry.Status with { NextAt = next, Problem = null };
            TimeSpan left = next - clock.GetUtcNow() ?? LongestSleep;
            return left >= LongestSleep ? LongestSleep : left <= TimeSpan.Zero ? TimeSpan.Zero : TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds));
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            if (entry.Status.Problem is null)
            {
                LogFailed(e, entry.Name, e.Message);
            }

            entry.Status = entry.Status with { Problem = $"{e.Message} It is tried again every {SoonAgain.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s; what is due meanwhile follows schedules.{entry.Name}.misfire." };
            return SoonAgain;
        }
    }

    [LoggerMessage(540, LogLevel.Error, "{Problem}")]
    private partial void LogProblem(string problem);

    [LoggerMessage(541, LogLevel.Warning, "Schedule '{Schedule}' could not fire and tries again: {Why}")]
    private partial void LogFailed(Exception exception, string schedule, string why);

    [LoggerMessage(542, LogLevel.Warning, "Schedule '{Schedule}' had decided up to {Until}, which is more than a day ahead: the clock was wrong before. It goes on from now.")]
    private partial void LogWayBack(string schedule, string until);

    [LoggerMessage(543, LogLevel.Warning, "Schedule '{Schedule}' missed {Missed} occurrences from {From} to {Until} (misfire: {Policy}); each is recorded.")]
    private partial void LogMissed(string schedule, long missed, string from, string until, string policy);
}
