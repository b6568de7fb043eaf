using Microsoft.Extensions.Logging;
using Postroom.Configuration;

namespace Postroom.ControlPlane;

/// <summary>
/// The events of the runtime in the order they happened: moves of messages, later receipts, changes of health, configuration, workers, sources and restarts, and lines of the log
/// (TR-8). The last ones are kept, so that a client that was away goes on where it was. Safe for concurrent use.
/// </summary>
/// <remarks>It costs nothing before the first client comes, and nothing again a minute after the last one has left; whoever was there before is then told of a gap.</remarks>
internal sealed partial class EventBoard(IRuntimeView runtime, IRuntimeConfiguration configuration, Redactor redactor, TimeProvider clock, ILoggerFactory loggers) : IAsyncDisposable
{
    /// <summary>How many events are kept.</summary>
    public const int Capacity = 10_000;

    /// <summary>How long it goes on after its last client.</summary>
    public static readonly TimeSpan Linger = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly LogTap _tap = new(redactor, clock);
    private readonly ILogger _log = loggers.CreateLogger<EventBoard>();
    private BoardEvent[]? _ring;
    private TaskCompletionSource _arrived = NewSignal();
    private Pump? _pump;
    private Task _last = Task.CompletedTask; // the pump that ended last
    private bool _isTapped;
    private bool _isDisposed;
    private int _clients;
    private int _logClients;
    private long _idleSince;
    private long _next = 1;
    private long _first = 1;

