using System.Collections.Concurrent;
using Postroom.Tests.Hosting;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Outbound;

/// <summary>A service that loses answers, and may be asked. Keys are shown without the message's id.</summary>
internal sealed class Asked() : Communicator("channel"), IDeliveryProbe
{
    /// <summary>Settings with which a send without an answer is soon left to a person.</summary>
    public static readonly CommunicatorBackendConfig Briefly = new() { Type = "channel", AskTimeout = TimeSpan.FromMilliseconds(50) };

    public int TextLimit { get; init; } = int.MaxValue;

    public TaskCompletionSource? Answers { get; set; }

    /// <summary>Called by each send, before it is lost or answered.</summary>
    public Action? Claimed { get; set; }

    /// <summary>Set while the service is away: it can be neither asked nor sent to, and a question says so. Called by the send that finds it so.</summary>
    public Action? Away { get; set; }

    /// <summary>Failures of questions that the communicator does not translate, each once.</summary>
    public ConcurrentQueue<Exception> Breaks { get; } = new();

    public ConcurrentQueue<string> Loses { get; } = new();

    public ConcurrentDictionary<string, DeliveryReceipt> Knows { get; } = new();

    public ConcurrentQueue<string> Sends { get; } = new();

    public override CommunicatorCapabilities Capabilities => new() { CanBeAsked = true, TextLimit = TextLimit };

    public override bool SupportsReceiving => true;

    public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        string key = context.IdempotencyKey[context.MessageId.ToString().Length..];
        Sends.Enqueue(key);
        if (Answers is { } answers)
        {
            await answers.Task.WaitAsync(cancellationToken);
        }

        Claimed?.Invoke();
        if (Away is { } away)
        {
            away();
            throw new DeliveryException(new DeliveryFailure.Transient(), "the service is away");
        }

        return Loses.TryPeek(out string? lost) && lost == key && Loses.TryDequeue(out _)
            ? throw new DeliveryException(new DeliveryFailure.Uncertain(), "no answer")
            : new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = $"out{key}" };
    }

    public async ValueTask<ProbeAnswer> FindAsync(string idempotencyKey, CancellationToken cancellationToken)
    {
        if (Away is not null)
        {
            throw new DeliveryException(new DeliveryFailure.Transient(), "the service is away");
        }

        if (Breaks.TryDequeue(out Exception? broken))
        {
            throw broken;
        }

        string key = idempotencyKey.Contains('/', StringComparison.Ordinal) ? idempotencyKey[idempotencyKey.IndexOf('/', StringComparison.Ordinal)..] : "";
        for (int i = 0; ; i++)
        {
            if (Knows.TryGetValue(key, out DeliveryReceipt? known))
            {
                return new ProbeAnswer.Found(known);
            }

            if (i == 20 || cancellationToken.IsCancellationRequested)
            {
                return new ProbeAnswer.Unknown();
            }

            await Task.Delay(10, CancellationToken.None);
        }
    }

    /// <summary>Starts a runtime with it.</summary>
    public async Task<MessageRuntime> StartRuntimeAsync(CommunicatorBackendConfig? config = null, Action<IApplicationBuilder>? app = null)
    {
        MessageRuntime runtime = await RuntimeHarness.StartAsync(app ?? (static _ => { }));
        await runtime.Dispatcher.RegisterAsync(this, null, config ?? new CommunicatorBackendConfig { Type = "channel" }, Cancel);
        await UntilAsync(() => IsStarted);
        return runtime;
    }

    public async Task TellAsync(params LateReceipt[] receipts) => await Incoming!.AcceptAsync([], receipts, Cancel);
}
