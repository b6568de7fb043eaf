using System.Collections.Concurrent;

namespace Postroom.Testing;

/// <summary>A communicator without a service: it records what it is told to send and answers as the test asks.</summary>
/// <remarks>
/// Outcomes are queued with <see cref="Next"/> and used up in the order the sends come; with none queued a send succeeds.
/// What comes in is played with <see cref="ReceiveAsync"/>. Safe for concurrent sends.
/// </remarks>
/// <param name="name">Its configured name.</param>
/// <param name="clock">The clock of receipts and delays; null for the system's.</param>
public sealed class RecordingCommunicator(string name, TimeProvider? clock = null) : Communicator(name), ISignals
{
    private readonly Lock _gate = new();
    private readonly TimeProvider _clock = clock ?? TimeProvider.System;
    private readonly List<RecordedSend> _sends = [];
    private readonly List<RecordedSignal> _signals = [];
    private readonly List<(int Count, TaskCompletionSource Reached)> _waiting = [];
    private readonly ConcurrentQueue<SendOutcome> _next = new();
    private CommunicatorCapabilities _capabilities = new()
    {
        Formats = [TextFormat.Html, TextFormat.Markdown],
        Attachments = true,
        Buttons = true,
        Lists = true,
        Links = true,
        Typing = true,
        Reactions = true,
        Presence = true,
        Receiving = true,
    };

    /// <inheritdoc/>
    public override CommunicatorCapabilities Capabilities => _capabilities;

    /// <inheritdoc/>
    public override bool SupportsReceiving => Capabilities.Receiving;

    /// <summary>How many times it was started.</summary>
    public int Starts { get; private set; }

    /// <summary>How many times it was stopped.</summary>
    public int Stops { get; private set; }

    /// <summary>The failure of the next start; null to start.</summary>
    public Exception? StartFailure { get; set; }

    /// <summary>The sends so far, in the order they came.</summary>
    public IReadOnlyList<RecordedSend> Sends
    {
        get
        {
            lock (_gate)
            {
                return [.. _sends];
            }
        }
    }

    /// <summary>The signals so far, in the order they came.</summary>
    public IReadOnlyList<RecordedSignal> Signals
    {
        get
        {
            lock (_gate)
            {
                return [.. _signals];
            }
        }
    }

    /// <summary>Sets what the service can do; everything unless set.</summary>
    public RecordingCommunicator With(CommunicatorCapabilities capabilities)
    {
        _capabilities = capabilities;
        return this;
    }

    /// <summary>Queues how the next sends and signals end, in order.</summary>
    public RecordingCommunicator Next(params IEnumerable<SendOutcome> outcomes)
    {
        foreach (SendOutcome outcome in outcomes)
        {
            _next.Enqueue(outcome);
        }

        return this;
    }

    /// <summary>Waits until this many sends have come, those in progress included.</summary>
    /// <param name="count">How many, counted from the start.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task WaitForSendsAsync(int count, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_sends.Count >= count)
            {
                return Task.CompletedTask;
            }

            TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((count, reached));
            return reached.Task.WaitAsync(cancellationToken);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryContext context, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested(); // as a service that is not asked: nothing is recorded, and no outcome used up
        int number;
        SendOutcome outcome = _next.TryDequeue(out SendOutcome? queued) ? queued : new SendOutcome.Succeeds();
        lock (_gate)
        {
            _sends.Add(new RecordedSend(message, context.MessageId, context.Attempt, _clock.GetUtcNow())
            {
                Redelivered = context.Redelivered,
                Recipient = context.Recipient,
                Conversation = context.Conversation,
                IdempotencyKey = context.IdempotencyKey,
                Progress = context.Progress,
                Outcome = outcome,
            });
            number = _sends.Count;
            foreach ((int count, TaskCompletionSource reached) in _waiting)
            {
                if (count <= number)
                {
                    reached.TrySetResult();
                }
            }

            _waiting.RemoveAll(waiting => waiting.Count <= number);
        }

        string? outsideId = await EndAsync(outcome, context, cancellationToken);
        return new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = outsideId ?? $"{Name}-{number}", At = _clock.GetUtcNow() };
    }

    /// <inheritdoc/>
    public async ValueTask SignalAsync(Signal signal, DeliveryContext context, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _signals.Add(new RecordedSignal(signal, context.MessageId, _clock.GetUtcNow()));
        }

        await EndAsync(_next.TryDequeue(out SendOutcome? queued) ? queued : new SendOutcome.Succeeds(), context, cancellationToken);
    }

    /// <summary>Plays a message that comes in from the service, and returns once it is stored.</summary>
    /// <exception cref="InvalidOperationException">Nobody takes incoming messages yet.</exception>
    public ValueTask<AcceptResult> ReceiveAsync(IncomingMessage message, CancellationToken cancellationToken)
    {
        return IncomingHandler is { } handler
            ? handler(message.BackendName.Length == 0 ? message with { BackendName = Name } : message, cancellationToken)
            : throw new InvalidOperationException($"Communicator '{Name}' has no one who takes what comes in. Start the runtime, or call SetIncomingHandler.");
    }

    /// <inheritdoc/>
    protected override Task OnStartAsync(CancellationToken cancellationToken)
    {
        if (StartFailure is { } failure)
        {
            StartFailure = null;
            return Task.FromException(failure);
        }

        Starts++;
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    protected override Task OnStopAsync(CancellationToken cancellationToken)
    {
        Stops++;
        return Task.CompletedTask;
    }

    private async Task<string?> EndAsync(SendOutcome outcome, DeliveryContext context, CancellationToken cancellationToken)
    {
        switch (outcome)
        {
            case SendOutcome.Fails(var failure, var text):
                throw new DeliveryException(failure, text);
            case SendOutcome.Throws(var exception):
                throw exception;
            case SendOutcome.Takes(var by, var then):
                await Task.Delay(by, _clock, cancellationToken);
                return then is null ? null : await EndAsync(then, context, cancellationToken);
            case SendOutcome.Hangs(var bytesLeft):
                context.BytesLeft |= bytesLeft;
                await Task.Delay(Timeout.InfiniteTimeSpan, _clock, cancellationToken);
                return null;
            default:
                return (outcome as SendOutcome.Succeeds)?.OutsideId;
        }
    }
}
