using System.Globalization;
using System.Text.Json.Serialization.Metadata;
using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Explaining;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <summary>The commands that only read: from the running runtime, else from the store file.</summary>
internal static class ReadCommands
{
    public static async Task<int> ListAsync(HostArguments arguments, JournalFilter filter, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await SettingsAsync(arguments, cancellationToken);
        (IReadOnlyList<MessageView> items, long? cursor) = await PageAsync(arguments, settings, filter, cancellationToken);
        if (arguments.Json)
        {
            Output.Json(new PageDocument(items, cursor), HostJson.Default.PageDocument);
        }
        else if (items.Count == 0)
        {
            await Console.Error.WriteLineAsync("No message fits.");
        }
        else
        {
            PrintList(items, header: !arguments.Quiet);
        }

        if (cursor is not null && !arguments.Quiet && !arguments.Json)
        {
            await Console.Error.WriteLineAsync($"There are more; go on with --cursor {cursor.Value.ToString(CultureInfo.InvariantCulture)}.");
        }

        return ExitCodes.Done;
    }

    /// <summary>The newest messages that fit a filter.</summary>
    public static async Task<IReadOnlyList<MessageView>> FindAsync(HostArguments arguments, ConfigurationSnapshot settings, JournalFilter filter, CancellationToken cancellationToken) =>
        (await PageAsync(arguments, settings, filter, cancellationToken)).Items;

    /// <summary>One page, and where the next one begins; null behind the last.</summary>
    private static async Task<(IReadOnlyList<MessageView> Items, long? Next)> PageAsync(HostArguments arguments, ConfigurationSnapshot settings, JournalFilter filter, CancellationToken cancellationToken)
    {
        using RuntimeClient? client = await RuntimeClient.ConnectAsync(arguments, settings, cancellationToken);
        using SqliteJournalReader? cold = client is null ? OpenCold(arguments, settings) : null;
        List<MessageView> items = [];
        long? cursor = filter.Cursor;
        do
        {
            // A page may be short, or empty, and still have a next one.
            ListView<MessageView>? page = await ReadAsync(filter.Limit - items.Count, cursor);
            items.AddRange(page?.Items ?? []);
            cursor = page?.Next;
        }
        while (cursor is not null && items.Count < filter.Limit);

        // A full page does not know whether anything follows.
        return (items, cursor is not null && await ReadAsync(1, cursor) is not ({ Items.Count: > 0 } or { Next: not null }) ? null : cursor);

        async Task<ListView<MessageView>?> ReadAsync(int limit, long? from) => client is not null
            ? await client.GetAsync($"journal?{filter.ToQueryString(limit, from)}", JournalJson.Default.ListViewMessageView, cancellationToken)
            : View(cold!.Query(filter.ToQuery(limit, from)));
    }

    public static ListView<MessageView> View(JournalPage page) => new([.. page.Items.Select(MessageView.Of)], page.Items.Count, page.Total, page.Items.Count, 0, page.Next);

    public static async Task<int> ShowAsync(HostArguments arguments, string id, bool withBody, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await SettingsAsync(arguments, cancellationToken);
        using RuntimeClient? client = await RuntimeClient.ConnectAsync(arguments, settings, cancellationToken);
        MessageDetailView? detail;
        FoundMessage found = default;
        if (client is not null)
        {
            detail = await client.GetAsync($"journal/{Uri.EscapeDataString(id)}{(withBody ? "?body=true" : "")}", JournalJson.Default.MessageDetailView, cancellationToken);
        }
        else
        {
            using SqliteJournalReader cold = OpenCold(arguments, settings);
            found = await new ColdJournal(cold).Reader(stopped: true).FindAsync(id, cancellationToken);
            detail = found.Id is { } known && cold.Get(known, withBody) is { } record ? MessageDetailView.Of(record, withBody) : null;
        }

        if (detail is null)
        {
            return await NotFoundAsync(found, id);
        }

        Show(arguments, detail, JournalJson.Default.MessageDetailView, PrintDetail);
        return ExitCodes.Done;
    }

