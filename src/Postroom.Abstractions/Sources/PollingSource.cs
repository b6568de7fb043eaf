using System.Security.Cryptography;

namespace Postroom;

/// <summary>A source that looks for news at intervals (SPEC SR-7): at once, then again an interval after each look has ended, never two looks at a time.</summary>
/// <remarks>
/// Derive from it and implement <see cref="PollAsync"/>. What a look throws goes up to the supervisor, which runs the source again with backoff.
/// <see cref="PollNowAsync"/> is safe for concurrent use; the rest is called by one loop.
/// </remarks>
public abstract class PollingSource : IMessageSource, IPollNow
{
    private readonly Lock _gate = new();
    private readonly Func<double> _random;
    private TaskCompletionSource<int>? _asked;
    private TaskCompletionSource _wake = NewWake();
    private DateTimeOffset? _lastSuccessAt;
    private bool _runs;

    /// <summary>Makes a source.</summary>
    /// <param name="name">The configured name.</param>
    /// <param name="pollInterval">The time from the end of a look to the next, changed by up to 10 % at random; at least one second.</param>
    /// <param name="clock">Runs the intervals; null for the system's.</param>
    /// <param name="random">Numbers from 0 to below 1 for the change; null for the system's.</param>
    /// <exception cref="ArgumentOutOfRangeException">The interval is under a second.</exception>
    protected PollingSource(string name, TimeSpan pollInterval, TimeProvider? clock = null, Func<double>? random = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentOutOfRangeException.ThrowIfLessThan(pollInterval, TimeSpan.FromSeconds(1));
        Name = name;
        PollInterval = pollInterval;
        Clock = clock ?? TimeProvider.System;
        _random = random ?? (static () => RandomNumberGenerator.GetInt32(1 << 30) / (double)(1 << 30));
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>The time from the end of a look to the next, before it is changed at random.</summary>
    public TimeSpan PollInterval { get; }

    /// <inheritdoc/>
    public SourceStatus Status => Describe(new SourceStatus { LastSuccessAt = _lastSuccessAt, Interval = PollInterval });

    /// <summary>The clock.</summary>
    protected TimeProvider Clock { get; }

    /// <inheritdoc/>
    public async Task RunAsync(IMessageSink sink, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _runs = true;
        }

        try
        {
            await RunPollsAsync(sink, cancellationToken);
        }
        finally
        {
            lock (_gate)
            {
                _runs = false;
                _asked?.TrySetException(Gone());
                _asked = null;
            }

            await CloseAsync();
        }
    }

    /// <summary>Looks now; when a look is going on, once more after it.</summary>
    /// <returns>How many messages that look brought.</returns>
    /// <exception cref="OriginUnavailableException">The source does not run, or the look failed; what failed is in its status.</exception>
    public async ValueTask<int> PollNowAsync(CancellationToken cancellationToken)
    {
        Task<int> polled;
        lock (_gate)
        {
            if (!_runs)
            {
                throw Gone();
            }

            _asked ??= new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
            polled = _asked.Task;
            _wake.TrySetResult();
        }

        return await polled.WaitAsync(cancellationToken);
    }

    /// <summary>Looks once and pushes what is new.</summary>
    /// <param name="sink">Takes messages durably; only after it returned may the origin be told.</param>
    /// <param name="cancellationToken">Ends the look.</param>
    /// <returns>How many messages were new.</returns>
    protected abstract ValueTask<int> PollAsync(IMessageSink sink, CancellationToken cancellationToken);

    /// <summary>Waits until the next look is due. The base waits for the interval or a call of <see cref="PollNowAsync"/>; a source that hears of news waits for those too.</summary>
    /// <param name="sink">The sink, for a source that has to store something meanwhile.</param>
    /// <param name="interval">The time, already changed at random.</param>
    /// <param name="wake">Completes when a look is asked for.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    protected virtual async ValueTask WaitAsync(IMessageSink sink, TimeSpan interval, Task wake, CancellationToken cancellationToken)
    {
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            await Task.WhenAny(Task.Delay(interval, Clock, end.Token), wake).WaitAsync(cancellationToken);
        }
        finally
        {
            await end.CancelAsync();
        }
    }

    /// <summary>Lets go of what a run holds, such as a connection. Called at the end of every run.</summary>
    protected virtual ValueTask CloseAsync() => default;

    /// <summary>Adds to the status what this kind of source knows of itself, such as a lag.</summary>
    /// <param name="status">What the base knows.</param>
    protected virtual SourceStatus Describe(SourceStatus status) => status;

    private static TaskCompletionSource NewWake() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task RunPollsAsync(IMessageSink sink, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            TaskCompletionSource<int>? asked;
            Task wake;
            lock (_gate)
            {
                (asked, _asked) = (_asked, null);
                _wake = _wake.Task.IsCompleted ? NewWake() : _wake;
                wake = _wake.Task;
            }

            try
            {
                int found = await PollAsync(sink, cancellationToken);
                _lastSuccessAt = Clock.GetUtcNow();
                asked?.TrySetResult(found);
            }
            catch (Exception e)
            {
                asked?.TrySetException(new OriginUnavailableException($"Source '{Name}' could not look: {e.Message}", e));
                throw;
            }

            await WaitAsync(sink, PollInterval * (0.9 + (0.2 * _random())), wake, cancellationToken);
        }
    }

    private OriginUnavailableException Gone() => new($"Source '{Name}' does not run now. Start it, or wait until it has connected again.");
}
