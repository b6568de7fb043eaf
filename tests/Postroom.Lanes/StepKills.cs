using System.Globalization;
using Postroom.Crash;

namespace Postroom.Lanes;

/// <summary>One step of a lane at which the process is killed, and what the policies make of it.</summary>
/// <param name="Name">The step.</param>
/// <param name="DieAt">Where the process ends itself; null when the harness kills it.</param>
/// <param name="Stage">Where the service leaves the calls; null when it answers.</param>
/// <param name="Stopping">Whether the kill comes after a SIGTERM.</param>
/// <param name="Retry">What becomes of the message with policy <c>retry</c>.</param>
/// <param name="Hold">With <c>hold</c>.</param>
/// <param name="Ask">With <c>ask</c>.</param>
public sealed record LaneStep(string Name, string? DieAt, CallStage? Stage, bool Stopping, StepEnd Retry, StepEnd Hold, StepEnd Ask);

/// <summary>What becomes of a message.</summary>
/// <param name="Calls">How many calls the service got, the one before the kill included.</param>
/// <param name="Accepted">How many of them it took.</param>
/// <param name="Acked">Whether the message ends acknowledged; else failed as uncertain.</param>
/// <param name="Redelivered">Whether the last call says that it may be a repeat.</param>
public sealed record StepEnd(int Calls, int Accepted, bool Acked, bool Redelivered)
{
    /// <summary>One call, taken, acknowledged.</summary>
    public static StepEnd Once { get; } = new(1, 1, true, false);

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Calls} calls, {Accepted} taken, {(Acked ? "acked" : "failed uncertain")}{(Redelivered ? ", redelivered" : "")}");
}

/// <summary>What a chain of kills found.</summary>
/// <param name="Kills">How many processes were killed.</param>
/// <param name="Calls">How many calls the service got.</param>
/// <param name="Problems">What is not as it has to be; empty for nothing.</param>
public sealed record StepReport(int Kills, int Calls, IReadOnlyList<string> Problems)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"lane steps: kills {Kills} calls {Calls} problems {Problems.Count}");
}

/// <summary>Kills a process at each step of a lane, with one message for each policy at that step, and looks what the next process makes of them.</summary>
public static class StepKills
{
    private const string Backends = """{"retry":{"type":"counted","uncertain":"retry"},"hold":{"type":"counted","uncertain":"hold"},"ask":{"type":"counted","uncertain":"ask"}}""";
    private static readonly string[] Lanes = ["retry", "hold", "ask"];

    /// <summary>The steps.</summary>
    public static IReadOnlyList<LaneStep> All { get; } =
    [
        new("before the claim", "claim.before@3", null, false, StepEnd.Once, StepEnd.Once, StepEnd.Once),
        new("after the claim, before the call", "claim.after@3", null, false, new(1, 1, true, true), new(0, 0, false, false), StepEnd.Once),
        new("during the call, not taken", null, CallStage.Received, false, new(2, 1, true, true), new(1, 0, false, false), new(2, 1, true, true)),
        new("taken, not answered", null, CallStage.Accepted, false, new(2, 2, true, true), new(1, 1, false, false), StepEnd.Once),
        new("answered, before the settle", "ack.before@3", null, false, new(2, 2, true, true), new(1, 1, false, false), StepEnd.Once),
        new("after the settle", "ack.after@3", null, false, StepEnd.Once, StepEnd.Once, StepEnd.Once),
        new("taken, not answered, while stopping", null, CallStage.Accepted, true, new(2, 2, true, true), new(1, 1, false, false), StepEnd.Once),
    ];

