namespace Postroom.Mail;

/// <summary>A time limit for one wait, together with the caller's own cancellation.</summary>
internal sealed class Deadline : IDisposable
{
    private readonly CancellationTokenSource _limit;
    private readonly CancellationTokenSource _either;
    private readonly CancellationToken _caller;

    /// <summary>Begins the time.</summary>
    /// <param name="limit">How long the wait may take.</param>
    /// <param name="clock">Runs the time.</param>
    /// <param name="caller">The caller's cancellation.</param>
    public Deadline(TimeSpan limit, TimeProvider clock, CancellationToken caller)
    {
        _limit = new CancellationTokenSource(limit, clock);
        _either = CancellationTokenSource.CreateLinkedTokenSource(_limit.Token, caller);
        _caller = caller;
    }

    /// <summary>Cancelled when the time is over or the caller gave up.</summary>
    public CancellationToken Token => _either.Token;

    /// <summary>Whether the time ended the wait, not the caller.</summary>
    public bool IsOver => _limit.IsCancellationRequested && !_caller.IsCancellationRequested;

    /// <inheritdoc/>
    public void Dispose()
    {
        _either.Dispose();
        _limit.Dispose();
    }
}
