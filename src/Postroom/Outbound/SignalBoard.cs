using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Postroom.Outbound;

/// <summary>Shows typing and presence at once, without storing anything: the latest wins, the oldest is dropped when too many wait.</summary>
internal sealed partial class SignalBoard(RoutingTable routes, TimeProvider clock, ILogger log) : IAsyncDisposable
{
    private readonly Channel<Signal> _signals = Channel.CreateBounded<Signal>(new BoundedChannelOptions(256) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
    private readonly CancellationTokenSource _stopping = new();
    private Task _loop = Task.CompletedTask;
    private long _dropped;

    /// <summary>How many signals could not be shown.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    public void Start() => _loop = Task.Run(ShowAllAsync);

    public void Show(Signal signal) => _signals.Writer.TryWrite(signal);

    /// <summary>Shows typing now and again and again until the result is disposed (TG-14); null where the channel shows none, or nobody runs for that.</summary>
    public IDisposable? Keep(Signal.Typing typing)
    {
        if (routes.Find(typing.Address.Scheme) is not { Communicator: ISignals } target || target.Communicator.Capabilities is not { Typing: true, TypingInterval: var interval })
        {
            return null;
        }

        Show(typing);
        return new Kept(this, typing, clock, interval);
    }

    public async ValueTask DisposeAsync()
    {
        _signals.Writer.TryComplete();
        await _stopping.CancelAsync();
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private async Task ShowAllAsync()
    {
        await foreach (Signal signal in _signals.Reader.ReadAllAsync(_stopping.Token))
        {
            if (routes.Find(signal.Address.Scheme) is not { Communicator: ISignals { } signals and ICommunicator { IsStarted: true } } target)
            {
                continue;
            }

            try
            {
                await signals.SignalAsync(signal, new SignalContext(signal.Address), _stopping.Token);
            }
            catch (Exception e) when (!_stopping.IsCancellationRequested)
            {
                Interlocked.Increment(ref _dropped);
                LogDropped(target.Name, e.Message);
            }
        }
    }

    [LoggerMessage(420, LogLevel.Debug, "A signal to '{Communicator}' was dropped: {Why}")]
    private partial void LogDropped(string communicator, string why);

    /// <summary>Typing that is shown until it is disposed.</summary>
    private sealed class Kept : IDisposable
    {
        private readonly SignalBoard _board;
        private readonly Signal.Typing _typing;
        private readonly ITimer _timer;
        private volatile bool _ended;

        public Kept(SignalBoard board, Signal.Typing typing, TimeProvider clock, TimeSpan interval)
        {
            _board = board;
            _typing = typing;
            _timer = clock.CreateTimer(static state => ((Kept)state!).Again(), this, interval, interval);
        }

        public void Dispose()
        {
            _ended = true;
            _timer.Dispose();
        }

        private void Again()
        {
            if (!_ended)
            {
                _board.Show(_typing);
            }
        }
    }

    private sealed class SignalContext(Address recipient) : DeliveryContext
    {
        private readonly MessageId _id = MessageId.New();

        public override MessageId MessageId => _id;

        public override int Attempt => 1;

        public override bool Redelivered => false;

        public override Address? Recipient => recipient;

        public override string? Conversation => null;

        public override string IdempotencyKey => _id.ToString();

        public override Envelope Envelope => throw new NotSupportedException("A signal is not a stored message.");

        public override IReadOnlyList<string> Progress => [];

        public override ValueTask SaveProgressAsync(string outsideId, CancellationToken cancellationToken) => default;
    }
}
