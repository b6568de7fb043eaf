using System.CommandLine;

namespace Postroom.Host;

/// <content>The commands about the record of messages (CL-3).</content>
internal static partial class PostroomCommand
{
    private static Command Journal()
    {
        Argument<string> id = new("ID") { Description = "A message id, an outside id or a unique prefix." };
        Option<bool> body = new("--body") { Description = "Show the body as well." };
        Command show = new("show", "Shows one message with its attempts and receipts. Example: postroom journal show 0198f2c4-6d1e-7a30") { id, body };
        show.SetAction((result, token) => ReadCommands.ShowAsync(Arguments(result), result.GetValue(id)!, result.GetValue(body), token));

        Command journal = new("journal", "Reads the record of messages, and moves them.") { List(), show, Tail(), Stats(), Export() };
        foreach (Command move in JournalMoves())
        {
            journal.Subcommands.Add(move);
        }

        return journal;
    }

    private static Command List()
    {
        FilterOptions filter = new();
        Option<long?> limit = Number("--limit", "How many, 1 to 100; 50 unless given.", 1, 100);
        Option<long?> cursor = Number("--cursor", "Go on behind the last page; it says with which number.", 0, long.MaxValue);
        Command list = new("list", "Finds messages, newest first. Example: postroom journal list --state failed --queue in") { limit, cursor };
        filter.AddTo(list);
        list.SetAction((result, token) => ReadCommands.ListAsync(Arguments(result), filter.Of(result, (int)(result.GetValue(limit) ?? 50), result.GetValue(cursor)), token));
        return list;
    }

    private static Command Tail()
    {
        Option<string?> queue = new("--queue") { Description = "Of one queue." };
        Option<string?> conversation = new("--conversation") { Description = "Of one conversation." };
        Command tail = new("tail", "Prints each move of messages as it happens, until Ctrl+C. Example: postroom journal tail --queue in") { queue, conversation };
        tail.SetAction((result, token) => JournalCommands.TailAsync(Arguments(result), result.GetValue(queue), result.GetValue(conversation), token));
        return tail;
    }

    private static Command Stats()
    {
        Option<string?> queue = new("--queue") { Description = "Of one queue." };
        Command stats = new("stats", "Counts and ages of queues. Example: postroom journal stats") { queue };
        stats.SetAction((result, token) => JournalCommands.StatsAsync(Arguments(result), result.GetValue(queue), token));
        return stats;
    }

    private static Command Export()
    {
        FilterOptions filter = new();
        Argument<string> file = new("FILE") { Description = "A new file; '-' is standard output." };
        Command export = new("export", "Writes messages with bodies, attempts and receipts as JSON lines, oldest first. Example: postroom journal export failed.jsonl --state failed") { file };
        filter.AddTo(export);
        export.SetAction((result, token) => JournalCommands.ExportAsync(Arguments(result), result.GetValue(file)!, filter.Of(result, 100, null), token));
        return export;
    }

    private static Command Why()
    {
        Argument<string> id = new("ID") { Description = "A message id, an outside id or a unique prefix." };
        Command command = new("why", "Explains where a message stands, why, and what happens next. Example: postroom why 0198f2c4-6d1e-7a30") { id };
        command.SetAction((result, token) => ReadCommands.WhyAsync(Arguments(result), result.GetValue(id)!, token));
        return command;
    }

    private static Command Replay()
    {
        Argument<string[]> ids = new("ID") { Description = "Message ids, outside ids or unique prefixes.", Arity = ArgumentArity.ZeroOrMore };
        Option<bool> force = new("--force") { Description = "Replay acknowledged messages as well, as new ones." };
        Option<string[]> filter = new("--filter")
        {
            Description = $"Replay failed messages that fit, oldest first; several may be given. Keys are {string.Join(", ", ReplayCommand.Keys)}.",
            HelpName = "KEY=VALUE",
            AllowMultipleArgumentsPerToken = false,
        };
        Option<bool> dryRun = new("--dry-run") { Description = "With --filter: only say which they are." };
        Option<long?> max = Number("--max", "With --filter: how many at most; 100 unless given.", 1, 10_000, "N");
        Option<string?> rate = new("--rate") { Description = "With --filter: how fast; 10/s unless given.", HelpName = "RATE" };
        Option<long?> stopAfter = Number("--stop-after", "With --filter: end when so many have failed again; 1 unless given.", 1, int.MaxValue, "N");
        Command command = new("replay", "Makes finished messages due again. Example: postroom replay 0198f2c4-6d1e-7a30") { ids, force, filter, dryRun, max, rate, stopAfter };
        command.SetAction((result, token) => result.GetValue(filter) is { Length: > 0 } parts
            ? ReplayCommand.RunAsync(Arguments(result), new BulkReplayArguments(parts, result.GetValue(dryRun), result.GetValue(max), result.GetValue(rate), result.GetValue(stopAfter)), token)
            : ReplayCommand.RunAsync(Arguments(result), result.GetValue(ids) ?? [], result.GetValue(force), token));
        command.Validators.Add(result =>
        {
            bool some = result.GetValue(ids) is { Length: > 0 };
            bool fits = result.GetValue(filter) is { Length: > 0 };
            if (some == fits)
            {
                result.AddError(some ? "Give message ids or --filter, not both." : "Which messages? Give their ids, or --filter kind=uncertain and the like.");
            }

            foreach (Option option in ((Option[])[dryRun, max, rate, stopAfter]).Where(option => !fits && result.GetResult(option) is { Implicit: false }))
            {
                result.AddError($"{option.Name} goes with --filter.");
            }
        });
        return command;
    }

    /// <summary>The options that say which messages.</summary>
    private sealed class FilterOptions
    {
        private readonly Option<string[]> _state = new("--state") { Description = "pending, dispatched, acked or failed; several may be given." };
        private readonly Option<string?> _queue = new("--queue") { Description = "The queue." };
        private readonly Option<string?> _conversation = new("--conversation") { Description = "The conversation." };
        private readonly Option<string?> _type = new("--type") { Description = "The payload type." };
        private readonly Option<string?> _text = new("--text") { Description = "A text that id, type, address, conversation or error contains." };

        public FilterOptions() => _state.AcceptOnlyFromAmong([.. Enum.GetNames<MessageState>().Select(name => name.ToLowerInvariant())]);

        public void AddTo(Command command)
        {
            foreach (Option option in (Option[])[_state, _queue, _conversation, _type, _text])
            {
                command.Options.Add(option);
            }
        }

        public JournalFilter Of(ParseResult result, int limit, long? cursor) =>
            new(result.GetValue(_state) ?? [], result.GetValue(_queue), result.GetValue(_conversation), result.GetValue(_type), result.GetValue(_text), limit, cursor);
    }
}