    /// <summary>Names this run in the ids of events: another run's ids are no place here.</summary>
    public string Run { get; } = clock.GetUtcNow().ToUnixTimeMilliseconds().ToString("x", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>The number of the latest event.</summary>
    public long Last
    {
        get
        {
            lock (_gate)
            {
                return _next - 1;
            }
        }
    }

    /// <summary>The number of the oldest event that is kept, or of the next one when there is none.</summary>
    public long First
    {
        get
        {
            lock (_gate)
            {
                return Oldest;
            }
        }
    }

    /// <summary>Whether it collects.</summary>
    public bool IsOn
    {
        get
        {
            lock (_gate)
            {
                return _pump is not null;
            }
        }
    }

    private long Oldest => Math.Max(_first, _next - Capacity);

    /// <summary>Comes as a client, for whom it collects until the result is disposed; returns once it knows how things are, so that it tells what changes from here on.</summary>
    /// <param name="withLogs">Whether lines of the log are wanted.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ObjectDisposedException">The runtime stops.</exception>
    public async Task<IDisposable> EnterAsync(bool withLogs, CancellationToken cancellationToken)
    {
        Pump pump;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            pump = _pump ??= Begin();
            _clients++;
            _logClients += withLogs ? 1 : 0;
            _tap.Follower = _logClients > 0 ? TellLine : null;
        }

        Client client = new(this, withLogs);
        try
        {
            if (withLogs)
            {
                Tap();
            }

            await pump.Looked.Task.WaitAsync(cancellationToken);
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>The events behind a number, at most so many.</summary>
    /// <param name="after">The number of the last one that is known.</param>
    /// <param name="found">Is filled with them.</param>
    /// <param name="most">How many at most.</param>
    /// <param name="arrived">Completes with the next event.</param>
    /// <returns>Whether some behind the number are kept no longer.</returns>
    public bool Read(long after, List<BoardEvent> found, int most, out Task arrived)
    {
        found.Clear();
        lock (_gate)
        {
            arrived = _arrived.Task;
            long from = Math.Max(after + 1, Oldest);
            for (long number = from; number < _next && found.Count < most; number++)
            {
                found.Add(_ring![number % Capacity]);
            }

            return from > after + 1;
        }
    }

    /// <summary>Whether more than so many events that a client wants wait behind a number.</summary>
    public bool IsBehind(long after, EventFilter filter, int most)
    {
        lock (_gate)
        {
            int waiting = 0;
            for (long number = Math.Max(after + 1, Oldest); _next - number + waiting > most && number < _next; number++)
            {
                waiting += filter.Wants(_ring![number % Capacity]) ? 1 : 0;
            }

            return waiting > most;
        }
    }

    /// <summary>Puts an event on the board, if somebody is there to see it.</summary>
    public void Tell(BoardEvent item)
    {
        Pump? pump;
        lock (_gate)
        {
            pump = _pump;
        }

        if (pump is not null)
        {
            Add(pump, item);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Pump? pump;
        lock (_gate)
        {
            _isDisposed = true;
            pump = _pump;
        }

        if (pump is not null)
        {
            await pump.Stop.CancelAsync();
            await pump.Ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await _last.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _tap.Dispose();
    }

    /// <summary>Puts an event of a pump on the board; one that has ended has nothing to tell.</summary>
    private void Add(Pump pump, in BoardEvent item)
    {
        TaskCompletionSource wake;
        lock (_gate)
        {
            if (_pump != pump)
            {
                return;
            }

            _ring![_next % Capacity] = item with { Number = _next };
            _next++;
            (wake, _arrived) = (_arrived, NewSignal());
        }

        wake.TrySetResult();
    }

    private void TellLine(LogView line, MessageId? message) => Tell(BoardEvent.Of(BoardEvent.Logs, line, EventJson.Default.LogView) with { MessageId = message });

    /// <summary>Lets the log be followed. A factory keeps what it was given, so it is given once.</summary>
    private void Tap()
    {
        lock (_gate)
        {
            if (_isTapped)
            {
                return;
            }

            _isTapped = true;
        }

        loggers.AddProvider(_tap);
    }

    private void Leave(bool withLogs)
    {
        lock (_gate)
        {
            _clients--;
            _logClients -= withLogs ? 1 : 0;
            _tap.Follower = _logClients > 0 ? TellLine : null;
            _idleSince = clock.GetTimestamp();
        }
    }

    /// <summary>Ends a pump that has had no client for a while.</summary>
    private bool EndsIdle(Pump pump)
    {
        lock (_gate)
        {
            if (_clients > 0 || clock.GetElapsedTime(_idleSince) < Linger)
            {
                return false;
            }

            // One number is left out, so that whoever comes back sees that the order was interrupted.
            (_pump, _ring, _last) = (null, null, pump.Ended);
            _first = ++_next;
            return true;
        }
    }

    private Pump Begin()
    {
        _ring = new BoardEvent[Capacity];
        _first = _next;
        Pump pump = new();

        // From here on: what moves before the first look is told as well.
        IAsyncEnumerable<Transition> moves = runtime.Journal.WatchAsync(null, null, pump.Stop.Token);
        pump.Receipts = runtime.ObserveReceipts(receipt => Add(
            pump,
            BoardEvent.Of("receipt", ReceiptNewsView.Of(receipt), EventJson.Default.ReceiptNewsView) with { Queue = receipt.Queue, Conversation = receipt.Conversation, MessageId = receipt.MessageId }));
        pump.Ended = Task.WhenAll(
            Task.Run(() => FollowMessagesAsync(pump, moves), CancellationToken.None),
            Task.Run(() => new PartWatch(runtime, configuration, clock, loggers.CreateLogger<PartWatch>(), item => Add(pump, item)).RunAsync(pump.Looked, () => EndsIdle(pump), pump.Stop), CancellationToken.None));
        return pump;
    }

    private async Task FollowMessagesAsync(Pump pump, IAsyncEnumerable<Transition> moves)
    {
        long last = 0;
        while (true)
        {
            try
            {
                await foreach (Transition move in moves)
                {
                    if (last > 0 && move.Number > last + 1)
                    {
                        Add(pump, BoardEvent.GapOf($"{move.Number - last - 1} moves of messages came faster than they could be told. Ask anew for what you show."));
                    }

                    last = move.Number;
                    Add(pump, BoardEvent.Of(move));
                }

                return;
            }
            catch (Exception e) when (pump.Stop.IsCancellationRequested || e is ObjectDisposedException)
            {
                return; // It stops.
            }
            catch (Exception e)
            {
                LogFailed(e);
                Add(pump, BoardEvent.GapOf("Moves of messages could not be followed for a moment. Ask anew for what you show."));
            }

            await Task.Delay(PartWatch.Interval, clock, pump.Stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            moves = runtime.Journal.WatchAsync(null, last > 0 ? last : null, pump.Stop.Token);
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    [LoggerMessage(4040, LogLevel.Warning, "The moves of messages cannot be followed for /events; it goes on in a second.")]
    private static partial void LogFailed(ILogger logger, Exception exception);

    private void LogFailed(Exception exception) => LogFailed(_log, exception);

    /// <summary>What collects while there are clients.</summary>
    private sealed class Pump
    {
        // Never disposed: it has no timer, and what ends late may still look at it.
        public CancellationTokenSource Stop { get; } = new();

        public TaskCompletionSource Looked { get; } = NewSignal();

        public Task Ended
        {
            get;
            set => field = EndAsync(value);
        } = Task.CompletedTask;

        public IDisposable? Receipts { get; set; }

        private async Task EndAsync(Task loops)
        {
            await loops.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Receipts?.Dispose();
        }
    }

    private sealed class Client(EventBoard board, bool withLogs) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0)
            {
                board.Leave(withLogs);
            }
        }
    }
}
