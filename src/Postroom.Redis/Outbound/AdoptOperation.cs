using Postroom.Storage;

namespace Postroom.Redis;

/// <summary>Turns an entry of another program into a message of its queue, and takes it out of their stream in the same step.</summary>
internal sealed class AdoptOperation(RedisStore store, RedisPartition lead, string stream, string group, string entryId, Envelope? message, RespCommand? beside) : RedisOperation<bool>
{
    private readonly string _owner = lead.Owner ?? "";

    /// <summary>What the entry asks of the communicator, once it has left the stream; null for nothing.</summary>
    public GatewayAsk? Ask { get; init; }

    /// <summary>Where the answer is waited for; null when nobody waits.</summary>
    public string? ReplyQueue { get; init; }

    /// <inheritdoc/>
    public override bool IsAdmission => message is not null;

    /// <inheritdoc/>
    public override ValueTask PrepareAsync(BatchWriter batch, CancellationToken cancellationToken)
    {
        batch.CheckOwner(lead.Queue, lead.Number, _owner);
        if (message is not null)
        {
            batch.Append(message);
        }

        if (beside is not null)
        {
            batch.Run(beside.Arguments);
        }

        batch.Run("XACK", stream, group, entryId);
        batch.Run("XDEL", stream, entryId);
        return default;
    }

    /// <inheritdoc/>
    public override IEnumerable<(string Queue, int Partition, long Seq)> Arrivals(IReadOnlyList<RespValue> replies) => message is null || replies[0].Bytes.Span[0] != 'A'
        ? []
        : [(message.Queue, store.Keys.PartitionOf(message), long.Parse(replies[0].AsText().AsSpan(1), System.Globalization.CultureInfo.InvariantCulture))];

    /// <inheritdoc/>
    public override void Complete(IReadOnlyList<RespValue> replies) => SetAnswer(true);

    /// <inheritdoc/>
    public override void Lost(string found) => SetAnswer(false);
}
