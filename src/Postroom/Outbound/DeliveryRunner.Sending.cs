using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Postroom.Workers;

namespace Postroom.Outbound;

/// <content>One send: when its turn and its limits allow it, as the channel can show it, part by part.</content>
internal sealed partial class DeliveryRunner
{
    /// <summary>Waits until the limits of the service and of the settings and the gate of the lane let a message leave, takes its turn, and sends it.</summary>
    private async ValueTask<AttemptEnd> SendInTurnAsync(Attempt attempt, Registration target, OutgoingMessage message)
    {
        Limits known = new(SendLimits.OfService(attempt.Envelope, message, target), SendLimits.OfSettings(attempt.Envelope, target));
        string recipient = RecipientOf(attempt.Envelope, message, known.Service, target);
        Delivery context = new(attempt, store, () => TakeFurtherTurnAsync(attempt, target, message));
        while (true)
        {
            if (_pauses.Look(recipient) is var pause && pause > TimeSpan.Zero)
            {
                return LeftAlone(recipient, pause);
            }

            if (await WaitShortlyAsync(attempt, target, known, takes: false) is var left && left > TimeSpan.Zero)
            {
                return new AttemptEnd.Delivered(Settlement.RetryAt(clock.GetUtcNow() + left, TurnComes(left, WithLearnt(target, known)), countsAttempt: false), null);
            }

            if (!await gate.EnterAsync(attempt.CancellationToken))
            {
                return AttemptEnd.Cancelled; // The lane was paused meanwhile, or the attempt is to end.
            }

            if (!ReferenceEquals(registration(), target))
            {
                gate.Leave(taken: false);
                return AttemptEnd.Cancelled; // Its communicator was replaced or taken away while it waited: it stays with the name.
            }

            if (await PrepareAsync(attempt, target, message, context) is { } failed)
            {
                gate.Leave(taken: false);
                return failed;
            }

            // Behind the gate, where nothing holds it up any more: a turn that is taken long before its send would let others leave together with it.
            Limits limits = WithLearnt(target, known);
            if (_pauses.Pass(recipient) == TimeSpan.Zero && _rates.Take(attempt.Envelope.Id, limits.Service, limits.Settings, out IReadOnlyList<(SendWindow, int)> turn) == TimeSpan.Zero)
            {
                return await SendEnteredAsync(attempt, target, message, context, recipient, turn);
            }

            gate.Leave(taken: false);
            await attempt.LetGoAsync();
        }
    }

    /// <summary>Gets what the send needs, before anything says that it began; how the attempt ends when that cannot be had.</summary>
    /// <exception cref="OperationCanceledException">The attempt is to end.</exception>
    private async ValueTask<AttemptEnd?> PrepareAsync(Attempt attempt, Registration target, OutgoingMessage message, Delivery context)
    {
        context.Prepared = null;
        if (target.Communicator is not IPreparesSends prepares)
        {
            return null;
        }

        try
        {
            if (await prepares.PrepareAsync(message, context, attempt.CancellationToken) is { } prepared)
            {
                context.Prepared = prepared;
                attempt.Held = new Holding(prepared, failure => LogNotLetGo(failure, target.Name));
            }

            return null;
        }
        catch (Exception e) when (attempt.CancelReason is CancelReason.Stopping or CancelReason.Operator && IsGivenUp(e))
        {
            return AttemptEnd.Cancelled;
        }
        catch (DeliveryException e)
        {
            return new AttemptEnd.Delivered(Classify(attempt, target, e), null);
        }
        catch (OperationCanceledException) when (attempt.CancelReason == CancelReason.Timeout)
        {
            return new AttemptEnd.TimedOut(BuiltInKinds.SendTimeout(target.Config));
        }
        catch (Exception e)
        {
            return new AttemptEnd.Delivered(Again(attempt, $"{e.GetType().Name}: {e.Message}"), null);
        }
    }

    private AttemptEnd.Delivered LeftAlone(string recipient, TimeSpan wait) => new(
        Settlement.RetryAt(clock.GetUtcNow() + wait, $"The service said that '{recipient}' was sent too much, so nothing more goes there for {Duration.Format(wait)}.", countsAttempt: false), null);

