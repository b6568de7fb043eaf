using System.CommandLine;

namespace Postroom.Host;

/// <content>The commands that change a running runtime (CL-3).</content>
internal static partial class PostroomCommand
{
    private static Command Queues()
    {
        Command list = new("list", "All queues with their counts. Example: postroom queues list");
        list.SetAction((result, token) => StatusCommand.QueuesAsync(Arguments(result), token));

        Command show = new("show", "One queue as JSON. Example: postroom queues show in") { Queue() };
        show.SetAction((result, token) => StatusCommand.QueueAsync(Arguments(result), result.GetValue<string>("QUEUE")!, token));

        Command pause = new("pause", "Leases nothing more and goes on accepting, also after a restart. Example: postroom queues pause orders") { Queue() };
        pause.SetAction((result, token) => OperateCommands.DoAsync(Arguments(result), $"queues/{Uri.EscapeDataString(result.GetValue<string>("QUEUE")!)}/pause", "A pause", "Paused. What comes in waits; 'postroom queues resume' lets it go on.", token));

        Command resume = new("resume", "Lets a paused queue lease again. Example: postroom queues resume orders") { Queue() };
        resume.SetAction((result, token) => OperateCommands.DoAsync(Arguments(result), $"queues/{Uri.EscapeDataString(result.GetValue<string>("QUEUE")!)}/resume", "A resume", "Resumed.", token));

        Option<long?> confirm = Number("--confirm", "How many messages wait there; asked for unless given.", 0, long.MaxValue, "N");
        Option<string?> reason = Reason();
        Command purge = new("purge", "Gives up every waiting message; deletes nothing. Example: postroom queues purge orders --confirm 12") { Queue(), confirm, reason };
        purge.SetAction((result, token) => OperateCommands.PurgeAsync(Arguments(result), result.GetValue<string>("QUEUE")!, result.GetValue(confirm), result.GetValue(reason), token));
        return new Command("queues", "Shows queues, and holds or empties them.") { list, show, pause, resume, purge };

        static Argument<string> Queue() => new("QUEUE") { Description = "The queue." };
    }

    private static IEnumerable<Command> JournalMoves()
    {
        Option<string?> reason = Reason();
        Option<bool> force = new("--force") { Description = "Also a message that a worker has; its handler is told to end." };
        Command discard = new("discard", "Gives messages up: they become failed (discarded). Example: postroom journal discard 0198f2c4-6d1e-7a30 --reason \"sent twice\"") { Ids(), reason, force };
        discard.SetAction((result, token) => OperateCommands.MoveAsync(
            Arguments(result), result.GetValue<string[]>("ID")!, "discard", result.GetValue(reason), result.GetValue(force), "is given up.", token));
        yield return discard;

        Command confirm = new("confirm", "Says that uncertain sends have arrived; nothing is sent. Example: postroom journal confirm 0198f2c4-6d1e-7a30") { Ids() };
        confirm.SetAction((result, token) => OperateCommands.MoveAsync(Arguments(result), result.GetValue<string[]>("ID")!, "confirm", null, false, "is confirmed as delivered.", token));
        yield return confirm;

        Option<string?> olderThan = new("--older-than") { Description = "The age from which finished messages are removed, failed ones too, after a question; the settings' unless given.", HelpName = "DURATION" };
        Command compact = new("compact", "Removes finished messages whose time is past. Example: postroom journal compact --older-than 30d") { olderThan };
        compact.SetAction((result, token) => OperateCommands.CompactAsync(Arguments(result), result.GetValue(olderThan), token));
        yield return compact;

        static Argument<string[]> Ids() => new("ID") { Description = "Message ids, outside ids or unique prefixes.", Arity = ArgumentArity.OneOrMore };
    }

    private static Command Send()
    {
        Argument<string> text = new("TEXT") { Description = "What to say; '-' reads standard input." };
        Option<string?> label = new("--label") { Description = "To everyone registered for it; 'default' unless given." };
        Option<string?> to = new("--to") { Description = "One recipient, such as telegram:4711.", HelpName = "ADDRESS" };
        Option<string?> subject = new("--subject") { Description = "The subject, for e-mail." };
        Option<string?> severity = new("--severity") { Description = "debug, info, warning, error or critical." };
        severity.AcceptOnlyFromAmong([.. Enum.GetValues<MessageSeverity>().Select(one => one.ToWord())]);
        Option<string?> file = new("--file") { Description = "A file that goes along.", HelpName = "FILE" };
        Option<TimeSpan?> wait = new("--wait")
        {
            Description = "Wait for what becomes of it, so long at most.",
            HelpName = "DURATION",
            CustomParser = result =>
            {
                if (Duration.TryParse(result.Tokens.Count == 1 ? result.Tokens[0].Value : "", allowInfinite: false, out TimeSpan time) && time > TimeSpan.Zero)
                {
                    return time;
                }

                result.AddError("--wait is a duration, such as 30s.");
                return null;
            },
        };
        Command command = new("send", "Sends a message durably and prints its ids. Example: postroom send --label operators \"The shop is open\" --wait 30s") { text, label, to, subject, severity, file, wait };
        command.SetAction((result, token) => OperateCommands.SendAsync(
            Arguments(result),
            new SendArguments(result.GetValue(text)!, result.GetValue(label), result.GetValue(to), result.GetValue(subject), result.GetValue(severity), result.GetValue(file), result.GetValue(wait)),
            token));
        return command;
    }

