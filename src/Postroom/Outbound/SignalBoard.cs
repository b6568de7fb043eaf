using Microsoft.Extensions.Logging;

namespace Postroom.Outbound;

/// <summary>Shows typing and presence at once, without storing anything (CM-17): the latest for an address wins, and one that comes too late is dropped.</summary>
/// <remarks>Each communicator has a loop of its own while something is to be shown, so that a slow service holds up no other.</remarks>
/// <param name="routes">Who shows them.</param>
/// <param name="mayShow">Whether the lane of a name has room beside its messages: it is neither paused nor does anybody wait in it.</param>
/// <param name="onDropped">Counts what is dropped, by communicator.</param>
/// <param name="clock">When a sign is too old.</param>
/// <param name="log">Is told of what is dropped.</param>
internal sealed partial class SignalBoard(RoutingTable routes, Func<string, bool> mayShow, Action<string> onDropped, TimeProvider clock, ILogger log) : IAsyncDisposable
{
    /// <summary>How many addresses of a communicator wait at most; the oldest is dropped for a further one.</summary>
    public const int MostWaiting = 256;

    /// <summary>How long a sign that names no time says what is so: presence, and the end of typing.</summary>
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(8);

    /// <summary>A time to live may be longer than a service is waited for.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    /// <summary>A service that does not let go is left to itself after that.</summary>
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Shelf> _shelves = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private bool _runs;
    private long _dropped;

    /// <summary>How many signals were not shown: too old, too many, refused by the service, or their lane was held back. One that a later one replaced is not among them.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>How many communicators are shown something now; for tests.</summary>
    internal int Loops
    {
        get
        {
            lock (_gate)
            {
                return _shelves.Count;
            }
        }
    }

    /// <summary>Shows signs on the node that delivers for their communicators; null where this one does.</summary>
    public Action<Signal>? Elsewhere { get; set; }

    public void Start()
    {
        lock (_gate)
        {
            _runs = true;
        }
    }

    public void Show(Signal signal)
    {
        string name = signal.Address.Scheme;
        if (routes.Find(name) is not { Communicator: ISignals })
        {
            return;
        }

        if (Elsewhere is { } elsewhere)
        {
            elsewhere(signal);
            return;
        }

        lock (_gate)
        {
            if (!_runs)
            {
                Drop(name, "nothing is shown yet, or any more");
            }
            else if (!_shelves.TryGetValue(name, out Shelf? shelf))
            {
                shelf = new Shelf();
                _ = shelf.Put(signal, clock.GetTimestamp());
                _shelves.Add(name, shelf);
                shelf.Loop = Task.Run(() => ShowAllAsync(name, shelf));
            }
            else if (!shelf.Put(signal, clock.GetTimestamp()))
            {
                Drop(name, "too many wait");
            }
        }
    }

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
        Task[] loops;
        lock (_gate)
        {
            _runs = false;
            loops = [.. _shelves.Values.Select(static shelf => shelf.Loop)];
        }

        await _stopping.CancelAsync();
        Task ended = Task.WhenAll(loops);
        await ended.WaitAsync(StopPatience, clock).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (ended.IsCompleted)
        {
            _stopping.Dispose();
        }
    }

    private async Task ShowAllAsync(string name, Shelf shelf)
    {
        while (Next(name, shelf) is var (signal, since))
        {
            await ShowAsync(name, signal, since);
        }
    }

    /// <summary>The next to be shown; null when nothing is, and the loop ends.</summary>
    private (Signal Signal, long Since)? Next(string name, Shelf shelf)
    {
        lock (_gate)
        {
            if (_runs && shelf.Take() is { } next)
            {
                return next;
            }

            _shelves.Remove(name);
            return null;
        }
    }

    private async ValueTask ShowAsync(string name, Signal signal, long since)
    {
        TimeSpan life = signal is Signal.Typing { Ttl: var ttl } && ttl > TimeSpan.Zero ? ttl : Life;
        TimeSpan left = life - clock.GetElapsedTime(since);
        if (left <= TimeSpan.Zero)
        {
            Drop(name, "it came too late");
        }
        else if (routes.Find(name) is not { Communicator: ISignals { } signals and ICommunicator { IsStarted: true } })
        {
            Drop(name, "the communicator is not started");
        }
        else if (!mayShow(name))
        {
            Drop(name, "its lane is held back");
        }
        else
        {
            using CancellationTokenSource tooLate = new(left < LongestWait ? left : LongestWait, clock);
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, tooLate.Token);
            try
            {
                await signals.SignalAsync(signal, new SignalContext(signal.Address), either.Token);
            }
            catch (Exception e)
            {
                Drop(name, e.Message);
            }
        }
    }

    private void Drop(string name, string why)
    {
        Interlocked.Increment(ref _dropped);
        onDropped(name);
        LogDropped(name, why);
    }

    [LoggerMessage(420, LogLevel.Debug, "A signal to '{Communicator}' was dropped: {Why}")]
    private partial void LogDropped(string communicator, string why);

    /// <summary>What waits to be shown by one communicator, one for each address, in the order in which the addresses came. Guarded by the board.</summary>
    private sealed class Shelf
    {
        private readonly Queue<Address> _order = new();
        private readonly Dictionary<Address, (Signal Signal, long Since)> _latest = [];

        public Task Loop { get; set; } = Task.CompletedTask;

        /// <summary>Takes one in place of an earlier one for its address; false when the oldest was dropped for it.</summary>
        public bool Put(Signal signal, long now)
        {
            bool replaces = _latest.ContainsKey(signal.Address);
            _latest[signal.Address] = (signal, now);
            if (replaces)
            {
                return true;
            }

            _order.Enqueue(signal.Address);
            return _order.Count <= MostWaiting || !_latest.Remove(_order.Dequeue());
        }

        public (Signal Signal, long Since)? Take() => _order.TryDequeue(out Address? address) && _latest.Remove(address, out (Signal, long) next) ? next : null;
    }

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