    /// <summary>What a service's refusal of too many messages to somebody is about: whom the communicator finds for them, else the narrowest limit that it has for them, or else their address or label.</summary>
    private static string RecipientOf(Envelope envelope, OutgoingMessage? message, IReadOnlyList<SendLimit> service, Registration target)
    {
        Address? to = envelope.To is { Kind: AddressKind.Recipient } recipient ? recipient : message?.To ?? envelope.To;
        string label = message?.Label ?? envelope.To?.Target ?? "";
        return (target.Communicator as IRateLimits)?.RecipientOf(to, label) is { Length: > 0 } resolved ? resolved
            : service is [.., { Key.Length: > 0 } narrowest] ? narrowest.Key
            : envelope.To?.ToString() ?? $"label:{envelope.Header(HeaderNames.Label)}";
    }

    private static string RecipientOf(Attempt attempt, Registration target)
    {
        if (attempt.Envelope.Type == PayloadTypes.SignalReaction)
        {
            return RecipientOf(attempt.Envelope, null, [], target);
        }

        OutgoingMessage message = Decode(attempt.Envelope);
        return RecipientOf(attempt.Envelope, message, SendLimits.OfService(attempt.Envelope, message, target), target);
    }

    /// <summary>Waits for a turn that comes soon, and takes it if asked to; how long it is to a later one.</summary>
    /// <exception cref="OperationCanceledException">The attempt is to end.</exception>
    private async ValueTask<TimeSpan> WaitShortlyAsync(Attempt attempt, Registration target, Limits known, bool takes)
    {
        while (true)
        {
            Limits limits = WithLearnt(target, known);
            TimeSpan wait = takes ? _rates.Take(attempt.Envelope.Id, limits.Service, limits.Settings) : _rates.Look(attempt.Envelope.Id, limits.Service, limits.Settings);
            if (wait == TimeSpan.Zero || wait > LaneRates.ShortWait)
            {
                return wait;
            }

            await Task.Delay(wait < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : wait, clock, attempt.CancellationToken);
        }
    }

    /// <summary>With what the service's refusals have told meanwhile.</summary>
    private Limits WithLearnt(Registration target, Limits known) => LearntOf(target).Current is { Count: > 0 } learnt ? known with { Settings = [.. known.Settings, .. learnt] } : known;

    /// <summary>The turn of a further request of a message; one that comes late, or after much time of the attempt, ends the attempt, and the next goes on there.</summary>
    private async ValueTask TakeFurtherTurnAsync(Attempt attempt, Registration target, OutgoingMessage message)
    {
        if (target.Communicator is not IRateLimits)
        {
            return; // Limits of the settings are about messages.
        }

        Limits known = new(SendLimits.OfService(attempt.Envelope, message, target), []);
        TimeSpan late = clock.GetElapsedTime(attempt.StartedAt) > BuiltInKinds.SendTimeout(target.Config) / 3 ? LaneRates.ShortWait : await WaitShortlyAsync(attempt, target, known, takes: true);
        if (late > TimeSpan.Zero)
        {
            throw new DeliveryException(new DeliveryFailure.RateLimited(clock.GetUtcNow() + late) { OnlyMessage = true }, TurnComes(late, WithLearnt(target, known)));
        }
    }

    /// <summary>Names every limit that the send falls under: which of them keeps it longest may change while it waits.</summary>
    private static string TurnComes(TimeSpan wait, Limits limits)
    {
        string[] named = [.. limits.Service.Concat(limits.Settings).Select(static limit => $"{limit.Rate}" is var rate && limit.Key.EndsWith($" {rate}", StringComparison.Ordinal) ? $"'{limit.Key}'" : $"'{limit.Key}' of {rate}")];
        return $"Its turn comes in {Duration.Format(wait)}: it falls under {(named.Length == 1 ? "the limit" : "the limits")} {string.Join(", ", named)}.";
    }

    private async ValueTask<AttemptEnd> SendEnteredAsync(
        Attempt attempt, Registration target, OutgoingMessage message, Delivery context, string recipient, IReadOnlyList<(SendWindow, int)> turn)
    {
        bool taken = false;
        try
        {
            attempt.IsSending = true;
            if (!await store.RenewAsync(attempt.Lease, new LeaseProgress.Claim(clock.GetUtcNow()) { UnansweredSends = attempt.Lease.UnansweredSends + 1 }, CancellationToken.None))
            {
                return AttemptEnd.Cancelled;
            }

            _rates.Leave(turn);
            AttemptEnd end = await SendAsync(attempt, target, message, context);
            bool acknowledged = end is AttemptEnd.Delivered { Settlement: Settlement.Acknowledged };
            taken = acknowledged || end is AttemptEnd.Delivered { Settlement: Settlement.Failed { Kind: FailureKind.Refused } }; // a service that refuses works
            if (acknowledged)
            {
                Remember(target, () => LearntOf(target).Taken());
                Remember(target, () => _pauses.Taken(recipient));
            }
            else if (attempt.Lease.SendStartedAt is not null && end is AttemptEnd.Delivered { Settlement: Settlement.Retried { Cause: not FailureKind.Uncertain } })
            {
                await TakeClaimBackAsync(attempt.Lease);
            }

            return end;
        }
        finally
        {
            Remember(target, () => gate.Leave(taken));
        }
    }

