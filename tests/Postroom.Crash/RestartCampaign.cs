using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Postroom.Crash;

/// <summary>Restarts the program by SIGHUP again and again under load, and checks from outside that nobody notices but for a pause.</summary>
public sealed class RestartCampaign : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly CampaignOptions _options;
    private readonly Uri _address;
    private readonly AppProcess _app;
    private readonly HttpClient _http = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.Zero }) { Timeout = Patience };
    private readonly List<string> _problems = [];

    private RestartCampaign(CampaignOptions options)
    {
        _options = options;
        int port = FreePort();
        _address = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/"));
        string data = Path.Combine(options.Folder, "data");
        string[] settings =
        [
            $"server.urls=[\"{_address.ToString().TrimEnd('/')}\"]", $"store.path={Store}", $"runtime.dataDirectory={data}",
            "intake.webhook.perSender=100000/s", "intake.webhook.perAddress=100000/s", "restart.maxPerWindow=1000", "restart.window=1s",
        ];
        _app = AppProcess.Start(options.HostApp, ["run", .. settings.SelectMany(static setting => (string[])["--set", setting])]);
    }

    private string Store => Path.Combine(_options.Folder, "data", "postroom.db");

    /// <summary>Runs a campaign to its end.</summary>
    public static async Task<RestartReport> RunAsync(CampaignOptions options, Action<string> say, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(options.Folder);
        await using RestartCampaign campaign = new(options);
        return await campaign.RunAsync(say, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _app.DisposeAsync();
    }

    private async Task<RestartReport> RunAsync(Action<string> say, CancellationToken cancellationToken)
    {
        await UntilAsync(async () => (await _http.GetAsync(new Uri(_address, "health/ready"), cancellationToken)).IsSuccessStatusCode);
        string key = (await File.ReadAllTextAsync(Path.Combine(_options.Folder, "data", "admin.key"), cancellationToken)).Trim();
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);

        // The first restart is the one that descriptors are compared with: from it on each generation has come about alike.
        await RestartAsync(2);
        int first = await CountDescriptorsAsync();

        using RestartLoad load = new(_address, _options.RestartRate);
        using RestartReader reader = new(_address);
        Task sending = load.RunAsync();
        Task<string?> reading = reader.RunAsync();
        List<(long Begun, long Ended)> windows = [];
        for (int done = 0; done < _options.Restarts!.Value && _problems.Count == 0; done++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            await Task.Delay(_options.Window * 0.1, cancellationToken);
            long begun = Stopwatch.GetTimestamp();
            await RestartAsync(done + 3);
            windows.Add((begun, Stopwatch.GetTimestamp()));
            if (windows.Count % 20 == 0)
            {
                say(string.Create(CultureInfo.InvariantCulture, $"{windows.Count} of {_options.Restarts} restarts, {load.Stored.Count} stored"));
            }
        }

        load.Stop();
        reader.Stop();
        await sending;
        if (await reading is { } wrong)
        {
            _problems.Add(wrong);
        }

        await UntilAsync(async () => await SqlAsync("select count(*) from messages where state < 2") == "0");
        await RestartAsync(windows.Count + 3);
        int last = await CountDescriptorsAsync();
        IReadOnlyList<double> downtimes = await DowntimesAsync();
        await StopAsync();
        (int lost, int duplicated) = await CompareAsync(load);
        if (Math.Abs(last - first) > 2)
        {
            _problems.Add($"The first generation had {first} descriptors open, the last one has {last}.");
        }

        return new RestartReport
        {
            Restarts = windows.Count,
            Requests = load.Stored.Count,
            Refused = load.Refused,
            Unstored = load.Unstored,
            Broken = load.Broken,
            Lost = lost,
            Duplicated = duplicated,
            Descriptors = (first, last),
            Pauses = Pauses(windows, [.. load.Answered]),
            Downtimes = downtimes,
            Resumed = reader.Resumed,
            Problems = [.. _problems, .. load.Refused + load.Unstored > 0 ? load.Problems : []],
        };
    }

    /// <summary>Sends SIGHUP and waits until the next generation is ready, which is the same process.</summary>
    private async Task RestartAsync(int generation)
    {
        await _app.SignalAsync("HUP");
        JsonElement status = default;
        await UntilAsync(async () =>
        {
            using HttpResponseMessage answer = await _http.GetAsync(new Uri(_address, "api/v1/status"));
            if (!answer.IsSuccessStatusCode)
            {
                return false;
            }

            using JsonDocument json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
            status = json.RootElement.Clone();
            return status.GetProperty("generation").GetInt32() >= generation && status.GetProperty("state").GetString() == "running";
        });
        if (_problems.Count == 0 && (status.GetProperty("generation").GetInt32() != generation || status.GetProperty("pid").GetInt32() != _app.Id))
        {
            _problems.Add($"Generation {generation} of process {_app.Id} was expected, and there is generation {status.GetProperty("generation")} of process {status.GetProperty("pid")}.");
        }
    }

    private async Task StopAsync()
    {
        await _app.SignalAsync("TERM");
        int code = await _app.WaitAsync().WaitAsync(Patience);
        if (code != 0)
        {
            _problems.Add($"The program ended with {code}: {_app.Output}");
        }
    }

    private async Task UntilAsync(Func<Task<bool>> condition)
    {
        long begun = Stopwatch.GetTimestamp();
        while (_problems.Count == 0)
        {
            try
            {
                if (await condition())
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // Not there yet, or a connection that a generation left.
            }

            if (_app.HasExited || Stopwatch.GetElapsedTime(begun) > Patience)
            {
                _problems.Add(_app.HasExited ? $"The program ended with {_app.ExitCode}: {_app.Output}" : $"Nothing changed within {Patience}: {_app.Output}");
                return;
            }

            await Task.Delay(10);
        }
    }

    /// <summary>What the process has open beside connections and assemblies, once it is quiet; sockets that listen included.</summary>
    private async Task<int> CountDescriptorsAsync()
    {
        int count = 0;
        for (int same = 0, tries = 0; same < 5 && tries < 100; tries++)
        {
            await Task.Delay(50);
            HashSet<string> listening = [.. ListeningSockets()];
            int now = Directory.GetFileSystemEntries(string.Create(CultureInfo.InvariantCulture, $"/proc/{_app.Id}/fd")).Count(entry =>
            {
                try
                {
                    // Connections come and go, and assemblies are open for as long as they are loaded, which depends on what was asked for.
                    string? target = File.ResolveLinkTarget(entry, returnFinalTarget: false)?.Name;
                    return target is not null && (target.StartsWith("socket:", StringComparison.Ordinal) ? listening.Contains(target) : !target.EndsWith(".dll", StringComparison.Ordinal));
                }
                catch (IOException)
                {
                    return false; // closed meanwhile
                }
            });
            same = now == count ? same + 1 : 0;
            count = now;
        }

        return count;
    }

    /// <summary>For each restart the longest that a request which was open during it waited.</summary>
    /// <summary>The names that sockets which listen have among the descriptors of a process.</summary>
    private static IEnumerable<string> ListeningSockets()
    {
        const string Listens = "0A";
        return ((string[])["/proc/net/tcp", "/proc/net/tcp6"]).Where(File.Exists).SelectMany(File.ReadAllLines)
            .Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(static row => row.Length > 9 && row[3] == Listens)
            .Select(static row => $"socket:[{row[9]}]");
    }

    private static List<double> Pauses(List<(long Begun, long Ended)> windows, SentRequest[] answered)
    {
        List<double> pauses = [];
        foreach ((long begun, long ended) in windows)
        {
            pauses.Add(answered.Where(one => one.Begun < ended && one.Begun + (one.Took.TotalSeconds * Stopwatch.Frequency) > begun).Select(static one => one.Took.TotalMilliseconds).DefaultIfEmpty().Max());
        }

        return pauses;
    }

    private async Task<IReadOnlyList<double>> DowntimesAsync()
    {
        string rows = await SqlAsync("select json_extract(cast(value as text), '$.restart.downtime') from facts where scope = 'run' and json_extract(cast(value as text), '$.generation') > 2");
        return [.. rows.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static text => TimeSpan.Parse(text, CultureInfo.InvariantCulture).TotalMilliseconds)];
    }

    /// <summary>Compares what was answered with what is stored: each message once, handled, with one reply that was delivered.</summary>
    private async Task<(int Lost, int Duplicated)> CompareAsync(RestartLoad load)
    {
        string rows = await SqlAsync("""
            select lower(hex(m.id)), m.state, cast(m.body as text) like '%"k%', (select count(*) from messages r where r.parent = m.id and r.state = 2)
            from messages m join names q on q.id = m.queue where q.name = 'in'
            """);
        Dictionary<string, (int State, int Replies)> found = new(StringComparer.Ordinal);
        int ofLoad = 0;
        foreach (string[] row in rows.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => line.Split('|')))
        {
            found[row[0]] = (int.Parse(row[1], CultureInfo.InvariantCulture), int.Parse(row[3], CultureInfo.InvariantCulture));
            ofLoad += row[2] == "1" ? 1 : 0;
        }

        string[] stored = [.. load.Stored.Values.Select(static id => id.Replace("-", "", StringComparison.Ordinal))];
        int lost = stored.Count(id => !found.TryGetValue(id, out (int State, int Replies) message) || message.State != 2 || message.Replies == 0);
        int duplicated = found.Values.Count(static message => message.Replies > 1) + Math.Max(0, ofLoad - stored.Distinct(StringComparer.Ordinal).Count());
        return (lost, duplicated);
    }

    private Task<string> SqlAsync(string sql) => Shell.RunAsync("sqlite3", "-readonly", "-cmd", ".timeout 10000", Store, sql);

    private static int FreePort()
    {
        using System.Net.Sockets.TcpListener listener = new(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }
}
