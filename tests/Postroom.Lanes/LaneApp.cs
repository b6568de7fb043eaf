using Postroom.Crash;
using Postroom.Sqlite;

namespace Postroom.Lanes;

/// <summary>The application whose lanes are killed: its folder, its ledger, and one process after the other.</summary>
internal sealed class LaneApp : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly string _service;
    private readonly string _backends;
    private readonly Ledger _ledger;

    /// <summary>Makes the folder; nothing starts yet.</summary>
    /// <param name="folder">Where everything is kept.</param>
    /// <param name="service">The address of the service that counts calls.</param>
    /// <param name="backends">The setting <c>communications.backends</c>, as JSON.</param>
    public LaneApp(string folder, string service, string backends)
    {
        Directory.CreateDirectory(folder);
        Folder = folder;
        _service = service;
        _backends = backends;
        _ledger = new Ledger(folder);
    }

    public string Folder { get; }

    public string Store => Path.Combine(Folder, "data", "postroom.db");

    /// <summary>Completes with the next line of the application that starts so.</summary>
    public Task<string> NextAsync(string start) => _ledger.NextAsync(start);

    /// <summary>Starts a process.</summary>
    public AppProcess Start(params IEnumerable<string> words) => AppProcess.Start(CampaignOptions.DefaultApp, [
        "lanes", "--ledger", _ledger.SocketPath, "--service", _service, .. words,
        "--set", "store.kind=deadly", "--set", $"store.path={Store}", "--set", $"runtime.dataDirectory={Path.Combine(Folder, "data")}",
        "--set", "server.urls=[\"http://127.0.0.1:0\"]", "--set", "communications.enabled=true", "--set", $"communications.backends={_backends}"]);

    /// <summary>Waits for something that a process is to reach.</summary>
    /// <exception cref="InvalidOperationException">It ended before, or took too long.</exception>
    public static async Task ReachAsync(AppProcess process, Task reached, string what)
    {
        Task ended = process.WaitAsync();
        Task first = await Task.WhenAny(reached, ended, Task.Delay(Patience));
        if (first != reached)
        {
            throw new InvalidOperationException($"The application did not reach '{what}'{(process.HasExited ? $" and ended with {process.ExitCode}" : $" within {Patience}")}: {process.Output}");
        }
    }

    /// <summary>Waits until a process has ended.</summary>
    /// <exception cref="InvalidOperationException">It took too long.</exception>
    public static async Task EndAsync(AppProcess process, string what)
    {
        Task ended = process.WaitAsync();
        if (await Task.WhenAny(ended, Task.Delay(Patience)) != ended)
        {
            throw new InvalidOperationException($"The application did not end at '{what}' within {Patience}: {process.Output}");
        }
    }

    /// <summary>Runs a process until nothing is open, and stops it in order.</summary>
    public async Task DrainAsync(params IEnumerable<string> words)
    {
        Task<string> empty = NextAsync("EMPTY");
        await using AppProcess process = Start(["--until-empty", .. words]);
        await ReachAsync(process, empty, "nothing is open");
        await process.SignalAsync("TERM");
        await EndAsync(process, "the end after SIGTERM");
        await _ledger.ReadToEndAsync();
    }

    /// <summary>Waits until all that a dead process said was read.</summary>
    public Task ReadToEndAsync() => _ledger.ReadToEndAsync();

    /// <summary>The messages of a queue, oldest first, from the file of a process that has ended.</summary>
    public IReadOnlyList<JournalEntry> Messages(string queue)
    {
        using SqliteJournalReader reader = SqliteJournalReader.Open(Store);
        List<JournalEntry> all = [];
        for (long? cursor = null; ;)
        {
            JournalPage page = reader.Query(new JournalQuery { Queue = queue, Ascending = true, Limit = 500, Cursor = cursor });
            all.AddRange(page.Items.Select(entry => reader.Get(entry.Envelope.Id, withBody: true)!.Entry));
            if (page.Next is null)
            {
                return all;
            }

            cursor = page.Next;
        }
    }

    public ValueTask DisposeAsync() => _ledger.DisposeAsync();
}
