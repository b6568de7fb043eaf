using System.Text.Json;

namespace Postroom.Explaining;

/// <summary>What happened to a message, in order.</summary>
internal static class WhyTimeline
{
    /// <summary>Ids are shown whole, to be copied; one beyond this is no id of any service.</summary>
    private const int MaxId = 1_024;

    public static IReadOnlyList<WhyLine> Of(JournalRecord record)
    {
        JournalEntry entry = record.Entry;
        List<WhyLine> lines = [new(entry.Envelope.CreatedAt, WhyKind.Arrival, Arrival(entry.Envelope))];
        lines.AddRange(record.Audit.Select(audit => new WhyLine(audit.At, WhyKind.Action, Audit(audit)))); // before what it led to at the same instant
        string? told = null;
        IReadOnlyList<string> names = NamesOf(record.Attempts, entry.Replays);
        for (int i = 0; i < record.Attempts.Count;)
        {
            int count = RunAt(record.Attempts, names, i);
            AttemptRecord[] run = [.. record.Attempts.Skip(i).Take(count)];
            lines.Add(count == 1 ? One(run[0], names[i], entry, told) : Many(run, names[i], entry));
            told = run.Select(attempt => attempt.Error).LastOrDefault(error => error is not null) ?? told;
            i += count;
        }

        if (entry.State == MessageState.Dispatched && entry.DispatchedAt is { } since && record.Attempts.All(attempt => attempt.Attempt != entry.Attempt))
        {
            lines.Add(new WhyLine(since, WhyKind.Begun, $"attempt {entry.Attempt} began{By(entry.Owner)}"));
        }

        lines.AddRange(record.Children.Select(child => new WhyLine(
            child.Envelope.CreatedAt,
            WhyKind.Led,
            $"led to message {child.Envelope.Id} ({child.Envelope.Type}) for {child.Envelope.To?.ToString() ?? $"queue {child.Envelope.Queue}"}, now {Why.Word(child.State)}")));
        lines.AddRange(record.Receipts.Select(receipt => new WhyLine(receipt.At, receipt.Status == DeliveryStatus.Failed ? WhyKind.Failed : WhyKind.Receipt, Receipt(receipt))));
        if (entry.State == MessageState.Failed && entry.FinishedAt is { } failed)
        {
            string error = entry.Error is not null && entry.Error == told ? "" : $": {Why.Because(entry.Error)}";
            lines.Add(new WhyLine(failed, WhyKind.Failed, $"failed ({(entry.FailureKind is { } kind ? Why.Word(kind) : "unknown")}){error}"));
        }
        else if (entry.State == MessageState.Acked && entry.FinishedAt is { } done && record.Attempts.Count == 0)
        {
            lines.Add(new WhyLine(done, WhyKind.Done, "acknowledged"));
        }

        return [.. lines.OrderBy(line => line.At)];
    }

    /// <summary>What each attempt is called: a replay counts from 1 again, so the number alone would name two.</summary>
    /// <param name="attempts">The attempts, in order.</param>
    /// <param name="replays">How often the message was replayed: without that, a number that comes again is an attempt that was given back or does not count.</param>
    internal static IReadOnlyList<string> NamesOf(IReadOnlyList<AttemptRecord> attempts, int replays)
    {
        List<string> names = [];
        int round = 0;
        int before = 0;
        foreach (AttemptRecord attempt in attempts)
        {
            bool again = round < replays && (attempt.Attempt < before || (attempt.Attempt == before && attempts[names.Count - 1].Outcome is "failed" or "acked"));
            round += again ? 1 : 0;
            before = attempt.Attempt;
            names.Add(round == 0 ? $"attempt {attempt.Attempt}" : $"attempt {attempt.Attempt} of replay {round}");
        }

        return names;
    }

    private static string Arrival(Envelope envelope)
    {
        string from = envelope.From is { } sender ? $" from {sender}" : "";
        string source = envelope.Header(HeaderNames.Source) is { } name ? $" by {name}" : "";
        string origin = envelope.Header(HeaderNames.ChannelMessageId) is { } id ? $", there known as {Names.Shorten(id, MaxId)}" : "";
        string parent = envelope.ParentId is { } cause ? $", because of message {cause}" : "";
        string replay = envelope.ReplayOf is { } original ? $", as a replay of {original}" : "";
        string fault = envelope.Header(HeaderNames.Fault) is { } done ? $", {done}" : "";
        string verb = envelope.Direction == MessageDirection.Inbound ? "arrived" : "was made";
        return $"{verb}{from}{source}{origin}{parent}{replay}{fault} and was stored in queue '{envelope.Queue}' as {envelope.Type}";
    }

