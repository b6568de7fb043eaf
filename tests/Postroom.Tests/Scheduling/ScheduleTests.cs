using System.Text.Json;
using Postroom.Configuration;
using Postroom.Sqlite;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Scheduling;

/// <summary>
/// Schedules of a whole runtime on a clock that the test moves (SR-18 to SR-21). Of AC-42 the second node is not here: an embedded store has one owner, and there is no store
/// that nodes share.
/// </summary>
public sealed class ScheduleTests : IDisposable
{
    private const string Minutely = "schedules.tick.cron=* * * * *";

    private readonly TempFolder _folder = new();
    private readonly ManualClock _clock = new(new DateTimeOffset(2026, 1, 15, 12, 0, 30, TimeSpan.Zero));
    private readonly ChangingLayer _settings = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("once", 1, 59)]
    [InlineData("skip", 1, 59)]
    [InlineData("all", 60, 0)]
    public async Task AC_42_after_a_stop_of_an_hour_the_misfire_policy_decides_and_each_occurrence_has_a_row(string misfire, int fired, int missed)
    {
        await using (MessageRuntime first = await StartAsync(Minutely, $"schedules.tick.misfire={misfire}"))
        {
            await MinuteAsync(first, 1);
        }

        _clock.Advance(TimeSpan.FromHours(1));
        await using MessageRuntime second = await StartAsync(Minutely, $"schedules.tick.misfire={misfire}");
        ScheduleOccurrence[] rows = await RowsAsync(second, 61);

        Assert.Equal(Enumerable.Range(1, 61).Select(minute => At(minute)), rows.Select(row => row.DueAt));
        Assert.Equal(fired + 1, rows.Count(row => row is { State: OccurrenceState.Enqueued, MessageId: not null }));
        Assert.Equal(missed, rows.Count(row => row is { State: OccurrenceState.Missed, Reason: not null }));
        Assert.Equal(fired + 1, (await MessagesAsync(second)).Count);
    }

    [Fact]
    public async Task AC_42_what_is_late_by_more_than_a_minute_is_skipped_by_skip_and_made_up_for_by_once()
    {
        string[] hourly = ["schedules.a.cron=@hourly", "schedules.b.cron=@hourly", "schedules.a.misfire=skip", "schedules.b.misfire=once"];
        await using (await StartAsync(hourly))
        {
        }

        _clock.Advance(TimeSpan.FromMinutes(90));
        await using MessageRuntime runtime = await StartAsync(hourly);
        ScheduleOccurrence a = Assert.Single(await RowsAsync(runtime, 1, "a"));
        ScheduleOccurrence b = Assert.Single(await RowsAsync(runtime, 1, "b"));

        Assert.Equal((OccurrenceState.Missed, OccurrenceState.Enqueued), (a.State, b.State));
        Assert.Contains("misfire: skip", a.Reason, StringComparison.Ordinal);
        Assert.Contains("30m30s late (misfire: once)", b.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AC_42_of_more_than_a_hundred_missed_ones_the_oldest_are_dropped_and_recorded_and_of_very_many_as_one_row()
    {
        string[] settings = [Minutely, "schedules.tick.misfire=all", "schedules.fast.every=1s"];
        await using (await StartAsync(settings))
        {
        }

        _clock.Advance(TimeSpan.FromHours(4));
        await using MessageRuntime runtime = await StartAsync(settings);
        ScheduleOccurrence[] rows = await RowsAsync(runtime, 240);
        ScheduleOccurrence[] fast = await RowsAsync(runtime, 10_001, "fast");

        Assert.Equal((140, 100), (rows.Count(row => row.State == OccurrenceState.Missed), rows.Count(row => row.State == OccurrenceState.Enqueued)));
        Assert.Contains("more than 100 were missed", rows[0].Reason, StringComparison.Ordinal);
        Assert.Equal((OccurrenceState.Missed, 4_400), (fast[0].State, fast[0].Count));
        Assert.Equal(fast[1].DueAt.AddSeconds(-1), fast[0].Until);
        Assert.Equal(4 * 3_600, fast.Sum(row => row.Count));
    }

    [Theory]
    [InlineData("2026-03-28T22:00:00Z", 31)] // 29 March has 23 hours, 25 October 25: every minute, and each daily time once
    [InlineData("2026-10-24T22:00:00Z", 33)]
    public async Task AC_42_a_change_of_the_clocks_fires_each_due_occurrence_once(string start, int hours)
    {
        ManualClock clock = new(DateTimeOffset.Parse(start, System.Globalization.CultureInfo.InvariantCulture).AddSeconds(-30));
        string[] settings = ["schedules.daily.cron=30 2 * * *", "schedules.daily.timeZone=Europe/Berlin", "schedules.half.cron=30 * * * *", "schedules.half.timeZone=Europe/Berlin"];
        await using MessageRuntime runtime = await StartAsync(clock, settings);
        for (int half = 0; half < hours * 2; half++)
        {
            Advance(runtime, clock, TimeSpan.FromMinutes(30));
            await UntilAsync(() => runtime.View.GetStatusAsync(Cancel).AsTask().ContinueWith(status => status.Result.Schedules.All(schedule => schedule.NextAt > clock.GetUtcNow()), TaskScheduler.Default));
        }

        ScheduleOccurrence[] daily = await RowsAsync(runtime, 2, "daily");
        ScheduleOccurrence[] halves = await RowsAsync(runtime, hours, "half");
        Assert.All(daily.Concat(halves), row => Assert.Equal(OccurrenceState.Enqueued, row.State));
        Assert.Equal(2 + hours, (await MessagesAsync(runtime)).Count);
    }

    [Fact]
    public async Task AC_42_a_restart_in_the_same_minute_fires_once_also_when_the_mark_was_lost()
    {
        for (int start = 0; start < 3; start++)
        {
            await using MessageRuntime runtime = await StartAsync(Minutely);
            if (start == 0)
            {
                await MinuteAsync(runtime, 1);
            }

            _clock.Advance(TimeSpan.FromSeconds(5));
            Assert.Single(await MessagesAsync(runtime));
            if (start == 1)
            {
                // As if the store had been put back to a copy that knew nothing of the last minute but the message.
                ScheduleStatus status = Assert.Single((await runtime.View.GetStatusAsync(Cancel)).Schedules);
                Assert.Equal(At(2), status.NextAt);
                byte[] mark = JsonSerializer.SerializeToUtf8Bytes(new { times = "* * * * * UTC", until = At(0) });
                await runtime.View.WriteFactsAsync(
                    [new FactChange(FactScopes.Schedule, "tick", mark), new FactChange(FactScopes.Occurrence, ScheduleOccurrence.KeyOf("tick", At(1)), null)], Cancel);
            }
        }

        await using MessageRuntime last = await StartAsync(Minutely);
        ScheduleOccurrence[] rows = [];
        await UntilAsync(async () => (rows = await RowsAsync(last)) is [{ Reason: not null }]);
        Assert.Equal("it was stored before", rows[0].Reason);
        Assert.Equal((await MessagesAsync(last)).Single().Envelope.Id.ToString(), rows[0].MessageId);
    }

    [Fact]
    public async Task A_clock_that_is_set_back_fires_nothing_twice_and_one_that_is_set_forward_loses_nothing()
    {
        await using MessageRuntime runtime = await StartAsync(Minutely, "schedules.tick.misfire=all");
        await MinuteAsync(runtime, 1);
        _clock.JumpWallClock(TimeSpan.FromMinutes(-10));
        await UntilAsync(async () =>
        {
            _clock.Advance(TimeSpan.FromSeconds(15)); // by its own timer alone
            return (await MessagesAsync(runtime)).Count == 2 || _clock.GetUtcNow() > At(4);
        });

        Assert.InRange(_clock.GetUtcNow(), At(2), At(4));
        Assert.Equal([At(1), At(2)], (await RowsAsync(runtime)).Take(2).Select(row => row.DueAt));

        _clock.JumpWallClock(At(8).AddSeconds(10) - _clock.GetUtcNow());
        await UntilAsync(async () =>
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            return (await MessagesAsync(runtime)).Count >= 8;
        });
        Assert.InRange(_clock.GetUtcNow(), At(8), At(8).AddSeconds(50)); // noticed within half a minute
        Assert.Equal(Enumerable.Range(1, 8).Select(At), (await RowsAsync(runtime)).Select(row => row.DueAt));

        // A clock that was days ahead by mistake does not silence the schedule for days.
        _clock.JumpWallClock(TimeSpan.FromDays(-3));
        await UntilAsync(async () =>
        {
            _clock.Advance(TimeSpan.FromSeconds(15));
            return (await MessagesAsync(runtime)).Count > 8;
        });
    }

    [Fact]
    public async Task SR_18_an_occurrence_is_skipped_while_the_former_one_is_open_when_so_set()
    {
        TaskCompletionSource mayEnd = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using MessageRuntime runtime = await StartAsync(
            _clock,
            app => app.AddQueue("work").AddWorkers("work").AddHandler("schedule.tick", PostroomJson.Default.ScheduleDue, async (_, _, _) =>
            {
                await mayEnd.Task;
                return HandlerResult.Completed;
            }),
            Minutely, "schedules.tick.overlap=skip");
        await MinuteAsync(runtime, 1);
        Advance(runtime, TimeSpan.FromMinutes(1));
        ScheduleOccurrence skipped = (await RowsAsync(runtime, 2))[1];
        mayEnd.SetResult();
        await UntilAsync(async () => (await MessagesAsync(runtime)).All(message => message.State == MessageState.Acked));
        Advance(runtime, TimeSpan.FromMinutes(1));
        ScheduleOccurrence third = (await RowsAsync(runtime, 3))[2];

        Assert.Equal(OccurrenceState.Skipped, skipped.State);
        Assert.Contains("was still open (overlap: skip)", skipped.Reason, StringComparison.Ordinal);
        Assert.Equal(OccurrenceState.Enqueued, third.State);
    }

    [Fact]
    public async Task SR_21_schedules_come_change_and_go_with_the_settings_and_a_changed_one_applies_from_now()
    {
        await using MessageRuntime runtime = await StartAsync(Minutely);
        await MinuteAsync(runtime, 1);

        await ReloadAsync(runtime, "schedules.tick.cron=0 * * * *", "schedules.more.every=1m", "schedules.more.body={\"a\":1}");
        Advance(runtime, TimeSpan.FromMinutes(1));
        ScheduleOccurrence more = Assert.Single(await RowsAsync(runtime, 1, "more"));
        Assert.Single(await RowsAsync(runtime, 1));
        JournalRecord record = (await runtime.Journal.GetAsync(MessageId.Parse(more.MessageId!), withBody: true, Cancel))!;
        Assert.Equal("{\"a\":1}", System.Text.Encoding.UTF8.GetString(record.Entry.Envelope.Body.Span));
        Assert.Equal("schedule/more", record.Entry.Envelope.Headers[HeaderNames.Source]);

        await ReloadAsync(runtime, "schedules.more.every=1m", "schedules.more.enabled=false");
        Advance(runtime, TimeSpan.FromMinutes(3));
        ScheduleStatus status = Assert.Single((await runtime.View.GetStatusAsync(Cancel)).Schedules);
        Assert.Equal(("more", false, null), (status.Name, status.Enabled, status.NextAt));
        Assert.Empty(await runtime.Store.Facts.ListAsync(FactScopes.Schedule, Cancel));

        await ReloadAsync(runtime, "schedules.more.every=1m");
        Advance(runtime, TimeSpan.FromMinutes(1));
        Assert.Equal(2, (await RowsAsync(runtime, 2, "more")).Length); // nothing of the three minutes
        ReloadResult refused = await ReloadAsync(runtime, "schedules.more.every=1m", "schedules.more.queue=wrok");
        Assert.Contains(refused.Problems, problem => problem.Key == "schedules.more.queue" && problem.Message.Contains("Did you mean 'work'?", StringComparison.Ordinal));
    }

    [Fact]
    public async Task SR_21_a_run_by_hand_fires_now_and_is_recorded_as_manual()
    {
        await using MessageRuntime runtime = await StartAsync("schedules.tick.cron=@monthly", "schedules.off.cron=@monthly", "schedules.off.enabled=false");

        MessageId id = await runtime.RunScheduleAsync("tick", Cancel);
        MessageId off = await runtime.RunScheduleAsync("off", Cancel);
        KeyNotFoundException none = await Assert.ThrowsAsync<KeyNotFoundException>(() => runtime.RunScheduleAsync("tock", Cancel));

        ScheduleOccurrence row = Assert.Single(await RowsAsync(runtime, 1));
        Assert.Equal((true, id.ToString(), OccurrenceState.Enqueued), (row.Manual, row.MessageId, row.State));
        Assert.Equal(2, (await MessagesAsync(runtime)).Count);
        Assert.Contains("Schedules are off, tick.", none.Message, StringComparison.Ordinal);
        JournalRecord record = (await runtime.Journal.GetAsync(off, withBody: true, Cancel))!;
        Assert.Equal(new ScheduleDue("off", _clock.GetUtcNow(), true), JsonSerializer.Deserialize(record.Entry.Envelope.Body.Span, PostroomJson.Default.ScheduleDue));
    }

    [Fact]
    public async Task A_schedule_of_a_module_is_overridden_by_settings_and_its_problems_come_with_the_others()
    {
        static void Configure(IApplicationBuilder app) => app.AddQueue("work").AddSchedule("report", schedule =>
        {
            schedule.Cron = "0 7 * * MON-FRI";
            schedule.Queue = "work";
            schedule.Type = "schedule.report";
        });
        await using MessageRuntime runtime = await StartAsync(_clock, Configure, "schedules.report.every=1m");
        ScheduleStatus status = Assert.Single((await runtime.View.GetStatusAsync(Cancel)).Schedules);
        Assert.Equal(("every 1m", "work", At(1)), (status.When, status.Queue, status.NextAt!.Value));

        ConfigurationException refused = await Assert.ThrowsAsync<ConfigurationException>(() => RuntimeHarness.StartAsync(app => app.AddSchedule("a", schedule =>
        {
            schedule.Cron = "0 25 * * *";
            schedule.Queue = "nowhere";
            schedule.Type = "X";
            schedule.TimeZone = "Mars/Base";
            schedule.Body = "{";
        })));
        string[] texts = [.. refused.Problems.Select(problem => problem.Message)];
        Assert.Equal(5, texts.Length);
        Assert.Contains(texts, text => text.Contains("schedules.a.cron is '0 25 * * *', which cannot be read: the hour is '25'", StringComparison.Ordinal));
        Assert.Contains(texts, text => text.Contains("schedules.a.queue is 'nowhere', which is no declared queue", StringComparison.Ordinal));
        Assert.Contains(texts, text => text.Contains("schedules.a.body is not JSON", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AC_31_a_scheduler_has_one_timer_and_without_schedules_none()
    {
        int without = await TimersAsync();
        int one = await TimersAsync(Minutely);
        int three = await TimersAsync(Minutely, "schedules.a.every=1h", "schedules.b.cron=@monthly");
        int off = await TimersAsync(Minutely, "schedules.tick.enabled=false");

        Assert.Equal((1, 1, 0), (one - without, three - without, off - without));
    }

    [Fact]
    public async Task JN_9_occurrences_are_kept_for_their_retention_and_of_a_fast_schedule_for_less()
    {
        await using MessageRuntime runtime = await StartAsync(Minutely, "schedules.fast.every=1s", "retention.occurrences=60d");
        Advance(runtime, TimeSpan.FromSeconds(1));
        await UntilAsync(async () => (await RowsAsync(runtime, schedule: "fast")).Length > 0);
        Advance(runtime, TimeSpan.FromSeconds(29));
        await UntilAsync(async () => (await RowsAsync(runtime)).Length > 0);

        IReadOnlyList<StoredFact> facts = await runtime.Store.Facts.ListAsync(FactScopes.Occurrence, Cancel);
        Assert.Equal(60, (facts.Single(fact => fact.Key.StartsWith("tick/", StringComparison.Ordinal)).ExpiresAt!.Value - At(1)).TotalDays, 3);
        Assert.InRange((facts.First(fact => fact.Key.StartsWith("fast/", StringComparison.Ordinal)).ExpiresAt!.Value - At(1)).TotalHours, 55, 56);
    }

    private static DateTimeOffset At(int minute) => new DateTimeOffset(2026, 1, 15, 12, 0, 0, TimeSpan.Zero).AddMinutes(minute);

    private async Task<int> TimersAsync(params string[] settings)
    {
        ManualClock clock = new();
        await using MessageRuntime runtime = await StartAsync(clock, settings);
        int timers = -1;
        await UntilAsync(async () =>
        {
            int before = timers;
            await Task.Delay(20, Cancel);
            return (timers = clock.ArmedTimers) == before;
        });
        return timers;
    }

    private Task<MessageRuntime> StartAsync(params string[] settings) => StartAsync(_clock, settings);

    private Task<MessageRuntime> StartAsync(ManualClock clock, params string[] settings) => StartAsync(clock, app => app.AddQueue("work"), settings);

    private async Task<MessageRuntime> StartAsync(ManualClock clock, Action<IApplicationBuilder> configure, params string[] settings)
    {
        _settings.Settings = Complete(settings);
        MessageRuntime runtime = new(new RuntimeSetup
        {
            Clock = clock,
            Random = static () => 0.5,
            Configuration = new ConfigurationSources
            {
                Layers =
                {
                    new CommandLineConfigurationLayer(["store.kind=sqlite", $"store.path={_folder.File($"{clock.GetHashCode()}.db")}", $"runtime.dataDirectory={_folder.Path}", "store.reserve=0", "store.synchronous=normal"]),
                    _settings,
                },
            },
        });
        runtime.RegisterModule(new TestModule(app =>
        {
            app.AddStore("sqlite", static (options, retention, redactor, time, _) => new SqliteStore(options, retention, redactor, time));
            configure(app);
        }));
        await runtime.StartAsync(Cancel);
        return runtime;
    }

    private async Task<ReloadResult> ReloadAsync(MessageRuntime runtime, params string[] settings)
    {
        _settings.Settings = Complete(settings);
        Task<ReloadResult> reload = runtime.Configuration.ReloadAsync(previous: false, Cancel);
        while (!reload.IsCompleted)
        {
            _clock.Advance(TimeSpan.FromMilliseconds(1));
            await Task.Delay(1, Cancel);
        }

        return await reload;
    }

    /// <summary>What a schedule has to have, where the test does not say it.</summary>
    private static string[] Complete(string[] settings)
    {
        string[] names = [.. settings.Where(text => text.StartsWith("schedules.", StringComparison.Ordinal)).Select(text => text.Split('.')[1]).Distinct()];
        return
        [
            .. names.Where(name => !settings.Any(text => text.StartsWith($"schedules.{name}.queue=", StringComparison.Ordinal))).Select(name => $"schedules.{name}.queue=work"),
            .. names.Select(name => $"schedules.{name}.type=schedule.{name}"),
            .. settings,
        ];
    }

    /// <summary>Moves to a minute and waits until its occurrence is decided.</summary>
    private async Task MinuteAsync(MessageRuntime runtime, int minute)
    {
        Advance(runtime, At(minute) - _clock.GetUtcNow());
        await MessagesUntilAsync(runtime, 1);
    }

    /// <summary>Moves the clock, and has the scheduler look when it shows the new time, wherever its loop is.</summary>
    private static void Advance(MessageRuntime runtime, ManualClock clock, TimeSpan by)
    {
        clock.Advance(by);
        runtime.Rooms.Schedules.Wake();
    }

    private void Advance(MessageRuntime runtime, TimeSpan by) => Advance(runtime, _clock, by);

    private static async Task<ScheduleOccurrence[]> RowsAsync(MessageRuntime runtime, int? expected = null, string schedule = "tick")
    {
        IReadOnlyList<StoredFact> facts = [];
        await UntilAsync(async () => (facts = await runtime.Store.Facts.ListLastAsync(FactScopes.Occurrence, $"{schedule}/", null, 20_000, Cancel)).Count >= (expected ?? 0));
        Assert.Equal(expected ?? facts.Count, facts.Count);
        return [.. facts.Reverse().Select(fact => JsonSerializer.Deserialize(fact.Value.Span, PostroomJson.Default.ScheduleOccurrence)!)];
    }

    private static Task MessagesUntilAsync(MessageRuntime runtime, int count) => UntilAsync(async () => (await MessagesAsync(runtime)).Count == count);

    private static async Task<IReadOnlyList<JournalEntry>> MessagesAsync(MessageRuntime runtime) => (await runtime.Journal.QueryAsync(new JournalQuery { Queue = "work", Limit = 100 }, Cancel)).Items;

    private sealed class ChangingLayer : IConfigurationLayer
    {
        public string[] Settings { get; set; } = [];

        public string Name => "changing";

        public ValueTask<SettingMap> LoadAsync(CancellationToken cancellationToken) => new CommandLineConfigurationLayer(Settings).LoadAsync(cancellationToken);

        public Task WatchAsync(Action changed, CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
