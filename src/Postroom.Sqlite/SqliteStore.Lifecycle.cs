using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Postroom.Sqlite;

/// <content>Opening with recovery, and the end.</content>
public sealed partial class SqliteStore
{
    private static readonly TimeSpan HandoverWait = TimeSpan.FromSeconds(30);

    /// <inheritdoc/>
    public async ValueTask<RecoveryReport> OpenAsync(StoreOpening opening, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(opening);
        long begun = Stopwatch.GetTimestamp();
        IgnoreFileSizeSignal();
        await TakeLockAsync(opening, cancellationToken);
        try
        {
            return await Task.Run(() => Recover(opening, StoreOpener.Open(_options, _retention, _clock, SchemaPlan), begun), cancellationToken);
        }
        catch
        {
            _lock?.Dispose();
            _lock = null;
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask CloseAsync(CancellationToken cancellationToken)
    {
        await CloseFilesAsync();
        _lock?.Dispose();
    }

    /// <inheritdoc/>
    public async ValueTask<SafeHandle?> CloseKeepingOwnershipAsync(CancellationToken cancellationToken)
    {
        await CloseFilesAsync();
        SafeHandle? kept = _lock?.Handle;
        _lock = null;
        return kept;
    }

    private async ValueTask CloseFilesAsync()
    {
        if (_closed)
        {
            return;
        }

        _closed = true;
        await _closing.CancelAsync();
        _lanes.Suspects?.Dispose();
        _lanes.Dispose();
        await _scrub;
        await _early;
        if (_writer is { } writer)
        {
            await writer.CloseAsync();
        }

        _readers?.Dispose();
        _mark?.Dispose();
        _inFlight?.Dispose();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await CloseAsync(CancellationToken.None);
        _writer?.Dispose();
        _closing.Dispose();
        _compacting.Dispose();
    }

    private async ValueTask TakeLockAsync(StoreOpening opening, CancellationToken cancellationToken)
    {
        try
        {
            PrivateFiles.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(_options.Path))!);

            if (opening.Ownership is { } handed && OwnerLock.Adopt(_options.Path, handed) is { } kept)
            {
                _lock = kept;
                return;
            }

            // Even a first start waits a moment: somebody asking whether the lock is held has it for as long as the question takes.
            TimeSpan wait = opening.Generation > 1 ? HandoverWait : TimeSpan.FromMilliseconds(300);
            _lock = await OwnerLock.AcquireAsync(_options.Path, wait, TimeProvider.System, cancellationToken);
        }
        catch (StoreInUseException inUse)
        {
            throw new StoreOpenException(StoreOpenFailure.InUse, inUse.Message, inUse);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw StoreInspection.NotWritable(_options.Path, failure);
        }
    }

    private RecoveryReport Recover(StoreOpening opening, OpenedStore opened, long begun)
    {
        WriteSession session = opened.Session;
        try
        {
            _names = session.Names;
            _totals = session.Totals;
            _mark = opened.Mark;
            _watch.Opened();
            _inFlight = InFlightTable.Open(_options.Path, session.Run);
            _lanes.InFlight = _inFlight;
            _lanes.Start($"{opening.Node}/{session.Run}", session.Run);
            Recoverer recoverer = new(session, _inFlight, opened.PreviousRunClean, _lanes.RulesOf);
            recoverer.Run();
            _mark.Write(new Mark(session.Run, session.Committed.CommitNo, session.Committed.Appended));
            foreach (string damage in recoverer.Damage)
            {
                _watch.Damaged(damage);
            }

            string[] completed = [.. recoverer.Ended.Distinct().Where(recoverer.IsComplete)];
            StartLanes(session, recoverer);
            StartThreads(session);
            bool scrubs = _options.Check == StoreCheck.Always || (_options.Check == StoreCheck.AfterCrash && !opened.PreviousRunClean);
            _watch.NearlyFull = MakeRoom;
            _watch.Look();
            _scrub = scrubs ? new StoreScrub(Readers, _watch, _clock).RunAsync(_closing.Token) : Task.CompletedTask;
            Log.Opened(_logger, _options.Path, session.Run, LibraryVersion, _options.Synchronous);
            return new RecoveryReport
            {
                Run = session.Run,
                PreviousRunClean = opened.PreviousRunClean,
                Pending = _totals.Queues.Sum(queue => queue.Value[0]),
                Redelivered = recoverer.Redelivered,
                Poisoned = recoverer.Poisoned,
                Uncertain = recoverer.Uncertain,
                Expired = recoverer.Expired,
                OldestPendingAt = OldestPending(),
                CompletedConversations = completed,
                Notices = [.. opened.Notices, .. PrivateFiles.Notices(_options.Path), .. _watch.Damage, .. _watch.Lack is { } lack ? [lack] : Array.Empty<string>()],
                Duration = Stopwatch.GetElapsedTime(begun),
            };
        }
        catch (Exception failure)
        {
            Abandon(session);
            _inFlight?.Dispose();
            opened.Mark.Dispose();
            throw failure switch
            {
                SqliteException { IsDamaged: true } or InvalidDataException => StoreInspection.Damaged(_options.Path, failure.Message, failure),
                SqliteException or IOException => StoreInspection.NotWritable(_options.Path, failure),
                _ => failure,
            };
        }
    }

