using System.Globalization;
using Microsoft.Extensions.Logging;
using Postroom.Workers;

namespace Postroom.Outbound;

/// <content>Sends that left and whose end nobody knows (LN-8): once more, asked for, or left to a person.</content>
internal sealed partial class DeliveryRunner
{
    private static readonly TimeSpan AskAtATime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AskTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Decides what an earlier send without an answer comes to; null when the message is to be sent now.</summary>
    private async ValueTask<AttemptEnd?> SettleEarlierAsync(Attempt attempt, Registration target)
    {
        MessageLease lease = attempt.Lease;
        if (lease.SendStartedAt is not { } claimed)
        {
            return lease is { Redelivered: true, Replays: > 0 } ? await SettleReplayedAsync(attempt, target) : null;
        }

        if (PolicyOf(target) != UncertainPolicy.Ask || target.Communicator is not IDeliveryProbe asked)
        {
            return MaySendAgain(lease.UnansweredSends, target)
                ? null
                : new AttemptEnd.Delivered(
                    Settlement.Fail(FailureKind.Uncertain, $"A send that began at {claimed:yyyy-MM-dd'T'HH:mm:ss.fff'Z'} left no answer, so nobody can tell whether it arrived. Confirm or replay the message."), null);
        }

        Proof proof = StoredProof(await RecordOfAsync(lease), lease);
        if ((proof.Whole ?? proof.GivenUp) is { } end)
        {
            return Found(attempt, target, new ProbeAnswer.Found(end));
        }

        if (proof.Part is { } stored)
        {
            return await GoOnBehindAsync(attempt, stored);
        }

        DateTimeOffset now = clock.GetUtcNow();
        DateTimeOffset until = (claimed > _begun ? claimed : _begun) + (target.Config.AskTimeout ?? AskTimeout);
        TimeSpan left = until > now ? until - now : TimeSpan.Zero;
        (ProbeAnswer answer, bool isPart, _) = await AskAsync(asked, attempt, target, left < AskAtATime ? left : AskAtATime);
        switch (answer)
        {
            case ProbeAnswer.Found { Receipt: { Status: not DeliveryStatus.Failed } taken } when isPart:
                return await GoOnBehindAsync(attempt, taken);
            case ProbeAnswer.Found found:
                return Found(attempt, target, found);
            case ProbeAnswer.NotSent:
                await store.RenewAsync(lease, new LeaseProgress.Unclaim(), CancellationToken.None);
                attempt.ForgetEarlierSends();
                return null;
            default:
                return new AttemptEnd.Delivered(
                    clock.GetUtcNow() < until
                        ? Settlement.RetryAt(clock.GetUtcNow() + AskAgainAfter, "Asked whether an earlier send arrived; no answer yet.", countsAttempt: false)
                        : Settlement.Fail(FailureKind.Uncertain, $"A send that began at {claimed:yyyy-MM-dd'T'HH:mm:ss.fff'Z'} left no answer, and asking gave none within {until - claimed:g}. Confirm or replay the message."), null);
        }
    }

    /// <summary>The part whose answer was lost had arrived: it counts as delivered, and the send goes on behind it.</summary>
    private async ValueTask<AttemptEnd?> GoOnBehindAsync(Attempt attempt, DeliveryReceipt part)
    {
        string[] progress = [.. attempt.Lease.Progress, part.OutsideId ?? ""];
        if (!await store.RenewAsync(attempt.Lease, new LeaseProgress.Parts(progress), CancellationToken.None) || !await store.RenewAsync(attempt.Lease, new LeaseProgress.Unclaim(), CancellationToken.None))
        {
            return AttemptEnd.Cancelled;
        }

        attempt.ForgetEarlierSends(progress);
        return null;
    }

    /// <summary>
    /// A person has replayed it: sent again, from the first part that nothing proves. What the service gave up is why it is replayed, and no proof. It is asked before
    /// each attempt: what became of one says nothing of the send that left no answer. A question without an answer holds nothing up; one that fails is put again
    /// before anything is sent.
    /// </summary>
    private async ValueTask<AttemptEnd?> SettleReplayedAsync(Attempt attempt, Registration target)
    {
        JournalRecord? record = await RecordOfAsync(attempt.Lease);
        Proof proof = StoredProof(record, attempt.Lease);
        if (proof.Whole is { } whole)
        {
            return Found(attempt, target, new ProbeAnswer.Found(whole));
        }

        if (proof.Part is { } stored)
        {
            return await GoOnBehindAsync(attempt, stored);
        }

        if (target.Communicator is not IDeliveryProbe probe)
        {
            return null;
        }

        (ProbeAnswer answer, bool isPart, Exception? failure) = await AskAsync(probe, attempt, target, AskAtATime);
        return answer is not ProbeAnswer.Found(var found)
            ? failure is null ? null : new AttemptEnd.Delivered(Again(attempt, $"Asking whether an earlier send arrived failed, and nothing was sent. {failure.GetType().Name}: {failure.Message}"), null)
            : isPart ? await GoOnBehindAsync(attempt, found) : Found(attempt, target, answer);
    }

