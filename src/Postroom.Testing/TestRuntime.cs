using Postroom.Configuration;

namespace Postroom.Testing;

/// <summary>A whole runtime in memory on a manual clock: send, run until idle, look at what was delivered.</summary>
/// <remarks>
/// A message sent here walks the same path as one from a real channel: intake, store, worker, handler, settlement, lane. Answers go to
/// <see cref="Communicator"/>, which is registered as <c>test</c> for the label <c>default</c>. Waits for retries and delays pass at once, on the clock.
/// </remarks>
public sealed class TestRuntime : IAsyncDisposable
{
    private static readonly TimeSpan FirstStep = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestStep = TimeSpan.FromHours(1);
    private static readonly TimeSpan StopStep = TimeSpan.FromMilliseconds(20); // a stop without such a handler has ended by then
    private static readonly TimeSpan Longest = TimeSpan.FromDays(30);

    private readonly IMessageSink _sink;
    private int _sent;

    private TestRuntime(MessageRuntime runtime, ManualClock clock, RecordingCommunicator communicator)
    {
        Runtime = runtime;
        Clock = clock;
        Communicator = communicator;
        _sink = runtime.View.OpenSink("test");
    }

    /// <summary>The runtime itself.</summary>
    public MessageRuntime Runtime { get; }

    /// <summary>The clock; it moves only when the test or <see cref="RunUntilIdleAsync"/> moves it.</summary>
    public ManualClock Clock { get; }

    /// <summary>Takes the answers, and fails on request.</summary>
    public RecordingCommunicator Communicator { get; }

    /// <summary>What was delivered so far, in the order it left.</summary>
    public IReadOnlyList<RecordedSend> Deliveries => Communicator.Sends;

    /// <summary>Starts a runtime of the application's modules.</summary>
    /// <param name="configure">Registers what is tested, as a module would.</param>
    /// <param name="settings">Settings as <c>key=value</c>; the store is in memory.</param>
    public static async Task<TestRuntime> StartAsync(Action<IApplicationBuilder> configure, params string[] settings)
    {
        ManualClock clock = new();
        RecordingCommunicator communicator = new("test", clock);
        MessageRuntime runtime = new(new RuntimeSetup
        {
            Clock = clock,
            Random = static () => 0.5,
            Configuration = new ConfigurationSources { Layers = { new CommandLineConfigurationLayer(["store.kind=memory", .. settings]) } },
        });
        runtime.RegisterModule(new TestModule(app =>
        {
            app.AddCommunicator(_ => communicator, config: new CommunicatorBackendConfig { Type = "test" });
            configure(app);
        }));
        await runtime.StartAsync();
        return new TestRuntime(runtime, clock, communicator);
    }

    /// <summary>Sends a text as a contact of the test channel would.</summary>
    /// <param name="text">The text.</param>
    /// <param name="sender">The contact.</param>
    /// <returns>The stored message's id.</returns>
    public Task<MessageId> SendAsync(string text, string sender = "12345678")
    {
        return SendAsync(new Message { Sender = sender, MessageType = "chat", RawPayload = text, ClientType = "test" });
    }

    /// <summary>Sends a message as a webhook would bring it.</summary>
    /// <returns>The stored message's id.</returns>
    /// <exception cref="MessageFormatException">The message is malformed.</exception>
    public async Task<MessageId> SendAsync(Message message)
    {
        Envelope envelope = message.ToEnvelope("in", "test");
        IReadOnlyList<AcceptResult> results = await _sink.AcceptAsync(
            [
                new SourceMessage("in", envelope.Type, envelope.Body)
                {
                    From = envelope.From,
                    Conversation = envelope.Conversation,
                    DedupKey = $"test:{Interlocked.Increment(ref _sent)}",
                    Headers = envelope.Headers,
                    Attachments = envelope.Attachments,
                },
            ],
            null,
            CancellationToken.None);
        return results[0].Id;
    }

    /// <summary>Runs until no message is waiting or in work; waits for retries and delays pass on the clock.</summary>
    /// <exception cref="TimeoutException">Messages were still open after 30 days on the clock or 30 real seconds; the text says which queues hold them.</exception>
    public async Task RunUntilIdleAsync(CancellationToken cancellationToken = default)
    {
        TimeSpan begun = Clock.Elapsed;
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        TimeSpan step = FirstStep;
        for (int quiet = 0; quiet < 3;)
        {
            StoreStats stats = await Runtime.Store.GetStatsAsync(null, cancellationToken);
            long open = stats.Queues.Values.Sum(queue => queue.Pending + queue.Dispatched - queue.Parked);
            if (open == 0)
            {
                quiet++;
                continue;
            }

            quiet = 0;
            if (limit.IsCancellationRequested || Clock.Elapsed - begun > Longest)
            {
                cancellationToken.ThrowIfCancellationRequested();
                string where = string.Join(", ", stats.Queues.Where(pair => pair.Value.Pending + pair.Value.Dispatched > 0).Select(pair => $"{pair.Key} ({pair.Value.Pending} pending, {pair.Value.Dispatched} dispatched)"));
                throw new TimeoutException($"Messages are still open: {where}. A handler may hang, or a queue may have no workers.");
            }

            if (stats.Queues.Values.All(queue => queue.Dispatched == 0 && queue.Due == 0))
            {
                // Longer and longer, so that hours of waiting do not take minutes.
                Clock.Advance(step);
                step = step * 2 < LongestStep ? step * 2 : LongestStep;
            }
            else
            {
                step = FirstStep;
            }

            // Workers run on the thread pool: give them the processor before looking again.
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, CancellationToken.None);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // The limits of a stop are on the clock as well: unless it moves, a handler that waits, as in a test that has failed, is waited for without end.
        Task stopping = Runtime.DisposeAsync().AsTask();
        while (await Task.WhenAny(stopping, Task.Delay(StopStep, TimeProvider.System, CancellationToken.None)) != stopping)
        {
            Clock.Advance(TimeSpan.FromSeconds(1));
        }

        await stopping;
    }

    private sealed class TestModule(Action<IApplicationBuilder> configure) : IApplicationModule
    {
        public string Name => "test";

        public string Version => "1";

        public void Configure(IApplicationBuilder app) => configure(app);
    }
}
