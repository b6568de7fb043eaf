using System.Globalization;

namespace Postroom.Explaining;

/// <summary>One line of a message's story.</summary>
/// <param name="At">When.</param>
/// <param name="Kind">What sort of thing happened, one of <see cref="WhyKind"/>.</param>
/// <param name="Text">What happened.</param>
internal sealed record WhyLine(DateTimeOffset At, string Kind, string Text);

/// <summary>The sorts of lines, as clients read them.</summary>
internal static class WhyKind
{
    public const string Arrival = "arrival";
    public const string Action = "action";
    public const string Begun = "begun";
    public const string Done = "done";
    public const string Repeated = "repeated";
    public const string Failed = "failed";
    public const string Led = "led";
    public const string Receipt = "receipt";
}

/// <summary>A message's story, and one sentence on where it stands and what comes next (CL-7).</summary>
/// <param name="Id">The message.</param>
/// <param name="State">Where it stands, a lower-case word.</param>
/// <param name="Reason">Why it stands there, and what happens next and when.</param>
/// <param name="Timeline">What happened, oldest first.</param>
internal sealed record WhyReport(MessageId Id, string State, string Reason, IReadOnlyList<WhyLine> Timeline);

/// <summary>What is known around a message when it is explained. Everything is optional: a stopped store knows less.</summary>
internal sealed record WhyFacts
{
    /// <summary>Now, for "in 5 s".</summary>
    public required DateTimeOffset Now { get; init; }

    /// <summary>The message that has to end before this one; null for none.</summary>
    public JournalEntry? Ahead { get; init; }

    /// <summary>Whether a person paused the queue.</summary>
    public bool QueuePaused { get; init; }

    /// <summary>Whether no runtime has the store open, so that nothing moves.</summary>
    public bool Stopped { get; init; }

    /// <summary>Whether the message is parked: nothing in this build handles its type.</summary>
    public bool Parked { get; init; }

    /// <summary>Whether <see cref="Ahead"/> is parked.</summary>
    public bool AheadParked { get; init; }

    /// <summary>The pools that serve the queue; null when nobody can tell.</summary>
    public IReadOnlyList<PoolStatus>? Pools { get; init; }

    /// <summary>How many receivers of the queue are open.</summary>
    public int Receivers { get; init; }

    /// <summary>The communicator of an outgoing message; null when it has none or nobody can tell.</summary>
    public CommunicatorStatus? Communicator { get; init; }

    /// <summary>The limit of the queue that keeps the message; null when none does or nobody can tell.</summary>
    public LimitWait? Limit { get; init; }

    /// <summary>How many messages wait in the queue.</summary>
    public long Waiting { get; init; }
}

/// <summary>Explains a message to somebody who has not read the manual.</summary>
internal static class Why
{
    private const int MaxError = 160;

    /// <summary>The timeline and the sentence.</summary>
    public static WhyReport Explain(JournalRecord record, WhyFacts facts)
    {
        string reason = record.Entry.State switch
        {
            MessageState.Pending => WhyPending.Explain(record, facts),
            MessageState.Dispatched => Dispatched(record.Entry, facts),
            MessageState.Acked => Acked(record, facts),
            _ => Failed(record.Entry),
        };
        return new WhyReport(record.Entry.Envelope.Id, Word(record.Entry.State), reason, WhyTimeline.Of(record));
    }

    /// <summary>An enum's value as the lower-case word of views.</summary>
    internal static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();

    /// <summary>An instant as people read it, in UTC.</summary>
    internal static string At(DateTimeOffset instant) => instant.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>An instant to come, with the distance from now.</summary>
    internal static string AtIn(DateTimeOffset instant, DateTimeOffset now) => $"{At(instant)} (in {Span(instant - now)})";

