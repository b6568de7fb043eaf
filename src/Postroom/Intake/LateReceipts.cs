using System.Text.Json;
using Microsoft.Extensions.Logging;
using Postroom.Diagnostics;
using Postroom.Outbound;

namespace Postroom.Intake;

/// <summary>What later receipts come to: rows beside their messages, messages that tell of them, sends that they prove, and deliveries that a service took and gave up.</summary>
internal sealed record ResolvedReceipts
{
    public List<StoreNote> Notes { get; } = [];

    public List<SourceMessage> Told { get; } = [];

    public List<MessageId> Proven { get; } = [];

    public List<StoredReceipt> News { get; } = [];

    public List<FailedDelivery> GivenUp { get; } = [];

    /// <summary>Given up before the answer of the send itself is stored: told once it is.</summary>
    public List<FailedDelivery> GivenUpEarly { get; } = [];
}

/// <summary>
/// Finds the messages of later receipts (LN-11, LN-12): once per status and part; a proof of a send whose outcome nobody knew confirms it, and a message that its service gave up
/// is told as a failed delivery, though its state does not move.
/// </summary>
/// <remarks>A receipt may overtake the answer of its own send, whose outside id is stored with the outcome: it is looked for again a little later.</remarks>
internal sealed partial class LateReceipts(IJournal journal, IMessageStore store, DeliveryFailures failures, RuntimeMetrics metrics, Func<bool> isHandled, TimeProvider clock, ILogger log)
{
    private const string Receipt = "receipt";
    private const int MostEarly = 10_000;

