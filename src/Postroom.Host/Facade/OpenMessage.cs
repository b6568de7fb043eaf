namespace Postroom.Host;

/// <summary>The one message a <see cref="PostOffice"/> has open: received and not yet acknowledged.</summary>
internal sealed class OpenMessage(IMessageQueue queue, TimeProvider clock)
{
    /// <summary>How an acknowledgement is asked for again while the store cannot write (ST-10).</summary>
    private static readonly Backoff Again = new(TimeSpan.FromMilliseconds(50), 2, TimeSpan.FromSeconds(5), 0.2);

    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly CancellationTokenSource _closing = new();
    private IAsyncEnumerator<Delivery>? _deliveries;
    private Task<bool>? _next;
    private Delivery? _open;
    private MessageHandler? _router;

    /// <summary>Acknowledges the open message and waits for the next; null when the time is over.</summary>
    /// <exception cref="StoreUnavailableException">The store could not take the acknowledgement within the time; the message is still open.</exception>
    public async Task<Message?> NextAsync(TimeSpan? timeout, Action check, CancellationToken cancellationToken)
    {
        await EnterAsync();
        try
        {
            long begun = clock.GetTimestamp();
            if (_deliveries is null)
            {
                check();
            }

            if (_open is not null)
            {
                cancellationToken.ThrowIfCancellationRequested();
                await AcknowledgeUntilStoredAsync(timeout, cancellationToken);
            }

            _deliveries ??= queue.ConsumeAsync(1, _closing.Token).GetAsyncEnumerator(_closing.Token);
            _next ??= _deliveries.MoveNextAsync().AsTask();
            try
            {
                // A wait that is given up goes on in the background and serves the next call, so no message is skipped.
                if (!await EndsWithinAsync(_next, Left(timeout, begun), cancellationToken))
                {
                    return null;
                }

                if (!await _next)
                {
                    throw new ObjectDisposedException(nameof(PostOffice), "The PostOffice is disposed; nothing is received any more.");
                }
            }
            catch when (_next.IsFaulted)
            {
                // What ended the receiving is told once; the next call begins anew.
                _next = null;
                await _deliveries.DisposeAsync();
                _deliveries = null;
                throw;
            }

            _next = null;
            _open = _deliveries.Current;
            return Message.FromEnvelope(_open.Envelope);
        }
        finally
        {
            _turn.Release();
        }
    }

