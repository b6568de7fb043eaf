using System.Text.Json;
using Postroom.Configuration;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

/// <summary>RT-6: everything an operator may do is a member of <see cref="IRuntimeControl"/>.</summary>
public sealed class RuntimeControlTests
{
    [Fact]
    public async Task Ac15_a_replay_keeps_the_id_of_a_failed_message_needs_force_for_an_acknowledged_one_and_is_refused_for_an_open_one()
    {
        bool broken = true;
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) => new(Volatile.Read(ref broken) ? HandlerResult.Fail("no stock") : HandlerResult.Completed)));
        IRuntimeControl control = runtime.View.Control;
        MessageId failed = await runtime.PublishAsync("1");
        await runtime.EndedAsync(failed, MessageState.Failed);
        Volatile.Write(ref broken, false);
        await control.PauseQueueAsync("work", Cancel);

        MessageId same = await control.ReplayAsync(failed, new ReplayOptions(), Cancel);
        JournalRecord due = (await runtime.Journal.GetAsync(failed, withBody: false, Cancel))!;
        JournalConflictException open = await Assert.ThrowsAsync<JournalConflictException>(() => control.ReplayAsync(failed, new ReplayOptions { Force = true }, Cancel).AsTask());
        await control.ResumeQueueAsync("work", Cancel);
        await runtime.EndedAsync(failed, MessageState.Acked);
        await Assert.ThrowsAsync<JournalConflictException>(() => control.ReplayAsync(failed, new ReplayOptions(), Cancel).AsTask());
        MessageId copy = await control.ReplayAsync(failed, new ReplayOptions { Force = true }, Cancel);
        JournalRecord again = await runtime.EndedAsync(copy, MessageState.Acked);

        Assert.Equal(failed, same);
        Assert.Equal((MessageState.Pending, 0, 1), (due.Entry.State, due.Entry.Attempt, due.Entry.Replays));
        Assert.Equal(MessageState.Pending, open.State);
        Assert.NotEqual(failed, copy);
        Assert.Equal(failed, again.Entry.Envelope.ReplayOf);
    }

    [Fact]
    public async Task Rt6_failed_messages_are_replayed_by_filter_and_no_further_when_one_fails_again()
    {
        bool broken = true;
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((order, _, _) => new(Volatile.Read(ref broken) || order.Number == "bad" ? HandlerResult.Fail("no") : HandlerResult.Completed)));
        IRuntimeControl control = runtime.View.Control;
        foreach (string number in (string[])["1", "2", "bad", "3"])
        {
            await runtime.EndedAsync(await runtime.PublishAsync(number), MessageState.Failed);
        }

        Volatile.Write(ref broken, false);
        ReplayManyOptions quick = new() { Rate = new Rate(100, TimeSpan.FromSeconds(1)), User = "ann" };
        ReplayManyResult first = await control.ReplayAsync(new JournalQuery { Queue = "work" }, quick with { Max = 2 }, Cancel);
        ReplayManyResult none = await control.ReplayAsync(new JournalQuery { Queue = "in" }, quick, Cancel);
        ReplayManyResult rest = await control.ReplayAsync(new JournalQuery { Queue = "work" }, quick with { StopAfterFailures = 1 }, Cancel);

        Assert.Equal(new ReplayManyResult(2, More: true, 2, 0, 0, null), first);
        Assert.Equal(new ReplayManyResult(0, More: false, 0, 0, 0, null), none);
        Assert.Equal(1, rest.FailedAgain);
        Assert.Equal(2 + rest.Replayed, (await runtime.Journal.QueryAuditAsync(new AuditQuery { User = "ann", Action = "journal.replay" }, Cancel)).Items.Count);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => control.ReplayAsync(new JournalQuery(), quick with { Max = 0 }, Cancel));
    }

    [Fact]
    public async Task Rt6_settings_status_retention_and_channels_are_in_its_hand()
    {
        RecordingCommunicator people = new("people");
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed)).AddCommunicator(_ => people, ["people"]));
        IRuntimeControl control = runtime.View.Control;
        MessageId done = await runtime.PublishAsync("1");
        await runtime.EndedAsync(done, MessageState.Acked);

        ReloadResult reload = await control.ReloadAsync(previous: false, Cancel);
        RuntimeConflictException first = await Assert.ThrowsAsync<RuntimeConflictException>(() => control.ReloadAsync(previous: true, Cancel));
        using JsonDocument nothing = JsonDocument.Parse("{}");
        EmitOutcome sent = await control.TestCommunicatorAsync("people", "anna", text: null, Cancel);
        RemoteCallResult call = await control.CallAsync("people", "nothing", nothing.RootElement, timeout: null, Cancel);
        long young = await control.CompactAsync(retention: null, Cancel);
        long old = await control.CompactAsync(new JournalRetention(TimeSpan.Zero, TimeSpan.Zero), Cancel);

        Assert.True(reload.Applied);
        Assert.Contains("no configuration before this one", first.Message, StringComparison.Ordinal);
        Assert.Equal((MessageState.Acked, "people:anna"), (sent.State, people.Sends.Single().Message.To?.ToString()));
        Assert.NotNull(call.Error);
        Assert.Equal(0, young);
        Assert.InRange(old, 1, 2);
        Assert.Equal(RuntimeState.Running, (await control.GetStatusAsync(Cancel)).State);
        await Assert.ThrowsAsync<KeyNotFoundException>(() => control.TestCommunicatorAsync("nobody", "anna", text: null, Cancel));
        await Assert.ThrowsAsync<KeyNotFoundException>(() => control.RunScheduleAsync("never", Cancel));
        await Assert.ThrowsAsync<JournalConflictException>(() => control.ConfirmAsync(MessageId.New(), "ops", Cancel).AsTask());
    }
}
