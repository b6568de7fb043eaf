using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using Postroom.Crash;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>Tests of real processes take turns: they share two cores, and some measure time.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Processes
{
    public const string Name = "real processes";
}

/// <summary>A data folder, and the program that runs on it, dies, and runs again.</summary>
internal sealed class RealProgram : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly List<AppProcess> _all = [];
    private Ledger? _ledger;

    public RealProgram()
    {
        Folder = Directory.CreateTempSubdirectory("postroom-e2e-").FullName;
        Port = FreePort();
    }

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public string Folder { get; }

    public string Store => Path.Combine(Folder, "data", "postroom.db");

    /// <summary>The same over restarts.</summary>
    public int Port { get; }

    public Uri Address => new($"http://127.0.0.1:{Port}/");

    public HttpClient Http { get; } = new() { Timeout = Patience };

    /// <summary>What the crash application tells.</summary>
    public Ledger Ledger => _ledger ??= new Ledger(Folder);

    /// <summary>The process that was started last.</summary>
    public AppProcess Process => _all[^1];

    /// <summary>What each of its processes wrote by now.</summary>
    public IEnumerable<string> Outputs => [.. _all.Select(process => process.Output)];

    private string Output => _all.Count > 0 ? Process.Output : "";

    public static string HostAssembly => Path.Combine(AppContext.BaseDirectory, "Postroom.Host.dll");

    /// <summary>A limit for a machine with nothing else to do, made longer by what this one has to do.</summary>
    public static TimeSpan OnThisMachine(TimeSpan limit)
    {
        double load = double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture) / Environment.ProcessorCount;
        return limit * Math.Max(1, load);
    }

    /// <summary>Starts the shipped program and waits until it is ready.</summary>
    public Task RunAsync(params string[] settings) => ReadyAsync(StartProcess(HostAssembly, ["run"], settings));

    /// <summary>Starts the crash application in a mode and waits until it is ready.</summary>
    public Task RunAppAsync(string mode, params string[] words) => ReadyAsync(StartApp(mode, words));

    public AppProcess StartApp(string mode, params string[] words)
    {
        return StartProcess(CampaignOptions.DefaultApp, [mode, "--ledger", Ledger.SocketPath, .. words], []);
    }

    public AppProcess StartProcess(string assembly, IEnumerable<string> words, string[] settings, string? folder = null)
    {
        AppProcess process = AppProcess.StartIn(folder, assembly, [.. words, .. Settings(settings)]);
        _all.Add(process);
        return process;
    }

    /// <summary>Starts the program with further words, such as the file of its settings.</summary>
    public Task RunWithAsync(params string[] words) => ReadyAsync(StartProcess(HostAssembly, ["run", .. words], []));

    /// <summary>As <see cref="RunWithAsync"/>, in its folder: what the settings name without a root is there.</summary>
    public Task RunInsideAsync(params string[] words) => ReadyAsync(StartProcess(HostAssembly, ["run", .. words], [], Folder));

    /// <summary>Starts a command that goes on beside the program.</summary>
    public AppProcess StartBeside(params string[] words)
    {
        AppProcess process = AppProcess.StartIn(null, HostAssembly, [.. words, .. Settings([])]);
        _all.Insert(0, process);
        return process;
    }

    /// <summary>Runs a command of the program to its end.</summary>
    public async Task<(int Code, string Output)> CommandAsync(params string[] words)
    {
        return await Shell.TryRunAsync("dotnet", [HostAssembly, .. words, .. Settings([])]).WaitAsync(Patience, Cancel);
    }

    public async Task KillAsync()
    {
        await Process.KillAsync();
        if (_ledger is not null)
        {
            await _ledger.ReadToEndAsync();
        }
    }

    /// <summary>SIGTERM; the exit code and how long it took.</summary>
    public async Task<(int Code, TimeSpan Time)> StopAsync()
    {
        long begun = Stopwatch.GetTimestamp();
        await Process.SignalAsync("TERM");
        int code = await Process.WaitAsync().WaitAsync(Patience, Cancel);
        return (code, Stopwatch.GetElapsedTime(begun));
    }

    /// <summary>Posts a chat message; the answer's id.</summary>
    public async Task<string> PostAsync(string sender, string text, string? key = null)
    {
        using HttpResponseMessage answer = await SendAsync(new { sender, msg_type = "chat", raw_msg = text, client_type = "emulator" }, key);
        string body = await answer.Content.ReadAsStringAsync(Cancel);
        Assert.True(answer.IsSuccessStatusCode, $"{(int)answer.StatusCode}: {body}\n{Output}");
        return IdOf(body);
    }

    public async Task<HttpResponseMessage> SendAsync(object message, string? key = null)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri(Address, "webhook")) { Content = JsonContent.Create(message) };
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        return await Http.SendAsync(request, Cancel);
    }

    public static string IdOf(string answer)
    {
        using JsonDocument json = JsonDocument.Parse(answer);
        return json.RootElement.GetProperty("data").GetProperty("entry_id").GetString()!;
    }

    /// <summary>One resource of the running program's API.</summary>
    public async Task<JsonElement> ApiAsync(string path)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri(Address, $"api/v1/{path}"));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (await File.ReadAllTextAsync(Path.Combine(Folder, "data", "admin.key"), Cancel)).Trim());
        using HttpResponseMessage answer = await Http.SendAsync(request, Cancel);
        string body = await answer.Content.ReadAsStringAsync(Cancel);
        Assert.True(answer.IsSuccessStatusCode, $"{path} answered {(int)answer.StatusCode}: {body}");
        return JsonDocument.Parse(body).RootElement;
    }

    /// <summary>A message of the journal once it is in a state.</summary>
    public async Task<JsonElement> UntilAsync(string id, string state)
    {
        JsonElement message = default;
        await UntilAsync(async () => (message = (await ApiAsync($"journal/{id}")).GetProperty("message")).GetProperty("state").GetString() == state, () => $"{id}: {message}");
        return message;
    }

    public async Task UntilAsync(Func<Task<bool>> condition, Func<string>? told = null)
    {
        long begun = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(begun) < Patience, $"Waited {Patience}. {told?.Invoke()}\n{Output}");
            await Task.Delay(25, Cancel);
        }
    }

    /// <summary>The texts of the answers to a contact, in the order of acceptance.</summary>
    public async Task<IReadOnlyList<string>> AnswersAsync(string contact)
    {
        string rows = await SqlAsync(
            $"select cast(m.body as text) from messages m join names q on q.id = m.queue where q.name = 'out.emulator' and m.conversation = 'emulator/{contact}' order by m.seq");
        return [.. rows.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(row => JsonDocument.Parse(row).RootElement.GetProperty("message").GetString()!)];
    }

    /// <summary>Asks the store file as another process does.</summary>
    public Task<string> SqlAsync(string sql) => Shell.RunAsync("sqlite3", "-readonly", "-cmd", ".timeout 10000", Store, sql);

    /// <summary>Reads the web chat's stream of a contact until there are enough messages; (id, text) of each.</summary>
    public async Task<IReadOnlyList<(string Id, string Text)>> ListenAsync(string contact, int count, string? after = null)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri(Address, $"events?sender={contact}"));
        if (after is not null)
        {
            request.Headers.Add("Last-Event-ID", after);
        }

        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(Patience);
        using HttpResponseMessage answer = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
        Assert.True(answer.IsSuccessStatusCode, $"events answered {(int)answer.StatusCode}");
        using StreamReader reader = new(await answer.Content.ReadAsStreamAsync(limit.Token));
        List<(string, string)> messages = [];
        string id = "";
        string name = "";
        List<string> data = [];
        while (messages.Count < count && await reader.ReadLineAsync(limit.Token) is { } line)
        {
            if (line.StartsWith("id:", StringComparison.Ordinal))
            {
                id = line[3..].Trim();
            }
            else if (line.StartsWith("event:", StringComparison.Ordinal))
            {
                name = line[6..].Trim();
            }
            else if (line.StartsWith("data:", StringComparison.Ordinal))
            {
                data.Add(line.Length > 5 && line[5] == ' ' ? line[6..] : line[5..]);
            }
            else if (line.Length == 0)
            {
                if (name.Length == 0 && data.Count > 0)
                {
                    messages.Add((id, string.Join('\n', data)));
                }

                (name, data) = ("", []);
            }
        }

        return messages;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (AppProcess process in _all)
        {
            await process.DisposeAsync();
        }

        if (_ledger is not null)
        {
            await _ledger.DisposeAsync();
        }

        Http.Dispose();
        try
        {
            for (int i = 0; i < _all.Count; i++)
            {
                Canaries.SearchText($"what process {i + 1} of the test wrote", _all[i].Output);
            }
        }
        finally
        {
            Canaries.SearchAndDelete(Folder);
        }
    }

    private static int FreePort()
    {
        using TcpListener listener = new(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }

    private IEnumerable<string> Settings(string[] more)
    {
        string[] all =
        [
            $"server.urls=[\"http://127.0.0.1:{Port.ToString(CultureInfo.InvariantCulture)}\"]", $"store.path={Store}", $"runtime.dataDirectory={Path.Combine(Folder, "data")}",
            "intake.webhook.perSender=100000/s", "intake.webhook.perAddress=100000/s", .. more,
        ];
        return all.SelectMany(setting => new[] { "--set", setting });
    }

    private async Task ReadyAsync(AppProcess process)
    {
        await UntilAsync(async () =>
        {
            Assert.False(process.HasExited, process.HasExited ? $"It ended with {process.ExitCode}: {process.Output}" : "");
            try
            {
                using HttpResponseMessage answer = await Http.GetAsync(new Uri(Address, "health/ready"), Cancel);
                return answer.IsSuccessStatusCode;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        });
    }
}
