namespace Postroom.Explaining;

/// <summary>Why a message waits: the first reason that holds, the one nearest to the message first.</summary>
internal static class WhyPending
{
    /// <summary>What holds for every message of a store that no runtime has open.</summary>
    public const string NobodyRuns = "No runtime runs on this store, so nothing happens before one is started with 'postroom run' or a program of your own.";

    public static string Explain(JournalRecord record, WhyFacts facts)
    {
        JournalEntry entry = record.Entry;
        string? reason = Unserved(entry, facts) ?? Parked(entry, facts) ?? Behind(facts) ?? Question(entry) ?? Later(record, facts) ?? Held(facts) ?? Paused(entry, facts) ?? Limited(entry, facts);
        return facts.Stopped ? $"{reason ?? $"It waits in queue '{entry.Envelope.Queue}'."} {NobodyRuns}" : reason ?? Turn(entry, facts);
    }

    /// <summary>Where nobody serves the queue, no other reason matters: also the message ahead waits for that.</summary>
    private static string? Unserved(JournalEntry entry, WhyFacts facts)
    {
        string queue = entry.Envelope.Queue;
        return facts.Pools is not [] || facts.Receivers > 0 || facts.Parked ? null
            : OutboundQueue.CommunicatorOf(queue) is { } lane ? $"No communicator '{lane}' is part of this runtime, so nobody sends it. It goes on as soon as communications.backends.{lane} is configured."
            : $"Nobody reads queue '{queue}' now. It goes on as soon as a worker pool or a receiver does: name a module with a handler for it, or add one to your program.";
    }

    private static string? Behind(WhyFacts facts)
    {
        if (facts.Ahead is not { } ahead)
        {
            return null;
        }

        string it = ahead.State switch
        {
            MessageState.Dispatched => $"which is in work{(ahead.DispatchedAt is { } since ? $" since {Why.At(since)}" : "")}",
            MessageState.Failed => "which failed and holds the line until it is replayed or discarded",
            _ when facts.AheadParked => $"which is parked: nothing in this build handles '{ahead.Envelope.Type}', and a build that does has to start",
            _ when Away(facts) is { } away => $"which is held: {away}",
            _ when ahead.DueAt is { } due && due > facts.Now => $"which waits for its next attempt at {Why.AtIn(due, facts.Now)}",
            _ => "which waits for its own turn",
        };
        return $"It waits behind message {ahead.Envelope.Id} of the same conversation, {it}. Messages of one conversation go one after the other; this one is next as soon as that one has ended.";
    }

    private static string? Question(JournalEntry entry) => entry.SendStartedAt is { } sent
        ? $"It left at {Why.At(sent)} and the answer was lost. Before it is sent again, the lane finds out or decides by its policy whether it arrived."
        : null;

    private static string? Later(JournalRecord record, WhyFacts facts)
    {
        JournalEntry entry = record.Entry;
        if (entry.DueAt is not { } due || due <= facts.Now)
        {
            return null;
        }

        string? error = record.Attempts.LastOrDefault(attempt => attempt.Error is not null)?.Error ?? entry.Error;
        if (entry.Failures == 0 && !string.IsNullOrWhiteSpace(error))
        {
            return $"It goes on at {Why.AtIn(due, facts.Now)}: {Why.Short(error)}."; // Nothing that counts against it: a limit, or a service that is away.
        }

        if (entry.Attempt == 0)
        {
            return $"It was asked to wait until {Why.AtIn(due, facts.Now)} and goes on then.";
        }

        return $"Attempt {entry.Attempt} did not succeed: {Why.Short(error)}. The next one follows at {Why.AtIn(due, facts.Now)}; {Why.Allowed(entry)}.";
    }

    private static string? Held(WhyFacts facts) => Away(facts) is { } away
        ? $"{away}. The message is held and goes out as soon as {(facts.Communicator!.Started ? "that is mended" : "it starts")}."
        : null;

    /// <summary>Why the communicator sends nothing now, as a clause; null when it does.</summary>
    private static string? Away(WhyFacts facts)
    {
        if (facts.Communicator is not { } communicator || (communicator.Started && communicator.Problem is null))
        {
            return null;
        }

        string problem = communicator.Problem is { } text ? $": {Why.Short(text)}" : "";
        return $"'{communicator.Name}' {(communicator.Started ? "cannot send now" : "has not started")}{problem}";
    }

    private static string? Paused(JournalEntry entry, WhyFacts facts) => facts.QueuePaused
        ? $"Queue '{entry.Envelope.Queue}' is paused. 'postroom queues resume {entry.Envelope.Queue}' lets it go on."
        : null;

    private static string? Limited(JournalEntry entry, WhyFacts facts)
    {
        if (facts.Limit is not { } wait)
        {
            return null;
        }

        string ahead = wait.Ahead > 0 ? $", behind {Why.Messages(wait.Ahead)}" : "";
        string which = $"limit '{wait.Limit.Key}' of queue '{entry.Envelope.Queue}' for '{Names.Shorten(wait.Key)}'{ahead}";
        return wait.Until is { } until
            ? $"It waits at the {which}: {wait.Limit.Rate} may begin. Its turn comes at {Why.AtIn(until, facts.Now)}."
            : $"It waits at the {which}: {wait.Limit.Concurrency} may be in work at a time. It goes on when one of those has ended.";
    }

    private static string? Parked(JournalEntry entry, WhyFacts facts) => facts.Parked
        ? $"Nothing in this build handles '{entry.Envelope.Type}' of queue '{entry.Envelope.Queue}', so it is parked. It goes on by itself when a build with that handler starts."
        : null;

    private static string Turn(JournalEntry entry, WhyFacts facts)
    {
        if (facts.Pools?.FirstOrDefault(pool => pool.State is WorkerState.Paused or WorkerState.Faulted) is { } pool)
        {
            return $"Worker pool '{pool.Name}' is {Why.Word(pool.State)}{(pool.LastError is { } error ? $": {Why.Short(error)}" : "")}. It goes on when the pool works again.";
        }

        if (facts.Pools is null)
        {
            return $"It waits in queue '{entry.Envelope.Queue}'; for what, the store file alone does not tell. A process has the store open: ask it, without --store.";
        }

        string again = entry.Attempt > 0 ? $" Attempt {entry.Attempt} ended without success; {Why.Allowed(entry)}." : "";
        string server = facts.Pools is [] ? "receiver" : "worker";
        return facts.Waiting > 1
            ? $"It waits for a free {server} of queue '{entry.Envelope.Queue}', where {facts.Waiting} messages wait; the oldest go first.{again}"
            : $"It waits for a free {server} of queue '{entry.Envelope.Queue}' and is handled as soon as one is free.{again}";
    }
}
