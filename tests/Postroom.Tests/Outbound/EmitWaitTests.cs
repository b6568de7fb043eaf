using Postroom.Crash;
using Postroom.Testing;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

public sealed class EmitWaitTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("postroom-").FullName;

    public void Dispose() => Canaries.SearchAndDelete(_folder);

    [Fact]
    public async Task Everyone_of_many_who_wait_at_once_is_told_the_end_of_a_delivery()
    {
        const int count = 500;
        RecordingCommunicator service = new("service");
        await using MessageRuntime runtime = await StartDurableAsync(_folder, app => app.AddCommunicator(_ => service, config: new CommunicatorBackendConfig { Type = "test", MaxInFlight = 16 }));

        EmitResult[] sent = await Task.WhenAll(Enumerable.Range(0, count).Select(i =>
            runtime.Dispatcher.EmitAsync(new OutgoingMessage($"{i}") { To = Address.ForRecipient("service", $"p{i}") }, Cancel).AsTask()));
        IReadOnlyList<EmitOutcome>[] ends = await Task.WhenAll(sent.Select(result => result.WaitAsync(TimeSpan.FromSeconds(60), Cancel)));

        Assert.All(ends, outcomes => Assert.Equal((MessageState.Acked, DeliveryStatus.Sent), (outcomes[0].State, outcomes[0].Receipt!.Status)));
        Assert.Equal(sent.SelectMany(result => result.Ids), ends.SelectMany(outcomes => outcomes.Select(outcome => outcome.Id)));
    }
}
