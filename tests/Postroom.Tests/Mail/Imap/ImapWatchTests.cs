using System.Globalization;
using Postroom.Configuration;
using Postroom.Host;
using Postroom.Mail;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Mail.Imap.ImapBench;

namespace Postroom.Tests.Mail.Imap;

/// <summary>How a mailbox is watched, kept alive, connected again and told (SR-6, SR-8, SR-15, SR-16, ML-6, AC-40, AC-41; faults F89, F90, F97).</summary>
public sealed class ImapWatchTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task SR_15_with_idle_a_new_mail_comes_at_once_and_noise_brings_no_look()
    {
        await using ImapBench bench = new(null, config => config with { Mode = ImapMode.Auto });
        bench.Inbox.Deliver(Letter("zero"));
        _ = bench.Start();
        await bench.TakenAsync(1);
        await bench.Server.WaitForAsync("IDLE", 1, bench.Limit);
        int looks = bench.Server.Count("UID SEARCH");

        for (int i = 0; i < 20; i++)
        {
            await bench.Server.SayAsync("* OK Still here\r\n* 1 EXISTS\r\n* 1 FETCH (FLAGS (\\Seen))\r\n", Cancel);
        }

        await bench.MarkAsync(0); // an answer behind all the noise
        int after = bench.Server.Count("UID SEARCH");
        bench.Inbox.Deliver(Letter("one"));
        await bench.TakenAsync(2);

        Assert.Equal(looks, after);
        bench.Correct();
    }

    [Fact]
    public async Task SR_15_news_that_come_before_the_server_takes_IDLE_are_not_slept_through()
    {
        await using ImapBench bench = new(null, config => config with { Mode = ImapMode.Idle });
        bench.Server.Next(FakeImapStep.Idle, new FakeImapFault.First("* 1 EXISTS"));
        bench.Server.Next(FakeImapStep.Search, null, new FakeImapFault.Meanwhile(() => bench.Inbox.Deliver(Letter("one"))));

        _ = bench.Start();
        await bench.Server.WaitForAsync("UID SEARCH", 2, bench.Limit);

        bench.Correct();
    }

    [Fact]
    public async Task SR_15_a_server_that_never_tells_is_looked_at_every_safetyPoll()
    {
        ManualClock clock = new();
        await using ImapBench bench = new(new FakeImapOptions { Announces = false }, config => config with { Mode = ImapMode.Idle, SafetyPoll = TimeSpan.FromMinutes(5) }, clock);
        _ = bench.Start();
        await bench.Server.WaitForAsync("IDLE", 1, bench.Limit);
        bench.Inbox.Deliver(Letter("one"));

        await AdvanceUntilAsync(bench, clock, Second * 10, () => bench.Sink.Messages.Count == 1);

        bench.Correct();
    }

    [Fact]
    public async Task SR_15_idle_is_renewed_and_a_server_that_ends_it_itself_is_asked_again()
    {
        ManualClock clock = new();
        await using ImapBench bench = new(null, config => config with { Mode = ImapMode.Idle }, clock);
        bench.Server.Next(FakeImapStep.Idling, new FakeImapFault.Say("* OK enough\r\n{tag} OK ended by the server\r\n"));
        _ = bench.Start();
        await bench.Server.WaitForAsync("IDLE", 1, bench.Limit);

        await AdvanceUntilAsync(bench, clock, TimeSpan.FromMinutes(3), () => bench.Server.Count("DONE") >= 3);

        Assert.True(bench.Server.Count("IDLE") >= 3);
        Assert.Equal(1, bench.Server.Connections);
    }

    [Theory]
    [InlineData("")]
    [InlineData("BAD IDLE is switched off")]
    public async Task SR_15_without_IDLE_or_where_it_is_refused_the_mailbox_is_polled(string refusal)
    {
        ManualClock clock = new();
        FakeImapOptions options = refusal.Length == 0 ? new FakeImapOptions { Capabilities = ["SASL-IR"] } : new FakeImapOptions();
        await using ImapBench bench = new(options, config => config with { Mode = ImapMode.Idle, PollInterval = TimeSpan.FromMinutes(1) }, clock);
        bench.Server.Next(FakeImapStep.Idle, refusal.Length == 0 ? null : new FakeImapFault.Refuse(refusal));
        _ = bench.Start();
        await bench.Server.WaitForAsync("UID SEARCH", 1, bench.Limit);
        bench.Inbox.Deliver(Letter("one"));

        await AdvanceUntilAsync(bench, clock, Second * 10, () => bench.Sink.Messages.Count == 1);

        Assert.Equal(refusal.Length == 0 ? 0 : 1, bench.Server.Count("IDLE"));
        bench.Correct();
    }

    [Fact]
    public async Task AC_41_an_idle_connection_that_goes_silent_is_replaced_within_its_renewal_time_and_the_mail_that_came_meanwhile_is_handled()
    {
        await using ImapBench rig = new(null, config => config with { Mode = ImapMode.Idle });
        rig.Server.Next(FakeImapStep.Idling, new FakeImapFault.Silence());
        await using TestRuntime runtime = await StartAsync(rig, "mode=idle", "idleRenew=9m", "safetyPoll=1d", "timeout=1m");
        await rig.Server.WaitForSilenceAsync(FakeImapStep.Idling, rig.Limit);
        rig.Inbox.Deliver(Letter("meanwhile"));
        TimeSpan begun = runtime.Clock.Elapsed;

        await AdvanceUntilAsync(rig, runtime.Clock, Second * 2, () => rig.Inbox.FlagsOf(1) == @"\Seen");

        // The renewal, the time in which the server owes an answer to it, and the way back.
        Assert.InRange(runtime.Clock.Elapsed - begun, TimeSpan.FromMinutes(9), TimeSpan.FromMinutes(11.5));
        Assert.Equal(2, rig.Server.Connections);
    }

    [Fact]
    public async Task ML_6_between_rare_looks_the_connection_is_kept_alive_every_four_minutes()
    {
        ManualClock clock = new();
        await using ImapBench bench = new(null, config => config with { PollInterval = TimeSpan.FromHours(1) }, clock);
        _ = bench.Start();
        await bench.Server.WaitForAsync("UID SEARCH", 1, bench.Limit);

        for (int i = 1; i <= 3; i++)
        {
            await bench.UntilAsync(() => bench.Source.Status.LastSuccessAt is not null);
            TimeSpan begun = clock.Elapsed;
            await AdvanceUntilAsync(bench, clock, Second * 5, () => bench.Server.Count("NOOP") == i);
            Assert.InRange(clock.Elapsed - begun, TimeSpan.FromMinutes(3.9), TimeSpan.FromMinutes(4.5));
        }

        bench.Correct();
    }

    [Fact]
    public async Task SR_6_while_the_store_takes_nothing_the_connection_lives_marks_go_on_and_nothing_is_marked_for_what_waits()
    {
        ManualClock clock = new();
        await using ImapBench bench = new(null, null, clock);
        uint done = bench.Inbox.Deliver(Letter("done"));
        _ = bench.Start();
        await bench.TakenAsync(1);
        await bench.Server.WaitForAsync("UID SEARCH", 1, bench.Limit);
        bench.Sink.IsClosed = true;
        uint waits = bench.Inbox.Deliver(Letter("waits"));
        Task<int> poll = bench.Source.PollNowAsync(Cancel).AsTask();
        await bench.Sink.WaitForWaitingAsync(1, bench.Limit);

        await AdvanceUntilAsync(bench, clock, Second * 30, () => bench.Server.Count("NOOP") >= 2);
        await bench.MarkAsync(0);
        string? marked = bench.Inbox.FlagsOf(done);
        string? before = bench.Inbox.FlagsOf(waits);
        bench.Sink.IsClosed = false;

        Assert.Equal((@"\Seen", "", 1), (marked, before, await poll));
        Assert.Equal(1, bench.Server.Connections);
        bench.Correct();
    }

    [Fact]
    public async Task ML_6_F90_a_server_that_hangs_up_every_time_gets_a_login_at_most_every_ten_seconds_and_the_mails_come_once()
    {
        await using ImapBench rig = new();
        rig.Server.Next(FakeImapStep.Search, [.. Enumerable.Range(0, 6).Select(_ => new FakeImapFault.Bye("restarting"))]);
        rig.Inbox.Deliver(Letter("one"));
        await using TestRuntime runtime = await StartAsync(rig);
        List<TimeSpan> logins = [];

        await AdvanceUntilAsync(rig, runtime.Clock, TimeSpan.FromMilliseconds(500), () =>
        {
            while (logins.Count < rig.Server.Count("AUTHENTICATE"))
            {
                logins.Add(runtime.Clock.Elapsed);
            }

            return rig.Inbox.FlagsOf(1) == @"\Seen";
        });

        Assert.Equal(7, logins.Count);
        Assert.All(logins.Zip(logins.Skip(1), static (a, b) => b - a), static wait => Assert.True(wait >= TimeSpan.FromSeconds(9), wait.ToString()));
        Assert.Equal(1, Produced(runtime));
        rig.Correct();
    }

    [Fact]
    public async Task ML_6_F97_refused_logins_are_tried_ever_more_rarely_up_to_a_quarter_of_an_hour_and_the_right_password_ends_that()
    {
        await using ImapBench rig = new(new FakeImapOptions { Password = "changed-canary" });
        rig.Inbox.Deliver(Letter("one"));
        await using TestRuntime runtime = await StartAsync(rig);
        List<TimeSpan> tries = [];
        bool Enough()
        {
            while (tries.Count < rig.Server.Count("AUTHENTICATE"))
            {
                tries.Add(runtime.Clock.Elapsed);
            }

            return tries.Count >= 9;
        }

        await AdvanceUntilAsync(rig, runtime.Clock, Second * 4, Enough);
        TimeSpan[] waits = [.. tries.Zip(tries.Skip(1), static (a, b) => b - a)];
        rig.Server.Options.Password = "secret-canary";
        await AdvanceUntilAsync(rig, runtime.Clock, Second * 5, () => rig.Inbox.FlagsOf(1) == @"\Seen");

        Assert.True(waits[0] >= Second * 8, waits[0].ToString()); // how much later it is, the speed of the machine decides
        Assert.InRange(waits[^1], TimeSpan.FromMinutes(12), TimeSpan.FromMinutes(25));
        Assert.True(waits[0] < waits[3] && waits[3] < waits[^1], string.Join(' ', waits));
        rig.Correct();
    }

    [Fact]
    public async Task AC_40_SR_16_switching_between_polling_and_idle_by_reload_misses_and_repeats_nothing()
    {
        using Postroom.Tests.Sqlite.TempFolder folder = new();
        await using ImapBench rig = new();
        System.Collections.Concurrent.ConcurrentQueue<string> handled = [];
        string file = folder.File("postroom.json");
        Write("polling");
        await using MessageRuntime runtime = new(new RuntimeSetup
        {
            Configuration = new ConfigurationSources
            {
                Layers = { new CommandLineConfigurationLayer(["store.kind=memory"]), new FileConfigurationLayer("file", file, mustExist: true, TimeProvider.System) },
            },
        });
        runtime.RegisterModule(new TestModule(app => App(app, handled)));
        await runtime.StartAsync(Cancel);
        string[] modes = ["idle", "polling", "auto", "polling", "idle"];
        int number = 0;
        string now = "polling";
        int idles = 0;
        foreach (string mode in modes)
        {
            rig.Inbox.Deliver(Letter($"m{number++}"));
            await rig.UntilAsync(() => handled.Count >= number);
            if (now == "polling")
            {
                Assert.Equal((idles, idles), (rig.Server.Count("IDLE"), rig.Server.Count("DONE"))); // it only polled since the switch
            }

            rig.Inbox.Deliver(Letter($"m{number++}"));
            Write(mode);
            await runtime.Configuration.ReloadAsync(previous: false, Cancel);
            rig.Inbox.Deliver(Letter($"m{number++}"));
            await rig.UntilAsync(() => handled.Count >= number);
            if (mode == "polling")
            {
                await rig.UntilAsync(() => rig.Server.Count("DONE") == rig.Server.Count("IDLE")); // the last one was ended in order
                idles = rig.Server.Count("IDLE");
            }
            else
            {
                await rig.Server.WaitForAsync("IDLE", idles + 1, rig.Limit);
                idles = rig.Server.Count("IDLE");
            }

            now = mode;
        }

        await rig.UntilAsync(() => handled.Count >= number && rig.Inbox.Uids.All(uid => rig.Inbox.FlagsOf(uid) == @"\Seen"));

        Assert.Equal(Enumerable.Range(0, number).Select(i => $"m{i}"), handled.Order(StringComparer.Ordinal).OrderBy(name => int.Parse(name[1..], CultureInfo.InvariantCulture)));
        rig.Correct();

        void Write(string mode) => File.WriteAllText(file, $$"""{ "sources":{"inbox":{"type":"imap","host":"localhost","port":{{rig.Config.Port}},"username":"bot","password":"secret-canary","caFile":"{{rig.Config.CaFile}}","into":"work","pollInterval":"1s","mode":"{{mode}}" } } }""");
    }

    [Fact]
    public async Task SR_8_marks_that_wait_go_as_soon_as_the_mailbox_is_open_again_and_none_is_lost_on_the_way()
    {
        await using ImapBench bench = new(clock: new ManualClock());
        for (int i = 0; i < 40; i++)
        {
            bench.Inbox.Deliver(Letter($"m{i}"));
        }

        bench.Server.Next(FakeImapStep.Store, new FakeImapFault.Close());
        Task run = bench.Start();
        await bench.TakenAsync(40);
        await bench.Source.PollNowAsync(Cancel);
        Task reachable = bench.Source.Reachable;
        Exception?[] failed = await Task.WhenAll(Enumerable.Range(0, 40).Select(async i => await Record.ExceptionAsync(async () => await bench.MarkAsync(i))));
        await run.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        bool unreachable = !bench.Source.Reachable.IsCompleted;
        ((ManualClock)bench.Clock).Advance(Second * 10);
        _ = bench.Start();
        await bench.Source.Reachable.WaitAsync(bench.Limit);
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => bench.MarkAsync(i).AsTask()));
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => bench.MarkAsync(i).AsTask())); // twice is harmless

        Assert.True(reachable.IsCompleted && unreachable);
        Assert.All(failed, e => Assert.IsType<OriginUnavailableException>(e));
        Assert.All(bench.Inbox.Uids, uid => Assert.Equal(@"\Seen", bench.Inbox.FlagsOf(uid)));
        bench.Correct();
    }

    [Fact]
    public async Task SR_8_one_mark_that_is_refused_keeps_no_other_from_being_told()
    {
        await using ImapBench bench = new();
        bench.Inbox.PermanentFlags = null;
        bench.Inbox.Deliver(Letter("one"));
        bench.Inbox.Deliver(Letter("two"));
        _ = bench.Start();
        await bench.TakenAsync(2);
        await bench.Source.PollNowAsync(Cancel);
        bench.Server.Next(FakeImapStep.Store, new FakeImapFault.Refuse("NO [CANNOT] no such keyword"));

        Task odd = bench.MarkAsync(0, "odd").AsTask();
        InvalidOperationException refused = await Assert.ThrowsAsync<InvalidOperationException>(() => odd);
        await bench.MarkAsync(1);

        Assert.Contains("[CANNOT]", refused.Message, StringComparison.Ordinal);
        Assert.Equal(@"\Seen", bench.Inbox.FlagsOf(2));
        await Assert.ThrowsAsync<ArgumentException>(() => bench.MarkAsync(0, "no keyword").AsTask());
        await Assert.ThrowsAsync<ArgumentException>(() => bench.Source.MarkAsync(new MarkRequest("inbox", "1.2.3.4", MarkRequest.Seen), Cancel).AsTask());
    }

    [Fact]
    public async Task What_was_marked_by_no_one_is_found_out_on_the_next_connection_and_then_every_safetyPoll()
    {
        ManualClock clock = new();
        await using ImapBench bench = new(null, config => config with { SafetyPoll = TimeSpan.FromMinutes(5), PollInterval = TimeSpan.FromMinutes(1) }, clock);
        bench.Inbox.Deliver(Letter("ended"));
        bench.Inbox.Deliver(Letter("failed"));
        bench.Inbox.Deliver(Letter("forgotten"));
        _ = bench.Start();
        await bench.TakenAsync(3);
        await bench.Source.PollNowAsync(Cancel);
        bench.Sink.SetState(0, MessageState.Acked);
        bench.Sink.SetState(1, MessageState.Failed);
        bench.Sink.SetState(2, null);

        await AdvanceUntilAsync(bench, clock, Second * 10, () => bench.Sink.Messages.Count == 4);

        Assert.Equal((@"\Seen", "$ProcessingFailed", ""), (bench.Inbox.FlagsOf(1), bench.Inbox.FlagsOf(2), bench.Inbox.FlagsOf(3)));
        bench.Correct();
    }

    [Fact]
    public async Task It_says_goodbye_in_order_out_of_IDLE_and_out_of_a_wait()
    {
        foreach (ImapMode mode in new[] { ImapMode.Idle, ImapMode.Polling })
        {
            string last = "";
            for (int tries = 0; tries < 5 && last is ("" or "IDLE"); tries++) // a stop between IDLE and the server's answer to it just ends the connection
            {
                await using ImapBench bench = new(null, config => config with { Mode = mode });
                _ = bench.Start();
                await bench.Server.WaitForAsync(mode == ImapMode.Idle ? "IDLE" : "UID SEARCH", 1, bench.Limit);
                await bench.UntilAsync(() => bench.Source.Reachable.IsCompleted && bench.Source.Status.LastSuccessAt is not null);

                await bench.StopAsync();

                last = bench.Server.Lines[^1].Line;
                bench.Correct();
            }

            Assert.Equal("LOGOUT", last);
        }
    }

    private static long Produced(TestRuntime runtime) => runtime.Runtime.Rooms.Sources.Status()["inbox"].Produced;

    private static async Task AdvanceUntilAsync(ImapBench bench, ManualClock clock, TimeSpan step, Func<bool> condition)
    {
        // What goes on between client and server takes real time, in which the clock stands.
        (int, int) before = (-1, -1);
        while (!condition())
        {
            (int, int) now = (bench.Server.Lines.Count, bench.Server.Connections);
            if (clock.ArmedTimers > 0 && now == before)
            {
                clock.Advance(step);
            }

            before = now;
            await Task.Delay(4, bench.Limit);
        }
    }

    private static Task<TestRuntime> StartAsync(ImapBench rig, params string[] settings)
    {
        const string Source = "sources.inbox";
        return TestRuntime.StartAsync(
            app => App(app, []),
            [
                $"{Source}.type=imap", $"{Source}.host=localhost", string.Create(CultureInfo.InvariantCulture, $"{Source}.port={rig.Server.Port}"), $"{Source}.username=bot", $"{Source}.password=secret-canary",
                $"{Source}.caFile={rig.Config.CaFile}", $"{Source}.into=work", $"{Source}.timeout=1h", .. settings.Select(setting => $"{Source}.{setting}"),
            ]);
    }

    private static void App(IApplicationBuilder app, System.Collections.Concurrent.ConcurrentQueue<string> handled) => app
        .AddChannels()
        .AddQueue("work")
        .AddHandler<MailMessage>(PayloadTypes.MailReceived, PostroomJson.Default.MailMessage, (mail, _, _) =>
        {
            handled.Enqueue(mail.Subject);
            return new(HandlerResult.Completed);
        }, "work")
        .AddWorkers("work");
}
