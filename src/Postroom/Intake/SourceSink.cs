namespace Postroom.Intake;

/// <summary>The sink of one source.</summary>
/// <param name="source">Its name.</param>
/// <param name="answersAtOnce">Whether a caller waits at its origin, who can be refused alone (<c>maxPerKey</c>).</param>
/// <param name="intake">The door.</param>
/// <param name="late">Takes what messages tell of earlier sends.</param>
/// <param name="facts">Hold its checkpoint.</param>
/// <param name="journal">Knows what became of its messages.</param>
internal sealed class SourceSink(string source, bool answersAtOnce, MessageIntake intake, LateReceipts late, IFacts facts, IJournal journal) : IMessageSink
{
    public ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, CancellationToken cancellationToken)
    {
        return batch.All(static message => message.Receipts.Count == 0)
            ? intake.AcceptAsync(source, batch, checkpoint, [], answersAtOnce, cancellationToken)
            : AcceptWithReceiptsAsync(batch, checkpoint, cancellationToken);
    }

    /// <summary>Messages that tell of earlier sends, such as reports on mails: the receipts are stored in the same transaction.</summary>
    private async ValueTask<IReadOnlyList<AcceptResult>> AcceptWithReceiptsAsync(IReadOnlyList<SourceMessage> batch, ReadOnlyMemory<byte>? checkpoint, CancellationToken cancellationToken)
    {
        ResolvedReceipts resolved = await late.ResolveAsync([.. batch.SelectMany(static message => message.Receipts)], TakeLaterAsync, cancellationToken);
        IReadOnlyList<AcceptResult> results = await intake.AcceptAsync(source, [.. batch, .. resolved.Told], checkpoint, resolved.Notes, answersAtOnce, cancellationToken);
        await late.FollowAsync(resolved, cancellationToken);
        return [.. results.Take(batch.Count)];
    }

    private async ValueTask TakeLaterAsync(ResolvedReceipts resolved)
    {
        _ = await intake.AcceptAsync(source, resolved.Told, null, resolved.Notes, refusesKeys: false, CancellationToken.None);
        await late.FollowAsync(resolved, CancellationToken.None);
    }

    public async ValueTask<ReadOnlyMemory<byte>?> GetCheckpointAsync(CancellationToken cancellationToken)
    {
        StoredFact? fact = await facts.GetAsync(FactScopes.Checkpoint, source, cancellationToken);
        return fact?.Value;
    }

    public async ValueTask<MessageState?> StateOfAsync(MessageId id, CancellationToken cancellationToken) => (await journal.GetAsync(id, withBody: false, cancellationToken))?.Entry.State;
}
