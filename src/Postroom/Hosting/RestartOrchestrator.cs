using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Postroom.Hosting;

/// <summary>Restarts the runtime while messages flow, one restart at a time: looks whether it can succeed, drains, and leaves the rest to the program (SPEC RS). Safe for concurrent use.</summary>
internal sealed partial class RestartOrchestrator(MessageRuntime runtime, RuntimeControl control, RestartOrigin origin, IProcessReplacer? replacer, TimeProvider clock, ILogger log)
{
    private static readonly TimeSpan LongestDrain = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan TroubleTime = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private readonly TaskCompletionSource<RestartOrder> _ordered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<DateTimeOffset> _recent = [.. origin.Recent];
    private RestartStatus _status = RestartStatus.None;
    private (string Why, long At)? _trouble; // guarded by _gate
    private CancellationTokenSource? _draining;
    private Task _drain = Task.CompletedTask;
    private bool _isStop;

    /// <summary>The restart that is under way, or the last one since the start.</summary>
    public RestartStatus Status
    {
        get
        {
            lock (_gate)
            {
                return _status.State == RestartState.Draining ? _status with { InFlight = control.InWork() } : _status;
            }
        }
    }

    /// <summary>Why the last restart was given up though nobody asked for that, for an hour; null otherwise. A refusal or a cancellation has told the one who asked.</summary>
    public string? FindTrouble()
    {
        lock (_gate)
        {
            return _trouble is { } trouble && clock.GetElapsedTime(trouble.At) < TroubleTime ? trouble.Why : null;
        }
    }

    /// <summary>Whether one is under way.</summary>
    public bool IsUnderWay => Volatile.Read(ref _status).State is not (RestartState.Idle or RestartState.Aborted);

    /// <summary>Completes once nothing is in work, for the program to stop the runtime and to replace itself.</summary>
    public Task<RestartOrder> Ordered => _ordered.Task;

    /// <summary>Looks whether a restart can succeed, and begins to drain.</summary>
    /// <exception cref="RestartRefusedException">It cannot be done now; nothing has changed.</exception>
    public async Task<RestartStatus> RequestAsync(RestartRequest request, CancellationToken cancellationToken)
    {
        RestartOptions options = runtime.Composition!.Get<RestartOptions>("restart");
        TimeSpan limit = request.DrainTimeout ?? options.DrainTimeout;
        if (limit < TimeSpan.Zero || limit > LongestDrain)
        {
            throw new ArgumentOutOfRangeException(nameof(request), limit, $"A drain may take from 0 to {LongestDrain.TotalSeconds:0} seconds.");
        }

        if (replacer is null)
        {
            throw new RestartRefusedException(RestartRefusal.Unavailable, "This runtime is part of a program that cannot be replaced from within. Restart that program.");
        }

        RestartMode mode = replacer.ModeFor(options);
        RestartStatus asked = Begin(request, options);
        long begun = clock.GetTimestamp();
        try
        {
            await CheckAsync(mode, cancellationToken);
            if (request.DryRun)
            {
                Set(RestartStatus.None);
                return asked with { State = RestartState.Idle, InFlight = control.InWork() };
            }

            return BeginDrain(asked, new Plan(request, mode, request.Drain ?? options.Drain, limit, clock.GetElapsedTime(begun)));
        }
        catch (Exception e)
        {
            GiveUp(asked, e.Message, isTrouble: false);
            throw;
        }
    }

    /// <summary>Gives it up while it drains; returns once everything goes on.</summary>
    /// <exception cref="RuntimeConflictException">None is under way, or it has gone too far.</exception>
    public async Task<RestartStatus> CancelAsync(CancellationToken cancellationToken)
    {
        Task drain;
        lock (_gate)
        {
            if (_status.State != RestartState.Draining || _draining is null)
            {
                throw new RuntimeConflictException(IsUnderWay ? $"Restart {_status.Id} is {Word(_status.State)} and cannot be cancelled any more." : "No restart is under way.");
            }

            _draining.Cancel();
            drain = _drain;
        }

        await drain.WaitAsync(cancellationToken);
        return Status is { State: RestartState.Aborted } ended ? ended : throw new RuntimeConflictException("The restart had drained before it was cancelled.");
    }

    /// <summary>Makes the rest of a restart a stop: nothing is replaced, and nothing goes on (SPEC RS-14). Returns once draining has ended.</summary>
    public async Task TurnIntoStopAsync()
    {
        Task drain;
        lock (_gate)
        {
            _isStop = true;
            _draining?.Cancel();
            drain = _drain;
        }

        await drain;
    }

    /// <summary>The program has come further with it.</summary>
    public void Report(RestartState state) => Set(Status with { State = state });

