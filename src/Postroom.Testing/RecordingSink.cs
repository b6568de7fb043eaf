namespace Postroom.Testing;

/// <summary>Takes what a source brings, as the runtime does: durably as far as the source can tell, each dedup key once, with the checkpoint of the same moment. Safe for concurrent use.</summary>
public sealed class RecordingSink : IMessageSink
{
    private readonly Lock _gate = new();
    private readonly List<(MessageId Id, SourceMessage Message)> _taken = [];
    private readonly Dictionary<string, MessageId> _keys = new(StringComparer.Ordinal);
    private readonly Dictionary<MessageId, MessageState> _states = [];
    private readonly List<(Func<bool> Holds, TaskCompletionSource Reached)> _waiting = [];
    private TaskCompletionSource? _closed;
    private ReadOnlyMemory<byte>? _checkpoint;
    private int _duplicates;
    private int _commits;

    /// <summary>What was taken, without repeats, in order.</summary>
    public IReadOnlyList<SourceMessage> Messages
    {
        get
        {
            lock (_gate)
            {
                return [.. _taken.Select(one => one.Message)];
            }
        }
    }

    /// <summary>How many repeats came.</summary>
    public int Duplicates => Volatile.Read(ref _duplicates);

    /// <summary>How many calls were committed, those with a checkpoint alone included.</summary>
    public int Commits => Volatile.Read(ref _commits);

    /// <summary>The checkpoint stored last; null for none.</summary>
    public ReadOnlyMemory<byte>? Checkpoint
    {
        get
        {
            lock (_gate)
            {
                return _checkpoint;
            }
        }
    }

    /// <summary>Is called with each batch before it is committed: what it throws goes to the source, and nothing is stored. Null, the default, for nothing.</summary>
    public Func<IReadOnlyList<SourceMessage>, Task>? OnAccept { get; set; }

    /// <summary>Is called after each commit, before the source hears of it: what it throws goes to the source, as if the process had died in between. Null, the default, for nothing.</summary>
    public Action? OnCommitted { get; set; }

    /// <summary>Whether a source has to wait, as above high water or while it is paused; false unless set.</summary>
    public bool IsClosed
    {
        get
        {
            lock (_gate)
            {
                return _closed is not null;
            }
        }

        set
        {
            lock (_gate)
            {
                if (value)
                {
                    _closed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                }
                else
                {
                    _closed?.TrySetResult();
                    _closed = null;
                }
            }
        }
    }

    /// <summary>How many calls wait because the sink is closed.</summary>
    public int Waiting { get; private set; }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(batch);
        await WaitUntilOpenAsync(cancellationToken);
        if (OnAccept is { } asks)
        {
            await asks(batch);
        }

        cancellationToken.ThrowIfCancellationRequested();
        IReadOnlyList<AcceptResult> results = Commit(batch, checkpoint);
        OnCommitted?.Invoke();
        return results;
    }

    /// <inheritdoc/>
    public ValueTask<ReadOnlyMemory<byte>?> GetCheckpointAsync(CancellationToken cancellationToken) => new(Checkpoint);

    /// <inheritdoc/>
    public ValueTask<MessageState?> StateOfAsync(MessageId id, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return new(_states.TryGetValue(id, out MessageState state) ? state : null);
        }
    }

    /// <summary>Says how a message stands that was taken, as its work would.</summary>
    /// <param name="index">Its place in <see cref="Messages"/>.</param>
    /// <param name="state">The state; null when it is not kept any more.</param>
    /// <param name="keepKey">Whether its key outlives a message that is not kept any more, as it does for a while (<c>retention.dedup</c>); false unless set.</param>
    public void SetState(int index, MessageState? state, bool keepKey = false)
    {
        lock (_gate)
        {
            (MessageId id, SourceMessage message) = _taken[index];
            if (state is { } known)
            {
                _states[id] = known;
                return;
            }

            _states.Remove(id);
            if (!keepKey)
            {
                _keys.Remove(message.DedupKey ?? "");
            }
        }
    }

    /// <summary>Waits until so many messages were taken, repeats not counted.</summary>
    /// <param name="count">How many, counted from the start.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task WaitForAsync(int count, CancellationToken cancellationToken) => WaitUntilAsync(() => _taken.Count >= count, cancellationToken);

    /// <summary>Waits until so many repeats came.</summary>
    /// <param name="count">How many, counted from the start.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task WaitForDuplicatesAsync(int count, CancellationToken cancellationToken) => WaitUntilAsync(() => _duplicates >= count, cancellationToken);

    /// <summary>Waits until so many calls wait because the sink is closed.</summary>
    /// <param name="count">How many at the same time.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task WaitForWaitingAsync(int count, CancellationToken cancellationToken) => WaitUntilAsync(() => Waiting >= count, cancellationToken);

    private async Task WaitUntilOpenAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task closed;
            lock (_gate)
            {
                if (_closed is null)
                {
                    return;
                }

                closed = _closed.Task;
                Waiting++;
                Look();
            }

            try
            {
                await closed.WaitAsync(cancellationToken);
            }
            finally
            {
                lock (_gate)
                {
                    Waiting--;
                }
            }
        }
    }

    private List<AcceptResult> Commit(IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint)
    {
        lock (_gate)
        {
            List<AcceptResult> results = [];
            foreach (SourceMessage message in batch)
            {
                if (message.DedupKey is { } key && _keys.TryGetValue(key, out MessageId known))
                {
                    _duplicates++;
                    results.Add(new AcceptResult(known, Duplicate: true));
                    continue;
                }

                MessageId id = MessageId.New();
                _taken.Add((id, message));
                _states[id] = MessageState.Pending;
                if (message.DedupKey is { } fresh)
                {
                    _keys[fresh] = id;
                }

                results.Add(new AcceptResult(id, Duplicate: false));
            }

            _checkpoint = checkpoint ?? _checkpoint;
            _commits++;
            Look();
            return results;
        }
    }

    private Task WaitUntilAsync(Func<bool> holds, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((holds, reached));
            Look();
            return reached.Task.WaitAsync(cancellationToken);
        }
    }

    private void Look()
    {
        foreach ((Func<bool> holds, TaskCompletionSource reached) in _waiting)
        {
            if (holds())
            {
                reached.TrySetResult();
            }
        }

        _waiting.RemoveAll(waiting => waiting.Reached.Task.IsCompleted);
    }
}
