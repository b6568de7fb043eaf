using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Postroom.Configuration;
using Postroom.Explaining;

namespace Postroom.ControlPlane;

/// <summary>One event of the runtime, as a client gets it.</summary>
/// <param name="Number">Its number in this run, from 1.</param>
/// <param name="Name">What kind it is, such as <c>transition</c>.</param>
/// <param name="Data">One line of JSON.</param>
internal sealed record BoardEvent(long Number, string Name, string Data)
{
    /// <summary>The queue it is about; null for none.</summary>
    public string? Queue { get; init; }

    /// <summary>The conversation it is about; null for none.</summary>
    public string? Conversation { get; init; }

    /// <summary>The message it is about; null for none.</summary>
    public MessageId? MessageId { get; init; }
}

/// <summary>
/// The events of the runtime in the order they happened: moves of messages, and changes of health, configuration, workers and sources (TR-8). The last ones are kept, so that a
/// client that was away goes on where it was. It costs nothing before the first client comes. Safe for concurrent use.
/// </summary>
internal sealed class EventBoard(IRuntimeView runtime, IRuntimeConfiguration configuration, TimeProvider clock) : IAsyncDisposable
{
    /// <summary>How many events are kept.</summary>
    public const int Capacity = 10_000;

    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan HealthInterval = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly BoardEvent?[] _ring = new BoardEvent?[Capacity];
    private readonly TaskCompletionSource _looked = NewSignal();
    private TaskCompletionSource _arrived = NewSignal();
    private Task? _pumps;
    private long _next = 1;

    /// <summary>Names this run in the ids of events: another run's ids are no place here.</summary>
    public string Run { get; } = clock.GetUtcNow().ToUnixTimeMilliseconds().ToString("x", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>The number of the latest event.</summary>
    public long Last
    {
        get
        {
            lock (_gate)
            {
                return _next - 1;
            }
        }
    }

    /// <summary>The number of the oldest event that is kept.</summary>
    public long First
    {
        get
        {
            lock (_gate)
            {
                return Math.Max(1, _next - Capacity);
            }
        }
    }

    /// <summary>Begins to collect, unless it has begun; returns once it knows how things are, so that it tells what changes from here on.</summary>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _pumps ??= _stop.IsCancellationRequested ? Task.CompletedTask : Task.WhenAll(Task.Run(FollowMessagesAsync, CancellationToken.None), Task.Run(FollowPartsAsync, CancellationToken.None));
        }

        return Task.WhenAny(_looked.Task, _pumps).WaitAsync(cancellationToken);
    }

    /// <summary>The events behind a number, at most so many, and what to wait for when there are none.</summary>
    /// <param name="after">The number of the last one that is known.</param>
    /// <param name="most">How many at most.</param>
    /// <param name="arrived">Completes with the next event.</param>
    public IReadOnlyList<BoardEvent> Read(long after, int most, out Task arrived)
    {
        lock (_gate)
        {
            arrived = _arrived.Task;
            List<BoardEvent> found = [];
            for (long number = Math.Max(after + 1, Math.Max(1, _next - Capacity)); number < _next && found.Count < most; number++)
            {
                found.Add(_ring[number % Capacity]!);
            }

            return found;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested)
        {
            return;
        }

        await _stop.CancelAsync();
        if (_pumps is { } pumps)
        {
            await pumps.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        _stop.Dispose();
    }

    private void Add<T>(string name, T data, JsonTypeInfo<T> json, Func<BoardEvent, BoardEvent>? with = null)
    {
        string text = JsonSerializer.Serialize(data, json);
        TaskCompletionSource wake;
        lock (_gate)
        {
            BoardEvent made = new(_next, name, text);
            _ring[_next % Capacity] = with?.Invoke(made) ?? made;
            _next++;
            (wake, _arrived) = (_arrived, NewSignal());
        }

        wake.TrySetResult();
    }

    private async Task FollowMessagesAsync()
    {
        try
        {
            await foreach (Transition move in runtime.Journal.WatchAsync(null, null, _stop.Token))
            {
                Add("transition", TransitionView.Of(move), EventJson.Default.TransitionView, made => made with { Queue = move.Queue, Conversation = move.Conversation, MessageId = move.MessageId });
            }
        }
        catch (OperationCanceledException)
        {
            // It stops.
        }
    }

    /// <summary>Looks how the parts are, and tells what differs from the last look.</summary>
    private async Task FollowPartsAsync()
    {
        Dictionary<string, string> known = new(StringComparer.Ordinal);
        long health = 0;
        try
        {
            using PeriodicTimer timer = new(LookInterval, clock);
            for (bool isFirst = true; ; isFirst = false)
            {
                RuntimeStatus status = await runtime.GetStatusAsync(_stop.Token);
                Tell("runtime", "runtime", new PartView("runtime", Why.Word(status.State), null), isFirst);
                Tell("config", "config", new PartView("configuration", $"version {configuration.Current.Version}", configuration.Problems.Count > 0 ? $"{configuration.Problems.Count} problems: {configuration.Problems[0]}" : null), isFirst);
                foreach (PoolStatus pool in status.Pools)
                {
                    Tell($"worker/{pool.Name}", "worker", new PartView(pool.Name, pool.State is WorkerState.Idle or WorkerState.Processing ? "running" : Why.Word(pool.State), pool.State == WorkerState.Faulted ? pool.LastError : null), isFirst);
                }

                foreach ((string name, SourceStatus source) in status.Sources)
                {
                    Tell($"source/{name}", "source", new PartView(name, Why.Word(source.State), source.LastError), isFirst);
                }

                if (isFirst || clock.GetElapsedTime(health) >= HealthInterval)
                {
                    health = clock.GetTimestamp();
                    foreach (HealthCheck check in (await runtime.CheckHealthAsync(HealthViews.Status, _stop.Token)).Checks)
                    {
                        Tell($"health/{check.Name}", "health", new PartView(check.Name, Why.Word(check.Result.State), check.Result.Text), isFirst);
                    }
                }

                _looked.TrySetResult();
                await timer.WaitForNextTickAsync(_stop.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // It stops.
        }

        void Tell(string key, string name, PartView view, bool isFirst)
        {
            string text = $"{view.State} {view.Text}";
            if (!isFirst && known.GetValueOrDefault(key) != text)
            {
                Add(name, view, EventJson.Default.PartView);
            }

            known[key] = text;
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