    /// <summary>What the service's refusals of a registration's sends have told; another registration of the name begins anew, for it may be another account.</summary>
    private LearntLimit LearntOf(Registration target) => _learnt.GetValue(target, _ => new LearntLimit(clock));

    /// <summary>Notes what a send tells of the lane. That fails for itself: what became of the send is not changed by it.</summary>
    private void Remember(Registration target, Action note)
    {
        try
        {
            note();
        }
        catch (Exception e)
        {
            LogForgotten(e, target.Name);
        }
    }

    private async ValueTask<AttemptEnd> SendAsync(Attempt attempt, Registration target, OutgoingMessage message, Delivery context)
    {
        int before = context.Progress.Count;
        DeliveryReceipt receipt;
        try
        {
            receipt = await SendPartsAsync(target.Communicator, message, context, attempt.CancellationToken);
        }
        catch (DeliveryException e) when (e.Failure is DeliveryFailure.Unroutable && onUnroutable() == UnroutablePolicy.Drop)
        {
            return Skipped(attempt, e.Message);
        }
        catch (Exception e) when (attempt.CancelReason is CancelReason.Stopping or CancelReason.Operator && !context.BytesLeft && IsGivenUp(e))
        {
            await TakeClaimBackAsync(attempt.Lease);
            return AttemptEnd.Cancelled;
        }
        catch (DeliveryException e)
        {
            // What brought the message further is no failed attempt: its parts and recipients are finite.
            Settlement settlement = Classify(attempt, target, e);
            return new AttemptEnd.Delivered(settlement is Settlement.Retried retried && context.Progress.Count > before ? retried with { CountsAttempt = false } : settlement, null);
        }
        catch (OperationCanceledException) when (attempt.CancelReason == CancelReason.Timeout)
        {
            return new AttemptEnd.TimedOut(BuiltInKinds.SendTimeout(target.Config));
        }
        catch (Exception e)
        {
            string text = $"{e.GetType().Name}: {e.Message}";
            return new AttemptEnd.Delivered(context.BytesLeft ? Uncertain(attempt, text) : Again(attempt, text), null);
        }

        Remember(target, gate.Answered);
        attempt.Receipt = receipt with { At = receipt.At == default ? clock.GetUtcNow() : receipt.At };
        return new AttemptEnd.Delivered(Settlement.Acknowledge, attempt.Receipt);
    }

    /// <summary>Whether a send ended because it was cancelled; communicators that know that nothing had left say so as a failure, by which a time limit is judged.</summary>
    private static bool IsGivenUp(Exception e) => e is OperationCanceledException or DeliveryException { Failure: DeliveryFailure.Transient, InnerException: OperationCanceledException };

    /// <summary>Sends a message as the channel can show it. A text over its limit goes in parts, and a retry goes on behind the last one that was taken.</summary>
    private static async ValueTask<DeliveryReceipt> SendPartsAsync(ICommunicator communicator, OutgoingMessage message, Delivery context, CancellationToken cancellationToken)
    {
        CommunicatorCapabilities channel = communicator.Capabilities;
        OutgoingMessage fitted = MessageFitter.Fit(message, channel, out IReadOnlyList<string> degraded);
        IReadOnlyList<string> texts = channel.SplitsText || fitted.Message.Length <= channel.TextLimit ? [fitted.Message] : TextSplitter.Split(fitted.Message, channel.TextLimit);
        if (texts.Count <= 1)
        {
            DeliveryReceipt whole = await communicator.SendAsync(fitted, context, cancellationToken);
            return degraded.Count == 0 ? whole : whole with { Degraded = [.. degraded, .. whole.Degraded] };
        }

        DeliveryReceipt? last = null;
        for (int i = context.Progress.Count; i < texts.Count; i++)
        {
            // What belongs to the whole goes with the last part, an answer's mark with the first.
            bool isLast = i == texts.Count - 1;
            if (last is not null)
            {
                await context.WaitForTurnAsync(cancellationToken);
            }

            context.Part = i + 1;
            last = await communicator.SendAsync(
                fitted with { Message = texts[i], Interactive = isLast ? fitted.Interactive : null, Attachments = isLast ? fitted.Attachments : [], ReplyTo = i == 0 ? fitted.ReplyTo : null },
                context,
                cancellationToken);
            await context.SaveProgressAsync(last.OutsideId ?? "", CancellationToken.None);
            context.BytesLeft = false; // Only now: a part whose progress was not stored has left.
        }

        last ??= new DeliveryReceipt { Status = DeliveryStatus.Sent, OutsideId = context.Progress[^1] };
        return last with
        {
            Parts = [.. context.Progress],
            Degraded = [.. degraded, string.Create(CultureInfo.InvariantCulture, $"the text went in {texts.Count} parts"), .. last.Degraded],
        };
    }