    private RestartStatus Begin(RestartRequest request, RestartOptions options)
    {
        lock (_gate)
        {
            if (IsUnderWay)
            {
                throw new RestartRefusedException(RestartRefusal.Running, $"Restart {_status.Id} is under way ({Word(_status.State)}). GET shows how it stands; DELETE cancels it while it drains.");
            }

            control.RequireRunning();
            DateTimeOffset now = clock.GetUtcNow();
            _recent.RemoveAll(at => at <= now - options.Window);
            if (_recent.Count >= options.MaxPerWindow)
            {
                TimeSpan wait = _recent[0] + options.Window - now;
                string why = $"There were {_recent.Count} restarts in the last {Duration.Format(options.Window)}, and restart.maxPerWindow allows {options.MaxPerWindow}. Ask again in {Math.Ceiling(wait.TotalSeconds):0} s, or raise it.";
                throw new RestartRefusedException(RestartRefusal.TooMany, why) { RetryAfter = wait };
            }

            return _status = new RestartStatus { Id = MessageId.New().ToString(), State = RestartState.Requested, Reason = request.Reason, RequestedAt = now };
        }
    }

    private async Task CheckAsync(RestartMode mode, CancellationToken cancellationToken)
    {
        List<string> problems = [];
        StoreStats stats = await runtime.Store.GetStatsAsync(null, cancellationToken);
        if (!stats.Writable)
        {
            problems.Add($"The store cannot write now: {stats.Problem} Mend that first; what is in work could not be finished.");
        }

        problems.AddRange(await replacer!.CheckAsync(mode, cancellationToken));
        if (problems.Count > 0)
        {
            throw new RestartRefusedException(RestartRefusal.Preflight, $"Nothing has changed; {problems.Count} problem{(problems.Count == 1 ? "" : "s")}, the first: {problems[0]}") { Problems = problems };
        }
    }

    private RestartStatus BeginDrain(RestartStatus asked, Plan plan)
    {
        lock (_gate)
        {
            if (_isStop)
            {
                throw new RuntimeConflictException("The runtime stops.");
            }

            control.RequireRunning();
            _recent.Add(asked.RequestedAt!.Value);
            _draining = new CancellationTokenSource();
            _status = asked with { State = RestartState.Draining, Deadline = clock.GetUtcNow() + plan.Limit, InFlight = control.InWork() };
            RestartDrainage drainage = new(runtime, control, clock, plan.Drain == RestartDrain.Full, keepsIntake: replacer!.HandsSocketsOver(plan.Mode));
            drainage.Begin();
            RestartStatus begun = _status;
            CancellationToken cancelled = _draining.Token;
            _drain = Task.Run(() => DrainAsync(begun, plan, drainage, cancelled), CancellationToken.None);
            LogBegun(asked.Id, Word(plan.Mode), asked.Reason ?? "no reason given", _status.InFlight, Duration.Format(plan.Limit));
            return _status;
        }
    }

    private async Task DrainAsync(RestartStatus asked, Plan plan, RestartDrainage drainage, CancellationToken cancelled)
    {
        long begun = clock.GetTimestamp();
        try
        {
            string? left = await drainage.RunAsync(plan.Limit, cancelled);
            if (left is not null && !plan.Request.Force)
            {
                Resume(drainage, asked, left, isTrouble: true);
                return;
            }

            RestartStatistics statistics = drainage.Statistics(asked) with { Preflight = plan.Preflight, Drain = clock.GetElapsedTime(begun) };
            lock (_gate)
            {
                // From here on it cannot be cancelled.
                cancelled.ThrowIfCancellationRequested();
                _status = _status with { State = RestartState.Quiesced, InFlight = statistics.Abandoned };
            }

            TimeSpan more = plan.Limit - statistics.Drain;
            _ordered.TrySetResult(new RestartOrder(plan.Mode, statistics, more > TimeSpan.Zero ? more : TimeSpan.Zero, [.. _recent]));
        }
        catch (OperationCanceledException) when (cancelled.IsCancellationRequested)
        {
            Resume(drainage, asked, _isStop ? "A stop came instead." : "It was cancelled.", isTrouble: false);
        }
        catch (Exception e)
        {
            Resume(drainage, asked, $"Draining failed: {e.Message}", isTrouble: true);
        }
    }

    private void Resume(RestartDrainage drainage, RestartStatus asked, string why, bool isTrouble)
    {
        if (!_isStop)
        {
            drainage.Resume();
        }

        GiveUp(asked, why, isTrouble);
    }

    private void GiveUp(RestartStatus asked, string why, bool isTrouble)
    {
        lock (_gate)
        {
            _status = asked with { State = RestartState.Aborted, Why = why };
            _trouble = isTrouble ? (why, clock.GetTimestamp()) : null;
        }

        LogAborted(asked.Id, why);
    }

    private void Set(RestartStatus status)
    {
        lock (_gate)
        {
            _status = status;
        }
    }

    private static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLower(CultureInfo.InvariantCulture);

    /// <summary>What was asked, with what the settings say where nothing was.</summary>
    private sealed record Plan(RestartRequest Request, RestartMode Mode, RestartDrain Drain, TimeSpan Limit, TimeSpan Preflight);

    [LoggerMessage(550, LogLevel.Information, "Restart {Id} ({Mode}; {Reason}) begins: {InFlight} messages are in work and have {Limit} to end.")]
    private partial void LogBegun(string id, string mode, string reason, int inFlight, string limit);

    [LoggerMessage(551, LogLevel.Warning, "Restart {Id} is given up, and the runtime goes on: {Why}")]
    private partial void LogAborted(string id, string why);
}
