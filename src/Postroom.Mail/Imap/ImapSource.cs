using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Postroom.Mail;

/// <summary>A source that reads a mailbox by IMAP, by polling or IDLE (SPEC SR-9 to SR-16).</summary>
/// <remarks>
/// A mail stays unread until its work has ended. Its message is in the conversation of its thread, and its Message-ID reveals a repeat, so that neither a crash nor
/// a changed UIDVALIDITY makes a second message. One connection, used by one loop; <see cref="MarkAsync"/> and <see cref="PollingSource.PollNowAsync"/> are safe for concurrent use.
/// </remarks>
public sealed partial class ImapSource : PollingSource, IMarkOrigin, IConnectionCheck
{
    private static readonly TimeSpan KeepAlive = TimeSpan.FromMinutes(4);
    private static readonly TimeSpan BetweenLogins = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestQuiet = TimeSpan.FromSeconds(5);
    private const int MaxFruitless = 3;

    private readonly ImapSourceConfig _config;
    private readonly ILogger _log;
    private readonly ConcurrentQueue<Mark> _marks = new();
    private readonly Lock _gate = new();
    private readonly ImapMemory _memory = new();
    private ImapConnection? _connection;
    private ImapLedger? _read;
    private TaskCompletionSource _marking = NewSignal();
    private TaskCompletionSource _reachable = NewSignal();
    private long? _loggedInAt;
    private long? _reconciledAt;
    private int _fruitless;
    private string _standing = "not connected yet";

    /// <summary>Makes a source; it connects when it is run.</summary>
    /// <param name="name">The configured name.</param>
    /// <param name="config">The settings.</param>
    /// <param name="logger">Gets what an operator should know; null for nobody.</param>
    /// <param name="clock">Runs the intervals; null for the system's.</param>
    public ImapSource(string name, ImapSourceConfig config, ILogger<ImapSource>? logger = null, TimeProvider? clock = null)
        : base(name, (config ?? throw new ArgumentNullException(nameof(config))).PollInterval, clock)
    {
        _config = config;
        _log = logger ?? NullLogger<ImapSource>.Instance;
    }

    /// <summary>Completes once the mailbox is open, so that marks need not be tried before.</summary>
    public Task Reachable
    {
        get
        {
            lock (_gate)
            {
                return _reachable.Task;
            }
        }
    }