    private async ValueTask<AttemptEnd> SignalAsync(Attempt attempt, Registration target)
    {
        if (target.Communicator is not ISignals signals)
        {
            return new AttemptEnd.Delivered(Settlement.Acknowledge, null);
        }

        string recipient = RecipientOf(attempt, target);
        if (_pauses.Look(recipient) is var pause && pause > TimeSpan.Zero)
        {
            return LeftAlone(recipient, pause);
        }

        Signal signal = JsonSerializer.Deserialize(attempt.Envelope.Body.Span, PostroomJson.Default.Signal) ?? throw new JsonException("The body is null.");
        try
        {
            await signals.SignalAsync(signal, new Delivery(attempt, store, static () => default), attempt.CancellationToken);
            return new AttemptEnd.Delivered(Settlement.Acknowledge, null);
        }
        catch (DeliveryException e)
        {
            return new AttemptEnd.Delivered(Classify(attempt, target, e), null);
        }
        catch (OperationCanceledException) when (attempt.CancelReason is CancelReason.Stopping or CancelReason.Operator)
        {
            return AttemptEnd.Cancelled;
        }
        catch (Exception e) when (e is not JsonException)
        {
            return new AttemptEnd.Delivered(Again(attempt, $"{e.GetType().Name}: {e.Message}"), null);
        }
    }

    [LoggerMessage(430, LogLevel.Error, "Communicator '{Name}': what its last send tells of the lane could not be noted; what became of the send is stored all the same.")]
    private partial void LogForgotten(Exception exception, string name);

    [LoggerMessage(432, LogLevel.Error, "Communicator '{Name}': what was prepared for a send could not be given back; what became of the send is stored all the same.")]
    private partial void LogNotLetGo(Exception exception, string name);

    /// <summary>What was prepared for a send. Giving it back fails for itself: what became of the send is not changed by it.</summary>
    private sealed class Holding(IAsyncDisposable prepared, Action<Exception> failed) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            try
            {
                await prepared.DisposeAsync();
            }
            catch (Exception e)
            {
                failed(e);
            }
        }
    }

    private sealed record Limits(IReadOnlyList<SendLimit> Service, IReadOnlyList<SendLimit> Settings);

    private sealed class Delivery(Attempt attempt, IMessageStore store, Func<ValueTask> further) : DeliveryContext
    {
        private readonly List<string> _progress = [.. attempt.Lease.Progress];

        /// <summary>Which part of a long text this is, from 1; 0 for the whole.</summary>
        public int Part { get; set; }

        public override MessageId MessageId => attempt.Envelope.Id;

        public override int Attempt => attempt.Lease.Attempt;

        public override bool Redelivered => attempt.Lease.Redelivered || attempt.Lease.SendStartedAt is not null;

        public override Address? Recipient => attempt.Envelope.To is { Kind: AddressKind.Recipient } to ? to : null;

        public override string? Conversation => attempt.Envelope.Conversation;

        public override string IdempotencyKey => Part == 0 ? attempt.Envelope.Id.ToString() : string.Create(CultureInfo.InvariantCulture, $"{attempt.Envelope.Id}/{Part}");

        public override Envelope Envelope => attempt.Envelope;

        public override IReadOnlyList<string> Progress => _progress;

        public override ValueTask WaitForTurnAsync(CancellationToken cancellationToken) => further();

        public override async ValueTask SaveProgressAsync(string outsideId, CancellationToken cancellationToken)
        {
            _progress.Add(outsideId);
            await store.RenewAsync(attempt.Lease, new LeaseProgress.Parts([.. _progress]), cancellationToken);
        }
    }
}
