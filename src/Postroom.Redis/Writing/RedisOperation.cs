namespace Postroom.Redis;

/// <summary>A write that is done whole, as one unit of a batch. Its members are called by the writer's loop, one after the other.</summary>
internal abstract class RedisOperation
{
    /// <summary>Whether it brings new messages from outside, so that a server whose memory is full may refuse it.</summary>
    public virtual bool IsAdmission => false;

    /// <summary>Whether no other operation may be in its batch, because it looks at what others change.</summary>
    public virtual bool IsAlone => false;

    /// <summary>Writes its checks and commands; throws when it cannot be done, and concerns nobody else then.</summary>
    public abstract ValueTask PrepareAsync(BatchWriter batch, CancellationToken cancellationToken);

    /// <summary>The messages that it appended, once it is stored; the writer waits until the owner of their partitions, if that is this node, has read them.</summary>
    /// <param name="replies">What the script said to each of its appends, in order.</param>
    public virtual IEnumerable<(string Queue, int Partition, long Seq)> Arrivals(IReadOnlyList<RespValue> replies) => [];

    /// <summary>It is stored.</summary>
    /// <param name="replies">What the script said to each of its appends, in order.</param>
    public abstract void Complete(IReadOnlyList<RespValue> replies);

    /// <summary>It is stored, but fewer replicas than wanted have it; whoever waits is told so and may repeat it.</summary>
    public virtual void Unconfirmed(IReadOnlyList<RespValue> replies, StoreUnavailableException why) => Complete(replies);

    /// <summary>One of its checks did not hold; nothing of it is stored.</summary>
    /// <param name="found"><c>owner</c>, or the state that was found; <c>none</c> for a message that is not kept.</param>
    public abstract void Lost(string found);

    /// <summary>It could not be stored.</summary>
    public abstract void Fail(Exception failure);
}

/// <summary>An operation that somebody waits for.</summary>
internal abstract class RedisOperation<T> : RedisOperation
{
    private readonly TaskCompletionSource<T> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Its outcome.</summary>
    public Task<T> Answer => _answer.Task;

    /// <inheritdoc/>
    public override void Fail(Exception failure) => _answer.TrySetException(failure);

    /// <summary>Answers.</summary>
    protected void SetAnswer(T answer) => _answer.TrySetResult(answer);
}