    /// <summary>Tells the mailbox what became of a mail: read, failed, or a keyword that a handler chose. Marking twice, or a mail that is gone, is harmless.</summary>
    /// <param name="request">Its key is the one of the message.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="OriginUnavailableException">The mailbox cannot be reached now.</exception>
    /// <exception cref="ArgumentException">The key is none of this source, or the outcome no keyword.</exception>
    public async ValueTask MarkAsync(MarkRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        Mark mark = Mark.Of(request, _config);
        lock (_gate)
        {
            if (!_reachable.Task.IsCompleted)
            {
                throw new OriginUnavailableException($"Source '{Name}' is not connected to {_config.Account.Server}; the mark waits.");
            }

            _marks.Enqueue(mark);
            _marking.TrySetResult();
        }

        await mark.Done.Task.WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    protected override async ValueTask<int> PollAsync(IMessageSink sink, CancellationToken cancellationToken)
    {
        try
        {
            ImapConnection connection = _connection ??= await ConnectAsync(sink, cancellationToken);
            await MarkAllAsync(connection, cancellationToken);
            await ReconcileAsync(connection, sink, cancellationToken);
            ImapRound round = new(
                _config, connection, Ledger, _memory, sink, (batch, checkpoint, cancel) => AcceptAsync(connection, sink, batch, checkpoint, cancel), Name, Clock, _log);
            int found = await round.RunAsync(cancellationToken);
            _fruitless = found > 0 ? 0 : _fruitless;
            _standing = string.Create(CultureInfo.InvariantCulture, $"UIDVALIDITY {Ledger.Numbering.UidValidity}, {Ledger.Count} mails in work{(Idles(connection) ? ", IDLE" : "")}");
            return found;
        }
        catch (ImapLoginException e)
        {
            throw new OriginRefusedException(e.Message, e);
        }
    }

    /// <inheritdoc/>
    protected override async ValueTask WaitAsync(IMessageSink sink, TimeSpan interval, Task wake, CancellationToken cancellationToken)
    {
        ImapConnection connection = _connection!;
        if (_fruitless > MaxFruitless)
        {
            // A server that tells of news where there are none is not asked again and again without a breath.
            await base.WaitAsync(sink, Least(TimeSpan.FromSeconds(_fruitless - MaxFruitless), LongestQuiet), Task.WhenAny(wake, Marking()), cancellationToken);
            await MarkAllAsync(connection, cancellationToken);
        }

        long begun = Clock.GetTimestamp();
        while (!wake.IsCompleted && !connection.HasNews && (Idles(connection) ? _config.SafetyPoll : interval) - Clock.GetElapsedTime(begun) is { Ticks: > 0 } left)
        {
            Task marking = Marking();
            if (Idles(connection))
            {
                await connection.IdleAsync(Least(left, _config.IdleRenew), Task.WhenAny(wake, marking), cancellationToken);
                if (!connection.CanIdle)
                {
                    Log.NoIdle(_log, Name, connection.Server, _config.PollInterval);
                }
            }
            else
            {
                await base.WaitAsync(sink, Least(left, KeepAlive), Task.WhenAny(wake, marking), cancellationToken);
                if (left > KeepAlive && !wake.IsCompleted && !marking.IsCompleted)
                {
                    await connection.NoopAsync(cancellationToken); // ML-6
                }
            }

            await MarkAllAsync(connection, cancellationToken);
        }

        _fruitless = connection.HasNews && !wake.IsCompleted ? _fruitless + 1 : 0;
    }

    /// <inheritdoc/>
    protected override async ValueTask CloseAsync()
    {
        EndMarks();
        if (_connection is { } connection)
        {
            _connection = null;
            await connection.LogoutAsync();
        }
    }

    /// <inheritdoc/>
    protected override SourceStatus Describe(SourceStatus status)
    {
        ArgumentNullException.ThrowIfNull(status);
        return status with { Checkpoint = _standing, Interval = _connection is { } connection && Idles(connection) ? _config.SafetyPoll : status.Interval };
    }

    private static TimeSpan Least(TimeSpan one, TimeSpan other) => one < other ? one : other;

    /// <summary>The ledger, once there was a connection.</summary>
    private ImapLedger Ledger => _read!;

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private bool Idles(ImapConnection connection) => _config.Mode != ImapMode.Polling && connection.CanIdle;

    /// <summary>Lets go of the marks that wait: they come again once the mailbox is open again.</summary>
    private void EndMarks()
    {
        List<Mark> left = [];
        lock (_gate)
        {
            _reachable = _reachable.Task.IsCompleted ? NewSignal() : _reachable;
            while (_marks.TryDequeue(out Mark? mark))
            {
                left.Add(mark);
            }
        }

        left.ForEach(mark => mark.Done.TrySetException(new OriginUnavailableException($"The connection of source '{Name}' ended; the mark waits.")));
    }

    /// <summary>Stores; while that has to wait, marks are carried out and the server hears of this side (SR-6, ML-6).</summary>
    private async ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(
        ImapConnection connection, IMessageSink sink, IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte> checkpoint, CancellationToken cancellationToken)
    {
        Task<IReadOnlyList<AcceptResult>> accepting = sink.AcceptAsync(batch, checkpoint, cancellationToken).AsTask();
        while (!accepting.IsCompleted)
        {
            Task marking = Marking();
            try
            {
                await base.WaitAsync(sink, KeepAlive, Task.WhenAny(accepting, marking), cancellationToken);
                if (marking.IsCompleted)
                {
                    await MarkAllAsync(connection, cancellationToken);
                }
                else if (!accepting.IsCompleted)
                {
                    await connection.NoopAsync(cancellationToken);
                }
            }
            catch
            {
                // The next run must not begin before this batch is stored or refused: its checkpoint is the older one.
                EndMarks();
                await ((Task)accepting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                throw;
            }
        }

        return await accepting;
    }

    private async Task<ImapConnection> ConnectAsync(IMessageSink sink, CancellationToken cancellationToken)
    {
        if (_loggedInAt is { } last && BetweenLogins - Clock.GetElapsedTime(last) is { Ticks: > 0 } wait)
        {
            await Task.Delay(wait, Clock, cancellationToken); // ML-6
        }

        ImapConnection connection = await ImapOpening.OpenAsync(_config.Account, Clock, () => _loggedInAt = Clock.GetTimestamp(), cancellationToken);
        try
        {
            ImapMailbox mailbox = await connection.SelectAsync(_config.Mailbox, readOnly: _config.MarkSeen == MarkPolicy.Never, cancellationToken);
            if (mailbox.IsReadOnly && _config.MarkSeen != MarkPolicy.Never)
            {
                throw new InvalidOperationException($"Mailbox '{_config.Mailbox}' of {connection.Server} can only be read, so mails cannot be marked. Give the account the right, or set sources.{Name}.markSeen to never.");
            }

            // Read once: from then on this one knows more than what is stored.
            _read ??= ImapLedger.Read(await sink.GetCheckpointAsync(cancellationToken));
            if (Ledger.Begin(mailbox.UidValidity, mailbox.UidNext))
            {
                Log.NewNumbers(_log, Name, _config.Mailbox, mailbox.UidValidity, mailbox.UidNext ?? 0);
            }

            _memory.Begin(Ledger.Numbering);

            if (_config.Mode == ImapMode.Idle && !connection.Can("IDLE"))
            {
                Log.NoIdle(_log, Name, connection.Server, _config.PollInterval);
            }

            _reconciledAt = null;
            lock (_gate)
            {
                _reachable.TrySetResult();
            }

            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Asks what became of the mails in work, once on each connection and then every <see cref="ImapSourceConfig.SafetyPoll"/>: an expiry, a discard or an end that an
    /// earlier run saw appends no mark.
    /// </summary>
    private async ValueTask ReconcileAsync(ImapConnection connection, IMessageSink sink, CancellationToken cancellationToken)
    {
        if (_config.MarkSeen == MarkPolicy.Never || (_reconciledAt is { } last && Clock.GetElapsedTime(last) < _config.SafetyPoll))
        {
            return;
        }

        _reconciledAt = Clock.GetTimestamp();
        ImapMarker marker = new(_config, connection, Ledger);
        foreach ((uint uid, MessageId id) in Ledger.Open)
        {
            MessageState? state = _config.MarkSeen == MarkPolicy.AfterAccept ? MessageState.Acked : await sink.StateOfAsync(id, cancellationToken);
            if (state is MessageState.Acked or MessageState.Failed)
            {
                marker.Add(state == MessageState.Acked ? MarkRequest.Seen : MarkRequest.Failed, [uid]);
            }
            else if (state is null)
            {
                Ledger.Remove(uid); // Not kept any more: read anew if it is still unread.
            }
        }

        // A replay marks the mail that the message was made of; of its copies this one knows.
        foreach ((uint uid, MessageId id) in Ledger.Failed)
        {
            MessageState? state = await sink.StateOfAsync(id, cancellationToken);
            if (state == MessageState.Acked)
            {
                marker.Add(MarkRequest.Seen, [uid]);
            }
            else if (state is null)
            {
                Ledger.Remove(uid);
            }
        }

        // What cannot be marked makes no second message: it is in the ledger. So reading goes on.
        foreach (ImapCommandException refused in (await marker.RunAsync(cancellationToken)).Values)
        {
            Log.Unmarked(_log, Name, refused.Message);
        }
    }

    private async ValueTask MarkAllAsync(ImapConnection connection, CancellationToken cancellationToken)
    {
        List<Mark> marks = [];
        lock (_gate)
        {
            while (_marks.TryDequeue(out Mark? mark))
            {
                marks.Add(mark);
            }

            if (_marking.Task.IsCompleted)
            {
                _marking = NewSignal();
            }
        }

        if (marks.Count == 0)
        {
            return;
        }

        try
        {
            ImapMarker marker = new(_config, connection, Ledger);
            foreach (Mark mark in marks)
            {
                if (Ledger.CopiesOf(mark.Numbering, mark.Uid) is { Count: > 0 } uids)
                {
                    marker.Add(mark.Outcome, uids);
                }
            }

            IReadOnlyDictionary<string, ImapCommandException> refused = await marker.RunAsync(cancellationToken);
            foreach (Mark mark in marks)
            {
                _ = refused.TryGetValue(mark.Outcome, out ImapCommandException? e) ? mark.Done.TrySetException(new InvalidOperationException(e.Message, e)) : mark.Done.TrySetResult();
            }
        }
        catch (Exception e)
        {
            marks.ForEach(mark => mark.Done.TrySetException(new OriginUnavailableException(e.Message, e)));
            throw;
        }
    }

    private Task Marking()
    {
        lock (_gate)
        {
            return _marking.Task;
        }
    }

    /// <summary>One mark on its way.</summary>
    private sealed record Mark(ImapNumbering Numbering, uint Uid, string Outcome)
    {
        public TaskCompletionSource Done { get; } = NewSignal();

        public static Mark Of(MarkRequest request, ImapSourceConfig config)
        {
            if (ImapNumbering.Read(request.Key) is not var (numbering, uid))
            {
                throw new ArgumentException($"'{Names.Shorten(request.Key)}' is no key of a mail. Take the header origin-key of the message.", nameof(request));
            }

            if (request.Outcome is not (MarkRequest.Seen or MarkRequest.Failed) && !ImapMarker.IsKeyword(request.Outcome))
            {
                throw new ArgumentException($"'{Names.Shorten(request.Outcome)}' is no outcome for a mail in '{config.Mailbox}'. Use {MarkRequest.Seen}, {MarkRequest.Failed} or a keyword of letters, digits, '$' and '_'.", nameof(request));
            }

            return new Mark(numbering, uid, request.Outcome);
        }
    }
}
