using Postroom.Configuration;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Hosting;

/// <summary>Trying the connections of a program that does not run (CL-3).</summary>
public sealed class ConnectionCheckTests
{
    [Fact]
    public async Task Cl3_Each_is_asked_within_its_time_nothing_is_started_and_no_secret_is_told()
    {
        Redactor redactor = new();
        redactor.AddSecret("canary-of-the-check");
        await using MessageRuntime runtime = new(new RuntimeSetup
        {
            Redactor = redactor,
            Configuration = new ConfigurationSources
            {
                Layers =
                {
                    new CommandLineConfigurationLayer(
                    [
                        "store.kind=memory", "communications.enabled=true", "communications.backends.good.type=asked", "communications.backends.bad.type=asked",
                        "communications.backends.silent.type=asked", "communications.backends.off.type=asked", "communications.backends.off.enabled=false",
                        "communications.backends.plain.type=plain", "communications.backends.broken.type=broken",
                    ]),
                },
            },
        });
        runtime.RegisterModule(new TestModule(static app => app
            .RegisterBackend("asked", static (name, _, _) => new Asked(name))
            .RegisterBackend("plain", static (name, _, _) => new Plain(name))
            .RegisterBackend("broken", static (_, _, _) => throw new InvalidOperationException("Set number."))));

        IReadOnlyList<ConnectionFinding> found = await runtime.CheckConnectionsAsync(TimeSpan.FromMilliseconds(300), Cancel);

        Assert.Equal(
            [
                new("communicator bad", false, "It refuses ***. Set key."),
                new("communicator broken", false, "It could not be made: Set number."),
                new("communicator good", true, "signed in as ann"),
                new("communicator plain", true, "cannot be tried from here"),
                new("communicator silent", false, "It did not answer in 300ms. Check its address in the settings, and whether a firewall is in between."),
            ],
            found);
        Assert.Equal((RuntimeState.Created, 0), (runtime.State, runtime.StartRecord.Count));
    }

    [Fact]
    public async Task A_runtime_that_runs_is_asked_for_its_health_instead()
    {
        await using MessageRuntime runtime = await StartAsync(static _ => { });

        InvalidOperationException refused = await Assert.ThrowsAsync<InvalidOperationException>(() => runtime.CheckConnectionsAsync(TimeSpan.FromSeconds(1), Cancel));

        Assert.Contains("Ask its health instead", refused.Message, StringComparison.Ordinal);
    }

    private class Plain(string name) : Communicator(name)
    {
        public override CommunicatorCapabilities Capabilities { get; } = new();

        public override ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken) => throw new NotSupportedException();

        protected override Task OnStartAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
    }

    private sealed class Asked(string name) : Plain(name), IConnectionCheck
    {
        public async ValueTask<string> CheckConnectionAsync(CancellationToken cancellationToken)
        {
            if (Name == "silent")
            {
                await new TaskCompletionSource().Task; // hears of no cancellation either
            }

            return Name == "good" ? "signed in as ann" : throw new InvalidOperationException("It refuses canary-of-the-check. Set key.");
        }
    }
}
