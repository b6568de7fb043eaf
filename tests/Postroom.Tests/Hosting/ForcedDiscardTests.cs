using System.Collections.Concurrent;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

/// <summary>An operator gives up a message that a handler has; the handler obeys its token at once, which races with the discard.</summary>
public sealed class ForcedDiscardTests
{
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _began = new();
    private readonly ConcurrentDictionary<string, int> _runs = new();

    [Fact]
    public async Task A_forced_discard_wins_over_the_handler_that_it_cancels()
    {
        using TempFolder folder = new();
        await using MessageRuntime runtime = await StartObedientAsync(folder);
        for (int i = 0; i < 60; i++)
        {
            MessageId id = await runtime.PublishAsync($"{i}");
            await BeganAsync($"{i}");

            await runtime.DiscardAsync(id, "not wanted", force: true, Cancel);

            JournalEntry entry = (await runtime.Journal.GetAsync(id, false, Cancel))!.Entry;
            Assert.Equal((MessageState.Failed, FailureKind.Discarded), (entry.State, entry.FailureKind));
        }

        Assert.All(_runs.Values, runs => Assert.Equal(1, runs));
    }

    [Fact]
    public async Task A_killed_conversation_has_no_open_message()
    {
        using TempFolder folder = new();
        await using MessageRuntime runtime = await StartObedientAsync(folder);
        for (int i = 0; i < 60; i++)
        {
            MessageId id = await runtime.PublishAsync($"{i}", new PublishOptions { Conversation = $"c{i}" });
            await BeganAsync($"{i}");

            Assert.Equal(1, await runtime.KillConversationAsync($"c{i}", "spam", Cancel));

            Assert.Equal(MessageState.Failed, (await runtime.Journal.GetAsync(id, false, Cancel))!.Entry.State);
        }

        Assert.All(_runs.Values, runs => Assert.Equal(1, runs));
    }

    private Task<MessageRuntime> StartObedientAsync(TempFolder folder) => StartDurableAsync(folder.Path, app => app.AddWork(async (order, _, token) =>
    {
        _runs.AddOrUpdate(order.Number, 1, (_, runs) => runs + 1);
        _began.GetOrAdd(order.Number, _ => new()).TrySetResult();
        await Task.Delay(Timeout.Infinite, token);
        return HandlerResult.Completed;
    }));

    private Task BeganAsync(string number) => _began.GetOrAdd(number, _ => new()).Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
}