    public static async Task<int> WhyAsync(HostArguments arguments, string id, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await SettingsAsync(arguments, cancellationToken);
        using RuntimeClient? client = await RuntimeClient.ConnectAsync(arguments, settings, cancellationToken);
        WhyView? why;
        FoundMessage found = default;
        if (client is not null)
        {
            why = await client.GetAsync($"journal/{Uri.EscapeDataString(id)}/why", JournalJson.Default.WhyView, cancellationToken);
        }
        else
        {
            using SqliteJournalReader cold = OpenCold(arguments, settings);
            WhyReader reader = new ColdJournal(cold).Reader(stopped: !OwnerLock.IsHeld(StorePath(arguments, settings)));
            found = await reader.FindAsync(id, cancellationToken);
            why = found.Id is { } known && await reader.ReadAsync(known, null, cancellationToken) is { } report ? WhyView.Of(report) : null;
        }

        if (why is null)
        {
            return await NotFoundAsync(found, id);
        }

        Show(arguments, why, JournalJson.Default.WhyView, static view =>
        {
            Console.WriteLine($"{view.Id}  {view.State}");
            foreach (WhyLine line in view.Timeline)
            {
                Console.WriteLine($"  {Output.At(line.At)}  {line.Text}");
            }

            Console.WriteLine(view.Reason);
        });
        return ExitCodes.Done;
    }

    /// <summary>The settings that say where a runtime answers and keeps its data: nothing else is needed to look at one, no secret of its channels least of all.</summary>
    public static async Task<ConfigurationSnapshot> SettingsAsync(HostArguments arguments, CancellationToken cancellationToken)
    {
        try
        {
            return await LoadAsync(arguments, withFiles: true, cancellationToken);
        }
        catch (ConfigurationException broken)
        {
            // A program that runs goes on with what it read before, and just then somebody has to be able to look, or to stop it.
            ConfigurationSnapshot usual = await LoadAsync(arguments, withFiles: false, cancellationToken);
            if ((arguments.Url is null || arguments.Token is null) && (arguments.Store is not null || !RuntimeClient.OwnsStore(usual)))
            {
                throw;
            }

            await Console.Error.WriteLineAsync($"{broken.Message}{Environment.NewLine}The program that runs goes on with the settings it read before, and is asked at {arguments.Url ?? "the address it told"}.");
            return usual;
        }
    }

    private static async Task<ConfigurationSnapshot> LoadAsync(HostArguments arguments, bool withFiles, CancellationToken cancellationToken)
    {
        await using HostedRuntime host = HostedRuntime.Create(arguments, configure: null, standalone: true, output: null, withFiles: withFiles);
        return await host.Runtime.LoadSectionsAsync(["runtime", "store", "server"], except: "server.keys", cancellationToken);
    }

    /// <summary>The store file that is read when no runtime runs.</summary>
    public static string StorePath(HostArguments arguments, ConfigurationSnapshot settings) => arguments.Store ?? settings.Get<StoreOptions>("store").Path;

    internal static SqliteJournalReader OpenCold(HostArguments arguments, ConfigurationSnapshot settings)
    {
        string path = StorePath(arguments, settings);
        if (File.Exists(path))
        {
            SqliteJournalReader journal = SqliteJournalReader.Open(path);
            if (SqliteMaintenance.FindLoss(path, settings.Get<StoreOptions>("store").Synchronous) is { } loss)
            {
                Console.Error.WriteLine(loss.Message);
            }

            return journal;
        }

        throw SqliteMaintenance.FindLoss(path) as Exception ?? new NotReachableException(arguments.Store is not null
            ? $"There is no store file '{path}', which --store names."
            : $"No runtime answers, and there is no store file '{path}'. Start one with 'postroom run', or name a file with --store.");
    }

    private static async Task<int> NotFoundAsync(FoundMessage found, string id)
    {
        await Console.Error.WriteLineAsync(found.Complain(id));
        return ExitCodes.Failed;
    }

    /// <summary>Shows a view as JSON or as people read it.</summary>
    internal static void Show<T>(HostArguments arguments, T view, JsonTypeInfo<T> json, Action<T> print)
    {
        if (arguments.Json)
        {
            Output.Json(view, json);
        }
        else
        {
            print(view);
        }
    }

