using Xunit;

namespace Postroom.Testing;

/// <summary>What a source can do, in the tests of <see cref="MessageSourceConformance"/>.</summary>
public enum SourceFeature
{
    /// <summary>Its origin keeps what was not acknowledged and gives it again, as a mailbox does; a webhook's does not.</summary>
    GivesAgain,

    /// <summary>Its origin is told after the work (<see cref="IMarkOrigin"/>).</summary>
    Marks,

    /// <summary>It can look at once (<see cref="IPollNow"/>).</summary>
    Polls,
}

/// <summary>What every source does alike, whatever its origin. An adapter is ready when it passes.</summary>
/// <remarks>Derive a public class, say how one is made over a fake of the origin or a real one, and how something comes to the origin.</remarks>
public abstract class MessageSourceConformance : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan MostStop = TimeSpan.FromSeconds(5);

    private readonly List<(Task Run, CancellationTokenSource Stop)> _runs = [];

    /// <summary>The source under test, not running.</summary>
    protected IMessageSource Source { get; private set; } = null!;

    /// <summary>Takes what it brings.</summary>
    protected RecordingSink Sink { get; } = new();

    /// <summary>What the source can do; all unless overridden.</summary>
    protected virtual IReadOnlySet<SourceFeature> Features { get; } = Enum.GetValues<SourceFeature>().ToHashSet();

    /// <summary>What must not appear in its status: passwords and tokens. Empty unless overridden.</summary>
    protected virtual IReadOnlyList<string> Secrets => [];

    /// <summary>Ends a test that hangs.</summary>
    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Starts the origin, once per test.</summary>
    protected abstract ValueTask BeginAsync();

    /// <summary>Makes a source over the origin; called again for what stands in for a restart.</summary>
    protected abstract ValueTask<IMessageSource> CreateAsync();

    /// <summary>Brings something to the origin, each text once.</summary>
    /// <param name="text">A text that tells it from others, such as <c>one</c>.</param>
    protected abstract ValueTask ArriveAsync(string text);

    /// <summary>The text that <see cref="ArriveAsync"/> was called with.</summary>
    /// <param name="message">What came of it.</param>
    protected abstract string TextOf(SourceMessage message);

    /// <summary>Whether the origin was told that something is done; asked with <see cref="SourceFeature.Marks"/> only.</summary>
    /// <param name="text">Its text.</param>
    protected abstract bool IsDone(string text);

    /// <summary>Breaks what connects source and origin, if anything does; what comes then comes by a new connection.</summary>
    protected virtual ValueTask BreakAsync() => default;

    /// <summary>Is called before a source that ended or failed runs again: where there is a clock, it may be moved past waits between two connections.</summary>
    protected virtual void Again()
    {
    }

    /// <summary>Ends the origin; called once the source has stopped.</summary>
    protected virtual ValueTask EndAsync() => default;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        await BeginAsync();
        Source = await CreateAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await EndAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Its name is one that settings can name.</summary>
    [Fact]
    public void It_has_a_name_that_settings_can_name() => Assert.True(Names.IsName(Source.Name), Source.Name);

    /// <summary>What it says it can do, it has the interface for.</summary>
    [Fact]
    public void What_it_says_it_can_do_it_implements()
    {
        Assert.Equal(Features.Contains(SourceFeature.Marks), Source is IMarkOrigin);
        Assert.Equal(Features.Contains(SourceFeature.Polls), Source is IPollNow);
    }

    /// <summary>What was there and what comes is brought once, in order, each with a key that reveals a repeat.</summary>
    [Fact]
    public async Task What_was_there_and_what_comes_is_brought_once_and_in_order()
    {
        await ArriveAsync("one");
        await ArriveAsync("two");
        _ = Run();
        await TakenAsync(2);
        await ArriveAsync("three");
        await TakenAsync(3);

        Assert.Equal(["one", "two", "three"], Sink.Messages.Select(TextOf));
        Assert.Equal(3, Sink.Messages.Select(static message => message.DedupKey).Where(static key => key is { Length: > 0 and <= 512 }).Distinct().Count());
        Assert.All(Sink.Messages, static message => Assert.True(Names.IsName(message.Queue) && Names.IsPayloadType(message.Type), $"{message.Queue} {message.Type}"));
    }

    /// <summary>The origin is told nothing before the commit: what the store refuses is there still, and comes again.</summary>
    [Fact]
    public async Task Nothing_is_acknowledged_before_the_commit_and_what_was_not_stored_comes_again()
    {
        Assert.SkipUnless(Features.Contains(SourceFeature.GivesAgain), "Its origin gives nothing again.");
        await ArriveAsync("one");
        bool doneBefore = false;
        int calls = 0;
        Sink.OnAccept = batch =>
        {
            doneBefore |= batch.Any(message => Features.Contains(SourceFeature.Marks) && IsDone(TextOf(message)));
            return ++calls == 1 ? throw new IOException("the store is gone") : Task.CompletedTask;
        };

        Exception? failed = await Record.ExceptionAsync(() => Run().WaitAsync(Patience, Cancel));
        bool doneAfter = Features.Contains(SourceFeature.Marks) && IsDone("one");
        await StopAsync();
        _ = Run();
        await TakenAsync(1);

        Assert.IsType<IOException>(failed);
        Assert.False(doneBefore || doneAfter);
        Assert.Equal(["one"], Sink.Messages.Select(TextOf));
    }

    /// <summary>A restart neither skips nor repeats, whenever it comes (SPEC SR-4).</summary>
    [Fact]
    public async Task A_restart_neither_skips_nor_repeats()
    {
        Assert.SkipUnless(Features.Contains(SourceFeature.GivesAgain), "Its origin gives nothing again.");
        for (int i = 0; i < 4; i++)
        {
            await ArriveAsync($"before{i}");
            _ = Run();
            await TakenAsync((2 * i) + 1);
            await StopAsync();
            await ArriveAsync($"between{i}");
            Source = await CreateAsync();
            _ = Run();
            await TakenAsync((2 * i) + 2);
            await StopAsync();
            Source = await CreateAsync();
        }

        Assert.Equal(Enumerable.Range(0, 4).SelectMany(static i => new[] { $"before{i}", $"between{i}" }), Sink.Messages.Select(TextOf));
    }

    /// <summary>A process that dies right after a commit, before it could tell anyone, brings no second message.</summary>
    [Fact]
    public async Task What_was_stored_in_the_moment_of_a_crash_is_no_second_message()
    {
        Assert.SkipUnless(Features.Contains(SourceFeature.GivesAgain), "Its origin gives nothing again.");
        await ArriveAsync("one");
        Sink.OnCommitted = static () => throw new IOException("the process dies");
        Exception? died = await Record.ExceptionAsync(() => Run().WaitAsync(Patience, Cancel));
        await StopAsync();
        Sink.OnCommitted = null;
        Source = await CreateAsync();
        await ArriveAsync("two");
        _ = Run();
        await TakenAsync(2);

        Assert.IsType<IOException>(died);
        Assert.Equal(["one", "two"], Sink.Messages.Select(TextOf));
    }

    /// <summary>While it may not store, it waits and tells its origin nothing; then everything comes (SPEC SR-6).</summary>
    [Fact]
    public async Task While_the_queue_is_full_or_it_is_paused_it_waits_and_then_brings_everything()
    {
        Sink.IsClosed = true;
        await ArriveAsync("one");
        _ = Run();
        await Sink.WaitForWaitingAsync(1, Cancel).WaitAsync(Patience, Cancel);
        await ArriveAsync("two");
        bool done = Features.Contains(SourceFeature.Marks) && (IsDone("one") || IsDone("two"));
        int taken = Sink.Messages.Count;
        Sink.IsClosed = false;
        await TakenAsync(2);

        Assert.Equal((false, 0), (done, taken));
        Assert.Equal(["one", "two"], Sink.Messages.Select(TextOf));
    }

    /// <summary>A stop ends it within 5 seconds, whatever it waits for, and it runs again afterwards.</summary>
    [Fact]
    public async Task A_stop_ends_it_in_time_in_a_wait_and_in_the_middle_of_storing_and_it_runs_again()
    {
        await ArriveAsync("one");
        Sink.IsClosed = true;
        _ = Run();
        await Sink.WaitForWaitingAsync(1, Cancel).WaitAsync(Patience, Cancel);
        TimeSpan storing = await StopAsync();
        Sink.IsClosed = false;
        _ = Run();
        await TakenAsync(1);
        TimeSpan waiting = await StopAsync();

        Assert.True(storing < MostStop && waiting < MostStop, $"{storing}, {waiting}");
    }

    /// <summary>What becomes of a message is told to the origin once it is said so, and saying it twice is harmless (SPEC SR-8).</summary>
    [Fact]
    public async Task The_origin_is_told_after_the_work_and_twice_is_harmless()
    {
        Assert.SkipUnless(Features.Contains(SourceFeature.Marks), "Its origin is told nothing.");
        await ArriveAsync("good");
        await ArriveAsync("bad");
        _ = Run();
        await TakenAsync(2);
        bool early = IsDone("good") || IsDone("bad");
        Sink.SetState(0, MessageState.Acked);
        Sink.SetState(1, MessageState.Failed);

        for (int i = 0; i < 2; i++)
        {
            await MarkAsync(0, MarkRequest.Seen);
            await MarkAsync(1, MarkRequest.Failed);
        }

        await ArriveAsync("after");
        await TakenAsync(3);

        Assert.Equal((false, true, false), (early, IsDone("good"), IsDone("bad")));
        Assert.Equal(["good", "bad", "after"], Sink.Messages.Select(TextOf));
    }

    /// <summary>A mark for a source that does not run is refused as one for later, and taken once it runs.</summary>
    [Fact]
    public async Task A_mark_is_kept_for_later_while_the_origin_cannot_be_reached()
    {
        Assert.SkipUnless(Features.Contains(SourceFeature.Marks), "Its origin is told nothing.");
        await ArriveAsync("one");
        _ = Run();
        await TakenAsync(1);
        await StopAsync();
        Sink.SetState(0, MessageState.Acked);
        IMarkOrigin origin = (IMarkOrigin)Source;

        Exception? refused = await Record.ExceptionAsync(async () => await origin.MarkAsync(Request(0, MarkRequest.Seen), Cancel));
        _ = Run();
        await origin.Reachable.WaitAsync(Patience, Cancel);
        await MarkAsync(0, MarkRequest.Seen);

        Assert.True(refused is null or OriginUnavailableException, refused?.ToString());
        Assert.True(IsDone("one"));
    }

    /// <summary>A key or outcome that is none of its own is an error of whoever asks, and costs nobody else anything.</summary>
    [Fact]
    public async Task A_mark_with_a_key_of_nobody_is_refused()
    {
        Assert.SkipUnless(Features.Contains(SourceFeature.Marks), "Its origin is told nothing.");
        _ = Run();
        await ((IMarkOrigin)Source).Reachable.WaitAsync(Patience, Cancel);

        await Assert.ThrowsAsync<ArgumentException>(async () => await ((IMarkOrigin)Source).MarkAsync(new MarkRequest(Source.Name, "\0 no key", MarkRequest.Seen), Cancel));
    }

    /// <summary>A broken connection goes up to whoever supervises it, and costs no message.</summary>
    [Fact]
    public async Task A_connection_that_breaks_costs_no_message()
    {
        await ArriveAsync("one");
        Task run = Run();
        await TakenAsync(1);
        await BreakAsync();
        await ArriveAsync("two");
        while (Sink.Messages.Count < 2)
        {
            if (run.IsCompleted)
            {
                await StopAsync();
                run = Run();
            }

            await AskAsync();
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, Cancel);
        }

        Assert.Equal(["one", "two"], Sink.Messages.Select(TextOf));
    }

    /// <summary>Looking at once brings what is there, says how much that was, and never happens twice at a time.</summary>
    [Fact]
    public async Task Looking_at_once_says_how_much_came()
    {
        Assert.SkipUnless(Features.Contains(SourceFeature.Polls), "It cannot be asked.");
        IPollNow polls = (IPollNow)Source;
        await Assert.ThrowsAsync<OriginUnavailableException>(async () => await polls.PollNowAsync(Cancel));
        await ArriveAsync("one");
        _ = Run();
        await TakenAsync(1);

        int[] found = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => polls.PollNowAsync(Cancel).AsTask())).WaitAsync(Patience, Cancel);

        Assert.All(found, static count => Assert.Equal(0, count));
        Assert.Equal(["one"], Sink.Messages.Select(TextOf));
    }

    /// <summary>Its status can be asked for at any time and shows no secret.</summary>
    [Fact]
    public async Task Its_status_can_be_asked_for_at_any_time_and_shows_no_secret()
    {
        string before = Source.Status.ToString();
        await ArriveAsync("one");
        _ = Run();
        await TakenAsync(1);
        string running = Source.Status.ToString();
        await StopAsync();
        string after = Source.Status.ToString();

        Assert.All(Secrets, secret => Assert.DoesNotContain(secret, before + running + after, StringComparison.Ordinal));
    }

    private Task Run()
    {
        Again();
        CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task run = Source.RunAsync(Sink, stop.Token);
        _runs.Add((run, stop));
        return run;
    }

    private async Task<TimeSpan> StopAsync()
    {
        long begun = TimeProvider.System.GetTimestamp();
        foreach ((Task run, CancellationTokenSource stop) in _runs)
        {
            await stop.CancelAsync();
            await run.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            stop.Dispose();
        }

        _runs.Clear();
        return TimeProvider.System.GetElapsedTime(begun);
    }

    private async Task TakenAsync(int count)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(Patience);
        while (Sink.Messages.Count < count)
        {
            if (_runs[^1].Run.IsFaulted)
            {
                await _runs[^1].Run;
            }

            await AskAsync();
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, limit.Token);
        }
    }

    /// <summary>Has the source look, so that no test waits for an interval; one that hears of news by itself does so too.</summary>
    private async Task AskAsync()
    {
        try
        {
            await (Source is IPollNow polls ? polls.PollNowAsync(Cancel).AsTask().WaitAsync(Patience, Cancel) : Task.CompletedTask);
        }
        catch (OriginUnavailableException)
        {
            // It has just ended or begun, or could not look: its run says why.
        }
    }

    private MarkRequest Request(int index, string outcome) => new(Source.Name, Sink.Messages[index].OriginKey ?? "", outcome);

    private async Task MarkAsync(int index, string outcome) => await ((IMarkOrigin)Source).MarkAsync(Request(index, outcome), Cancel).AsTask().WaitAsync(Patience, Cancel);
}