    /// <summary>A duration as people read it.</summary>
    internal static string Span(TimeSpan span) => span.TotalSeconds switch
    {
        < 1 => string.Create(CultureInfo.InvariantCulture, $"{Math.Max(0, span.TotalMilliseconds):0} ms"),
        < 60 => string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0.#} s"),
        < 3600 => string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalMinutes} min {span.Seconds} s"),
        < 86_400 => string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalHours} h {span.Minutes} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalDays} d {span.Hours} h"),
    };

    /// <summary>A count with its noun.</summary>
    internal static string Messages(long count) => count == 1 ? "1 message" : $"{count} messages";

    /// <summary>An error text within a sentence; the timeline has the whole of it.</summary>
    internal static string Short(string? error) => Because(error) is var text && text.Length <= MaxError ? text : $"{Redactor.Cut(text, MaxError - 1)}…";

    /// <summary>An error text as the end of a sentence.</summary>
    internal static string Because(string? error) => string.IsNullOrWhiteSpace(error) ? "no error text was recorded" : error.Trim().TrimEnd('.');

    private static string Dispatched(JournalEntry entry, WhyFacts facts)
    {
        string since = entry.DispatchedAt is { } at ? $" since {At(at)} ({Span(facts.Now - at)})" : "";
        if (facts.Stopped)
        {
            return $"It was in work, attempt {entry.Attempt}, when its runtime ended without an outcome. {WhyPending.NobodyRuns} The next start hands it out again.";
        }

        string again = entry.Redelivered ? " An earlier attempt ended without an outcome, so this one repeats it." : "";
        return OutboundQueue.CommunicatorOf(entry.Envelope.Queue) is { } lane
            ? $"It is being sent by '{lane}'{since}, attempt {entry.Attempt}. The service's answer decides what comes next.{again}"
            : $"It is being handled{(entry.Owner is { } owner ? $" by {owner}" : "")}{since}, attempt {entry.Attempt}; {Allowed(entry)}. It ends when the handler returns.{again}";
    }

    private static string Acked(JournalRecord record, WhyFacts facts)
    {
        JournalEntry entry = record.Entry;
        string when = entry.FinishedAt is { } at ? $" at {At(at)}" : "";
        if (record.Receipts.Count > 0 || OutboundQueue.CommunicatorOf(entry.Envelope.Queue) is not null)
        {
            bool givenUp = record.Receipts.Any(static receipt => receipt.Status == DeliveryStatus.Failed) && record.Receipts.All(static receipt => receipt.Status is DeliveryStatus.Failed or DeliveryStatus.Sent);
            return Delivered(record, when) + (givenUp ? $" Nothing more happens by itself; once the cause is mended, 'postroom replay --force {entry.Envelope.Id}' sends it again as a new message." : " Nothing more will happen.");
        }

        int failed = record.Children.Count(child => child.State == MessageState.Failed);
        int open = record.Children.Count(child => child.State is MessageState.Pending or MessageState.Dispatched);
        string stopped = open > 0 && facts.Stopped ? $" {WhyPending.NobodyRuns}" : "";
        string led = record.Children.Count == 0 ? "It led to no further message."
            : failed > 0 ? $"It led to {Messages(record.Children.Count)}, of which {failed} failed: ask why for {record.Children.First(child => child.State == MessageState.Failed).Envelope.Id}."
            : open > 0 ? $"It led to {Messages(record.Children.Count)}, of which {open} {(open == 1 ? "is" : "are")} still on the way.{stopped}"
            : $"It led to {Messages(record.Children.Count)}, which {(record.Children.Count == 1 ? "has" : "have")} ended as well.";
        return $"It was handled{when}, on attempt {Math.Max(1, entry.Attempt)}. {led}";
    }

    private static string Delivered(JournalRecord record, string when)
    {
        string name = OutboundQueue.CommunicatorOf(record.Entry.Envelope.Queue) ?? record.Entry.Envelope.To?.Scheme ?? "the service";
        DeliveryReceipt? best = record.Receipts.OrderByDescending(receipt => receipt.Status is DeliveryStatus.Failed ? DeliveryStatus.Sent : receipt.Status).FirstOrDefault();
        string id = record.Entry.OutsideId is { } outside ? $" under its id {outside}" : "";
        return best?.Status switch
        {
            DeliveryStatus.Read => $"The recipient has read it, at {At(best.At)}; '{name}' took it{when}{id}.",
            DeliveryStatus.Delivered when IsConfirmation(best) => $"{WhoConfirmed(record)} confirmed at {At(best.At)} that it arrived; the answer of '{name}' to the send is not known.",
            DeliveryStatus.Delivered => $"It is on the recipient's device since {At(best.At)}; '{name}' took it{when}{id}. Nobody has said yet that it was read.",
            DeliveryStatus.Skipped => $"It was left out on purpose{when}: {Short(best.Detail)}.",
            _ when record.Receipts.Any(receipt => receipt.Status == DeliveryStatus.Failed) =>
                $"'{name}' took it{when}{id} and later gave it up: {Short(record.Receipts.Last(receipt => receipt.Status == DeliveryStatus.Failed).Detail)}.",
            _ => $"'{name}' took it{when}{id}. Nobody has said yet that it arrived.",
        };
    }

    /// <summary>Whether a receipt is the word of a person, or of a later proof, for a send whose outcome was not known (JN-6).</summary>
    internal static bool IsConfirmation(DeliveryReceipt receipt) => receipt is { Status: DeliveryStatus.Delivered, OutsideId: null, Detail: "confirmed" };

    private static string WhoConfirmed(JournalRecord record) =>
        record.Audit.LastOrDefault(static audit => audit is { Action: "journal.confirm", Result: "" or "done" }) is { User: { Length: > 0 } user } ? $"An operator ({user})" : "An operator";

    private static string Failed(JournalEntry entry)
    {
        string id = entry.Envelope.Id.ToString();
        string when = entry.FinishedAt is { } at ? $" at {At(at)}" : "";
        string replay = $"Nothing more happens by itself; once the cause is mended, 'postroom replay {id}' tries it again.";
        string error = Short(entry.Error);
        return entry.FailureKind switch
        {
            FailureKind.Uncertain => $"It left{(entry.SendStartedAt is { } sent ? $" at {At(sent)}" : "")} and no answer came, so nobody can tell whether it arrived: {error}. "
                + $"Look at the recipient's side: 'postroom journal confirm {id}' if it is there, 'postroom replay {id}' if it is not.",
            FailureKind.Discarded => $"A person gave it up{when}: {error}. 'postroom replay {id}' brings it back.",
            FailureKind.Exhausted => $"It was given up{when} after {entry.Failures} failed attempt{(entry.Failures == 1 ? "" : "s")}, the last with: {error}. {replay}",
            FailureKind.Expired => $"Its time was over before its turn came: {error}. 'postroom replay {id}' tries it all the same.",
            FailureKind.Unroutable => $"Nobody takes it: {error}. {replay}",
            FailureKind.Invalid => $"It could not be read: {error}. A replay ends the same way until the program can read it.",
            FailureKind.Poison => $"It was in work {entry.Deaths} time{(entry.Deaths == 1 ? "" : "s")} when the process died, so it is kept away from the workers: {error}. {replay}",
            FailureKind.Refused => $"The service said no{when}: {error}. Refusals are not repeated. {replay}",
            FailureKind.Timeout => $"Its handler did not finish in time{when}: {error}. {replay}",
            FailureKind.Rejected => $"Its handler refused it{when}: {error}. {replay}",
            _ => $"Its handler failed for good{when}, on attempt {entry.Attempt}: {error}. {replay}",
        };
    }

    /// <summary>How many failures it may still have.</summary>
    internal static string Allowed(JournalEntry entry) => $"{entry.Failures} of {entry.Envelope.MaxAttempts} allowed failures are used";
}