    /// <summary>How many attempts from one on are told in one line: those of one name that ended without an outcome, with no more than one error between them.</summary>
    private static int RunAt(IReadOnlyList<AttemptRecord> attempts, IReadOnlyList<string> names, int begin)
    {
        int end = begin;
        string? error = null;
        while (end < attempts.Count && names[end] == names[begin] && attempts[end] is { Outcome: "retry" or "released", EndedAt: not null } attempt && (attempt.Error is null || error is null || attempt.Error == error))
        {
            error ??= attempt.Error;
            end++;
        }

        return Math.Max(1, end - begin);
    }

    private static WhyLine Many(AttemptRecord[] run, string name, JournalEntry entry)
    {
        int released = run.Count(attempt => attempt.Outcome == "released");
        int repeated = run.Length - released;
        string error = run.Select(attempt => attempt.Error).FirstOrDefault(text => text is not null) is { } text ? $", because: {Why.Because(text)}" : "";
        string what = repeated == 0 ? $"was given back {Times(released)}"
            : released == 0 ? $"ended without success {Times(repeated)}"
            : $"ended without success {Times(repeated)} and was given back {Times(released)}";
        DateTimeOffset last = run[^1].EndedAt ?? entry.Envelope.CreatedAt;
        return new WhyLine(last, WhyKind.Repeated, $"{name} {what} from {Why.At(run[0].StartedAt ?? last)} to {Why.At(last)}{error}");
    }

    private static string Times(int count) => count == 1 ? "once" : $"{count} times";

    private static WhyLine One(AttemptRecord attempt, string name, JournalEntry entry, string? told)
    {
        if (attempt.Outcome == "running")
        {
            return new WhyLine(attempt.StartedAt ?? entry.Envelope.CreatedAt, WhyKind.Begun, $"{name} began{By(attempt.Owner)}");
        }

        string took = attempt is { StartedAt: { } start, EndedAt: { } end } ? $" after {Why.Span(end - start)}" : "";
        string outcome = attempt.Outcome switch
        {
            "acked" => $"succeeded{took}",
            "retry" => $"ended{took} without success and is repeated",
            "released" => $"was given back{took}, before it had an outcome",
            "failed" => $"failed for good{took}",
            "died" => $"ended{took} with the process",
            string other => $"ended{took}: {other}",
        };
        string error = attempt.Error is not { } text ? "" : text == told ? ": the same error" : $": {Why.Because(text)}";
        string kind = attempt.Outcome switch
        {
            "acked" => WhyKind.Done,
            "retry" or "released" => WhyKind.Repeated,
            _ => WhyKind.Failed,
        };
        return new WhyLine(attempt.EndedAt ?? attempt.StartedAt ?? entry.Envelope.CreatedAt, kind, $"{name}{By(attempt.Owner)} {outcome}{error}");
    }

    /// <summary>Who did what, such as <c>replayed by admin</c>.</summary>
    internal static string Audit(AuditRecord audit)
    {
        string what = audit.Action switch
        {
            "journal.replay" => "replayed",
            "journal.discard" => "discarded",
            "journal.confirm" => "confirmed",
            "journal.body" => "its content was read",
            "journal.attachment" => "an attachment was read",
            string other => other,
        };
        string reason = audit.Detail is { ValueKind: JsonValueKind.Object } detail && detail.TryGetProperty("reason", out JsonElement text) && text.ValueKind == JsonValueKind.String ? $": {text.GetString()}" : "";
        return $"{what} by {(audit.User.Length > 0 ? audit.User : "somebody")}{(audit.Result is "" or "done" ? "" : $", refused: {audit.Result}")}{reason}";
    }

    private static string By(string? owner) => owner is null ? "" : $" with {owner}";

    private static string Receipt(DeliveryReceipt receipt)
    {
        if (Why.IsConfirmation(receipt))
        {
            return "confirmed as arrived";
        }

        string what = receipt.Status switch
        {
            DeliveryStatus.Skipped => "left out on purpose",
            DeliveryStatus.Sent => "taken by the service",
            DeliveryStatus.Delivered => "on the recipient's device",
            DeliveryStatus.Read => "read by the recipient",
            _ => "given up by the service",
        };
        string id = receipt.OutsideId is { } outside ? $", its id there is {outside}" : "";
        string parts = receipt.Parts.Count > 1 ? $", in {receipt.Parts.Count} parts" : "";
        string detail = receipt.Detail is { } words ? $": {Why.Because(words)}" : "";
        return $"{what}{id}{parts}{detail}";
    }
}
