using Postroom.Explaining;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>QU-5, LN-10, CL-7: whoever asks why a message waits is told the limit, and until when.</summary>
public sealed class WhyLimitTests
{
    [Fact]
    public async Task Ln10_why_names_the_limit_that_keeps_a_send_and_when_it_goes_on()
    {
        CommunicatorBackendConfig config = new()
        {
            Type = "webhook",
            Limits = [new QueueLimit { Key = new LimitKey(LimitKeyKind.To), Rate = new Rate(1, TimeSpan.FromHours(1)) }],
        };
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => new RecordingCommunicator("service"), config: config));
        EmitResult sent = await runtime.Dispatcher.EmitAsync(new OutgoingMessage("x") { To = Address.ForRecipient("service", "anna") }, Cancel);
        await UntilAsync(async () => (await runtime.Journal.GetAsync(sent.Ids[0], withBody: false, Cancel))!.Entry.DueAt is not null);

        string why = await WhyAsync(runtime, sent.Ids[0]);

        Assert.StartsWith("It goes on at 20", why, StringComparison.Ordinal);
        Assert.Contains("it falls under the limit 'to=service:anna 1/h'", why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Qu5_why_names_the_limit_of_the_queue_and_when_the_turn_of_a_message_comes()
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork(
            (_, _, _) => new ValueTask<HandlerResult>(HandlerResult.Completed),
            queue => queue.Limits = [new QueueLimit { Key = new LimitKey(LimitKeyKind.OrderKey), Rate = new Rate(1, TimeSpan.FromHours(1)) }]));
        MessageId[] waiting = [await runtime.PublishAsync("1", new PublishOptions { OrderKey = "anna" }), await runtime.PublishAsync("2", new PublishOptions { OrderKey = "anna" })];
        await UntilAsync(async () => (await WhyAsync(runtime, waiting[0])).Contains("limit", StringComparison.Ordinal));

        Assert.Matches("^It waits at the limit 'orderKey' of queue 'work' for 'anna': 1/h may begin. Its turn comes at 20", await WhyAsync(runtime, waiting[0]));
    }

    private static async Task<string> WhyAsync(MessageRuntime runtime, MessageId id)
    {
        RuntimeStatus status = await runtime.View.GetStatusAsync(Cancel);
        return (await new WhyReader(runtime.Journal, runtime.View.Facts, TimeProvider.System).ReadAsync(id, status, Cancel))!.Reason;
    }
}