    /// <summary>Lets go of what a failed opening made, before the lock is given back. The writer has its thread only at the very end of an opening.</summary>
    private void Abandon(WriteSession session)
    {
        _lanes.Suspects?.Dispose();
        _lanes.Writer = null;
        if (_writer is { } writer)
        {
            writer.CloseAsync().GetAwaiter().GetResult();
            writer.Dispose();
            _writer = null;
        }
        else
        {
            session.Dispose();
        }

        _readers?.Dispose();
        _readers = null;
    }

    private void StartLanes(WriteSession session, Recoverer recoverer)
    {
        foreach (StoredFact fact in StoreFacts.Halted(session.Connection, _clock))
        {
            int slash = fact.Key.IndexOf('/', StringComparison.Ordinal);
            if (slash > 0 && MessageId.TryParse(fact.Key[(slash + 1)..], out MessageId by))
            {
                _lanes.Lane(fact.Key[..slash]).Lane.Halt(Encoding.UTF8.GetString(fact.Value.Span), by);
            }
        }

        if (recoverer.Suspects.Count > 0)
        {
            _lanes.Hold();
            _lanes.Suspects = new SuspectGate(_lanes, recoverer.Suspects);
        }

        // What rules had made before the opening is overflowed too: nothing is in memory yet.
        foreach (SqliteLane lane in _lanes.All)
        {
            lane.Lane.Overflow();
        }

        foreach ((long queue, long[] counts) in _totals.Queues)
        {
            if (counts[0] > 0)
            {
                SqliteLane lane = _lanes.Lane(_names.Queue(queue));
                lane.Lane.Overflow();
                _lanes.CountDelayed(session, lane);
            }
        }
    }

    private void StartThreads(WriteSession session)
    {
        _readers = new ReaderPool(OpenReader, _watch.Damaged);
        _writer = new StoreWriter(session, ReopenSession, _readers, _mark!, _watch, _lanes, _logger);
        ObserveWriter(_writer);
        _ = _writer.Fatal.ContinueWith(fatal => _fatal.TrySetResult(fatal.Result), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        _lanes.Writer = _writer;
        foreach (SqliteLane lane in _lanes.All)
        {
            _lanes.AskForRefill(lane);
        }

        // The first slice of every queue is in memory before anyone leases.
        while (_lanes.Serve(session) && _lanes.All.Any(lane => lane.Lane is { Overflowed: true, Count: 0 }))
        {
        }

        _writer.Start();
        _lanes.Suspects?.Start();
    }

    private ReadSession OpenReader()
    {
        SqliteConnection connection = SqliteConnection.Open(_options.Path, SqliteAccess.ReadOnly);
        connection.Execute("reader", "pragma temp_store=memory; pragma mmap_size=0; pragma query_only=on;");
        return new ReadSession(connection, _names);
    }

    private WriteSession ReopenSession()
    {
        if (_watch.Problem is { } problem && FileIdentity.Of(_options.Path) is null && FileIdentity.IsKnown)
        {
            throw new IOException(problem);
        }

        return new WriteSession(StoreOpener.Connect(_options), _names, _totals, _retention, _clock);
    }

    private DateTimeOffset? OldestPending()
    {
        DateTimeOffset? oldest = null;
        foreach (SqliteLane lane in _lanes.All)
        {
            if (lane.Lane.OldestPendingAt() is { } at && !(at >= oldest))
            {
                oldest = at;
            }
        }

        return oldest;
    }

    /// <summary>A file-size quota then looks like a full disk instead of ending the process.</summary>
    private static void IgnoreFileSizeSignal()
    {
        if (OperatingSystem.IsLinux() || OperatingSystem.IsMacOS())
        {
            const int FileSizeExceeded = 25;
            _ = NativeMethods.Signal(FileSizeExceeded, NativeMethods.IgnoreSignal);
        }
    }
}
