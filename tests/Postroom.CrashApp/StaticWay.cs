using Postroom.Testing;

namespace Postroom.CrashApp;

/// <summary>The static way to communicators in a process without a runtime, and with one and two (CM-12).</summary>
internal static class StaticWay
{
    public static async Task<int> RunAsync()
    {
        RecordingCommunicator recording = new("recording");
        Communications.RegisterBackend("recording", (_, _, _) => recording);
        await Communications.InitCommunicationsAsync(new CommunicationsConfig { Backends = Wanted() });
        CommunicationDispatcher[] seen = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(Communications.GetDispatcher)));
        Console.WriteLine($"INSTANCES {seen.Distinct().Count()} REGISTERED {seen[0].Names.Count}");

        CommunicationsConfig config = new() { Enabled = true, Backends = Wanted() };
        await Communications.InitCommunicationsAsync(config);
        await Communications.InitCommunicationsAsync(config);
        EmitResult sent = await Communications.EmitMessageAsync(new OutgoingMessage("hello"));
        EmitOutcome outcome = (await sent.WaitAsync(TimeSpan.FromSeconds(30)))[0];
        Console.WriteLine($"NAMES {string.Join(',', Communications.GetDispatcher().Names)} STARTS {recording.Starts} SENT {recording.Sends.Count} {outcome.State}");

        int heard = 0;
        using IDisposable subscription = Communications.GetDispatcher().IncomingPublisher.Subscribe(_ => Interlocked.Increment(ref heard));
        await Parallel.ForAsync(0, 20_000, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (_, token) => await recording.ReceiveAsync(new IncomingMessage { Text = "x", SenderId = "ann" }, token));
        for (int wait = 0; wait < 3_000 && Volatile.Read(ref heard) < 20_000; wait++)
        {
            await Task.Delay(10);
        }

        Console.WriteLine($"HEARD {heard}");
        await Communications.InitCommunicationsAsync(new CommunicationsConfig());
        Console.WriteLine($"LEFT {Communications.GetDispatcher().Names.Count} STOPS {recording.Stops}");

        CommunicationDispatcher alone = Communications.GetDispatcher();
        await using (MessageRuntime former = await StartAsync())
        {
            await Communications.InitCommunicationsAsync(config);
        }

        await using MessageRuntime one = await StartAsync();
        await Communications.InitCommunicationsAsync(config with { Backends = new Dictionary<string, CommunicatorBackendConfig>(Wanted()) { ["later"] = new CommunicatorBackendConfig { Type = "later" } } });
        Console.WriteLine($"SECOND {string.Join(',', one.Dispatcher.Names.Order(StringComparer.Ordinal))} {alone.Names.Count}");

        RecordingCommunicator later = new("later");
        EmitResult held = await Communications.EmitMessageAsync(new OutgoingMessage("held"));
        Communications.RegisterBackend("later", (_, _, _) => later);
        Console.WriteLine($"LATER {string.Join(',', (await held.WaitAsync(TimeSpan.FromSeconds(30))).Select(copy => copy.State).Distinct())} {later.Sends.Count}");
        Console.WriteLine($"RUNTIME {ReferenceEquals(Communications.GetDispatcher(), one.Dispatcher)} {ReferenceEquals(alone, one.Dispatcher)}");
        await using MessageRuntime two = await StartAsync();
        try
        {
            _ = Communications.GetDispatcher();
            Console.WriteLine("TWO taken");
        }
        catch (InvalidOperationException)
        {
            Communications.Use(two);
            Console.WriteLine($"TWO {ReferenceEquals(Communications.GetDispatcher(), two.Dispatcher)}");
        }

        return 0;
    }

    private static Dictionary<string, CommunicatorBackendConfig> Wanted() => new() { ["recording"] = new CommunicatorBackendConfig { Type = "recording" } };

    private static async Task<MessageRuntime> StartAsync()
    {
        MessageRuntime runtime = new(new RuntimeSetup
        {
            Configuration = new Configuration.ConfigurationSources { Layers = { new Configuration.CommandLineConfigurationLayer(["store.kind=memory"]) } },
        });
        await runtime.StartAsync();
        return runtime;
    }
}