    private static void PrintList(IReadOnlyList<MessageView> items, bool header)
    {
        int queue = Width("QUEUE", items.Select(static item => item.Queue));
        int type = Width("TYPE", items.Select(static item => item.Type));
        int who = Width("FROM OR TO", items.Select(Who));
        int conversation = Width("CONVERSATION", items.Select(Conversation));
        if (header)
        {
            Console.WriteLine($"{"ID",-36}  {"STATE",-10} {"QUEUE".PadRight(queue)} {"TYPE".PadRight(type)} {"FROM OR TO".PadRight(who)} {"CONVERSATION".PadRight(conversation)} {"TRIES",-5}  {"CREATED",-23}  ERROR");
        }

        foreach (MessageView item in items)
        {
            // One line a message, the id first and whole, so that it can be copied at any width and cut by other tools.
            string tries = $"{item.Attempt}/{item.MaxAttempts}";
            Console.WriteLine($"{item.Id}  {item.State,-10} {item.Queue.PadRight(queue)} {item.Type.PadRight(type)} {Who(item).PadRight(who)} {Conversation(item).PadRight(conversation)} {tries,-5}  {Output.At(item.CreatedAt)}  {Cut(item.Error)}".TrimEnd());
        }
    }

    private static string Conversation(MessageView item) => item.Conversation ?? "-";

    private static string Who(MessageView item) => item.From ?? item.To ?? "-";

    /// <summary>As wide as what is in it, but that a very long text does not push the others apart.</summary>
    private static int Width(string head, IEnumerable<string> texts) => Math.Clamp(texts.Max(static text => text.Length), head.Length, 48);

    private static void PrintDetail(MessageDetailView detail)
    {
        MessageView message = detail.Message;
        Console.WriteLine($"{message.Id}  {message.State}{(message.Kind is null ? "" : $" ({message.Kind})")}");
        Console.WriteLine($"  '{message.Type}' in queue '{message.Queue}', {message.BodyLength} bytes of {message.ContentType}");
        Console.WriteLine($"  from {message.From ?? "-"} to {message.To ?? "-"}, conversation {message.Conversation ?? "-"}");
        Console.WriteLine($"  created {Output.At(message.CreatedAt)}, {(message.FinishedAt is { } finished ? $"finished {Output.At(finished)}" : "not finished")}");
        if (message.Error is not null)
        {
            Console.WriteLine($"  error: {message.Error}");
        }

        foreach (AttemptView attempt in detail.Attempts)
        {
            Console.WriteLine(AttemptLine(attempt));
        }

        foreach (ReceiptView receipt in detail.Receipts)
        {
            Console.WriteLine($"  receipt {receipt.Status} {Output.At(receipt.At)} {receipt.OutsideId} {receipt.Detail}".TrimEnd());
        }

        foreach (AuditView entry in detail.Audit)
        {
            Console.WriteLine($"  {Output.At(entry.At)} {entry.Text}");
        }

        foreach (MessageView child in detail.Children)
        {
            Console.WriteLine($"  child {child.Id}: '{child.Type}' in queue '{child.Queue}', {child.State}");
        }

        if (detail.Body is not null)
        {
            Console.WriteLine(detail.Body);
        }
    }

    /// <summary>One attempt with what is known of it: an attempt that ended quickly may have no start on record, one that died no end.</summary>
    internal static string AttemptLine(AttemptView attempt)
    {
        string when = (attempt.StartedAt, attempt.EndedAt) switch
        {
            ({ } start, { } end) => $" {Output.At(start)} to {Output.At(end)}",
            ({ } start, null) => $" since {Output.At(start)}",
            (null, { } end) => $" until {Output.At(end)}",
            _ => "",
        };
        string owner = attempt.Owner is { Length: > 0 } name ? $" with {name}" : "";
        string error = attempt.Error is { Length: > 0 } text ? $": {text}" : "";
        return $"  {attempt.Label}: {attempt.Outcome}{when}{owner}{error}";
    }

    private static string Cut(string? text) => text is null ? "" : text.Length <= 60 ? text : $"{Redactor.Cut(text, 59)}…";
}
