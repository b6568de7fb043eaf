using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using System.Globalization;
using Postroom.Configuration;

namespace Postroom.Host;

/// <summary>The command line: global options and commands. Errors go to standard error as what, why and what to do.</summary>
internal static partial class PostroomCommand
{
    /// <summary>The command that starts a runtime.</summary>
    public const string RunName = "run";

    private static readonly Option<string?> Config = new("--config") { Description = "The platform configuration file (YAML or JSON).", HelpName = "FILE", Recursive = true };
    private static readonly Option<string?> AppConfig = new("--app-config") { Description = "The application's configuration file; it wins over the platform's.", HelpName = "FILE", Recursive = true };
    private static readonly Option<string[]> Set = new("--set") { Description = "One setting; wins over every file.", HelpName = "KEY=VALUE", Recursive = true, AllowMultipleArgumentsPerToken = false };
    private static readonly Option<string?> Url = new("--url") { Description = "Where the runtime answers; unless given, the one of the data directory.", HelpName = "URL", Recursive = true };
    private static readonly Option<string?> KeyText = new("--token") { Description = "The key for it; unless given, the admin key of the data directory.", HelpName = "KEY", Recursive = true };
    private static readonly Option<string?> Store = new("--store") { Description = "Read this store file when no runtime runs.", HelpName = "FILE", Recursive = true };
    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON.", Recursive = true };
    private static readonly Option<bool> Yes = new("--yes") { Description = "Answer questions with yes.", Recursive = true };
    private static readonly Option<bool> Quiet = new("--quiet") { Description = "Print results only.", Recursive = true };

    /// <summary>Whether a word is a command that talks to a runtime or looks at its files instead of being one.</summary>
    public static bool IsCommand(string word) => word != RunName && Root().Subcommands.Any(command => command.Name == word);

    /// <summary>Whether words such as <c>journal list</c> lead to a command.</summary>
    public static bool Exists(IEnumerable<string> words) => words.Aggregate((Command?)Root(), (command, word) => command?.Subcommands.FirstOrDefault(child => child.Name == word)) is not null;

    /// <summary>Parses and runs; returns the exit code.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        Command root = Root();
        ParseResult parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            // Where a word is unknown, that a command is missing only follows from it.
            ParseError[] unknownWords = [.. parsed.Errors.Where(error => parsed.UnmatchedTokens.Any(word => error.Message.Contains(word, StringComparison.Ordinal)))];
            foreach (ParseError error in parsed.Errors.Where(error => unknownWords.Length == 0 || error.SymbolResult is not CommandResult || unknownWords.Contains(error)))
            {
                await Console.Error.WriteLineAsync(error.Message);
            }