    /// <summary>Runs the steps one after the other on one store; each process recovers what the one before left and goes on to the next step.</summary>
    /// <param name="folder">Where everything is kept.</param>
    /// <param name="steps">The steps.</param>
    /// <param name="say">Takes lines of progress.</param>
    public static async Task<StepReport> RunAsync(string folder, IReadOnlyList<LaneStep> steps, Action<string> say)
    {
        await using CountingService service = new();
        await using LaneApp app = new(folder, service.Address, Backends);
        for (int i = 0; i < steps.Count; i++)
        {
            await KillAsync(app, service, steps[i], TextOf(i));
            say($"killed {steps[i].Name}");
        }

        await app.DrainAsync();
        List<string> problems = [];
        for (int i = 0; i < steps.Count; i++)
        {
            problems.AddRange(Check(app, service, steps[i], TextOf(i)));
        }

        int calls = service.Calls.Count;
        await app.DrainAsync("--confirm");
        IEnumerable<JournalEntry> unconfirmed = app.Messages("out.hold").Where(entry => entry.State != MessageState.Acked);
        problems.AddRange(unconfirmed.Select(entry => $"hold: {entry.Envelope.Id} was confirmed and is {entry.State}."));
        if (service.Calls.Count != calls)
        {
            problems.Add($"Confirming made {service.Calls.Count - calls} calls.");
        }

        return new StepReport(steps.Count, calls, problems);
    }

    private static string TextOf(int step) => string.Create(CultureInfo.InvariantCulture, $"step {step:D2}");

    private static async Task KillAsync(LaneApp app, CountingService service, LaneStep step, string text)
    {
        Task? held = null;
        if (step.Stage is { } stage && step.DieAt is null)
        {
            // What an earlier step left is sent again before the message of this one.
            await app.DrainAsync();
            held = service.HoldNext(stage, Lanes.Length);
        }

        await using AppProcess process = app.Start(["--until-empty", "--lanes", string.Join(',', Lanes), "--say", text, .. step.DieAt is { } at ? ["--die-at", at] : (string[])[]]);
        if (held is null)
        {
            await LaneApp.EndAsync(process, step.Name);
        }
        else
        {
            await LaneApp.ReachAsync(process, held, step.Name);
            if (step.Stopping)
            {
                await process.SignalAsync("TERM");
                await Task.Delay(200); // It drains, for its calls have no answer.
            }

            await process.KillAsync();
        }

        if (process.ExitCode != 137)
        {
            throw new InvalidOperationException($"The application was to be killed {step.Name} and ended with {process.ExitCode}: {process.Output}");
        }

        await app.ReadToEndAsync();
    }

    private static IEnumerable<string> Check(LaneApp app, CountingService service, LaneStep step, string text)
    {
        foreach ((string lane, StepEnd expected) in new[] { ("retry", step.Retry), ("hold", step.Hold), ("ask", step.Ask) })
        {
            ServiceCall[] calls = [.. service.Calls.Where(call => call.Lane == lane && call.Text == text)];
            JournalEntry[] entries = [.. app.Messages($"out.{lane}").Where(entry => Envelopes.TextOf(entry) == text)];
            if (entries.Length != 1)
            {
                yield return $"{step.Name}, {lane}: {entries.Length} messages are stored.";
                continue;
            }

            JournalEntry entry = entries[0];
            bool ends = entry.State == MessageState.Acked || (entry.State == MessageState.Failed && entry.FailureKind == FailureKind.Uncertain);
            StepEnd found = new(calls.Length, calls.Count(call => call.Accepted), entry.State == MessageState.Acked, calls.Length > 0 && calls[^1].Redelivered);

            // A call may say that it may be a repeat where none was made: an attempt had begun. It has to where one was.
            if (!ends || found with { Redelivered = found.Redelivered && expected.Redelivered } != expected)
            {
                yield return $"{step.Name}, {lane}: expected {expected}; found {found}, {entry.State} {entry.FailureKind} {entry.Error}.";
            }

            if (calls.Any(call => call.Key != entry.Envelope.Id.ToString()))
            {
                yield return $"{step.Name}, {lane}: a call has another idempotency key than the message's id.";
            }
        }
    }
}
