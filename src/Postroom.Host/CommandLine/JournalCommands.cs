using System.Text.Json;
using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <summary>The commands that read much of a journal: as it moves, counted, or whole into a file.</summary>
internal static class JournalCommands
{
    private const int PageSize = 100;
    private static readonly TimeSpan Gone = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(500);

    /// <summary>Prints each move of messages as it happens, until it is interrupted. After a restart of the runtime it goes on behind the last move it had.</summary>
    public static async Task<int> TailAsync(HostArguments arguments, string? queue, string? conversation, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await ReadCommands.SettingsAsync(arguments, cancellationToken);
        List<string> filter = [];
        Add("queue", queue);
        Add("conversation", conversation);
        string path = $"journal/stream{(filter.Count == 0 ? "" : $"?{string.Join('&', filter)}")}";
        string? last = null;
        long lost = TimeProvider.System.GetTimestamp();
        bool began = false;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                using RuntimeClient client = await RuntimeClient.ConnectAsync(arguments, settings, cancellationToken) ?? throw new NotReachableException("To follow messages takes the running runtime, and none answers. Start it with 'postroom run'.");
                if (!began && !arguments.Quiet)
                {
                    await Console.Error.WriteLineAsync("Following messages; Ctrl+C ends it.");
                }

                await foreach ((string? id, string name, string data) in client.StreamAsync(path, last, cancellationToken))
                {
                    (last, began, lost) = (id ?? last, true, TimeProvider.System.GetTimestamp());
                    Print(arguments, name, data);
                }

                lost = began ? lost : TimeProvider.System.GetTimestamp();
            }
            catch (Exception e) when (began && e is HttpRequestException or IOException or NotReachableException && TimeProvider.System.GetElapsedTime(lost) < Gone)
            {
                // It may be restarting.
            }

            began = true;
            await Task.Delay(Again, cancellationToken);
        }

        return ExitCodes.Interrupted;

        void Add(string name, string? value)
        {
            if (value is not null)
            {
                filter.Add($"{name}={Uri.EscapeDataString(value)}");
            }
        }
    }

    /// <summary>Counts and ages of queues, of the running runtime or of the store file.</summary>
    public static async Task<int> StatsAsync(HostArguments arguments, string? queue, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await ReadCommands.SettingsAsync(arguments, cancellationToken);
        using RuntimeClient? client = await RuntimeClient.ConnectAsync(arguments, settings, cancellationToken);
        if (client is null)
        {
            using SqliteJournalReader cold = ReadCommands.OpenCold(arguments, settings);
            StatusCommand.ShowColdQueues(arguments, [.. StatusCommand.Cold(cold).Queues.Where(known => queue is null || known.Name == queue)]);
            return ExitCodes.Done;
        }

        JournalStatsView stats = (await client.GetAsync($"journal/stats{(queue is null ? "" : $"?queue={Uri.EscapeDataString(queue)}")}", JournalJson.Default.JournalStatsView, cancellationToken))!;
        if (arguments.Json)
        {
            Output.Json(stats, JournalJson.Default.JournalStatsView);
            return ExitCodes.Done;
        }

        Output.Table(
            ["queue", "pending", "due", "delayed", "parked", "in work", "acked", "failed", "oldest"],
            stats.Counts.Queues.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (IReadOnlyList<string>)
            [
                pair.Key, $"{pair.Value.Pending}", $"{pair.Value.Due}", $"{pair.Value.Delayed}", $"{pair.Value.Parked}", $"{pair.Value.Dispatched}", $"{pair.Value.Acked}", $"{pair.Value.Failed}",
                pair.Value.OldestPendingAgeMs is { } age ? Duration.Format(TimeSpan.FromSeconds(Math.Round(age / 1_000.0))) : "",
            ]));
        return ExitCodes.Done;
    }

    /// <summary>Writes messages with all that is known of them, bodies included, as one JSON object a line, oldest first.</summary>
    /// <param name="arguments">The global options.</param>
    /// <param name="file">A file that does not exist; <c>-</c> for standard output.</param>
    /// <param name="filter">Which.</param>
    /// <param name="cancellationToken">Ends it; the incomplete file is deleted.</param>
    public static async Task<int> ExportAsync(HostArguments arguments, string file, JournalFilter filter, CancellationToken cancellationToken)
    {
        ConfigurationSnapshot settings = await ReadCommands.SettingsAsync(arguments, cancellationToken);
        using RuntimeClient? client = await RuntimeClient.ConnectAsync(arguments, settings, cancellationToken);
        using SqliteJournalReader? cold = client is null ? ReadCommands.OpenCold(arguments, settings) : null;
        if (file == "-")
        {
            await using Stream output = Console.OpenStandardOutput();
            await WriteAsync(output);
            return ExitCodes.Done;
        }

        if (File.Exists(file))
        {
            throw new InvalidOperationException($"'{file}' exists already, and an export overwrites nothing. Name a new file, or move that one away.");
        }

        string incomplete = file + ".incomplete";
        long count;
        try
        {
            // Bodies are what people wrote: for its owner only.
            FileStreamOptions own = new() { Mode = FileMode.Create, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                own.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            await using (FileStream output = new(incomplete, own))
            {
                count = await WriteAsync(output);
            }

            File.Move(incomplete, file, overwrite: false);
        }
        catch
        {
            File.Delete(incomplete);
            throw;
        }

        if (!arguments.Quiet)
        {
            Console.WriteLine($"{count} messages are in '{file}'.");
        }

        return ExitCodes.Done;

        async Task<long> WriteAsync(Stream output)
        {
            long written = 0;
            long? cursor = filter.Cursor;
            do
            {
                ListView<MessageView> page = client is not null
                    ? (await client.GetAsync($"journal?{(filter with { Ascending = true }).ToQueryString(PageSize, cursor)}", JournalJson.Default.ListViewMessageView, cancellationToken))!
                    : ReadCommands.View(cold!.Query((filter with { Ascending = true }).ToQuery(PageSize, cursor)));
                foreach (MessageView item in page.Items)
                {
                    MessageDetailView? detail = client is not null
                        ? await client.GetAsync($"journal/{item.Id}?body=true", JournalJson.Default.MessageDetailView, cancellationToken)
                        : cold!.Get(MessageId.Parse(item.Id), withBody: true) is { } record ? MessageDetailView.Of(record, withBody: true) : null;
                    if (detail is not null)
                    {
                        await JsonSerializer.SerializeAsync(output, detail, JournalJson.Default.MessageDetailView, cancellationToken);
                        output.WriteByte((byte)'\n');
                        written++;
                    }
                }

                cursor = page.Next;
            }
            while (cursor is not null);
            return written;
        }
    }

    private static void Print(HostArguments arguments, string name, string data)
    {
        if (arguments.Json)
        {
            Console.WriteLine(data);
            return;
        }

        using JsonDocument json = JsonDocument.Parse(data);
        JsonElement move = json.RootElement;
        if (name != "transition")
        {
            Console.WriteLine($"({name}: {data})");
            return;
        }

        string reason = Text("reason") is { Length: > 0 } why ? $"  {why}" : "";
        Console.WriteLine($"{Output.At(move.GetProperty("at").GetDateTimeOffset())}  {Text("messageId")}  {Text("from") ?? "new",-10} -> {Text("to"),-10}  {Text("queue")} '{Text("type")}' try {move.GetProperty("attempt").GetInt32()}{reason}");

        string? Text(string property) => move.TryGetProperty(property, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }
}
