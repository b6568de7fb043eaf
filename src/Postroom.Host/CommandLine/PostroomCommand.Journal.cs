using System.CommandLine;
using System.Globalization;

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
        Option<string?> order = new("--order") { Description = "asc for the oldest first, or desc." };
        order.AcceptOnlyFromAmong("asc", "desc");
        Command list = new("list", "Finds messages, newest first. Example: postroom journal list --kind uncertain --since 1d") { limit, cursor, order };
        filter.AddTo(list);
        list.SetAction((result, token) => ReadCommands.ListAsync(
            Arguments(result), filter.Of(result, (int)(result.GetValue(limit) ?? 50), result.GetValue(cursor)) with { Ascending = result.GetValue(order) == "asc" }, token));
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
        Option<bool> dryRun = new("--dry-run") { Description = "With --filter: only say which they are. With ids: only say what their handlers would do." };
        Option<long?> max = Number("--max", "With --filter: how many at most; 100 unless given.", 1, 10_000, "N");
        Option<string?> rate = new("--rate") { Description = "With --filter: how fast; 10/s unless given.", HelpName = "RATE" };
        Option<long?> stopAfter = Number("--stop-after", "With --filter: end when so many have failed again; 1 unless given.", 1, int.MaxValue, "N");
        Command command = new("replay", "Makes finished messages due again. Example: postroom replay 0198f2c4-6d1e-7a30") { ids, force, filter, dryRun, max, rate, stopAfter };
        command.SetAction((result, token) => result.GetValue(filter) is { Length: > 0 } parts
            ? ReplayCommand.RunAsync(Arguments(result), new BulkReplayArguments(parts, result.GetValue(dryRun), result.GetValue(max), result.GetValue(rate), result.GetValue(stopAfter)), token)
            : ReplayCommand.RunAsync(Arguments(result), result.GetValue(ids) ?? [], result.GetValue(force), result.GetValue(dryRun), token));
        command.Validators.Add(result =>
        {
            bool some = result.GetValue(ids) is { Length: > 0 };
            bool fits = result.GetValue(filter) is { Length: > 0 };
            if (some == fits)
            {
                result.AddError(some ? "Give message ids or --filter, not both." : "Which messages? Give their ids, or --filter kind=uncertain and the like.");
            }

            foreach (Option option in ((Option[])[max, rate, stopAfter]).Where(option => !fits && result.GetResult(option) is { Implicit: false }))
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
        private readonly Option<string?> _from = new("--from") { Description = "The sender's address, such as telegram:4711." };
        private readonly Option<string?> _to = new("--to") { Description = "The recipient's address." };
        private readonly Option<string?> _type = new("--type") { Description = "The payload type." };
        private readonly Option<string?> _direction = new("--direction") { Description = $"{string.Join(" or ", Directions)}." };
        private readonly Option<string?> _kind = new("--kind") { Description = $"The kind of a failure: {string.Join(", ", Kinds)}." };
        private readonly Option<string?> _group = new("--group")
        {
            Description = "The id that all copies of one send share.",
            HelpName = "ID",
            CustomParser = result =>
            {
                string text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
                if (!MessageId.TryParse(text, out _))
                {
                    result.AddError($"--group is '{Names.Shorten(text)}'; it must be the whole id of a group, as 'postroom journal show' has it.");
                }

                return text;
            },
        };

        private readonly Option<DateTimeOffset?> _since = Instant("--since", "Accepted from then on: a time such as 2026-01-31T08:00Z, or so long ago, such as 2h.");
        private readonly Option<DateTimeOffset?> _until = Instant("--until", "Accepted before then.");
        private readonly Option<string?> _text = new("--text") { Description = "A text that id, type, address, conversation or error contains." };

        private static readonly string[] Kinds = [.. Enum.GetNames<FailureKind>().Select(static name => name.ToLowerInvariant())];
        private static readonly string[] Directions = [.. Enum.GetNames<MessageDirection>().Select(static name => name.ToLowerInvariant())];

        public FilterOptions()
        {
            _state.AcceptOnlyFromAmong([.. Enum.GetNames<MessageState>().Select(static name => name.ToLowerInvariant())]);
            _kind.AcceptOnlyFromAmong(Kinds);
            _direction.AcceptOnlyFromAmong(Directions);
        }

        public void AddTo(Command command)
        {
            foreach (Option option in (Option[])[_state, _queue, _conversation, _from, _to, _type, _direction, _kind, _group, _since, _until, _text])
            {
                command.Options.Add(option);
            }
        }

        public JournalFilter Of(ParseResult result, int limit, long? cursor) => new()
        {
            States = result.GetValue(_state) ?? [],
            Queue = result.GetValue(_queue),
            Conversation = result.GetValue(_conversation),
            From = result.GetValue(_from),
            To = result.GetValue(_to),
            Type = result.GetValue(_type),
            Direction = result.GetValue(_direction),
            Kind = result.GetValue(_kind),
            Group = result.GetValue(_group),
            Since = result.GetValue(_since),
            Until = result.GetValue(_until),
            Text = result.GetValue(_text),
            Limit = limit,
            Cursor = cursor,
        };

        /// <summary>An instant, or how long ago it was.</summary>
        private static Option<DateTimeOffset?> Instant(string name, string description) => new(name)
        {
            Description = description,
            HelpName = "TIME",
            CustomParser = result =>
            {
                string text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
                if (Duration.TryParse(text, allowInfinite: false, out TimeSpan ago))
                {
                    return TimeProvider.System.GetUtcNow() - ago;
                }

                if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out DateTimeOffset at))
                {
                    return at;
                }

                result.AddError($"{name} is '{Names.Shorten(text)}'; it must be a time such as 2026-01-31T08:00Z, or a duration such as 2h, which means so long ago.");
                return null;
            },
        };
    }
}
