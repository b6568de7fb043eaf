using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Postroom.ControlPlane;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.ControlPlane;

/// <summary>What the board of events keeps, and for whom (TR-1, TR-8, AC-31).</summary>
public sealed class EventBoardTests : IAsyncDisposable
{
    private static readonly EventFilter All = new([], WithLogs: true, null, null, null);

    private readonly ManualClock _clock = new();
    private readonly RuntimeDouble _runtime;
    private readonly ControlDouble _control;
    private readonly ILoggerFactory _loggers = LoggerFactory.Create(static _ => { });
    private readonly EventBoard _board;

    public EventBoardTests()
    {
        IRuntimeControl control = DispatchProxy.Create<IRuntimeControl, ControlDouble>();
        _control = (ControlDouble)(object)control;
        _runtime = new RuntimeDouble(_clock) { Control = control };
        _board = new EventBoard(_runtime, new ConfigurationDouble(new ServerOptions(), new IntakeOptions()), new Redactor(), _clock, _loggers);
    }

    [Fact]
    public async Task Ac31_a_minute_after_its_last_client_it_collects_no_more_and_who_comes_back_is_told_of_a_gap()
    {
        IDisposable client = await _board.EnterAsync(withLogs: false, Cancel);
        await AppendAsync(1);
        await UntilAsync(() => _board.Last == 1);
        client.Dispose();
        await AppendAsync(1);
        await UntilAsync(() => _board.Last == 2); // somebody who reloads a page misses nothing

        await UntilAsync(() => _clock.ArmedTimers > 0);
        await UntilAsync(() =>
        {
            _clock.Advance(TimeSpan.FromSeconds(61));
            return !_board.IsOn;
        });
        await AppendAsync(3);
        await UntilAsync(() => _clock.ArmedTimers == 0); // nothing of its own is left that fires
        using IDisposable again = await _board.EnterAsync(withLogs: false, Cancel);
        List<BoardEvent> found = [];
        bool missed = _board.Read(2, found, 10, out _);

        Assert.True(missed);
        Assert.Empty(found);
        Assert.Equal(3, _board.Last);
    }

    [Fact]
    public async Task Tr8_the_last_ten_thousand_are_kept_and_only_what_a_client_wants_counts_as_waiting()
    {
        using IDisposable client = await _board.EnterAsync(withLogs: false, Cancel);
        await AppendAsync(2_000);
        await UntilAsync(() => _board.Last == 2_000);
        List<BoardEvent> found = [];

        bool missed = _board.Read(0, found, 3_000, out _);

        Assert.Equal((false, 2_000, 1L, 2_000L), (missed, found.Count, found[0].Number, found[^1].Number));
        Assert.True(_board.IsBehind(0, All, EventEndpoints.MostWaiting));
        Assert.False(_board.IsBehind(1_000, All, EventEndpoints.MostWaiting));
        Assert.False(_board.IsBehind(0, All with { Queue = "other" }, EventEndpoints.MostWaiting));
        Assert.Equal("pending", JsonDocument.Parse(found[0].Data).RootElement.GetProperty("to").GetString());
    }

    [Fact]
    public async Task Tr8_moves_that_were_lost_on_the_way_are_told_as_a_gap()
    {
        IJournal journal = DispatchProxy.Create<IJournal, JournalDouble>();
        ((JournalDouble)(object)journal).Moves = static stop => Moves(stop, 5, 6, 9);
        _runtime.Journal = journal;

        using IDisposable client = await _board.EnterAsync(withLogs: false, Cancel);
        List<BoardEvent> found = [];
        await UntilAsync(() =>
        {
            _board.Read(0, found, 10, out _);
            return found.Count == 4;
        });

        Assert.Equal(["transition", "transition", "gap", "transition"], found.Select(one => one.Name));
        Assert.Contains("2 moves", found[2].Data, StringComparison.Ordinal);
        Assert.True(All.Wants(found[2]) && new EventFilter(["config"], false, "q", null, null).Wants(found[2]));

        static async IAsyncEnumerable<Transition> Moves([EnumeratorCancellation] CancellationToken stop, params long[] numbers)
        {
            foreach (long number in numbers)
            {
                yield return new Transition { Number = number, Queue = "q", Type = "t", To = MessageState.Pending };
            }

            await Task.Delay(Timeout.Infinite, stop);
        }
    }