            string? unknown = parsed.UnmatchedTokens.Count > 0 ? parsed.UnmatchedTokens[0] : null;
            IEnumerable<string> known = root.Subcommands.Select(command => command.Name)
                .Concat(parsed.CommandResult.Command.Subcommands.Select(command => command.Name))
                .Concat(root.Options.Concat(parsed.CommandResult.Command.Options).Select(option => option.Name));
            string hint = unknown is not null && Names.Nearest(unknown, known) is { } near ? $"Did you mean '{near}'? " : "";
            await Console.Error.WriteLineAsync($"{hint}'{PathOf(parsed.CommandResult)} --help' lists what there is.");
            return ExitCodes.Usage;
        }

        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (Exception e)
        {
            return await ReportAsync(e);
        }
    }

    /// <summary>Prints an error for people and gives its exit code.</summary>
    public static async Task<int> ReportAsync(Exception error)
    {
        switch (error)
        {
            case ConfigurationException e:
                foreach (ConfigurationProblem problem in e.Problems)
                {
                    await Console.Error.WriteLineAsync(problem.ToString());
                }

                return ExitCodes.Configuration;
            case StoreOpenException:
                await Console.Error.WriteLineAsync(error.Message);
                return ExitCodes.Store;
            case NotReachableException:
                await Console.Error.WriteLineAsync(error.Message);
                return ExitCodes.NotReachable;
            case OperationCanceledException:
                return ExitCodes.Interrupted;
            default:
                await Console.Error.WriteLineAsync(error.Message);
                return ExitCodes.Failed;
        }
    }

    private static Command Root()
    {
        // No RootCommand: that one is named after the assembly, and people call the program 'postroom'.
        Command root = new("postroom", "Postroom: a durable, message-driven application runtime.")
        {
            new HelpOption(), new VersionOption(), Config, AppConfig, Set, Url, KeyText, Store, Json, Quiet, Yes,
        };
        root.Subcommands.Add(Run());
        root.Subcommands.Add(Check());
        root.Subcommands.Add(Status());
        root.Subcommands.Add(Journal());
        root.Subcommands.Add(Why());
        root.Subcommands.Add(Replay());
        root.Subcommands.Add(Queues());
        root.Subcommands.Add(Send());
        root.Subcommands.Add(Restart());
        root.Subcommands.Add(Reload());
        root.Subcommands.Add(Stop());
        root.Subcommands.Add(Token());
        root.Subcommands.Add(Doctor());
        root.Subcommands.Add(StoreMoves());
        root.Subcommands.Add(Chat());
        return root;
    }

    /// <summary>The words that lead to a command, such as <c>postroom journal list</c>.</summary>
    private static string PathOf(CommandResult command) => command.Parent is CommandResult parent ? $"{PathOf(parent)} {command.Command.Name}" : command.Command.Name;

    /// <summary>Refuses options that a command would otherwise take and leave unused.</summary>
    private static void Refuse(Command command, string use, params Option[] unused) => command.Validators.Add(result =>
    {
        foreach (Option option in unused.Where(option => result.GetResult(option) is not null))
        {
            result.AddError($"'postroom {command.Name}' has no use for {option.Name}, which is for commands that {(option == Store ? "read a store file" : "talk to a runtime")}. Leave it out; {use}.");
        }
    });

    /// <summary>An option for a whole number within bounds; anything else is refused in words.</summary>
    private static Option<long?> Number(string name, string description, long least, long most, string? helpName = null) => new(name)
    {
        Description = description,
        HelpName = helpName,
        CustomParser = result =>
        {
            string text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
            if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) && number >= least && number <= most)
            {
                return number;
            }

            result.AddError($"{name} is '{Names.Shorten(text)}'; it must be a whole number {(most == long.MaxValue ? $"of at least {least}" : $"from {least} to {most}")}.");
            return null;
        },
    };

    private static Command Run()
    {
        Option<bool> paused = new("--paused") { Description = "Start without sources." };
        Option<string?> role = new(RunLine.RoleOption) { Description = "What this node does: all, core (workers) or gateway (communicators and sources); the same as --set runtime.role=R.", HelpName = "R" };
        Command command = new(RunName, "Starts the runtime in the foreground. Example: postroom run --set store.path=data/postroom.db") { paused, role };
        command.SetAction((result, token) =>
        {
            HostArguments arguments = Arguments(result);
            string[] roles = result.GetValue(role) is { } given ? [RunLine.RoleSetting(given)] : [];
            return RunCommand.RunAsync(arguments with { Paused = result.GetValue(paused), Settings = [.. arguments.Settings, .. roles] }, token);
        });
        Refuse(command, "the settings server.urls and store.path say where this runtime answers and keeps its data", Url, KeyText, Store);
        return command;
    }

    private static Command Check()
    {
        Option<bool> preflight = new("--preflight") { Description = "Only validate; print nothing when all is well." };
        Option<long?> schema = Number("--schema", "The version of the store's tables that has to be understood; a restart asks.", 1, int.MaxValue, "N");
        Command command = new("check", "Validates configuration and modules and changes nothing. Example: postroom check --config postroom.yaml") { preflight, schema };
        command.SetAction((result, token) => CheckCommand.RunAsync(Arguments(result), result.GetValue(preflight), result.GetValue(schema), token));
        Refuse(command, "it looks at the configuration only", Url, KeyText, Store);
        return command;
    }

    private static Command Status()
    {
        Option<bool> watch = new("--watch") { Description = "Again every two seconds, until Ctrl+C." };
        Command command = new("status", "State, store promise, queues, pools and channels. Example: postroom status --json") { watch };
        command.SetAction((result, token) => result.GetValue(watch) ? StatusCommand.WatchAsync(Arguments(result), token) : StatusCommand.RunAsync(Arguments(result), token));
        return command;
    }

    private static Command Doctor()
    {
        Option<string?> backup = new("--backup") { Description = "Make an online, consistent copy of the store.", HelpName = "FILE" };
        Option<long?> accept = Number("--accept-loss", "Accept that this many acknowledged messages are missing.", 0, long.MaxValue, "N");
        Command command = new("doctor", "Checks files, modes, disk and versions, and tries the connections of a stopped program; each finding says what to do. Example: postroom doctor --backup copy.db") { backup, accept };
        command.SetAction((result, token) => DoctorCommand.RunAsync(Arguments(result), result.GetValue(backup), result.GetValue(accept), token));
        Refuse(command, "it looks at the files of this machine", Url, KeyText);
        return command;
    }

    private static Command Chat()
    {
        Argument<string> conversation = new("CONVERSATION") { Description = "The contact of the web chat, as its page shows it, or a whole conversation such as telegram/7." };
        Option<string?> file = new("--file") { Description = "Where to write it; printed unless given.", HelpName = "FILE" };
        Command save = new("save", "Saves a conversation as a script that tests replay. Example: postroom chat save 12345678 --file hello.json") { conversation, file };
        save.SetAction((result, token) => ChatCommand.SaveAsync(Arguments(result), result.GetValue(conversation)!, result.GetValue(file), token));
        Option<string?> contact = new("--contact") { Description = "Whom the conversation is with; one of this user unless given.", HelpName = "NAME" };
        Command chat = new("chat", "The web chat in the terminal: each line is a message. Example: postroom chat --contact 12345678") { save, contact };
        chat.SetAction((result, token) => ChatSession.RunAsync(Arguments(result), result.GetValue(contact), token));
        Refuse(chat, "the chat is held with a running runtime", Store);
        return chat;
    }

    private static HostArguments Arguments(ParseResult result)
    {
        return new HostArguments
        {
            Config = result.GetValue(Config),
            AppConfig = result.GetValue(AppConfig),
            Settings = result.GetValue(Set) ?? [],
            Url = result.GetValue(Url),
            Token = result.GetValue(KeyText),
            Store = result.GetValue(Store),
            Json = result.GetValue(Json),
            Quiet = result.GetValue(Quiet),
            Yes = result.GetValue(Yes),
        };
    }
}
