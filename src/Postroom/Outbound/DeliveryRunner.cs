using System.Text.Json;
using Postroom.Diagnostics;
using Postroom.Workers;

namespace Postroom.Outbound;

/// <summary>Runs an attempt through a communicator: claim, send, and say what the answer means.</summary>
/// <param name="registration">Who sends at the moment.</param>
/// <param name="gate">Holds the lane back.</param>
/// <param name="lost">Told of a communicator that is not started although its lane is open.</param>
/// <param name="store">Takes claims and progress.</param>
/// <param name="hooks">Are asked before a send.</param>
/// <param name="queues">Have the backoff.</param>
/// <param name="clock">Dates what happens.</param>
/// <param name="random">Jitter.</param>
internal sealed class DeliveryRunner(
    Func<Registration> registration, LaneGate gate, Action<Registration> lost, IMessageStore store, HookDispatcher hooks, QueueCatalog queues, TimeProvider clock, Func<double> random)
    : IMessageRunner
{
    public bool IsAlwaysReady => false;

    public ValueTask WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        return registration().Config.OnUnavailable == UnavailablePolicy.Hold ? gate.WaitAsync(cancellationToken) : gate.WaitSuspensionAsync(cancellationToken);
    }

    public Settlement Decide(Attempt attempt, AttemptEnd end)
    {
        // An earlier send that left no answer stays so through whatever delays this attempt.
        Settlement settlement = DecideEnd(attempt, end);
        return settlement is Settlement.Retried retried && attempt.Lease.SendStartedAt is not null ? retried with { KeepsClaim = true } : settlement;
    }

    private Settlement DecideEnd(Attempt attempt, AttemptEnd end)
    {
        if (end is AttemptEnd.TimedOut(var limit) && (attempt.IsSending || attempt.Lease.SendStartedAt is not null))
        {
            return Uncertain(attempt, FormattableString.Invariant($"The send did not end within {limit.TotalSeconds:0.###} s (sendTimeout)."));
        }

        Backoff backoff = queues.Get(attempt.Envelope.Queue).Backoff.ToBackoff();
        return RetryPolicy.Decide(end, attempt.Lease, backoff, retryTimeouts: true, random(), clock.GetUtcNow());
    }

    public async ValueTask<AttemptEnd> RunAsync(Attempt attempt)
    {
        Registration target = registration();
        if (!target.Communicator.IsStarted || target.Communicator is NoOpCommunicator)
        {
            lost(target);
            if (NotStarted(attempt, target) is { } end)
            {
                return end;
            }
        }

        if (gate.IsSuspended)
        {
            return AttemptEnd.Cancelled; // Leased before the pause began: given back, and the lane leases nothing until it is over.
        }

        if (attempt.Lease.SendStartedAt is { } claimed && !MaySendAgain(attempt, target))
        {
            return new AttemptEnd.Delivered(
                Settlement.Fail(FailureKind.Uncertain, $"A send that began at {claimed:yyyy-MM-dd'T'HH:mm:ss.fff'Z'} left no answer, so nobody can tell whether it arrived. Confirm or replay the message."), null);
        }

        try
        {
            if (!hooks.IsEmpty)
            {
                attempt.Hooks = await hooks.BeginAsync(attempt, $"{target.Name}:{attempt.Envelope.To}");
                if (attempt.CancelReason != CancelReason.None)
                {
                    return AttemptEnd.Cancelled; // Taken away, or out of time, while hooks were told: nothing was sent.
                }
            }

            if (attempt.Envelope.Type == PayloadTypes.SignalReaction)
            {
                return await SignalAsync(attempt, target);
            }

            OutgoingMessage message = Decode(attempt.Envelope);
            attempt.IsSending = true;
            if (!await store.RenewAsync(attempt.Lease, new LeaseProgress.Claim(clock.GetUtcNow()), CancellationToken.None))
            {
                return AttemptEnd.Cancelled;
            }

            return await SendAsync(attempt, target, message);
        }
        catch (JsonException e)
        {
            return new AttemptEnd.Unfit(FailureKind.Invalid, $"The body is not an outgoing message: {e.Message}");
        }
        catch (HookRefusedException e)
        {
            return new AttemptEnd.Threw(e);
        }
        catch (StoreUnavailableException e)
        {
            return new AttemptEnd.Delivered(Settlement.RetryAt(clock.GetUtcNow() + TimeSpan.FromSeconds(1), e.Message, countsAttempt: false), null);
        }
    }

    internal static OutgoingMessage Decode(Envelope envelope)
    {
        OutgoingMessage message = JsonSerializer.Deserialize(envelope.Body.Span, PostroomJson.Default.OutgoingMessage)
            ?? throw new JsonException("The body is null.");
        return envelope.Attachments.Count > 0 ? message with { Attachments = envelope.Attachments } : message;
    }

    private async ValueTask<AttemptEnd> SendAsync(Attempt attempt, Registration target, OutgoingMessage message)
    {
        Delivery context = new(attempt, store);
        try
        {
            DeliveryReceipt receipt = await target.Communicator.SendAsync(message, context, attempt.CancellationToken);
            gate.Answered();
            attempt.Receipt = receipt with { At = receipt.At == default ? clock.GetUtcNow() : receipt.At };
            return new AttemptEnd.Delivered(Settlement.Acknowledge, attempt.Receipt);
        }
        catch (DeliveryException e)
        {
            return new AttemptEnd.Delivered(Classify(attempt, e), null);
        }
        catch (OperationCanceledException) when (attempt.CancelReason == CancelReason.Timeout)
        {
            return new AttemptEnd.TimedOut(target.Config.Outbound.SendTimeout);
        }
        catch (OperationCanceledException) when (attempt.CancelReason != CancelReason.None && !context.BytesLeft)
        {
            if (attempt.Lease.SendStartedAt is null)
            {
                await store.RenewAsync(attempt.Lease, new LeaseProgress.Unclaim(), CancellationToken.None);
            }

            return AttemptEnd.Cancelled;
        }
        catch (Exception e)
        {
            string text = $"{e.GetType().Name}: {e.Message}";
            return new AttemptEnd.Delivered(context.BytesLeft ? Uncertain(attempt, text) : Again(attempt, text), null);
        }
    }

    private async ValueTask<AttemptEnd> SignalAsync(Attempt attempt, Registration target)
    {
        if (target.Communicator is not ISignals signals)
        {
            return new AttemptEnd.Delivered(Settlement.Acknowledge, null);
        }

        Signal signal = JsonSerializer.Deserialize(attempt.Envelope.Body.Span, PostroomJson.Default.Signal) ?? throw new JsonException("The body is null.");
        try
        {
            await signals.SignalAsync(signal, new Delivery(attempt, store), attempt.CancellationToken);
            return new AttemptEnd.Delivered(Settlement.Acknowledge, null);
        }
        catch (DeliveryException e)
        {
            return new AttemptEnd.Delivered(Classify(attempt, e), null);
        }
        catch (Exception e) when (e is not JsonException)
        {
            return new AttemptEnd.Delivered(Again(attempt, $"{e.GetType().Name}: {e.Message}"), null);
        }
    }

    private AttemptEnd? NotStarted(Attempt attempt, Registration target)
    {
        switch (target.Config.OnUnavailable)
        {
            case UnavailablePolicy.Drop:
                attempt.Receipt = new DeliveryReceipt { Status = DeliveryStatus.Skipped, At = clock.GetUtcNow(), Detail = (target.Communicator as NoOpCommunicator)?.Reason ?? "not started" };
                return new AttemptEnd.Delivered(Settlement.Acknowledge, attempt.Receipt);
            case UnavailablePolicy.Fail:
                return new AttemptEnd.Unfit(FailureKind.Unroutable, target.Communicator is NoOpCommunicator noOp
                    ? $"Communicator '{target.Name}' cannot send, and its onUnavailable says fail. {noOp.Reason}"
                    : $"Communicator '{target.Name}' has not started, and its onUnavailable says fail. Start it and replay the message.");
            default:
                return AttemptEnd.Cancelled;
        }
    }

    /// <summary>Whether a message whose earlier send left no answer may be sent once more. Attempts that failed with an answer do not count.</summary>
    private static bool MaySendAgain(Attempt attempt, Registration target)
    {
        return Retries(target) is > 0 and int retries && attempt.Lease.Attempt - 1 - attempt.Lease.Failures <= retries;
    }

    /// <summary>How often a send without an answer is repeated.</summary>
    private static int Retries(Registration target)
    {
        UncertainPolicy policy = target.Config.Uncertain ?? (BuiltInKinds.SendsAgain(target.Config.Type) ? UncertainPolicy.Retry : UncertainPolicy.Hold);
        return policy == UncertainPolicy.Retry ? target.Config.UncertainRetries : 0;
    }

    private Settlement Classify(Attempt attempt, DeliveryException e)
    {
        DateTimeOffset now = clock.GetUtcNow();
        switch (e.Failure)
        {
            case DeliveryFailure.Transient { ServiceWide: true }:
                gate.Suspend(null, e.Message, random());
                return Settlement.RetryAt(now, e.Message, countsAttempt: false);
            case DeliveryFailure.RateLimited limited:
                DateTimeOffset until = Bounded(limited.Until, now);
                if (limited.Lane)
                {
                    gate.Suspend(until - now, e.Message, random());
                }

                return Settlement.RetryAt(limited.Lane ? now : until, e.Message, countsAttempt: false);
            case DeliveryFailure.Refused(var code):
                return Settlement.Fail(FailureKind.Refused, $"{code}: {e.Message}");
            case DeliveryFailure.Unroutable:
                return Settlement.Fail(FailureKind.Unroutable, e.Message);
            case DeliveryFailure.Unauthorized:
                gate.Suspend(TimeSpan.FromSeconds(60), e.Message, random());
                return Settlement.RetryAt(now, e.Message, countsAttempt: false);
            case DeliveryFailure.Uncertain:
                return Uncertain(attempt, e.Message);
            default:
                return Again(attempt, e.Message);
        }
    }

    /// <summary>A send left and no answer came: once more where the policy says so, otherwise a person decides.</summary>
    private Settlement Uncertain(Attempt attempt, string reason)
    {
        MessageLease lease = attempt.Lease;
        bool first = lease.SendStartedAt is null;

        // The first repeat is known by the claim it leaves. Later ones are counted as attempts, the only count a lease keeps.
        bool again = first ? Retries(registration()) > 0 : lease.Attempt + 1 <= Retries(registration()) && lease.Failures + 1 < lease.Envelope.MaxAttempts;
        return again
            ? new Settlement.Retried(clock.GetUtcNow() + TimeSpan.FromSeconds(1), reason, CountsAttempt: !first) { Cause = FailureKind.Uncertain, KeepsClaim = true }
            : Settlement.Fail(FailureKind.Uncertain, reason);
    }

    /// <summary>A service may ask for no wait, one that is over, or one without end: at least a second, at most a week.</summary>
    private static DateTimeOffset Bounded(DateTimeOffset until, DateTimeOffset now)
    {
        DateTimeOffset least = now + TimeSpan.FromSeconds(1);
        DateTimeOffset most = now + RetryPolicy.LongestWait;
        return until < least ? least : until > most ? most : until;
    }

    private Settlement Again(Attempt attempt, string reason)
    {
        return RetryPolicy.Again(attempt.Lease, queues.Get(attempt.Envelope.Queue).Backoff.ToBackoff(), reason, FailureKind.Exception, random(), clock.GetUtcNow());
    }

    private sealed class Delivery(Attempt attempt, IMessageStore store) : DeliveryContext
    {
        private readonly List<string> _progress = [.. attempt.Lease.Progress];

        public override MessageId MessageId => attempt.Envelope.Id;

        public override int Attempt => attempt.Lease.Attempt;

        public override bool Redelivered => attempt.Lease.Redelivered || attempt.Lease.SendStartedAt is not null;

        public override Address? Recipient => attempt.Envelope.To is { Kind: AddressKind.Recipient } to ? to : null;

        public override string? Conversation => attempt.Envelope.Conversation;

        public override string IdempotencyKey => attempt.Envelope.Id.ToString();

        public override Envelope Envelope => attempt.Envelope;

        public override IReadOnlyList<string> Progress => _progress;

        public override async ValueTask SaveProgressAsync(string outsideId, CancellationToken cancellationToken)
        {
            _progress.Add(outsideId);
            await store.RenewAsync(attempt.Lease, new LeaseProgress.Parts([.. _progress]), cancellationToken);
        }
    }
}