    [Fact]
    public async Task Tr8_a_look_that_fails_ends_nothing_and_restarts_and_later_receipts_are_told()
    {
        using IDisposable client = await _board.EnterAsync(withLogs: false, Cancel);
        _runtime.HealthFailure = new InvalidOperationException("a check broke");
        await LookAsync();
        _runtime.HealthFailure = null;
        await LookAsync();
        _runtime.Health = HealthState.Degraded;
        _control.Restart = new RestartStatus { Id = "r-1", State = RestartState.Draining };
        List<BoardEvent> found = [];
        await UntilAsync(() =>
        {
            _clock.Advance(TimeSpan.FromSeconds(6));
            _board.Read(0, found, 10, out _);
            return found.Count >= 2;
        });

        Assert.Equal(["health", "restart"], found.Select(one => one.Name).Order(StringComparer.Ordinal));
        Assert.Contains("draining", found.Single(one => one.Name == "restart").Data, StringComparison.Ordinal);

        async Task LookAsync()
        {
            int looks = _runtime.HealthLooks;
            await UntilAsync(() =>
            {
                _clock.Advance(TimeSpan.FromSeconds(6));
                return _runtime.HealthLooks > looks;
            });
        }
    }

    [Fact]
    public async Task Tr8_lines_of_the_log_are_masked_bounded_and_told_only_while_somebody_may_see_them()
    {
        ILogger log = _loggers.CreateLogger("Postroom.Shop");
        IDisposable viewer = await _board.EnterAsync(withLogs: false, Cancel);
        log.LogWarning("before");
        IDisposable admin = await _board.EnterAsync(withLogs: true, Cancel);
        MessageId id = MessageId.New();
        using (log.BeginScope(new Dictionary<string, object?> { ["MessageId"] = id }.ToArray()))
        {
            log.LogInformation("the token is Bearer {Token}", "abcdefghijkl");
        }

        log.LogDebug("too fine");
        for (int n = 0; n < 150; n++)
        {
            log.LogInformation("again");
        }

        admin.Dispose();
        log.LogWarning("after");
        viewer.Dispose();
        List<BoardEvent> found = [];
        _board.Read(0, found, 1_000, out _);
        JsonElement first = JsonDocument.Parse(found[0].Data).RootElement;

        Assert.Equal(LogTap.PerSecond, found.Count);
        Assert.All(found, one => Assert.Equal("log", one.Name));
        Assert.Equal(("information", "Postroom.Shop", "the token is Bearer ***", id.ToString()), (first.GetProperty("level").GetString(), first.GetProperty("category").GetString(), first.GetProperty("text").GetString(), first.GetProperty("messageId").GetString()));
        Assert.Equal(id, found[0].MessageId);
        Assert.False((All with { WithLogs = false }).Wants(found[0]));
        Assert.False(log.IsEnabled(LogLevel.Information));
    }

    public async ValueTask DisposeAsync()
    {
        await _board.DisposeAsync();
        _loggers.Dispose();
    }

    private async Task AppendAsync(int count) =>
        await _runtime.Store.AppendAsync([.. Enumerable.Range(0, count).Select(_ => new Envelope(MessageId.New(), "work", "work.todo", default))], null, Cancel);

    /// <summary>Tells of restarts, and does nothing.</summary>
    internal class ControlDouble : DispatchProxy
    {
        public RestartStatus Restart { get; set; } = RestartStatus.None;

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => targetMethod?.Name == "get_Restart" ? Restart : throw new NotSupportedException(targetMethod?.Name);
    }

    /// <summary>Tells of moves, and does nothing else.</summary>
    internal class JournalDouble : DispatchProxy
    {
        public Func<CancellationToken, IAsyncEnumerable<Transition>>? Moves { get; set; }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => targetMethod?.Name == nameof(IJournal.WatchAsync) ? Moves!((CancellationToken)args![2]!) : throw new NotSupportedException(targetMethod?.Name);
    }
}