    private static readonly TimeSpan[] Again = [TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30)];

    private int _early;

    /// <summary>Receipts whose message was not found, or that said nothing new.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    private long _dropped;

    /// <summary>Tells of receipts once they are stored.</summary>
    public ReceiptFeed Feed { get; } = new();

    /// <summary>Finds the messages of receipts.</summary>
    /// <param name="receipts">The receipts.</param>
    /// <param name="takeLater">Takes what comes of those whose message is found later only.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<ResolvedReceipts> ResolveAsync(IReadOnlyList<LateReceipt> receipts, Func<ResolvedReceipts, ValueTask> takeLater, CancellationToken cancellationToken)
    {
        ResolvedReceipts resolved = new();
        HashSet<(MessageId, DeliveryStatus, int?)> seen = [];
        foreach (LateReceipt receipt in receipts)
        {
            if (await FindAsync(receipt, cancellationToken) is not { } record)
            {
                LookLater(receipt, takeLater);
            }
            else if (IsKnown(record, receipt.Receipt) || !seen.Add((record.Entry.Envelope.Id, receipt.Receipt.Status, receipt.Receipt.Part)))
            {
                Interlocked.Increment(ref _dropped);
            }
            else
            {
                Add(record.Entry, receipt.Receipt, resolved);
            }
        }

        return resolved;
    }

    /// <summary>What follows once receipts are stored: sends that were failed as uncertain are confirmed in the name of the receipt, and what was given up is told.</summary>
    public async ValueTask FollowAsync(ResolvedReceipts resolved, CancellationToken cancellationToken)
    {
        resolved.News.ForEach(Feed.Tell);
        foreach (FailedDelivery failed in resolved.GivenUp)
        {
            failures.Note(failed);
        }

        foreach (FailedDelivery early in resolved.GivenUpEarly)
        {
            _ = TellOnceTakenAsync(early);
        }

        foreach (MessageId id in resolved.Proven)
        {
            try
            {
                await journal.ConfirmAsync(id, Receipt, cancellationToken);
            }
            catch (JournalConflictException)
            {
                // Somebody has decided on it meanwhile.
            }
        }
    }

    /// <summary>Whether a receipt says nothing new: once per status and part, and of a message that was replayed once for each of its sends.</summary>
    private static bool IsKnown(JournalRecord record, DeliveryReceipt receipt)
    {
        DeliveryReceipt[] alike = [.. record.Receipts.Where(known => known.Status == receipt.Status && known.Part == receipt.Part)];
        return alike.Length > record.Entry.Replays || alike.Any(known => known.OutsideId is null || receipt.OutsideId is null || known.OutsideId == receipt.OutsideId);
    }

    private void Add(JournalEntry entry, DeliveryReceipt receipt, ResolvedReceipts resolved)
    {
        DeliveryReceipt dated = receipt.At == default ? receipt with { At = clock.GetUtcNow() } : receipt;
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(dated, PostroomJson.Default.DeliveryReceipt);
        resolved.Notes.Add(new StoreNote(NoteKind.Receipt, clock.GetUtcNow(), body) { MessageId = entry.Envelope.Id });
        resolved.News.Add(new StoredReceipt(entry.Envelope.Id, entry.Envelope.Queue, entry.Envelope.Conversation, dated));
        if (entry is { State: MessageState.Failed, FailureKind: FailureKind.Uncertain } && dated is { Part: null, Status: DeliveryStatus.Sent or DeliveryStatus.Delivered or DeliveryStatus.Read })
        {
            resolved.Proven.Add(entry.Envelope.Id);
        }

        if (dated.Status == DeliveryStatus.Failed && entry.State != MessageState.Failed && OutboundQueue.CommunicatorOf(entry.Envelope.Queue) is { } communicator)
        {
            string reason = $"The service had taken it and gave it up later: {dated.Detail ?? "it did not say why"}";
            (entry.State == MessageState.Acked ? resolved.GivenUp : resolved.GivenUpEarly).Add(new FailedDelivery(entry.Envelope.Id, communicator, entry.Envelope.Conversation, FailureKind.Refused, reason, entry.Attempt, clock.GetUtcNow()) { TraceId = TraceService.TraceIdOf(entry.Envelope) });
        }

        if (OutboundQueue.CommunicatorOf(entry.Envelope.Queue) is { } sender)
        {
            metrics.Receipt(sender, dated.Status);
        }

        if (isHandled())
        {
            resolved.Told.Add(new SourceMessage("in", PayloadTypes.ReceiptChanged, body)
            {
                From = entry.Envelope.To is { Kind: AddressKind.Recipient } to ? to : null,
                Conversation = entry.Envelope.Conversation,
                DedupKey = $"receipt:{entry.Envelope.Id}:{dated.Status}{(dated.Part is { } part ? $":{part}" : "")}{(entry.Replays > 0 ? $":replay {entry.Replays}" : "")}",
                Headers = new Dictionary<string, string> { [HeaderNames.Channel] = OutboundQueue.CommunicatorOf(entry.Envelope.Queue) ?? "" },
            });
        }
    }

    private async ValueTask<JournalRecord?> FindAsync(LateReceipt receipt, CancellationToken cancellationToken)
    {
        if (receipt.MessageId is { } id && await journal.GetAsync(id, withBody: false, cancellationToken) is { } known)
        {
            return known;
        }

        JournalQuery query = new() { OutsideId = receipt.Receipt.OutsideId, Limit = 1, WithTotal = false };
        return receipt.Receipt.OutsideId is not null && (await journal.QueryAsync(query, cancellationToken)).Items is [var found]
            ? await journal.GetAsync(found.Envelope.Id, withBody: false, cancellationToken)
            : null;
    }

    private void LookLater(LateReceipt receipt, Func<ResolvedReceipts, ValueTask> take)
    {
        if (Interlocked.Increment(ref _early) > MostEarly)
        {
            Interlocked.Decrement(ref _early);
            Interlocked.Increment(ref _dropped);
            return;
        }

        _ = LookLaterAsync(receipt, take);
    }

    /// <summary>The answer of a send may be on its way to the store while the service gives the message up already.</summary>
    private async Task TellOnceTakenAsync(FailedDelivery failed)
    {
        try
        {
            foreach (TimeSpan wait in Again)
            {
                await Task.Delay(wait, clock);
                MessageState? state = (await journal.GetAsync(failed.MessageId, withBody: false, CancellationToken.None))?.Entry.State;
                if (state == MessageState.Acked)
                {
                    failures.Note(failed with { At = clock.GetUtcNow() });
                }

                if (state is not (MessageState.Pending or MessageState.Dispatched))
                {
                    return; // One that has failed was told as that.
                }
            }
        }
        catch (Exception e) when (e is StoreUnavailableException or ObjectDisposedException)
        {
            // The receipt is stored all the same.
        }
    }

    private async Task LookLaterAsync(LateReceipt receipt, Func<ResolvedReceipts, ValueTask> take)
    {
        try
        {
            foreach (TimeSpan wait in Again)
            {
                await Task.Delay(wait, clock);
                if (await FindAsync(receipt, CancellationToken.None) is { } record)
                {
                    await TakeAsync(record, receipt.Receipt, take);
                    return;
                }
            }

            Interlocked.Increment(ref _dropped);
            LogUnknown(receipt.Receipt.Status, receipt.Receipt.OutsideId);
        }
        catch (Exception e) when (e is StoreUnavailableException or IntakeClosedException or ObjectDisposedException)
        {
            Interlocked.Increment(ref _dropped);
        }
        finally
        {
            Interlocked.Decrement(ref _early);
        }
    }

    private async ValueTask TakeAsync(JournalRecord record, DeliveryReceipt receipt, Func<ResolvedReceipts, ValueTask> take)
    {
        if (IsKnown(record, receipt))
        {
            return;
        }

        ResolvedReceipts resolved = new();
        Add(record.Entry, receipt, resolved);
        try
        {
            await take(resolved);
        }
        catch (IntakeClosedException) when (resolved.Told.Count > 0)
        {
            // Nothing more is taken in now. The receipt belongs to its message all the same; only its handler is not told.
            Interlocked.Increment(ref _dropped);
            await store.WriteAsync(new StoreWrite { Notes = resolved.Notes }, CancellationToken.None);
            await FollowAsync(resolved, CancellationToken.None);
        }
    }

    [LoggerMessage(460, LogLevel.Debug, "A later receipt '{Status}' for {OutsideId} belongs to no message that is kept.")]
    private partial void LogUnknown(DeliveryStatus status, string? outsideId);
}
