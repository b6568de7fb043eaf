using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Testing;

public sealed class TestRuntimeTests
{
    [Fact]
    public async Task A_text_walks_the_whole_path_and_is_answered_through_the_test_channel()
    {
        await using TestRuntime test = await TestRuntime.StartAsync(app => app.AddHandler<IncomingMessage>(
            PayloadTypes.ChatText,
            PostroomJson.Default.IncomingMessage,
            (message, context, _) =>
            {
                context.Reply($"{context.From}: {message.Text}");
                return new(HandlerResult.Completed);
            },
            "in"));

        await test.SendAsync("hello");
        await test.SendAsync("again", "other");
        await test.RunUntilIdleAsync(TestContext.Current.CancellationToken);

        Assert.Equal(["test:12345678: hello", "test:other: again"], test.Deliveries.Select(send => send.Message.Message).Order());
        Assert.Contains(test.Deliveries, send => send.Recipient!.ToString() == "test:other");
    }

    [Fact]
    public async Task Hours_of_retries_pass_on_the_clock()
    {
        await using TestRuntime test = await TestRuntime.StartAsync(app => app.AddHandler<IncomingMessage>(
            PayloadTypes.ChatText,
            PostroomJson.Default.IncomingMessage,
            (_, context, _) => new(context.Attempt < 4 ? HandlerResult.RetryAfter(TimeSpan.FromHours(1), "later") : HandlerResult.Completed),
            "in"));

        MessageId id = await test.SendAsync("hello");
        await test.RunUntilIdleAsync(TestContext.Current.CancellationToken);

        JournalRecord? record = await test.Runtime.Journal.GetAsync(id, false, TestContext.Current.CancellationToken);
        Assert.Equal(MessageState.Acked, record!.Entry.State);
        Assert.Equal(4, record.Entry.Attempt);
        Assert.True(test.Clock.Elapsed >= TimeSpan.FromHours(3));
    }
}
