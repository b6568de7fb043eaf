using System.Collections.Concurrent;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>Incoming messages that live subscribers take instead of handlers.</summary>
public sealed class LiveIncomingTests
{
    [Fact]
    public async Task Chats_that_come_in_together_are_all_published_once_and_then_acknowledged()
    {
        RecordingCommunicator service = new("service");
        await using MessageRuntime runtime = await StartAsync(app => app.AddCommunicator(_ => service), "communications.incoming=publish");
        ConcurrentQueue<IncomingMessage> seen = new();
        using IDisposable subscription = runtime.Dispatcher.IncomingPublisher.Subscribe(message => seen.Enqueue(message));
        object raw = new();

        AcceptResult[] results = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => service.ReceiveAsync(
            new IncomingMessage { Text = $"{i}", SenderId = $"anna{i}", ChannelMessageId = $"{i}", RawEvent = raw }, Cancel).AsTask()));

        foreach (AcceptResult result in results)
        {
            await runtime.EndedAsync(result.Id, MessageState.Acked);
        }

        Assert.Equal(Enumerable.Range(0, 50).Select(i => $"{i}").Order(), seen.Select(message => message.Text).Order());
        Assert.All(seen, message => Assert.Same(raw, message.RawEvent));
    }

    [Fact]
    public async Task Ac96_20000_incoming_messages_reach_a_synchronous_subscriber_of_a_dispatcher_that_stands_alone_and_none_is_pending()
    {
        const int Messages = 20_000;
        RecordingCommunicator service = new("service");
        await using CommunicationDispatcher dispatcher = new();
        dispatcher.Register(service);
        bool[] seen = new bool[Messages];
        int heard = 0;
        using IDisposable subscription = dispatcher.IncomingPublisher.Subscribe(message =>
        {
            seen[int.Parse(message.Text, System.Globalization.CultureInfo.InvariantCulture)] = true;
            Interlocked.Increment(ref heard);
        });
        await dispatcher.StartAllAsync(Cancel);

        await Parallel.ForAsync(0, Messages, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Cancel }, async (number, token) =>
            await service.ReceiveAsync(new IncomingMessage { Text = $"{number}", SenderId = $"anna{number % 10}" }, token));

        await UntilAsync(async () => (await dispatcher.Store.GetStatsAsync(null, Cancel)).Queues.Values.Sum(static queue => queue.Pending + queue.Dispatched) == 0);
        Assert.Equal(Messages, heard);
        Assert.DoesNotContain(false, seen);
        Assert.Equal(Messages, (await dispatcher.Store.GetStatsAsync(null, Cancel)).Queues.Values.Sum(static queue => queue.Acked));
    }

    [Fact]
    public async Task A_dispatcher_that_stands_alone_publishes_what_comes_in()
    {
        RecordingCommunicator service = new("service");
        await using CommunicationDispatcher dispatcher = new();
        dispatcher.Register(service);
        ConcurrentQueue<string> seen = new();
        using IDisposable subscription = dispatcher.IncomingPublisher.Subscribe(message => seen.Enqueue(message.Text));
        await dispatcher.StartAllAsync(Cancel);

        await Task.WhenAll(
            service.ReceiveAsync(new IncomingMessage { Text = "a", SenderId = "anna" }, Cancel).AsTask(), service.ReceiveAsync(new IncomingMessage { Text = "b", SenderId = "bert" }, Cancel).AsTask());

        await UntilAsync(() => seen.Count == 2);
        Assert.Equal(["a", "b"], seen.Order());
    }
}