    private async ValueTask<JournalRecord?> RecordOfAsync(MessageLease lease) =>
        store is IJournal journal ? await journal.GetAsync(lease.Envelope.Id, withBody: false, CancellationToken.None) : null;

    /// <summary>
    /// What receipts say that came while nobody asked, in an earlier run or to a predecessor of the communicator: of the whole message, which its last part stands for, or of
    /// the part that was on its way. Of a message in parts the receipt of another part proves that part only.
    /// </summary>
    private static Proof StoredProof(JournalRecord? record, MessageLease lease)
    {
        // By their ids, receipts of parts that are known to be delivered say nothing of the one that is not.
        DeliveryReceipt[] told = [.. (record?.Receipts ?? []).Where(receipt => receipt.OutsideId is not { } id || !lease.Progress.Contains(id))];
        DeliveryReceipt[] givenUp = [.. told.Where(static receipt => receipt.Status == DeliveryStatus.Failed)];
        DeliveryReceipt[] taken =
        [
            .. told.Where(receipt => receipt.Status is DeliveryStatus.Sent or DeliveryStatus.Delivered or DeliveryStatus.Read
                && !givenUp.Any(failed => failed.OutsideId is not null && failed.OutsideId == receipt.OutsideId)),
        ];
        return new Proof(
            taken.FirstOrDefault(static receipt => receipt is { Part: null, Parts.Count: <= 1 }),
            taken.FirstOrDefault(receipt => receipt.Part == lease.Progress.Count + 1),
            givenUp.LastOrDefault(receipt => (receipt.Part is null || receipt.Part == lease.Progress.Count + 1) && IsOfClaim(receipt, lease)));
    }

    /// <summary>Whether a receipt is about the send that was claimed last, and not about one before it. Services tell the time of receipts in whole seconds.</summary>
    private static bool IsOfClaim(DeliveryReceipt receipt, MessageLease lease) =>
        lease is { Replays: 0, UnansweredSends: <= 1 } || (lease.SendStartedAt is { } claimed && receipt.At > claimed - TimeSpan.FromSeconds(1));

    /// <summary>Asks by the key of the whole message, which its only or last part carries, and where it may go in parts by the key of the next one.</summary>
    /// <returns>The answer, whether it is about that part only, and why a question failed; null when none did.</returns>
    private async ValueTask<(ProbeAnswer Answer, bool IsPart, Exception? Failure)> AskAsync(IDeliveryProbe probe, Attempt attempt, Registration target, TimeSpan limit)
    {
        CommunicatorCapabilities channel = target.Communicator.Capabilities;
        string key = attempt.Envelope.Id.ToString();
        Task<(ProbeAnswer Answer, Exception? Failure)> whole = AskAsync(probe, key, attempt, target, limit).AsTask();
        if (!channel.SplitsText && attempt.Lease.Progress.Count == 0 && attempt.Envelope.Body.Length <= channel.TextLimit)
        {
            (ProbeAnswer only, Exception? why) = await whole;
            return (only, false, why);
        }

        Task<(ProbeAnswer Answer, Exception? Failure)> part = AskAsync(probe, string.Create(CultureInfo.InvariantCulture, $"{key}/{attempt.Lease.Progress.Count + 1}"), attempt, target, limit).AsTask();
        Task<(ProbeAnswer Answer, Exception? Failure)> first = await Task.WhenAny(whole, part);
        (ProbeAnswer answer, Exception? failure) = await first;
        if (answer is ProbeAnswer.Found)
        {
            return (answer, first == part, null);
        }

        (ProbeAnswer other, Exception? otherFailure) = await (first == part ? whole : part);
        return other is ProbeAnswer.Found ? (other, first != part, null)
            : (answer is ProbeAnswer.NotSent && other is ProbeAnswer.NotSent ? answer : new ProbeAnswer.Unknown(), false, failure ?? otherFailure);
    }

    /// <summary>Asks by one key. A failure that the communicator says what it means of is an answer too: unknown.</summary>
    private async ValueTask<(ProbeAnswer Answer, Exception? Failure)> AskAsync(IDeliveryProbe probe, string key, Attempt attempt, Registration target, TimeSpan limit)
    {
        using CancellationTokenSource time = new(limit, clock);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(attempt.CancellationToken, time.Token);
        try
        {
            ProbeAnswer answer = await probe.FindAsync(key, either.Token);
            if (answer is not ProbeAnswer.Found(var told) || !(told.Status == DeliveryStatus.Failed ? !IsOfClaim(told, attempt.Lease) : await IsGivenUpAsync(attempt.Lease, told)))
            {
                return (answer, null);
            }

            // An earlier send was given up. Of one that was claimed since that says nothing; without one nothing is on its way.
            return (attempt.Lease.SendStartedAt is null ? new ProbeAnswer.NotSent() : new ProbeAnswer.Unknown(), null);
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested)
        {
            return (new ProbeAnswer.Unknown(), null);
        }
        catch (Exception e) when (e is not StoreUnavailableException)
        {
            LogNotAsked(e, target.Name, attempt.Envelope.Id);
            return (new ProbeAnswer.Unknown(), e is DeliveryException ? null : e);
        }
    }

