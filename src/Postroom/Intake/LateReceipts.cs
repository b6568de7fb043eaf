using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Postroom.Diagnostics;
using Postroom.Outbound;
using Postroom.Storage;

namespace Postroom.Intake;

/// <summary>What later receipts come to: rows beside their messages, messages that tell of them, sends that they prove, and deliveries that a service took and gave up.</summary>
internal sealed record ResolvedReceipts
{
    public List<StoreNote> Notes { get; } = [];

    public List<SourceMessage> Told { get; } = [];

    /// <summary>Sends that a receipt proves, unless another one that is stored by then gives them up.</summary>
    public List<(MessageId Id, string? OutsideId)> Proven { get; } = [];

    public List<StoredReceipt> News { get; } = [];

    public List<FailedDelivery> GivenUp { get; } = [];

    /// <summary>Given up before the answer or the proof of the send itself is stored: told once it is, if it is that send.</summary>
    public List<(FailedDelivery Failed, DeliveryReceipt Receipt)> GivenUpEarly { get; } = [];
}

/// <summary>
/// Finds the messages of later receipts (LN-11, LN-12): once per status, part and send; a proof of a send whose outcome nobody knew confirms it, and a message that its service gave up
/// is told as a failed delivery, though its state does not move.
/// </summary>
/// <remarks>
/// A receipt may overtake the answer of its own send, whose outside id is stored with the outcome: it is looked for again a little later. A message may have been sent more than
/// once, by a repeat or a replay: what comes of a send is told by its outside id.
/// </remarks>
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
        Dictionary<MessageId, JournalRecord> told = []; // with what this batch adds
        foreach (LateReceipt receipt in receipts)
        {
            if (await FindAsync(receipt, cancellationToken) is not { } found)
            {
                LookLater(receipt, takeLater);
                continue;
            }

            JournalRecord record = told.GetValueOrDefault(found.Entry.Envelope.Id, found);
            if (Add(record, receipt.Receipt, resolved))
            {
                told[found.Entry.Envelope.Id] = record with { Receipts = [.. record.Receipts, receipt.Receipt] };
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

        foreach ((FailedDelivery early, DeliveryReceipt receipt) in resolved.GivenUpEarly)
        {
            _ = TellOnceTakenAsync(early, receipt);
        }

        foreach ((MessageId id, string? outsideId) in resolved.Proven)
        {
            // Read again: the same post may give up what it proves, and so may another one meanwhile, in any order.
            if (outsideId is not null && await journal.GetAsync(id, withBody: false, cancellationToken) is { } record && IsGivenUp(record, outsideId))
            {
                continue;
            }

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

    /// <summary>Whether a receipt says nothing new: once per status and part, and of a message that was sent more than once, once for each of its sends.</summary>
    private static bool IsKnown(JournalRecord record, DeliveryReceipt receipt)
    {
        DeliveryReceipt[] alike = [.. record.Receipts.Where(known => known.Status == receipt.Status && known.Part == receipt.Part && !JournalMoves.IsConfirmation(known))];
        int sends = Math.Max(record.Attempts.Count(static attempt => !JournalMoves.IsConfirmation(attempt)), 1 + record.Entry.Replays); // at most
        return alike.Length >= sends || alike.Any(known => known.OutsideId is null || receipt.OutsideId is null || known.OutsideId == receipt.OutsideId);
    }

    /// <summary>Whether what the service gave up is the send that an acknowledged message ended with, and not one before it that was repeated or replayed.</summary>
    private static bool IsOfLastSend(JournalRecord record, DeliveryReceipt failed)
    {
        if (failed.OutsideId is { } id)
        {
            // The id of an earlier send that was only ever given up stays on a message that a person confirms.
            if (record.Entry.OutsideId is { } last && (id == last || record.Receipts.Any(taken => IsTaken(taken) && taken.OutsideId == last)))
            {
                return id == last || record.Receipts.Any(answer => answer.OutsideId == last && answer.Parts.Contains(id));
            }

            if (record.Receipts.Any(proof => IsTaken(proof) && proof.Part == failed.Part && proof.OutsideId is { } proven && proven != id && !IsGivenUp(record, proven)))
            {
                return false;
            }

            if (record.Receipts.Any(taken => IsTaken(taken) && taken.OutsideId == id))
            {
                return true; // The send that was proved.
            }
        }

        // Services tell the time of receipts in whole seconds.
        AttemptRecord? sent = record.Attempts.LastOrDefault(static attempt => !JournalMoves.IsConfirmation(attempt));
        return record.Entry.Replays == 0 || failed.At == default || sent is not { StartedAt: { } began } || failed.At > began - TimeSpan.FromSeconds(1);
    }

    private static bool IsGivenUp(JournalRecord record, string outsideId) => record.Receipts.Any(receipt => receipt.Status == DeliveryStatus.Failed && receipt.OutsideId == outsideId);

    private static bool IsUncertain(JournalEntry entry) => entry is { State: MessageState.Failed, FailureKind: FailureKind.Uncertain };

    private static bool IsTaken(DeliveryReceipt receipt) => receipt.Status is DeliveryStatus.Sent or DeliveryStatus.Delivered or DeliveryStatus.Read;

    /// <summary>Adds what a receipt comes to; false when it says nothing new. Of one that is known the proof counts all the same: the process may have ended before it was followed.</summary>
    private bool Add(JournalRecord record, DeliveryReceipt receipt, ResolvedReceipts resolved)
    {
        JournalEntry entry = record.Entry;
        if (IsUncertain(entry) && receipt.Part is null && IsTaken(receipt))
        {
            resolved.Proven.Add((entry.Envelope.Id, receipt.OutsideId));
        }

        if (IsKnown(record, receipt))
        {
            Interlocked.Increment(ref _dropped);
            return false;
        }

        DeliveryReceipt dated = receipt.At == default ? receipt with { At = clock.GetUtcNow() } : receipt;
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(dated, PostroomJson.Default.DeliveryReceipt);
        resolved.Notes.Add(new StoreNote(NoteKind.Receipt, clock.GetUtcNow(), body) { MessageId = entry.Envelope.Id });
        resolved.News.Add(new StoredReceipt(entry.Envelope.Id, entry.Envelope.Queue, entry.Envelope.Conversation, dated));

        if (dated.Status == DeliveryStatus.Failed && (entry.State != MessageState.Failed || IsUncertain(entry)) && OutboundQueue.CommunicatorOf(entry.Envelope.Queue) is { } communicator)
        {
            string reason = $"The service had taken it and gave it up later: {dated.Detail ?? "it did not say why"}";
            FailedDelivery failed = new(entry.Envelope.Id, communicator, entry.Envelope.Conversation, FailureKind.Refused, reason, entry.Attempt, clock.GetUtcNow()) { TraceId = TraceService.TraceIdOf(entry.Envelope) };
            if (entry.State != MessageState.Acked)
            {
                resolved.GivenUpEarly.Add((failed, entry.State == MessageState.Failed ? dated : receipt)); // what a replay sends begins after it
            }
            else if (IsOfLastSend(record, receipt))
            {
                resolved.GivenUp.Add(failed);
            }
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
                DedupKey = DedupKey(entry, dated),
                Headers = new Dictionary<string, string> { [HeaderNames.Channel] = OutboundQueue.CommunicatorOf(entry.Envelope.Queue) ?? "" },
            });
        }

        return true;
    }

    /// <summary>One for each status, part and send; without an outside id a replay tells sends apart. Services give ids of any length, a key has 512 characters.</summary>
    private static string DedupKey(JournalEntry entry, DeliveryReceipt receipt)
    {
        string send = receipt.OutsideId is { } id ? $":send {(id.Length <= 200 ? id : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(id))))}"
            : entry.Replays > 0 ? $":replay {entry.Replays}" : "";
        return $"receipt:{entry.Envelope.Id}:{receipt.Status}{(receipt.Part is { } part ? $":{part}" : "")}{send}";
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

    /// <summary>The answer of a send, or what proves one that left none, may be on its way to the store while the service gives the message up already.</summary>
    private async Task TellOnceTakenAsync(FailedDelivery failed, DeliveryReceipt receipt)
    {
        try
        {
            foreach (TimeSpan wait in Again)
            {
                await Task.Delay(wait, clock);
                JournalRecord? record = await journal.GetAsync(failed.MessageId, withBody: false, CancellationToken.None);
                if (record?.Entry.State == MessageState.Acked && IsOfLastSend(record, receipt))
                {
                    failures.Note(failed with { At = clock.GetUtcNow() });
                }

                if (record?.Entry is not { } entry || (entry.State is not (MessageState.Pending or MessageState.Dispatched) && !IsUncertain(entry)))
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
        ResolvedReceipts resolved = new();
        if (!Add(record, receipt, resolved))
        {
            await FollowAsync(resolved, CancellationToken.None);
            return;
        }

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
