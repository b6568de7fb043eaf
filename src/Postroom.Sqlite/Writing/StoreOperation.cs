using System.Threading.Tasks.Sources;

namespace Postroom.Sqlite;

/// <summary>One thing to do inside the writer's next transaction. Every member but the constructor runs on the writer's thread.</summary>
internal abstract class StoreOperation
{
    /// <summary>Roughly how many bytes it writes.</summary>
    public virtual int Bytes => 256;

    /// <summary>Whether it has several statements, which are undone together.</summary>
    public virtual bool NeedsSavepoint => true;

    /// <summary>Whether it concerns a message that this transaction brings to its lane, and so has to wait for the next one: what is applied comes first.</summary>
    public virtual bool IsTooEarly(WriteSession session) => false;

    /// <summary>Stores names it uses, outside of its savepoint.</summary>
    public virtual void Prepare(WriteSession session)
    {
    }

    /// <summary>Runs the statements. An exception undoes them and fails this operation only.</summary>
    public abstract void Run(WriteSession session);

    /// <summary>Whether its caller has been answered; a second answer would give up what may be reserved by another by now.</summary>
    public bool IsAnswered { get; private set; }

    /// <summary>Completes it, once.</summary>
    public void Finish()
    {
        IsAnswered = true;
        Complete();
    }

    /// <summary>Fails it, unless it is answered.</summary>
    public void Refuse(Exception failure)
    {
        if (!IsAnswered)
        {
            IsAnswered = true;
            Fail(failure);
        }
    }

    /// <summary>Tells a caller that still waits that its operation is stored but could not be applied in memory.</summary>
    public abstract void Break(Exception failure);

    /// <summary>Applies the operation in memory and answers its caller, after the commit. Called by <see cref="Finish"/>.</summary>
    public abstract void Complete();

    /// <summary>Takes back what was reserved and answers the caller that nothing was stored. Called by <see cref="Refuse"/>.</summary>
    public abstract void Fail(Exception failure);
}

/// <summary>An operation with an answer. Continuations never run on the writer's thread.</summary>
internal abstract class StoreOperation<T> : StoreOperation, IValueTaskSource<T>, IValueTaskSource
{
    private ManualResetValueTaskSourceCore<T> _core = new() { RunContinuationsAsynchronously = true };

    /// <summary>Completes with the answer; to be awaited once.</summary>
    public ValueTask<T> Answer => new(this, _core.Version);

    /// <summary>Completes without a value; to be awaited once, in place of <see cref="Answer"/>.</summary>
    public ValueTask Done => new(this, _core.Version);

    public override void Fail(Exception failure) => _core.SetException(failure);

    public override void Break(Exception failure)
    {
        if (_core.GetStatus(_core.Version) == ValueTaskSourceStatus.Pending)
        {
            _core.SetException(failure);
        }
    }

    T IValueTaskSource<T>.GetResult(short token) => _core.GetResult(token);

    void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<T>.GetStatus(short token) => _core.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<T>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    protected void SetAnswer(T answer) => _core.SetResult(answer);
}

/// <summary>An operation written as two functions.</summary>
internal sealed class DelegateOperation<T>(Func<WriteSession, T> run, Action<T>? applied = null, Action? refused = null) : StoreOperation<T>
{
    private T _answer = default!;

    public override void Run(WriteSession session) => _answer = run(session);

    public override void Complete()
    {
        applied?.Invoke(_answer);
        SetAnswer(_answer);
    }

    public override void Fail(Exception failure)
    {
        refused?.Invoke();
        base.Fail(failure);
    }
}
