using Microsoft.Extensions.Logging;

namespace Postroom.Diagnostics;

/// <summary>Reports a conversation as complete when no message of it is open any more. Works only while someone listens.</summary>
/// <remarks>
/// Every end of a message, whoever makes it, marks its conversation. Of one that was seen to begin the open messages are counted; of others a few
/// checks at a time ask the store whether anything is still open.
/// A conversation has at most one check waiting, so many ends cost one. Beyond <see cref="Room"/> waiting checks pools lease nothing more until
/// they are done. What ends without a pool may go beyond that, up to <see cref="Most"/>.
/// </remarks>
internal sealed partial class ConversationWatch(IJournal journal, ITransitionFeed feed, Func<string, ValueTask> report, TimeProvider clock, ILogger log)
{
    /// <summary>How many checks wait before pools wait for them.</summary>
    public const int Room = 10_000;

    /// <summary>How many conversations are kept at most; the end of one more is not looked at, which is logged.</summary>
    public const int Most = 100_000;

    private readonly PatientReads _reads = new(clock);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly Queue<Entry> _due = new();

    private readonly OpenCounts _open = new(Most);
    private readonly RecentNames _reported = new(Room);
    private readonly CancellationTokenSource _closing = new();
    private IDisposable? _observing;
    private TaskCompletionSource? _room;
    private TaskCompletionSource? _idle;
    private long _lastLogged = long.MinValue;
    private int _checking;

    /// <summary>Begins or ends to look at what the store's messages do.</summary>
    public void Listen(bool on)
    {
        if (on)
        {
            if (_observing is null)
            {
                lock (_gate)
                {
                    _reported.Clear(); // what moved while nobody listened is not known
                    _open.Clear();
                }

                _observing = feed.Observe(OnMove);
            }
        }
        else
        {
            _observing?.Dispose();
            _observing = null;
        }
    }

    /// <summary>Hooks are being told of an attempt: the conversation is not reported before they heard how it ended.</summary>
    public void Enter(string? conversation)
    {
        if (string.IsNullOrEmpty(conversation))
        {
            return;
        }

        lock (_gate)
        {
            Of(conversation).Telling++;
        }
    }

    /// <summary>Hooks have been told how an attempt ended.</summary>
    public void Leave(string? conversation)
    {
        if (string.IsNullOrEmpty(conversation))
        {
            return;
        }

        lock (_gate)
        {
            if (_entries.TryGetValue(conversation, out Entry? entry))
            {
                entry.Telling--;
                GoOn(entry);
            }
        }
    }

    /// <summary>Whether <see cref="WaitForRoomAsync"/> would not wait.</summary>
    public bool HasRoom
    {
        get
        {
            if (_observing is null)
            {
                return true;
            }

            lock (_gate)
            {
                return _due.Count <= Room;
            }
        }
    }

    /// <summary>Waits while very many checks wait. Costs nothing otherwise.</summary>
    public ValueTask WaitForRoomAsync(CancellationToken cancellationToken)
    {
        if (_observing is null)
        {
            return default;
        }

        lock (_gate)
        {
            if (_due.Count <= Room)
            {
                return default;
            }

            _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return new ValueTask(_room.Task.WaitAsync(cancellationToken));
        }
    }