    public async Task<bool> AckAsync(Message message, CancellationToken cancellationToken)
    {
        await EnterAsync();
        try
        {
            return IsOpen(message) && await AcknowledgeAsync([], cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Acknowledges a message, unless it was settled before, and asks again while the store cannot write; the token ends that, not a first try.</summary>
    public async Task CompleteAsync(Message message, CancellationToken stopping)
    {
        await EnterAsync();
        try
        {
            if (IsOpen(message))
            {
                await AcknowledgeUntilStoredAsync(null, stopping);
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    public async Task<bool> NackAsync(Message message, TimeSpan? delay, CancellationToken cancellationToken)
    {
        await EnterAsync();
        try
        {
            if (!IsOpen(message))
            {
                return false;
            }

            return await GiveBackAsync(delay, cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Gives back a message whose loop was left over it, unless it was settled before.</summary>
    public async Task AbandonAsync(Message message)
    {
        await _turn.WaitAsync();
        try
        {
            if (IsOpen(message))
            {
                await GiveBackAsync(null, CancellationToken.None);
            }
        }
        catch (StoreUnavailableException)
        {
            // It stays open and goes back at the end. What left the loop is on its way to the program and is not to be hidden.
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Acknowledges the open message together with an answer to it.</summary>
    public async Task ReplyAsync(Message message, string text, MessageRuntime runtime, CancellationToken cancellationToken)
    {
        await EnterAsync();
        try
        {
            if (!IsOpen(message))
            {
                throw new InvalidOperationException($"Message {message.Id} is not the open one, so an answer cannot commit with its acknowledgement. Reply before the next receive, or use SendAsync.");
            }

            IReadOnlyList<Envelope> answer = runtime.ComposeReply(new OutgoingMessage(text), _open!.Envelope);
            if (!await AcknowledgeAsync(answer, cancellationToken))
            {
                throw new InvalidOperationException($"Message {message.Id} was taken away meanwhile, so the answer was not stored. Another attempt decides.");
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>The open message as it is stored.</summary>
    /// <exception cref="InvalidOperationException">The message is not the open one.</exception>
    public async ValueTask<Envelope> EnvelopeOfAsync(Message message)
    {
        await EnterAsync();
        try
        {
            return IsOpen(message)
                ? _open!.Envelope
                : throw new InvalidOperationException($"Message {message.Id} is not the open one, so its files are not at hand. Open them before the next receive, or take messages with OpenReceiver.");
        }
        finally
        {
            _turn.Release();
        }
    }

    public Task StartRouterAsync(MessageHandler handler, MessageRuntime runtime, Action check)
    {
        if (_router is { } running)
        {
            return running == handler
                ? Task.CompletedTask
                : throw new InvalidOperationException("A router is running with another function. Dispose the PostOffice first, or route inside the one function.");
        }

        check();
        if (_deliveries is not null)
        {
            throw new InvalidOperationException("ReceiveAsync was used, so a router would compete for the same messages. Use one of the two.");
        }

        runtime.StartRouter(handler);
        _router = handler;
        return Task.CompletedTask;
    }

    /// <summary>Ends the receiving: what is open is acknowledged, and what was not begun goes back.</summary>
    public Task CompleteAsync() => CloseAsync(() => AcknowledgeAsync([], CancellationToken.None));

    /// <summary>Ends the receiving without an acknowledgement: what is open goes back.</summary>
    /// <param name="failed">Whether that counts as a failed attempt.</param>
    public async Task AbandonAsync(bool failed)
    {
        try
        {
            await CloseAsync(() => failed && _open is not null ? GiveBackAsync(null, CancellationToken.None) : Task.FromResult(true));
        }
        catch (StoreUnavailableException)
        {
            // The end of the deliveries has given it back.
        }
    }

    private async Task CloseAsync(Func<Task<bool>> settleOpen)
    {
        // A call that waits for a message ends now and gives up its turn.
        await _closing.CancelAsync();
        await _turn.WaitAsync();
        try
        {
            await settleOpen();
        }
        finally
        {
            if (_next is not null)
            {
                await ((Task)_next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            if (_deliveries is not null)
            {
                await _deliveries.DisposeAsync();
                _deliveries = null;
            }

            _open = null;
            _turn.Release();
        }
    }

    private async Task EnterAsync()
    {
        if (!await _turn.WaitAsync(0))
        {
            throw new InvalidOperationException("Another call on this PostOffice is under way; it has one message open at a time. Use OpenReceiver for several.");
        }
    }

    private bool IsOpen(Message message) => _open is { } open && message.Id == open.Envelope.Id;

    private async Task<bool> AcknowledgeAsync(IReadOnlyList<Envelope> staged, CancellationToken cancellationToken)
    {
        if (_open is not { } open)
        {
            return true;
        }

        // Open until the store has taken it: a store that cannot write now is asked again by the next call.
        bool kept = await queue.AckAsync(open, staged, cancellationToken);
        _open = null;
        return kept;
    }

    /// <summary>
    /// Acknowledges the open message; while the store cannot write it is asked again, until it has stored it, the lease is lost, the time is
    /// over, or the receiving ends.
    /// </summary>
    private async Task AcknowledgeUntilStoredAsync(TimeSpan? timeout, CancellationToken cancellationToken)
    {
        long begun = clock.GetTimestamp();
        for (int refusals = 1; ; refusals++)
        {
            try
            {
                await AcknowledgeAsync([], CancellationToken.None);
                return;
            }
            catch (StoreUnavailableException) when (Left(timeout, begun) != TimeSpan.Zero)
            {
                TimeSpan wait = Again.After(refusals, Chance.Next());
                using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closing.Token);
                await Task.Delay(Left(timeout, begun) is { } left && left < wait ? left : wait, clock, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                cancellationToken.ThrowIfCancellationRequested();
                if (_closing.IsCancellationRequested)
                {
                    throw;
                }
            }
        }
    }

    /// <summary>What is left of a time; null for ever.</summary>
    private TimeSpan? Left(TimeSpan? timeout, long begun)
    {
        if (timeout is not { } limit)
        {
            return null;
        }

        TimeSpan elapsed = clock.GetElapsedTime(begun);
        return limit > elapsed ? limit - elapsed : TimeSpan.Zero;
    }

    /// <summary>Whether a wait for a message is over in time; one that came at that very moment is not left behind.</summary>
    private async Task<bool> EndsWithinAsync(Task<bool> next, TimeSpan? left, CancellationToken cancellationToken)
    {
        try
        {
            await next.WaitAsync(left ?? Timeout.InfiniteTimeSpan, clock, cancellationToken);
            return true;
        }
        catch (TimeoutException) when (!next.IsFaulted)
        {
            return next.IsCompleted;
        }
    }

    private async Task<bool> GiveBackAsync(TimeSpan? delay, CancellationToken cancellationToken)
    {
        bool kept = await queue.NackAsync(_open!, delay, cancellationToken);
        _open = null;
        return kept;
    }
}
