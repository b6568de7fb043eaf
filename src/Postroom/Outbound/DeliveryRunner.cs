using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Postroom.Diagnostics;
using Postroom.Workers;

namespace Postroom.Outbound;

/// <summary>Runs an attempt through a communicator: claim, send, and say what the answer means.</summary>
/// <param name="registration">Who sends at the moment; null while nobody does, because the communicator was taken away.</param>
/// <param name="gate">Holds the lane back.</param>
/// <param name="lost">Told of a communicator that is not started although its lane is open.</param>
/// <param name="store">Takes claims and progress.</param>
/// <param name="hooks">Are asked before a send.</param>
/// <param name="queues">Have the backoff.</param>
/// <param name="onUnroutable">What becomes of a message that the communicator finds nobody for.</param>
/// <param name="clock">Dates what happens.</param>
/// <param name="random">Jitter.</param>
/// <param name="log">Is told of what goes wrong beside a send.</param>
internal sealed partial class DeliveryRunner(
    Func<Registration?> registration, LaneGate gate, Action<Registration> lost, IMessageStore store, HookDispatcher hooks, QueueCatalog queues, Func<UnroutablePolicy> onUnroutable, TimeProvider clock, Func<double> random, ILogger log)
    : IMessageRunner
{
    private readonly LaneRates _rates = new(clock);
    private readonly RecipientPauses _pauses = new(clock);
    private readonly ConditionalWeakTable<Registration, LearntLimit> _learnt = [];
    private readonly DateTimeOffset _begun = clock.GetUtcNow();
    private volatile Registration? _last; // whose policies hold for a send that is in flight when its communicator is taken away

    public bool IsAlwaysReady => false;

    public ValueTask WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        return registration() is not { Config.OnUnavailable: not UnavailablePolicy.Hold } ? gate.WaitAsync(cancellationToken) : gate.WaitSuspensionAsync(cancellationToken);
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
        if (registration() is not { } target)
        {
            return AttemptEnd.Cancelled; // Leased before it was taken away: it stays with the name (CM-7), and nobody else sends it.
        }

        _last = target;
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
            if (attempt.Envelope.Header(HeaderNames.Automatic) is { } automatic && !message.AllowAutoReply)
            {
                return Skipped(attempt, $"It answers automatic mail ({automatic}), which nobody answers (SE-10). Set AllowAutoReply to send it all the same.");
            }

            return await SettleEarlierAsync(attempt, target) ?? await SendInTurnAsync(attempt, target, message);
        }
        catch (JsonException e)
        {
            return new AttemptEnd.Unfit(FailureKind.Invalid, $"The body is not an outgoing message: {e.Message}");
        }
        catch (HookRefusedException e)
        {
            return new AttemptEnd.Threw(e);
        }
        catch (OperationCanceledException) when (attempt.CancelReason != CancelReason.None && !attempt.IsSending)
        {
            return AttemptEnd.Cancelled; // While it waited for its turn: nothing was sent.
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

    private AttemptEnd? NotStarted(Attempt attempt, Registration target)
    {
        switch (target.Config.OnUnavailable)
        {
            case UnavailablePolicy.Drop:
                return Skipped(attempt, (target.Communicator as NoOpCommunicator)?.Reason ?? "not started");
            case UnavailablePolicy.Fail:
                return new AttemptEnd.Unfit(FailureKind.Unroutable, target.Communicator is NoOpCommunicator noOp
                    ? $"Communicator '{target.Name}' cannot send, and its onUnavailable says fail. {noOp.Reason}"
                    : $"Communicator '{target.Name}' has not started, and its onUnavailable says fail. Start it and replay the message.");
            default:
                return AttemptEnd.Cancelled;
        }
    }

    private AttemptEnd.Delivered Skipped(Attempt attempt, string why)
    {
        attempt.Receipt = new DeliveryReceipt { Status = DeliveryStatus.Skipped, At = clock.GetUtcNow(), Detail = why };
        return new AttemptEnd.Delivered(Settlement.Acknowledge, attempt.Receipt);
    }

    private Settlement Classify(Attempt attempt, Registration target, DeliveryException e)
    {
        DateTimeOffset now = clock.GetUtcNow();
        switch (e.Failure)
        {
            case DeliveryFailure.Transient { ServiceWide: true }:
                gate.Suspend(null, e.Message, random());
                return Held(now, e.Message);
            case DeliveryFailure.RateLimited limited:
                DateTimeOffset until = Bounded(limited.Until, now);
                if (limited.Lane)
                {
                    if (!limited.IsGuess)
                    {
                        Remember(target, () => LearntOf(target).Refused(until - now, limited.IsTold));
                    }

                    gate.Suspend(until - now, e.Message, random());
                }

                else if (!limited.OnlyMessage)
                {
                    Remember(target, () => _pauses.Pause(RecipientOf(attempt, target), until - now));
                }

                return limited.Lane ? Held(now, e.Message) : Settlement.RetryAt(until, e.Message, countsAttempt: false);
            case DeliveryFailure.Refused(var code):
                gate.Answered();
                return Settlement.Fail(FailureKind.Refused, $"{code}: {e.Message}");
            case DeliveryFailure.Unroutable:
                return Settlement.Fail(FailureKind.Unroutable, e.Message);
            case DeliveryFailure.Unauthorized:
                gate.Suspend(TimeSpan.FromSeconds(60), e.Message, random(), refused: true);
                if (!ReferenceEquals(registration(), target))
                {
                    gate.Renew(); // Refused while another took its place: that one is not held up by it.
                }

                return Held(now, e.Message);
            case DeliveryFailure.Uncertain:
                return Uncertain(attempt, e.Message);
            default:
                return Again(attempt, e.Message);
        }
    }

    /// <summary>Due again at once, and held back with all of its lane: the pause may end before its time, with other settings.</summary>
    private Settlement.Retried Held(DateTimeOffset now, string reason) => new(now, reason, CountsAttempt: false) { LaneWait = gate.SuspensionLeft };

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
}