    private static Command Reload()
    {
        Option<bool> previous = new("--previous") { Description = "Go back to the configuration before the last reload." };
        Command command = new("reload", "Reads the configuration again; what cannot be used changes nothing. Example: postroom reload") { previous };
        command.SetAction((result, token) => OperateCommands.ReloadAsync(Arguments(result), result.GetValue(previous), token));
        return command;
    }

    private static Command Restart()
    {
        Option<TimeSpan?> drain = new("--drain")
        {
            Description = "How long work in flight may take, up to 10m; the settings' unless given.",
            HelpName = "DURATION",
            CustomParser = result =>
            {
                if (Duration.TryParse(result.Tokens.Count == 1 ? result.Tokens[0].Value : "", allowInfinite: false, out TimeSpan time) && time <= TimeSpan.FromMinutes(10))
                {
                    return time;
                }

                result.AddError("--drain is a duration of at most 10m, such as 25s.");
                return null;
            },
        };
        Option<string?> mode = new("--mode") { Description = "graceful: until nothing is in work; full: until every queue is empty; force: also when messages of a memory store are lost." };
        mode.AcceptOnlyFromAmong("graceful", "full", "force");
        Option<string?> reason = Reason();
        Option<bool> dryRun = new("--dry-run") { Description = "Only look whether it could succeed." };
        Option<bool> wait = new("--wait") { Description = "Wait until the next generation is ready." };
        Command command = new("restart", "Restarts the runtime while messages flow, so that a replaced program or changed settings take effect. Example: postroom restart --wait") { drain, mode, reason, dryRun, wait };
        command.SetAction((result, token) => RestartCommand.RunAsync(
            Arguments(result), new RestartArguments(result.GetValue(drain), result.GetValue(mode), result.GetValue(reason), result.GetValue(dryRun), result.GetValue(wait)), token));
        return command;
    }

    private static Command Stop()
    {
        Command command = new("stop", "Ends the runtime in order. Example: postroom stop");
        command.SetAction((result, token) => OperateCommands.DoAsync(Arguments(result), "runtime/stop", "A stop", "It stops: what is in work ends first.", token));
        return command;
    }

    private static Command Token()
    {
        Option<string> name = new("--name") { Description = "Who uses it; shown in the audit.", Required = true };
        Option<string> role = new("--role") { Description = "viewer, operator or admin.", Required = true };
        role.AcceptOnlyFromAmong("viewer", "operator", "admin");
        Option<string?> expires = new("--expires") { Description = "How long it is valid; for ever unless given.", HelpName = "DURATION" };
        Command create = new("create", "Makes a key and shows it this once. Example: postroom token create --name grafana --role viewer --expires 90d") { name, role, expires };
        create.SetAction((result, token) => OperateCommands.MakeKeyAsync(Arguments(result), result.GetValue(name)!, result.GetValue(role)!, result.GetValue(expires), token));

        Command list = new("list", "All keys, without their texts. Example: postroom token list");
        list.SetAction((result, token) => OperateCommands.KeysAsync(Arguments(result), token));

        Argument<string> id = new("ID") { Description = "The key's id, as 'token list' shows it." };
        Command revoke = new("revoke", "Ends a key. Example: postroom token revoke 3f9a0c11d2e4") { id };
        revoke.SetAction((result, token) => OperateCommands.RevokeAsync(Arguments(result), result.GetValue(id)!, token));

        Command link = new("link", "A new link to the dashboard that signs in once, within ten minutes. Example: postroom token link");
        link.SetAction((result, token) => OperateCommands.LinkAsync(Arguments(result), token));
        return new Command("token", "Makes, lists and revokes keys, and links to sign in with.") { create, list, revoke, link };
    }

    private static Option<string?> Reason() => new("--reason") { Description = "Why, for the record." };
}