    /// <summary>Whether a send that an answer speaks of as taken was given up since: callbacks come in any order, and a probe may remember the older one.</summary>
    private async ValueTask<bool> IsGivenUpAsync(MessageLease lease, DeliveryReceipt taken) =>
        taken.OutsideId is { } id && await RecordOfAsync(lease) is { } record && record.Receipts.Any(receipt => receipt.Status == DeliveryStatus.Failed && receipt.OutsideId == id);

    private AttemptEnd.Delivered? Found(Attempt attempt, Registration target, ProbeAnswer answer)
    {
        if (answer is not ProbeAnswer.Found(var receipt))
        {
            return null;
        }

        // What comes of an earlier part is told by its id. What a communicator saves that cannot be asked may be something else, such as recipients.
        bool isLastPart = receipt is { Status: not DeliveryStatus.Failed, OutsideId: not null, Parts.Count: 0 } && attempt.Lease.Progress.Count > 0 && target.Communicator is IDeliveryProbe;
        attempt.Receipt = receipt with { At = receipt.At == default ? clock.GetUtcNow() : receipt.At, Parts = isLastPart ? [.. attempt.Lease.Progress, receipt.OutsideId!] : receipt.Parts };
        return new AttemptEnd.Delivered(
            receipt.Status == DeliveryStatus.Failed ? Settlement.Fail(FailureKind.Refused, $"The service took it and gave it up: {receipt.Detail ?? "it did not say why"}") : Settlement.Acknowledge,
            attempt.Receipt);
    }

    /// <summary>Whether a message whose earlier sends left no answer may be sent once more. Attempts that sent nothing, or had an answer, do not count.</summary>
    private static bool MaySendAgain(int unanswered, Registration target) => unanswered <= Retries(target);

    /// <summary>A send had an answer: what is unanswered is what was before it. A process that ends here counts it, which errs towards fewer repeats.</summary>
    private async ValueTask TakeClaimBackAsync(MessageLease lease)
    {
        LeaseProgress before = lease.SendStartedAt is { } earlier ? new LeaseProgress.Claim(earlier) { UnansweredSends = lease.UnansweredSends } : new LeaseProgress.Unclaim();
        await store.RenewAsync(lease, before, CancellationToken.None);
    }

    /// <summary>How often a send without an answer is repeated.</summary>
    private static int Retries(Registration target) => PolicyOf(target) == UncertainPolicy.Retry ? target.Config.UncertainRetries : 0;

    private static UncertainPolicy PolicyOf(Registration target)
    {
        return target.Config.Uncertain
            ?? (target.Communicator is IDeliveryProbe && target.Communicator.Capabilities.CanBeAsked ? UncertainPolicy.Ask
                : BuiltInKinds.SendsAgain(target.Config.Type) ? UncertainPolicy.Retry : UncertainPolicy.Hold);
    }

    /// <summary>A send left and no answer came: asked for, once more where the policy says so, otherwise a person decides.</summary>
    private Settlement Uncertain(Attempt attempt, string reason)
    {
        MessageLease lease = attempt.Lease;
        if ((registration() ?? _last) is not { } target)
        {
            return Settlement.Fail(FailureKind.Uncertain, reason); // Unknown whose rule holds: a person decides.
        }

        bool first = lease.SendStartedAt is null;
        bool asks = PolicyOf(target) == UncertainPolicy.Ask && target.Communicator is IDeliveryProbe;

        int unanswered = lease.UnansweredSends + (attempt.IsSending ? 1 : 0);
        bool again = asks || (MaySendAgain(unanswered, target) && (first || lease.Failures + 1 < lease.Envelope.MaxAttempts));
        return again
            ? new Settlement.Retried(clock.GetUtcNow() + TimeSpan.FromSeconds(1), reason, CountsAttempt: !first && !asks) { Cause = FailureKind.Uncertain, KeepsClaim = true }
            : Settlement.Fail(FailureKind.Uncertain, reason);
    }

    [LoggerMessage(433, LogLevel.Warning, "Communicator '{Name}': asking whether an earlier send of message {Id} arrived failed.")]
    private partial void LogNotAsked(Exception exception, string name, MessageId id);

    /// <summary>What stored receipts say of a send without an answer: the whole message arrived, its next part did, or the service gave it up; null each for what none says.</summary>
    private sealed record Proof(DeliveryReceipt? Whole, DeliveryReceipt? Part, DeliveryReceipt? GivenUp);
}
