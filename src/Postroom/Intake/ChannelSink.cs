namespace Postroom.Intake;

/// <summary>Takes what one communicator receives: messages, and later receipts of its earlier sends, in one transaction.</summary>
internal sealed class ChannelSink(string communicator, MessageIntake intake, LateReceipts late) : IIncomingSink
{
    public async ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(IReadOnlyList<IncomingMessage> messages, IReadOnlyList<LateReceipt> receipts, CancellationToken cancellationToken)
    {
        ResolvedReceipts resolved = receipts.Count == 0 ? new ResolvedReceipts() : await late.ResolveAsync(receipts, TakeLaterAsync, cancellationToken);
        IReadOnlyList<AcceptResult> results = await intake.AcceptChatAsync(communicator, messages, resolved.Told, resolved.Notes, cancellationToken);
        await late.FollowAsync(resolved, cancellationToken);
        return results;
    }

    private async ValueTask TakeLaterAsync(ResolvedReceipts resolved)
    {
        _ = await intake.AcceptChatAsync(communicator, [], resolved.Told, resolved.Notes, CancellationToken.None);
        await late.FollowAsync(resolved, CancellationToken.None);
    }

    /// <summary>Takes one message.</summary>
    public async ValueTask<AcceptResult> AcceptAsync(IncomingMessage message, CancellationToken cancellationToken) => (await AcceptAsync([message], [], cancellationToken))[0];
}
