using System.Text.Json;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

public sealed class RemoteCallTests
{
    private static readonly JsonElement Arguments = JsonElement.Parse("""{ "chat": "7" }""");

    [Fact]
    public async Task A_listed_method_is_called_once_and_each_failure_has_its_code()
    {
        Calling service = new();
        await using MessageRuntime runtime = await StartAsync(_ => { });
        runtime.Dispatcher.Register(service);
        await UntilAsync(() => service.IsStarted);

        RemoteCallResult members = await runtime.Sender.CallAsync("calling", "members", Arguments, null, Cancel);
        Assert.Equal((true, "7"), (members.Ok, members.Result!.Value.GetProperty("of").GetString()));
        Assert.Equal(("unknown_method", false), await ErrorAsync("delete"));
        Assert.Equal(("bad_args", false), await ErrorAsync("wrong"));
        Assert.Equal(("adapter_error", true), await ErrorAsync("busy"));
        Assert.Equal(("adapter_error", false), await ErrorAsync("broken"));
        Assert.Equal(("timeout", false), await ErrorAsync("deaf", TimeSpan.FromMilliseconds(100)));
        RemoteCallResult nobody = await runtime.Dispatcher.CallAsync("nobody", "members", Arguments, null, Cancel);
        Assert.Contains("Registered are calling.", nobody.Error!.Message, StringComparison.Ordinal);
        await service.StopAsync(Cancel);
        Assert.Equal(("unavailable", true), await ErrorAsync("members"));
        Assert.Equal(5, service.Calls);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => runtime.Dispatcher.CallAsync("calling", "members", Arguments, TimeSpan.Zero, Cancel).AsTask());

        async Task<(string, bool)> ErrorAsync(string method, TimeSpan? timeout = null)
        {
            RemoteCallResult result = await runtime.Dispatcher.CallAsync("calling", method, Arguments, timeout, Cancel);
            return (result.Error!.Code, result.Error.Retryable);
        }
    }

    private sealed class Calling() : Communicator("calling"), IRemoteCalls
    {
        private int _calls;

        public int Calls => Volatile.Read(ref _calls);

        public override CommunicatorCapabilities Capabilities { get; } = new();

        public IReadOnlyCollection<string> Methods { get; } = ["members", "wrong", "busy", "broken", "deaf"];

        public async ValueTask<JsonElement> InvokeAsync(string method, JsonElement arguments, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _calls);
            switch (method)
            {
                case "members":
                    return JsonElement.Parse($$"""{ "of": "{{arguments.GetProperty("chat").GetString()}}" }""");
                case "wrong":
                    throw new ArgumentException("'chat' is no number.");
                case "busy":
                    throw new DeliveryException(new DeliveryFailure.RateLimited(DateTimeOffset.MaxValue), "wait");
                case "broken":
                    throw new InvalidOperationException("no");
                default:
                    await Task.Delay(Timeout.Infinite, CancellationToken.None);
                    return default;
            }
        }

        public override ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken) => new(new DeliveryReceipt { Status = DeliveryStatus.Sent });
    }
}
