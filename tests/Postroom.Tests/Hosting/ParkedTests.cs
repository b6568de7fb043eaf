using Postroom.Explaining;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

/// <summary>A person is told which messages wait for what this build does not have, wherever they look.</summary>
public sealed class ParkedTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Status_health_and_why_name_the_type_that_nothing_in_this_build_handles()
    {
        await using (MessageRuntime old = await StartDurableAsync(_folder.Path, app => app
            .AddHandler<Order>("work.old", RuntimeTestJson.Default.Order, (_, _, _) => new(HandlerResult.Completed), "work")
            .AddWork((_, _, _) => new(HandlerResult.Completed))))
        {
            await old.StopAsync(Cancel);
        }

        await using MessageRuntime without = await StartDurableAsync(_folder.Path, app => app
            .AddPayload("work.old", RuntimeTestJson.Default.Order)
            .AddWork((_, _, _) => new(HandlerResult.Completed)));
        MessageId parked = (await without.Sender.PublishAsync("work", "work.old", new Order("x"), new PublishOptions { Conversation = "c" }, Cancel)).Id;
        MessageId follower = await without.PublishAsync("y", new PublishOptions { Conversation = "c" });

        RuntimeStatus status = await without.View.GetStatusAsync(Cancel);
        Assert.Equal(["work.old"], status.ParkedTypes["work"]);
        Assert.Contains(status.Notices, notice => notice.StartsWith("Queue 'work' holds 1 parked message: nothing in this build handles 'work.old'", StringComparison.Ordinal));
        HealthReport health = await without.View.CheckHealthAsync(HealthViews.Status, Cancel);
        Assert.Equal(HealthState.Degraded, health.State);
        Assert.Contains(health.Checks, check => check.Result.Text?.Contains("nothing in this build handles 'work.old'", StringComparison.Ordinal) == true);

        WhyReader reader = new(without.Journal, without.View.Facts, TimeProvider.System);
        string why = (await reader.ReadAsync(parked, status, Cancel))!.Reason;
        string whyBehind = (await reader.ReadAsync(follower, status, Cancel))!.Reason;
        Assert.StartsWith("Nothing in this build handles 'work.old' of queue 'work', so it is parked.", why, StringComparison.Ordinal);
        Assert.Contains($"behind message {parked} of the same conversation, which is parked: nothing in this build handles 'work.old'", whyBehind, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_notice_of_messages_that_wait_ends_when_they_are_taken()
    {
        static void Configure(IApplicationBuilder app) => app.AddQueue("work").AddPayload("work.todo", RuntimeTestJson.Default.Order);
        MessageId id;
        await using (MessageRuntime first = await StartDurableAsync(_folder.Path, Configure))
        {
            id = await first.PublishAsync("x");
        }

        await using MessageRuntime second = await StartDurableAsync(_folder.Path, Configure);
        Assert.Contains((await second.View.GetStatusAsync(Cancel)).Notices, Holds);
        IMessageQueue queue = second.OpenQueue("work");
        await foreach (Delivery delivery in queue.ConsumeAsync(1, Cancel))
        {
            await queue.AckAsync(delivery, null, Cancel);
            break;
        }

        await second.EndedAsync(id, MessageState.Acked);

        Assert.DoesNotContain((await second.View.GetStatusAsync(Cancel)).Notices, Holds);
        Assert.Contains((await second.View.GetStatusAsync(Cancel)).Recovery!.Notices, Holds);

        static bool Holds(string notice) => notice.StartsWith("Queue 'work' holds 1 message ", StringComparison.Ordinal);
    }
}