    /// <summary>Waits until nothing is left to check.</summary>
    public Task FlushAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_checking == 0)
            {
                return Task.CompletedTask;
            }

            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Checks nothing more. May be called twice.</summary>
    public void Close()
    {
        Listen(on: false);
        _closing.Cancel();
    }

    // On the thread that made the move, inside the store: marks only.
    private void OnMove(Transition move)
    {
        if (string.IsNullOrEmpty(move.Conversation))
        {
            return;
        }

        switch (move.To)
        {
            case MessageState.Pending when move.From is null or MessageState.Failed:
                Opened(move.Conversation, begins: move is { From: null, StartsConversation: true });
                break;
            case MessageState.Acked or MessageState.Failed:
                Ended(move.Conversation, byAttempt: move.Kind is not (FailureKind.Discarded or FailureKind.Expired));
                break;
        }
    }

    private void Opened(string conversation, bool begins)
    {
        lock (_gate)
        {
            _open.Opened(conversation, begins);
            _reported.Remove(conversation);
            if (_entries.TryGetValue(conversation, out Entry? entry))
            {
                entry.Opened = true;
            }
        }
    }

    private void Ended(string conversation, bool byAttempt)
    {
        lock (_gate)
        {
            _open.Ended(conversation);
            if (_entries.Count >= Most && !_entries.ContainsKey(conversation))
            {
                _ = _open.IsOpen(conversation); // what has ended is counted no more, as after a check
                LogFull();
                return;
            }

            Entry entry = Of(conversation);
            entry.Ended = true;
            entry.AtOnce |= !byAttempt;
            GoOn(entry);
        }
    }

    private Entry Of(string conversation)
    {
        if (!_entries.TryGetValue(conversation, out Entry? entry))
        {
            _entries.Add(conversation, entry = new Entry(conversation));
        }

        return entry;
    }

    /// <summary>Lets an entry wait for its check, or forgets it. Under the gate.</summary>
    private void GoOn(Entry entry)
    {
        if (entry.IsDue)
        {
            return;
        }

        if (entry.Ended && (entry.Telling == 0 || entry.AtOnce))
        {
            entry.IsDue = true;
            _due.Enqueue(entry);
            if (_checking < PatientReads.AtATime)
            {
                _checking++;
                ThreadPool.UnsafeQueueUserWorkItem(static watch => _ = watch.CheckAllAsync(), this, preferLocal: false);
            }
        }
        else if (!entry.Ended && entry.Telling == 0)
        {
            _entries.Remove(entry.Conversation);
        }
    }

    private async Task CheckAllAsync()
    {
        while (Next() is { } entry)
        {
            try
            {
                await CheckAsync(entry);
            }
            catch (Exception) when (_closing.IsCancellationRequested)
            {
                // The runtime closes; nobody listens any more.
            }
            catch (Exception e)
            {
                LogFailed(e, entry.Conversation);
            }

            lock (_gate)
            {
                entry.IsDue = false;
                GoOn(entry);
            }
        }
    }

    private Entry? Next()
    {
        lock (_gate)
        {
            if (_room is not null && _due.Count <= Room / 2)
            {
                _room.TrySetResult();
                _room = null;
            }

            if (_due.TryDequeue(out Entry? entry))
            {
                (entry.Ended, entry.AtOnce, entry.Opened) = (false, false, false);
                return entry;
            }

            if (--_checking == 0)
            {
                _idle?.TrySetResult();
                _idle = null;
            }

            return null;
        }
    }

    private async ValueTask CheckAsync(Entry entry)
    {
        bool hasOpen = IsOpen(entry.Conversation) ?? await _reads.ReadAsync(token => HasOpenAsync(entry.Conversation, token), _closing.Token);
        if (!hasOpen && IsNews(entry))
        {
            await report(entry.Conversation);
        }
    }

    private bool? IsOpen(string conversation)
    {
        lock (_gate)
        {
            return _open.IsOpen(conversation);
        }
    }

    /// <summary>Whether a conversation without open messages was not yet reported so.</summary>
    private bool IsNews(Entry entry)
    {
        lock (_gate)
        {
            if (entry.Opened)
            {
                return !entry.Ended; // What came meanwhile may have ended before the store was asked; then the next check tells.
            }

            // The end of another message may be seen only after the check that found it: that one has told.
            return _reported.Add(entry.Conversation);
        }
    }

    private async ValueTask<bool> HasOpenAsync(string conversation, CancellationToken cancellationToken)
    {
        JournalQuery open = new() { Conversation = conversation, States = [MessageState.Pending, MessageState.Dispatched] };
        return await journal.FirstAsync(open, cancellationToken) is not null;
    }

    private void LogFull()
    {
        long now = clock.GetTimestamp();
        if (_lastLogged == long.MinValue || clock.GetElapsedTime(_lastLogged, now) >= TimeSpan.FromMinutes(1))
        {
            _lastLogged = now;
            LogTooMany(Most);
        }
    }

    [LoggerMessage(620, LogLevel.Error, "Whether conversation '{Conversation}' is complete could not be found out.")]
    private partial void LogFailed(Exception exception, string conversation);

    [LoggerMessage(621, LogLevel.Warning, "{Most} conversations wait to be looked at; the ends of others are not reported. This is logged once a minute.")]
    private partial void LogTooMany(int most);

    /// <summary>One conversation with something to tell or to check.</summary>
    private sealed class Entry(string conversation)
    {
        public string Conversation { get; } = conversation;

        /// <summary>Attempts that hooks know of and whose end they do not.</summary>
        public int Telling { get; set; }

        /// <summary>A message has ended since the last check began.</summary>
        public bool Ended { get; set; }

        /// <summary>One has ended otherwise than by its attempt: hooks may wait for that one's handler for long.</summary>
        public bool AtOnce { get; set; }

        /// <summary>A message has come since the last check began.</summary>
        public bool Opened { get; set; }

        /// <summary>It waits for its check, or is being checked.</summary>
        public bool IsDue { get; set; }
    }
}
