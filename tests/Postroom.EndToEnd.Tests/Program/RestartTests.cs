using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Postroom.Crash;
using Postroom.Testing;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>The program restarts itself: by signal, over HTTP, from the command line, in each way there is (SPEC §28).</summary>
[Collection(Processes.Name)]
public sealed class RestartTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Duration", "long")]
    public async Task Ac79_Twenty_restarts_under_load_refuse_lose_and_repeat_nothing_and_an_open_chat_goes_on()
    {
        CampaignOptions options = CampaignOptions.Parse(["--restarts", "20", "--host", RealProgram.HostAssembly]);

        RestartReport report = await RestartCampaign.RunAsync(options, output.WriteLine, TestContext.Current.CancellationToken);

        output.WriteLine(report.ToString());
        Assert.True(report.Good, $"{report}\n{string.Join('\n', report.Problems)}\nKept in {options.Folder}.");
        Assert.Equal(20, report.Restarts);
        Assert.True(report.Resumed >= 20, report.ToString());
        Directory.Delete(options.Folder, recursive: true);
    }

    /// <summary>By a signal while its loop waits for messages; by a command while its loop hangs; and one that only asks for the next message, and so never comes to its end.</summary>
    [Theory]
    [InlineData("receive", true)]
    [InlineData("receive", false)]
    [InlineData("next", true)]
    public async Task Rs10_A_program_of_ones_own_is_replaced_with_its_process_id_and_receives_on(string mode, bool bySignal)
    {
        await using RealProgram program = new();
        string gate = Path.Combine(program.Folder, "gate");
        await File.WriteAllTextAsync(gate, "", RealProgram.Cancel);
        if (bySignal)
        {
            await File.WriteAllTextAsync($"{gate}.next", "", RealProgram.Cancel);
        }

        await program.RunAppAsync(mode, "--gate", gate, "--set", "runtime.stopTimeout=4s", "--set", "runtime.drainTimeout=4s", "--set", "restart.drainTimeout=2s");
        int process = program.Process.Id;
        await AnsweredAsync("first");

        if (bySignal)
        {
            await program.Process.SignalAsync("HUP");
        }
        else
        {
            (int code, string said) = await program.CommandAsync("restart", "--wait", "--reason", "a release");
            Assert.True(code == 0, said);
        }

        JsonElement status = await GenerationAsync(program, 2);
        await File.WriteAllTextAsync($"{gate}.next", "", RealProgram.Cancel);
        await AnsweredAsync("second");
        await program.UntilAsync(async () => await program.SqlAsync("select count(*) from messages m join names q on q.id = m.queue where q.name = 'out.emulator' and m.seq = (select max(seq) from messages) and m.state = 2") == "1"); // the answer to the second
        Assert.Equal(process, status.GetProperty("pid").GetInt32());
        if (mode == "receive")
        {
            await program.Process.SignalAsync("TERM");
            Assert.Equal(0, await program.Process.WaitAsync().WaitAsync(TimeSpan.FromSeconds(60), RealProgram.Cancel));
        }

        async Task AnsweredAsync(string text)
        {
            string id = await program.PostAsync("1010", text);
            await program.UntilAsync(id, "acked");
            await program.UntilAsync(() => Task.FromResult(program.Process.Output.Contains($"REPLIED {text}", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public async Task Rs4_A_program_of_ones_own_whose_settings_cannot_be_used_is_not_replaced_and_goes_on()
    {
        await using RealProgram program = new();
        string file = Path.Combine(program.Folder, "postroom.yaml");
        await File.WriteAllTextAsync(file, "queues: { in: { lease: 45s } }\n", RealProgram.Cancel);
        await program.RunAppAsync("receive", "--config", file);
        await File.WriteAllTextAsync(file, "queues: { in: { lease: never } }\n", RealProgram.Cancel);

        (int code, string said) = await program.CommandAsync("restart");
        string id = await program.PostAsync("1011", "still here");
        await program.UntilAsync(id, "acked");

        Assert.NotEqual(0, code);
        Assert.Contains("queues.in.lease", said, StringComparison.Ordinal);
        Assert.Equal(1, (await program.ApiAsync("status")).GetProperty("generation").GetInt32());
    }

    [Fact]
    public async Task Ac78_A_signal_with_a_thousand_sends_in_flight_some_longer_than_the_limit_loses_none_and_keeps_the_process()
    {
        const int All = 1_000;
        const int Slow = 10;
        await using RealProgram program = new();
        int waiting = 0;
        TaskCompletionSource quick = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource all = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using FakeHttpServer service = new(async (request, cancel) =>
        {
            Interlocked.Increment(ref waiting);
            await (request.Text.Contains("slow", StringComparison.Ordinal) ? all.Task : quick.Task).WaitAsync(cancel);
            return new FakeAnswer.Reply(200, "{}");
        });
        await program.RunAsync(
            "communications.enabled=true", "communications.backends.hook.type=webhook", $"communications.backends.hook.url={service.Address}/", "communications.backends.hook.timeout=5m",
            $"communications.backends.hook.maxInFlight={All.ToString(CultureInfo.InvariantCulture)}", "restart.drainTimeout=3s");
        int process = program.Process.Id;
        for (int i = 0; i < All; i++)
        {
            (HttpStatusCode sent, JsonElement said) = await CallAsync(program, HttpMethod.Post, "api/v1/send", new { to = string.Create(CultureInfo.InvariantCulture, $"hook:{i}"), message = i < Slow ? "slow" : "quick" });
            Assert.True(sent == HttpStatusCode.Accepted, said.ToString());
        }

        await program.UntilAsync(() => Task.FromResult(Volatile.Read(ref waiting) == All));
        await program.Process.SignalAsync("HUP");
        await program.UntilAsync(async () => !(await program.Http.GetAsync(new Uri(program.Address, "health/ready"), RealProgram.Cancel)).IsSuccessStatusCode);
        quick.SetResult();
        JsonElement status = await GenerationAsync(program, 2);
        all.SetResult();

        await program.UntilAsync(async () => await program.SqlAsync("select count(*) from messages m join names q on q.id = m.queue where q.name = 'out.hook' and m.state <> 2") == "0");
        Assert.Equal(process, status.GetProperty("pid").GetInt32());
        Assert.Equal(All.ToString(CultureInfo.InvariantCulture), await program.SqlAsync("select count(*) from messages m join names q on q.id = m.queue where q.name = 'out.hook'"));
        JsonElement restart = (await program.ApiAsync("runtime/restarts")).GetProperty("items")[0].GetProperty("restart");
        Assert.Equal(All, restart.GetProperty("inFlight").GetInt32());
        Assert.Equal(All, restart.GetProperty("finished").GetInt32() + restart.GetProperty("abandoned").GetInt32() + restart.GetProperty("released").GetInt32());

        // What had no answer is sent once more, with its key; nothing else is.
        Assert.Equal(All + Slow, Volatile.Read(ref waiting));
    }

    [Fact]
    public async Task Ac80_One_of_two_requests_is_taken_a_cancelled_one_changes_nothing_and_a_stop_while_draining_is_a_stop()
    {
        await using RealProgram program = new();
        await program.RunAsync();

        // A queue that is held cannot be emptied, so a full drain takes as long as it may.
        await program.CommandAsync("queues", "pause", "in");
        await program.PostAsync("80", "waits");
        (HttpStatusCode first, JsonElement begun) = await CallAsync(program, HttpMethod.Post, "api/v1/runtime/restart", new { mode = "full", reason = "by test" });
        (HttpStatusCode second, JsonElement refused) = await CallAsync(program, HttpMethod.Post, "organism/restart", null);
        using HttpResponseMessage ready = await program.Http.GetAsync(new Uri(program.Address, "health/ready"), RealProgram.Cancel);
        (_, JsonElement progress) = await CallAsync(program, HttpMethod.Get, "api/v1/runtime/restart", null);
        (HttpStatusCode cancelled, _) = await CallAsync(program, HttpMethod.Delete, "api/v1/runtime/restart", null);
        await program.PostAsync("80", "goes on");

        Assert.Equal((HttpStatusCode.Accepted, HttpStatusCode.Conflict, HttpStatusCode.ServiceUnavailable, HttpStatusCode.Accepted), (first, second, ready.StatusCode, cancelled));
        Assert.Equal("draining", begun.GetProperty("state").GetString());
        Assert.Contains(begun.GetProperty("restartId").GetString()!, refused.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(("draining", "by test"), (progress.GetProperty("state").GetString(), progress.GetProperty("reason").GetString()));

        await CallAsync(program, HttpMethod.Post, "api/v1/runtime/restart", new { mode = "full" });
        (int code, TimeSpan time) = await program.StopAsync();
        Assert.Equal(0, code);
        Assert.InRange(time, TimeSpan.Zero, RealProgram.OnThisMachine(TimeSpan.FromSeconds(5)));
        Assert.DoesNotContain("generation 2", program.Process.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ac81_A_program_or_configuration_that_would_not_start_is_refused_and_a_switched_link_runs_the_new_release()
    {
        await using RealProgram program = new();
        string old = await ReleaseAsync(program, "release-1");
        string next = await ReleaseAsync(program, "release-2");
        string link = Path.Combine(program.Folder, "current");
        Directory.CreateSymbolicLink(link, old);
        string file = Path.Combine(program.Folder, "postroom.yaml");
        await File.WriteAllTextAsync(file, "modules: [welcome]\n", RealProgram.Cancel);
        AppProcess process = program.StartProcess(Path.Combine(link, "Postroom.Host.dll"), ["run", "--config", file], []);
        await GenerationAsync(program, 1);

        // Nobody else may write what is run, the new program has to be there, and it has to accept the configuration.
        string assembly = Path.Combine(old, "Postroom.Host.dll");
        await Shell.RunAsync("chmod", "o+w", assembly);
        string writable = await RefusedAsync(program);
        await Shell.RunAsync("chmod", "o-w", assembly);
        File.Move(assembly, $"{assembly}.away");
        string missing = await RefusedAsync(program);
        File.Move($"{assembly}.away", assembly);
        await File.WriteAllTextAsync(file, "modules: [welcome]\nqueues: { in: { leese: 3s } }\n", RealProgram.Cancel);
        string unknown = await RefusedAsync(program);
        await File.WriteAllTextAsync(file, "modules: [welcome]\n", RealProgram.Cancel);
        (_, JsonElement status) = await CallAsync(program, HttpMethod.Get, "api/v1/status", null);

        Assert.Contains("can be written by every user", writable, StringComparison.Ordinal);
        Assert.Contains("does not exist", missing, StringComparison.Ordinal);
        Assert.Contains("leese", unknown, StringComparison.Ordinal);
        Assert.Equal((1, "running"), (status.GetProperty("generation").GetInt32(), status.GetProperty("state").GetString()));

        Directory.Delete(link);
        Directory.CreateSymbolicLink(link, next);
        (int code, string said) = await program.CommandAsync("restart", "--wait", "--reason", "release 2");

        Assert.True(code == 0, said);
        Assert.Contains($"Generation 2 is ready (process {process.Id.ToString(CultureInfo.InvariantCulture)})", said, StringComparison.Ordinal);
        Assert.Contains("release-2/Postroom.Host.dll", await File.ReadAllTextAsync($"/proc/{process.Id.ToString(CultureInfo.InvariantCulture)}/maps", RealProgram.Cancel), StringComparison.Ordinal);
        (_, JsonElement runs) = await CallAsync(program, HttpMethod.Get, "api/v1/runtime/restarts", null);
        Assert.Equal((2, "restart: release 2"), (runs.GetProperty("count").GetInt32(), runs.GetProperty("items")[1].GetProperty("reason").GetString()));
        Assert.Equal("release 2", runs.GetProperty("items")[0].GetProperty("restart").GetProperty("reason").GetString());
    }

    [Fact]
    public async Task Ac82_A_kill_between_replacement_and_ready_leaves_no_lock_and_after_three_bad_generations_sources_wait()
    {
        await using RealProgram program = new();
        string file = Path.Combine(program.Folder, "postroom.yaml");
        string drop = Directory.CreateDirectory(Path.Combine(program.Folder, "drop")).FullName;
        string good = $"modules: [welcome]\nsources: {{ drop: {{ type: folder, path: {drop}, into: in }} }}\n";
        await File.WriteAllTextAsync(file, good, RealProgram.Cancel);
        AppProcess process = program.StartProcess(RealProgram.HostAssembly, ["run", "--config", file], []);
        await GenerationAsync(program, 1);
        string id = await program.PostAsync("82", "before");
        await program.UntilAsync(id, "acked");

        await process.SignalAsync("HUP");
        string environment = $"/proc/{process.Id.ToString(CultureInfo.InvariantCulture)}/environ";
        await program.UntilAsync(async () => (await File.ReadAllTextAsync(environment, RealProgram.Cancel)).Contains("POSTROOM_HANDOVER", StringComparison.Ordinal));
        await process.KillAsync();

        // A kill does not count: the next start is as any.
        process = program.StartProcess(RealProgram.HostAssembly, ["run", "--config", file], []);
        await GenerationAsync(program, 1);
        Assert.False(File.Exists(Path.Combine(program.Folder, "data", "restart.json")));

        // What looks well from outside and does not start: an address that is taken.
        using (System.Net.Sockets.TcpListener taken = new(IPAddress.Loopback, 0))
        {
            taken.Start();
            await File.WriteAllTextAsync(file, $"{good}server: {{ adminUrls: [\"http://{taken.LocalEndpoint}\"] }}\n", RealProgram.Cancel);
            await process.SignalAsync("HUP");
            Assert.Equal(1, await process.WaitAsync().WaitAsync(TimeSpan.FromSeconds(60), RealProgram.Cancel));
            for (int again = 0; again < 2; again++)
            {
                process = program.StartProcess(RealProgram.HostAssembly, ["run", "--config", file], []);
                Assert.Equal(1, await process.WaitAsync().WaitAsync(TimeSpan.FromSeconds(60), RealProgram.Cancel));
            }
        }

        await File.WriteAllTextAsync(file, good, RealProgram.Cancel);
        program.StartProcess(RealProgram.HostAssembly, ["run", "--config", file], []);
        await GenerationAsync(program, 1);
        (_, JsonElement health) = await CallAsync(program, HttpMethod.Get, "health", null);
        JsonElement check = health.GetProperty("checks").EnumerateArray().Single(one => one.GetProperty("name").GetString() == "restart");
        (_, JsonElement source) = await CallAsync(program, HttpMethod.Get, "api/v1/sources/drop", null);

        Assert.Equal("degraded", check.GetProperty("status").GetString());
        Assert.Contains("3 generations in a row", check.GetProperty("text").GetString(), StringComparison.Ordinal);
        Assert.Equal("paused", source.GetProperty("state").GetString());
    }

    [Fact]
    public async Task Ac97_A_child_takes_over_a_child_that_fails_ends_it_with_75_and_so_does_a_restart_by_exit()
    {
        await using RealProgram program = new();
        try
        {
            await RestartEachWayAsync(program);
        }
        finally
        {
            // Whoever still has the store is a child that this test did not start itself.
            if (int.TryParse((await File.ReadAllTextAsync($"{program.Store}.lock", RealProgram.Cancel)).Trim(), CultureInfo.InvariantCulture, out int owner))
            {
                await Shell.TryRunAsync("kill", "-KILL", owner.ToString(CultureInfo.InvariantCulture));
            }
        }
    }

    [Fact]
    public async Task Rs14_Sockets_of_a_service_manager_are_used_and_it_is_told_how_the_program_stands()
    {
        await using RealProgram program = new();
        string notices = Path.Combine(program.Folder, "notify");
        using System.Net.Sockets.Socket manager = new(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Dgram, System.Net.Sockets.ProtocolType.Unspecified);
        manager.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(notices));

        // As systemd does: the socket listens before the program is there, and its descriptor is 3.
        string activate = $"import os,socket,sys; s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); s.bind(('127.0.0.1',{program.Port.ToString(CultureInfo.InvariantCulture)})); s.listen(64); "
            + "os.dup2(s.fileno(),3); os.set_inheritable(3,True); os.environ.update(LISTEN_PID=str(os.getpid()),LISTEN_FDS='1'); os.execvp(sys.argv[1],sys.argv[1:])";
        string[] settings = [$"server.urls=[\"{program.Address.ToString().TrimEnd('/')}\"]", $"store.path={program.Store}", $"runtime.dataDirectory={Path.Combine(program.Folder, "data")}"];
        using Process process = Shell.Start(
            "python3",
            ["-c", activate, "dotnet", RealProgram.HostAssembly, "run", .. settings.SelectMany(setting => (string[])["--set", setting])],
            new Dictionary<string, string> { ["NOTIFY_SOCKET"] = notices, ["WATCHDOG_USEC"] = "200000" });
        try
        {
            _ = process.StandardOutput.ReadToEndAsync(RealProgram.Cancel);
            _ = process.StandardError.ReadToEndAsync(RealProgram.Cancel);
            await GenerationAsync(program, 1);
            Assert.Equal("READY=1", await NoticeAsync(manager));
            Assert.Equal("WATCHDOG=1", await NoticeAsync(manager));
            await Shell.RunAsync("kill", "-HUP", process.Id.ToString(CultureInfo.InvariantCulture));
            Assert.StartsWith("RELOADING=1\nMONOTONIC_USEC=", await NoticeAsync(manager, "WATCHDOG=1"), StringComparison.Ordinal);
            Assert.Equal("READY=1", await NoticeAsync(manager, "WATCHDOG=1"));
            await GenerationAsync(program, 2);
            await Shell.RunAsync("kill", "-TERM", process.Id.ToString(CultureInfo.InvariantCulture));
            Assert.Equal("STOPPING=1", await NoticeAsync(manager, "WATCHDOG=1"));
            await process.WaitForExitAsync(RealProgram.Cancel);
            Assert.Equal(0, process.ExitCode);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }

    private static async Task RestartEachWayAsync(RealProgram program)
    {
        string file = Path.Combine(program.Folder, "postroom.yaml");
        await File.WriteAllTextAsync(file, "modules: [welcome]\nrestart: { mode: child }\n", RealProgram.Cancel);
        AppProcess parent = program.StartProcess(RealProgram.HostAssembly, ["run", "--config", file], []);
        await GenerationAsync(program, 1);
        string id = await program.PostAsync("97", "before");

        (HttpStatusCode begun, _) = await CallAsync(program, HttpMethod.Post, "organism/restart", null);
        Assert.Equal(HttpStatusCode.Accepted, begun);
        Assert.Equal(0, await ExitOfAsync(program, parent));
        JsonElement status = await GenerationAsync(program, 2);
        using Process child = Process.GetProcessById(status.GetProperty("pid").GetInt32());
        Assert.NotEqual(parent.Id, child.Id);
        await program.UntilAsync(id, "acked");
        await Shell.TryRunAsync("kill", "-TERM", child.Id.ToString(CultureInfo.InvariantCulture));
        await child.WaitForExitAsync(RealProgram.Cancel);

        // A child that cannot start: its address is taken.
        parent = program.StartProcess(RealProgram.HostAssembly, ["run", "--config", file], []);
        await GenerationAsync(program, 1);
        using (System.Net.Sockets.TcpListener taken = new(IPAddress.Loopback, 0))
        {
            taken.Start();
            await File.WriteAllTextAsync(file, $"modules: [welcome]\nrestart: {{ mode: child }}\nserver: {{ adminUrls: [\"http://{taken.LocalEndpoint}\"] }}\n", RealProgram.Cancel);
            await CallAsync(program, HttpMethod.Post, "organism/restart", null);
            Assert.Equal(75, await ExitOfAsync(program, parent));
        }

        await File.WriteAllTextAsync(file, "modules: [welcome]\nrestart: { mode: exit }\n", RealProgram.Cancel);
        parent = program.StartProcess(RealProgram.HostAssembly, ["run", "--config", file], []);
        await GenerationAsync(program, 1);
        await CallAsync(program, HttpMethod.Post, "organism/restart", null);
        Assert.Equal(75, await ExitOfAsync(program, parent));
        Assert.Equal("0", await program.SqlAsync("select count(*) from messages where state < 2"));
    }

    /// <summary>The next notice that is not the one to be passed over.</summary>
    private static async Task<string> NoticeAsync(System.Net.Sockets.Socket manager, string? over = null)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(RealProgram.Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(60));
        byte[] buffer = new byte[1024];
        while (true)
        {
            int length = await manager.ReceiveAsync(buffer, limit.Token);
            string text = System.Text.Encoding.UTF8.GetString(buffer, 0, length);
            if (text != over)
            {
                return text;
            }
        }
    }

    /// <summary>The code a process ends with; what it prints may go on, because a child has the same output.</summary>
    private static async Task<int> ExitOfAsync(RealProgram program, AppProcess process)
    {
        await program.UntilAsync(() => Task.FromResult(process.HasExited));
        return process.ExitCode;
    }

    /// <summary>A copy of the program that is a release of its own; what does not differ is not copied.</summary>
    private static async Task<string> ReleaseAsync(RealProgram program, string name)
    {
        string release = Path.Combine(program.Folder, name);
        await Shell.RunAsync("cp", "-rs", Path.GetDirectoryName(RealProgram.HostAssembly)!, release);
        string assembly = Path.Combine(release, "Postroom.Host.dll");
        File.Delete(assembly);
        File.Copy(RealProgram.HostAssembly, assembly);
        return release;
    }

    private static async Task<string> RefusedAsync(RealProgram program)
    {
        (HttpStatusCode status, JsonElement problem) = await CallAsync(program, HttpMethod.Post, "api/v1/runtime/restart", null);
        Assert.Equal((HttpStatusCode.UnprocessableEntity, "preflight_failed"), (status, problem.GetProperty("code").GetString()));
        return problem.GetProperty("errors").GetProperty("preflight").ToString();
    }

    /// <summary>The status of a generation, once it is ready.</summary>
    private static async Task<JsonElement> GenerationAsync(RealProgram program, int generation)
    {
        JsonElement found = default;
        await program.UntilAsync(async () =>
        {
            try
            {
                (HttpStatusCode status, found) = await CallAsync(program, HttpMethod.Get, "api/v1/status", null);
                return status == HttpStatusCode.OK && found.GetProperty("generation").GetInt32() == generation && found.GetProperty("state").GetString() == "running";
            }
            catch (Exception e) when (e is HttpRequestException or IOException)
            {
                return false; // not there yet
            }
        });
        return found;
    }

    private static async Task<(HttpStatusCode Status, JsonElement Body)> CallAsync(RealProgram program, HttpMethod method, string path, object? body)
    {
        using HttpRequestMessage request = new(method, new Uri(program.Address, path));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (await File.ReadAllTextAsync(Path.Combine(program.Folder, "data", "admin.key"), RealProgram.Cancel)).Trim());
        request.Headers.ConnectionClose = true;
        if (body is not null)
        {
            request.Content = JsonContent.Create(body);
        }

        using HttpResponseMessage answer = await program.Http.SendAsync(request, RealProgram.Cancel);
        string text = await answer.Content.ReadAsStringAsync(RealProgram.Cancel);
        return (answer.StatusCode, text.Length == 0 ? default : JsonDocument.Parse(text).RootElement);
    }
}
