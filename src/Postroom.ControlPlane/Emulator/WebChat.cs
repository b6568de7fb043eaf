using System.Collections.Concurrent;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Postroom.ControlPlane;

/// <summary>The web chat behind its page: open streams, states as they move, and receipts of what a stream carried.</summary>
/// <remarks>One for all communicators of type <c>emulator</c>. Its two loops run from start to stop.</remarks>
internal sealed partial class WebChat : IRuntimeComponent
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan SettleStep = TimeSpan.FromMilliseconds(50);
    private const int SettleSteps = 100;

    private readonly IRuntimeView _runtime;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<string, EmulatedChannel> _communicators = new(StringComparer.Ordinal);
    private readonly PublishedAnswers _published = new();
    private readonly PublishedAnswers _delivered = new();
    private readonly ChatJournal _journal;
    private readonly CancellationTokenSource _stopping = new();

    // Bounded: what does not fit is not reported as delivered, which is the safe side.
    private readonly Channel<(string Contact, long Seq)> _carried = Channel.CreateBounded<(string, long)>(new BoundedChannelOptions(10_000) { FullMode = BoundedChannelFullMode.DropWrite });
    private Task _loops = Task.CompletedTask;

    /// <summary>Makes the web chat.</summary>
    /// <param name="runtime">Its journal is followed and replayed.</param>
    /// <param name="access">Where nothing has to be proved only this machine is answered, and failures are shown with their texts. It is asked each time: settings change.</param>
    /// <param name="clock">Dates receipts.</param>
    /// <param name="loggers">For what goes wrong in the loops.</param>
    public WebChat(IRuntimeView runtime, IntakeAccess access, TimeProvider clock, ILoggerFactory loggers)
    {
        _runtime = runtime;
        _clock = clock;
        _logger = loggers.CreateLogger<WebChat>();
        Access = access;
        Faults = new FaultBoard(clock);
        _journal = new ChatJournal(runtime, _communicators, _published, tellReasons: () => IsLocal, (contact, seq) => _carried.Writer.TryWrite((contact, seq)));
        Hub = new ChatHub(_journal, clock);
    }

    /// <inheritdoc/>
    public string Name => "web-chat";

    /// <inheritdoc/>
    public RuntimePhase Phase => RuntimePhase.Lanes;

    /// <summary>The open streams.</summary>
    public ChatHub Hub { get; }

    /// <summary>What goes wrong on purpose, by conversation.</summary>
    public FaultBoard Faults { get; }

    /// <summary>Whether nothing has to be proved, and so only this machine is answered.</summary>
    public bool IsLocal => !Access.NeedsProof;

    /// <summary>Who may use it.</summary>
    public IntakeAccess Access { get; }

    /// <summary>Whether there is a communicator to chat with.</summary>
    public bool IsEnabled => !_communicators.IsEmpty;

    /// <summary>Whether a communicator is one of the web chat's.</summary>
    public bool Has(string name) => _communicators.ContainsKey(name);

    /// <summary>The communicator that the page talks to; null when there is none.</summary>
    public string? PageChannel => _runtime.FindChannel(EmulatorCommunicator.Kind) is { } name && Has(name) ? name : _communicators.Keys.Order(StringComparer.Ordinal).FirstOrDefault();

    /// <summary>What a communicator of the web chat stands for; null for one of another kind.</summary>
    public EmulatedChannel? Find(string name) => _communicators.GetValueOrDefault(name);

    /// <summary>What an input meets on purpose; the page is told.</summary>
    /// <param name="name">The communicator it came in by.</param>
    /// <param name="contact">Who wrote it.</param>
    public InputFault TakeInputFault(string name, string contact)
    {
        InputFault fault = Find(name) is { } channel ? Faults.TakeInput(Message.ConversationOf(name, contact), channel.Config.Faults) : InputFault.None;
        if (fault != InputFault.None)
        {
            Hub.Publish(contact, ChatEvents.Fault(fault == InputFault.Duplicate ? "Delivered twice on purpose." : "Held back on purpose for 3 s: what is written meanwhile overtakes it."));
        }

        return fault;
    }

    /// <summary>Makes the communicator of a configured name.</summary>
    /// <param name="name">The name.</param>
    /// <param name="config">Its settings; null for those of a web chat that stands for itself.</param>
    /// <param name="rules">The rules of the channels it may stand for.</param>
    /// <exception cref="InvalidOperationException">It stands for a channel whose rules this program does not have.</exception>
    public EmulatorCommunicator Create(string name, CommunicatorBackendConfig? config = null, params IEnumerable<IChannelRules> rules)
    {
        EmulatorCommunicatorConfig settings = EmulatorCommunicatorConfig.Of(config ?? new CommunicatorBackendConfig { Type = EmulatorCommunicator.Kind });
        IChannelRules? found = settings.Channel is null ? null : rules.FirstOrDefault(one => one.Kind == settings.Channel)
            ?? throw new InvalidOperationException($"Communicator '{name}' stands for {settings.Channel}, whose rules are not in this program. Add the built-in channels, or leave 'channel' out.");
        EmulatedChannel channel = new(settings, found);
        Add(name, channel);
        return new EmulatorCommunicator(name, this, _published, channel, _clock);
    }

    /// <summary>A communicator that was made, or has started again, can be chatted with.</summary>
    public void Add(string name, EmulatedChannel channel) => _communicators[name] = channel;

    /// <summary>A communicator has stopped; the page goes without it, unless another of its name is in its place already.</summary>
    public void Remove(string name, EmulatedChannel channel)
    {
        if (ReferenceEquals(Find(name), channel))
        {
            _communicators.TryRemove(name, out _);
        }
    }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _loops = Task.WhenAll(RunAsync("states", ShowStatesAsync), RunAsync("receipts", ReportDeliveredAsync));
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task StopAsync(TimeSpan drain, CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        await _loops.WaitAsync(cancellationToken);
    }

    private static bool IsLane(string queue) => OutboundQueue.Is(queue) || queue.StartsWith("mark.", StringComparison.Ordinal);

    private async Task RunAsync(string loop, Func<CancellationToken, Task> run)
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await run(_stopping.Token);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                Log.LoopFailed(_logger, e, loop);
            }

            await Task.Delay(Pause, _clock, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ShowStatesAsync(CancellationToken stopping)
    {
        await foreach (Transition move in _runtime.Journal.WatchAsync(move => move.Conversation is not null && !IsLane(move.Queue), afterNumber: null, stopping))
        {
            int slash = move.Conversation!.IndexOf('/', StringComparison.Ordinal);
            if (Hub.Count > 0 && slash > 0 && _communicators.ContainsKey(move.Conversation[..slash]))
            {
                string? reason = move.To == MessageState.Failed ? _journal.Reason(move.Kind, move.Reason) : null;
                Hub.Publish(move.Conversation[(slash + 1)..], ChatEvents.State(move.MessageId, move.To, move.Attempt, reason));
            }
        }
    }

    private async Task ReportDeliveredAsync(CancellationToken stopping)
    {
        await foreach ((string contact, long seq) in _carried.Reader.ReadAllAsync(stopping))
        {
            if (_delivered.Find(seq) is not null || _published.Find(seq) is not { } id || !await IsSentAsync(id, stopping))
            {
                continue;
            }

            DeliveryReceipt receipt = new() { Status = DeliveryStatus.Delivered, At = _clock.GetUtcNow() };
            byte[] data = JsonSerializer.SerializeToUtf8Bytes(receipt, PostroomJson.Default.DeliveryReceipt);
            await _runtime.WriteNotesAsync([new StoreNote(NoteKind.Receipt, receipt.At, data) { MessageId = id }], stopping);
            _delivered.Add(seq, id);
            Hub.Publish(contact, ChatEvents.Receipt(seq.ToString(System.Globalization.CultureInfo.InvariantCulture), DeliveryStatus.Delivered));
        }
    }

    /// <summary>Waits for the settlement, so that "delivered" never stands before "sent"; false when it is known as delivered already.</summary>
    private async ValueTask<bool> IsSentAsync(MessageId id, CancellationToken stopping)
    {
        for (int step = 0; step < SettleSteps; step++)
        {
            JournalRecord? record = await _runtime.Journal.GetAsync(id, withBody: false, stopping);
            if (record is null || record.Receipts.Any(receipt => receipt.Status is DeliveryStatus.Delivered or DeliveryStatus.Read))
            {
                return false;
            }

            if (record.Entry.State == MessageState.Acked)
            {
                return true;
            }

            await Task.Delay(SettleStep, _clock, stopping);
        }

        return false;
    }

    private static partial class Log
    {
        [LoggerMessage(4200, LogLevel.Warning, "The web chat's loop '{Loop}' failed and goes on in a second.")]
        public static partial void LoopFailed(ILogger logger, Exception exception, string loop);
    }
}
