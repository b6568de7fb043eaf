using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>What a lane makes of the answers of a service.</summary>
public sealed class DeliveryTests
{
    private static readonly CommunicatorBackendConfig Quick = new()
    {
        Type = "webhook",
        Retry = new RetryConfig { MaxAttempts = 3, Backoff = new BackoffOptions { Base = TimeSpan.FromMilliseconds(2), Max = TimeSpan.FromMilliseconds(5) } },
    };

    [Fact]
    public async Task A_transient_failure_is_tried_again_and_counts()
    {
        RecordingCommunicator service = new("service");
        service.Next(new SendOutcome.Fails(new DeliveryFailure.Transient()), new SendOutcome.Throws(new IOException("reset")));
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service, config: Quick));

        EmitOutcome outcome = await SendAsync(runtime);

        Assert.Equal(MessageState.Acked, outcome.State);
        Assert.Equal([1, 2, 3], service.Sends.Select(send => send.Attempt));
        Assert.Single(service.Sends.Select(send => send.IdempotencyKey).Distinct());
    }

    [Fact]
    public async Task A_refusal_fails_at_once_and_the_last_transient_failure_fails_as_exhausted()
    {
        RecordingCommunicator service = new("service");
        service.Next(new SendOutcome.Fails(new DeliveryFailure.Refused("403"), "blocked"));
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service, config: Quick));
        EmitOutcome refused = await SendAsync(runtime);
        service.Next(Enumerable.Repeat<SendOutcome>(new SendOutcome.Fails(new DeliveryFailure.Transient()), 3));
        EmitOutcome exhausted = await SendAsync(runtime);

        Assert.Equal((MessageState.Failed, FailureKind.Refused), await StateAsync(runtime, refused.Id));
        Assert.Contains("403", refused.Error, StringComparison.Ordinal);
        Assert.Equal((MessageState.Failed, FailureKind.Exhausted), await StateAsync(runtime, exhausted.Id));
    }

    [Fact]
    public async Task A_service_that_cannot_be_reached_suspends_the_lane_and_uses_no_attempt()
    {
        RecordingCommunicator service = new("service");
        service.Next(new SendOutcome.Fails(new DeliveryFailure.Transient(ServiceWide: true)));
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service, config: Quick with { Retry = new RetryConfig { MaxAttempts = 1 } }));

        EmitOutcome outcome = await SendAsync(runtime);

        Assert.Equal(MessageState.Acked, outcome.State);
        Assert.Equal([1, 1], service.Sends.Select(send => send.Attempt));
        Assert.True(service.Sends[1].At - service.Sends[0].At >= TimeSpan.FromMilliseconds(700), "the lane should have waited about a second");
    }

    [Fact]
    public async Task A_rate_limited_recipient_waits_as_told_and_uses_no_attempt()
    {
        RecordingCommunicator service = new("service");
        service.Next(new SendOutcome.Fails(new DeliveryFailure.RateLimited(TimeProvider.System.GetUtcNow() + TimeSpan.FromMilliseconds(300))));
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service, config: Quick with { Retry = new RetryConfig { MaxAttempts = 1 } }));

        EmitOutcome outcome = await SendAsync(runtime);

        Assert.Equal(MessageState.Acked, outcome.State);
        Assert.Equal(2, service.Sends.Count);
    }

    [Fact]
    public async Task An_uncertain_send_is_sent_once_more_where_the_policy_says_retry_and_then_waits_for_a_person_who_confirms_it()
    {
        RecordingCommunicator service = new("service");
        service.Next(new SendOutcome.Fails(new DeliveryFailure.Uncertain()), new SendOutcome.Fails(new DeliveryFailure.Uncertain()));
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service, config: Quick));

        EmitOutcome outcome = await SendAsync(runtime);

        Assert.Equal((MessageState.Failed, FailureKind.Uncertain), await StateAsync(runtime, outcome.Id));
        Assert.Equal([false, true], service.Sends.Select(send => send.Redelivered));
        await runtime.Journal.ConfirmAsync(outcome.Id, "anna", Cancel);
        JournalRecord record = await runtime.EndedAsync(outcome.Id, MessageState.Acked);
        Assert.Equal("confirmed", record.Receipts[^1].Detail);
        Assert.Equal(2, service.Sends.Count);
    }

    [Fact]
    public async Task An_uncertain_send_is_held_where_the_policy_says_hold()
    {
        RecordingCommunicator service = new("service");
        service.Next(new SendOutcome.Fails(new DeliveryFailure.Uncertain()));
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service, config: Quick with { Uncertain = UncertainPolicy.Hold }));

        EmitOutcome outcome = await SendAsync(runtime);

        Assert.Equal((MessageState.Failed, FailureKind.Uncertain), await StateAsync(runtime, outcome.Id));
        Assert.Single(service.Sends);
    }

    [Theory]
    [InlineData(UnavailablePolicy.Drop, MessageState.Acked)]
    [InlineData(UnavailablePolicy.Fail, MessageState.Failed)]
    public async Task A_communicator_that_has_not_started_drops_or_fails_its_messages_as_its_policy_says(UnavailablePolicy policy, MessageState state)
    {
        RecordingCommunicator service = new("service") { StartFailure = new IOException("no network") };
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service, config: Quick with { OnUnavailable = policy }));

        EmitOutcome outcome = await SendAsync(runtime);

        Assert.Equal(state, outcome.State);
        Assert.Empty(service.Sends);
    }

    [Fact]
    public async Task Messages_of_one_conversation_leave_in_order_through_failures()
    {
        RecordingCommunicator service = new("service");
        Random random = new(5);
        service.Next(Enumerable.Range(0, 60).Select(_ => random.Next(3) == 0 ? new SendOutcome.Fails(new DeliveryFailure.Transient()) : (SendOutcome)new SendOutcome.Succeeds()));
        await using MessageRuntime runtime = await StartAsync(
            app => app.AddCommunicator(_ => service, config: Quick with { Retry = new RetryConfig { MaxAttempts = 50, Backoff = Quick.Retry.Backoff } }));

        List<EmitResult> sent = [];
        for (int i = 0; i < 30; i++)
        {
            sent.Add(await runtime.Dispatcher.EmitAsync(new OutgoingMessage($"{i}") { To = Address.ForRecipient("service", "anna") }, Cancel));
        }

        foreach (EmitResult result in sent)
        {
            Assert.Equal(MessageState.Acked, (await result.WaitAsync(TimeSpan.FromSeconds(30), Cancel))[0].State);
        }

        IEnumerable<string> successes = service.Sends.Where(send => send.Outcome is SendOutcome.Succeeds).Select(send => send.Message.Message);
        Assert.Equal(Enumerable.Range(0, 30).Select(i => $"{i}"), successes);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 2)]
    [InlineData(2, 3)]
    public async Task A_send_without_an_answer_is_repeated_as_often_as_configured(int retries, int sends)
    {
        RecordingCommunicator service = new("service");
        service.Next(Enumerable.Repeat<SendOutcome>(new SendOutcome.Fails(new DeliveryFailure.Uncertain()), 5));
        CommunicatorBackendConfig config = Quick with { UncertainRetries = retries, Retry = new RetryConfig { MaxAttempts = 10, Backoff = Quick.Retry.Backoff } };
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service, config: config));

        EmitOutcome outcome = await SendAsync(runtime);

        Assert.Equal((MessageState.Failed, FailureKind.Uncertain), await StateAsync(runtime, outcome.Id));
        Assert.Equal(sends, service.Sends.Count);
    }

    [Fact]
    public async Task Failures_with_an_answer_do_not_use_up_the_repeat_of_a_send_without_one_and_leave_its_claim()
    {
        RecordingCommunicator service = new("service");
        service.Next(
            new SendOutcome.Fails(new DeliveryFailure.Transient()), new SendOutcome.Fails(new DeliveryFailure.Transient()),
            new SendOutcome.Fails(new DeliveryFailure.Uncertain()), new SendOutcome.Fails(new DeliveryFailure.Transient()));
        CommunicatorBackendConfig config = Quick with { Retry = new RetryConfig { MaxAttempts = 10, Backoff = Quick.Retry.Backoff } };
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service, config: config));

        EmitOutcome outcome = await SendAsync(runtime);

        Assert.Equal(MessageState.Acked, outcome.State);
        Assert.Equal([false, false, false, true, true], service.Sends.Select(send => send.Redelivered));
    }

    [Theory]
    [InlineData(UnavailablePolicy.Drop, 0, true)]
    [InlineData(UnavailablePolicy.Fail, -3_600, false)]
    public async Task A_wait_of_nothing_still_holds_the_lane_back_for_a_second(UnavailablePolicy policy, int seconds, bool lane)
    {
        RecordingCommunicator service = new("service");
        service.Next(new SendOutcome.Fails(new DeliveryFailure.RateLimited(TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(seconds), lane)));
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service, config: Quick with { OnUnavailable = policy }));

        EmitOutcome outcome = await SendAsync(runtime);

        Assert.Equal(MessageState.Acked, outcome.State);
        Assert.True(service.Sends[1].At - service.Sends[0].At >= TimeSpan.FromMilliseconds(900), "the second send came too early");
    }

    [Theory]
    [InlineData(UnavailablePolicy.Drop)]
    [InlineData(UnavailablePolicy.Hold)]
    public async Task A_lane_that_pauses_does_not_lease_and_release_all_the_time(UnavailablePolicy policy)
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => new RecordingCommunicator("service"), config: Quick with { OnUnavailable = policy }));
        runtime.Rooms.Outbound.Lanes.Single().Gate.Suspend(TimeSpan.FromHours(1), "paused", 0.5);
        using CancellationTokenSource look = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        IAsyncEnumerable<Transition> moves = runtime.Journal.WatchAsync(_ => true, null, look.Token);
        await runtime.Dispatcher.EmitAsync(new OutgoingMessage("hello") { To = Address.ForRecipient("service", "anna") }, Cancel);

        look.CancelAfter(TimeSpan.FromMilliseconds(300));
        int count = 0;
        try
        {
            await foreach (Transition _ in moves)
            {
                count++;
            }
        }
        catch (OperationCanceledException)
        {
            // The time to look is over.
        }

        Assert.InRange(count, 1, 5);
    }

    [Fact]
    public async Task A_wait_without_end_is_a_week()
    {
        RecordingCommunicator service = new("service");
        service.Next(new SendOutcome.Fails(new DeliveryFailure.RateLimited(DateTimeOffset.MaxValue)));
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service, config: Quick));

        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("hello") { To = Address.ForRecipient("service", "anna") }, Cancel);

        JournalEntry? entry = null;
        await UntilAsync(async () => (entry = (await runtime.Journal.GetAsync(sent.Ids[0], withBody: false, Cancel))!.Entry) is { State: MessageState.Pending, DueAt: not null });
        Assert.InRange(entry!.DueAt!.Value, TimeProvider.System.GetUtcNow() + TimeSpan.FromDays(6.9), TimeProvider.System.GetUtcNow() + TimeSpan.FromDays(7.1));
    }

    [Theory]
    [InlineData(UnavailablePolicy.Drop, MessageState.Acked)]
    [InlineData(UnavailablePolicy.Fail, MessageState.Failed)]
    public async Task A_communicator_of_an_unknown_type_counts_as_not_started(UnavailablePolicy policy, MessageState state)
    {
        NoOpCommunicator service = new("service", "Type 'fax' is not registered.");
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service, config: Quick with { OnUnavailable = policy }));

        EmitOutcome outcome = await SendAsync(runtime);

        Assert.Equal(state, outcome.State);
        Assert.Equal(state == MessageState.Acked ? DeliveryStatus.Skipped : null, outcome.Receipt?.Status);
    }

    [Fact]
    public async Task A_send_cancelled_at_the_stop_before_a_byte_left_is_not_uncertain()
    {
        RecordingCommunicator service = new("service");
        service.Next(new SendOutcome.Hangs(BytesLeft: false));
        MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service, config: Quick), "runtime.drainTimeout=1s");
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("hello") { To = Address.ForRecipient("service", "anna") }, Cancel);
        await service.WaitForSendsAsync(1, Cancel);

        await runtime.StopAsync(Cancel);

        JournalEntry entry = (await runtime.Journal.GetAsync(sent.Ids[0], withBody: false, Cancel))!.Entry;
        Assert.Equal((MessageState.Pending, (DateTimeOffset?)null), (entry.State, entry.SendStartedAt));
        await runtime.DisposeAsync();
    }

    private static async Task<EmitOutcome> SendAsync(MessageRuntime runtime)
    {
        EmitResult result = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("hello") { To = Address.ForRecipient("service", "anna") }, Cancel);
        return Assert.Single(await result.WaitAsync(TimeSpan.FromSeconds(30), Cancel));
    }

    private static async Task<(MessageState State, FailureKind? Kind)> StateAsync(MessageRuntime runtime, MessageId id)
    {
        JournalEntry entry = (await runtime.Journal.GetAsync(id, withBody: false, Cancel))!.Entry;
        return (entry.State, entry.FailureKind);
    }
}
