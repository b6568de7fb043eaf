using System.Diagnostics;
using System.Text.Json;
using Postroom.Crash;
using Postroom.Host;
using Postroom.Sqlite;
using Xunit;

namespace Postroom.Tests.Host;

/// <summary>The command line as a person uses it: the real program, its output and its exit codes.</summary>
public sealed class CommandLineTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("postroom-").FullName;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => Canaries.SearchAndDelete(_folder);

    [Fact]
    public async Task Check_lists_what_the_program_is_composed_of()
    {
        (int code, string output, string error) = await RunAsync("check");

        Assert.True(code == 0, error);
        Assert.Contains("in/chat.text → WelcomeHandler", output, StringComparison.Ordinal);
        Assert.Contains("router on in × 8", output, StringComparison.Ordinal);
        Assert.Contains("emulator (emulator)", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_lists_every_problem_at_once_and_exits_3()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "postroom.yaml"), "modules: [welcom]\nworkers:\n  router: { paralelism: 8 }\nqueues:\n  in: { lowWater: 9, highWater: 5 }\nstore: { kind: postgres }\n", Cancel);

        (int code, _, string error) = await RunAsync("check");

        Assert.Equal(3, code);
        Assert.Contains("Did you mean 'parallelism'?", error, StringComparison.Ordinal);
        Assert.Contains("Did you mean 'welcome'? [postroom.yaml:1", error, StringComparison.Ordinal);
        Assert.Contains("lowWater", error, StringComparison.Ordinal);
        Assert.Contains("postgres", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_names_the_files_it_read_and_what_would_wait_for_ever()
    {
        string file = Path.Combine(_folder, "postroom.yaml");
        await File.WriteAllTextAsync(file, "communications: { enabled: true, backends: { shop: { type: emulater } } }\n", Cancel);

        (int code, string output, string error) = await RunAsync("check");

        Assert.True(code == 0, error);
        Assert.Contains("postroom.yaml", output, StringComparison.Ordinal);
        Assert.Contains("Queue 'in' has no worker pool, so what comes in waits for ever. Name a module that handles it, such as modules: [welcome]", output, StringComparison.Ordinal);
        Assert.Contains("Communicator 'shop' has the unknown type 'emulater', so its messages are held until a program that knows it runs. Did you mean 'emulator'?", output, StringComparison.Ordinal);
        Assert.DoesNotContain("is valid.", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_number_out_of_bounds_is_refused_in_words_with_the_whole_command()
    {
        foreach (string limit in (string[])["x", "0", "101"])
        {
            (int code, _, string error) = await RunAsync("journal", "list", "--limit", limit);

            Assert.Equal(2, code);
            Assert.StartsWith($"--limit is '{limit}'; it must be a whole number from 1 to 100.", error, StringComparison.Ordinal);
            Assert.Contains("'postroom journal list --help'", error, StringComparison.Ordinal);
        }

        (_, _, string loss) = await RunAsync("doctor", "--accept-loss", "x");
        Assert.StartsWith("--accept-loss is 'x'; it must be a whole number of at least 0.", loss, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Options_that_a_command_would_not_use_are_refused()
    {
        (int run, _, string error) = await RunAsync("run", "--url", "http://127.0.0.1:1");
        (int check, _, _) = await RunAsync("check", "--store", "x.db");

        Assert.Equal((2, 2), (run, check));
        Assert.StartsWith("'postroom run' has no use for --url, which is for commands that talk to a runtime.", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_place_that_cannot_be_written_is_found_by_doctor_and_told_by_run()
    {
        string file = Path.Combine(_folder, "file");
        await File.WriteAllTextAsync(file, "", Cancel);
        string[] settings = ["--set", $"store.path={file}/in/x.db", "--set", $"runtime.dataDirectory={file}", "--set", "server.port=1"];

        (int looked, string findings, _) = await RunAsync(["doctor", .. settings]);
        (int ran, _, string error) = await RunAsync(["run", .. settings]);
        (int keyless, _, string key) = await RunAsync(["run", "--set", "store.path=s/x.db", .. settings[2..]]);

        Assert.Equal((1, 4, 1), (looked, ran, keyless));
        Assert.Contains($"LOOK Folder '{file}/in' of store.path cannot be made: '{file}' is a file. Give that user the right, or set store.path to another folder.", findings, StringComparison.Ordinal);
        Assert.Contains($"LOOK Folder '{file}' of runtime.dataDirectory cannot be written", findings, StringComparison.Ordinal);
        Assert.Contains("or set store.path to another place.", error, StringComparison.Ordinal);
        Assert.Contains("or set runtime.dataDirectory to another one.", key, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_leaves_nothing_in_the_folders_it_tries()
    {
        (int code, string findings, _) = await RunAsync("doctor");

        Assert.Equal(0, code);
        Assert.Contains("of store.path does not exist yet and can be made.", findings, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder));
    }

    [Fact]
    public async Task A_copy_needs_a_store_and_a_folder_and_a_loss_a_number_that_was_told()
    {
        (int none, _, string noStore) = await RunAsync("doctor", "--backup", "copy.db");
        await MakeStoreAsync();
        (int nowhere, _, string noFolder) = await RunAsync("doctor", "--backup", Path.Combine(_folder, "nope", "copy.db"), "--store", StorePath);
        (int whole, _, string noLoss) = await RunAsync("doctor", "--accept-loss", "3", "--store", StorePath);

        Assert.Equal((6, 1, 1), (none, nowhere, whole));
        Assert.StartsWith("There is no store 'data/postroom.db'.", noStore, StringComparison.Ordinal);
        Assert.StartsWith($"The folder '{Path.Combine(_folder, "nope")}' of the copy does not exist.", noFolder, StringComparison.Ordinal);
        Assert.Equal($"'{StorePath}' misses nothing. Name the number that the start reported.", noLoss.Trim());
    }

    [Fact]
    public async Task A_program_is_no_command_line_and_says_where_that_is()
    {
        ArgumentException refused = await Assert.ThrowsAsync<ArgumentException>(() => PostOffice.StartAsync(["status", "--json"], cancellationToken: Cancel));

        Assert.Contains("Run 'postroom status' in this folder", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("jornal", "journal")]
    [InlineData("--jsn", "--json")]
    public async Task An_unknown_word_exits_2_and_suggests_the_nearest(string word, string nearest)
    {
        (int code, _, string error) = await RunAsync(word);

        Assert.Equal(2, code);
        Assert.Contains(nearest, error, StringComparison.Ordinal);
        Assert.StartsWith($"Unrecognized command or argument '{word}'.", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("run")]
    [InlineData("check")]
    [InlineData("status")]
    [InlineData("journal", "list")]
    [InlineData("journal", "show")]
    [InlineData("why")]
    [InlineData("replay")]
    [InlineData("doctor")]
    public async Task Help_of_every_command_has_an_example(params string[] command)
    {
        (int code, string output, _) = await RunAsync([.. command, "--help"]);

        Assert.Equal(0, code);
        Assert.Contains("Example: postroom ", output, StringComparison.Ordinal);
        Assert.Contains($"  postroom {string.Join(' ', command)} ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stopped_store_is_read_from_its_file_and_explained()
    {
        MessageId id = await MakeStoreAsync();

        (int listed, string list, string listError) = await RunAsync("journal", "list", "--json", "--store", StorePath);
        (int shown, string show, _) = await RunAsync("journal", "show", id.ToString()[..23], "--body", "--store", StorePath);
        (int explained, string why, _) = await RunAsync("why", id.ToString(), "--store", StorePath);

        Assert.True(listed == 0, listError);
        using JsonDocument entry = JsonDocument.Parse(list);
        Assert.Equal(id.ToString(), Assert.Single(entry.RootElement.GetProperty("items").EnumerateArray()).GetProperty("id").GetString());
        Assert.Equal(0, shown);
        Assert.Contains("'order.received' in queue 'orders'", show, StringComparison.Ordinal);
        Assert.Contains("{\"number\":\"MO-1\"}", show, StringComparison.Ordinal);
        Assert.Equal(0, explained);
        Assert.Contains("was stored in queue 'orders'", why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Commands_that_look_at_a_program_need_none_of_its_secrets_and_check_needs_them_all()
    {
        MessageId id = await MakeStoreAsync();
        await File.WriteAllTextAsync(
            Path.Combine(_folder, "postroom.yaml"),
            "store: { path: store.db }\nserver: { keys: [{ name: team, role: admin, key: \"${TEAM_KEY}\" }] }\nsources:\n  inbox: { type: imap, host: localhost, username: shop, password: \"${SHOP_PASSWORD}\", into: orders }\nqueues: { orders: {} }\n"
            + "communications: { enabled: true, backends: { hook: { type: webhook, url: \"http://localhost/\", retry: { backoff: 2s } } } }\nnonsense: { a: 1 }\n",
            Cancel);

        (int status, string counts, string error) = await RunAsync("status");
        (int list, string listed, _) = await RunAsync("journal", "list");
        (int doctor, _, _) = await RunAsync("doctor");
        (int check, _, string problems) = await RunAsync("check");

        Assert.True(status == 0, error);
        Assert.Matches("queue +open +acked +failed[^\n]*\n[^\n]*\n *orders +1 +0 +0", counts.ToLowerInvariant());
        Assert.Equal((0, 0, 3), (list, doctor, check));
        Assert.Contains(id.ToString(), listed, StringComparison.Ordinal);
        Assert.Contains("nonsense", problems, StringComparison.Ordinal);
        Assert.Single(problems.Split('\n'), line => line.StartsWith("sources.inbox", StringComparison.Ordinal));
        Assert.Contains("it must be a map of settings, such as backoff: { base: 1s, factor: 2, max: 5m, jitter: 0.2 }.", problems, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_list_goes_on_page_by_page_and_shows_conversations()
    {
        MessageId first = await MakeStoreAsync(new Message { Sender = "ann", MessageType = "chat", RawPayload = "hello", ClientType = "shop-chat" }.ToEnvelope("in", "shop-chat"));

        (_, string newest, string more) = await RunAsync("journal", "list", "--limit", "1", "--store", StorePath);
        string cursor = more.Trim().Split(' ')[^1].TrimEnd('.');
        (_, string older, string end) = await RunAsync("journal", "list", "--limit", "1", "--cursor", cursor, "--store", StorePath);
        (int saved, string script, string error) = await RunAsync("chat", "save", "ann", "--store", StorePath);

        Assert.Contains(" shop-chat/ann ", newest, StringComparison.Ordinal);
        Assert.StartsWith("There are more; go on with --cursor ", more, StringComparison.Ordinal);
        Assert.Contains(first.ToString(), older, StringComparison.Ordinal);
        Assert.Equal("", end);
        Assert.True(saved == 0, error);
        Assert.Contains("hello", script, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_message_exits_1_and_says_where_to_look()
    {
        await MakeStoreAsync();

        (int code, _, string error) = await RunAsync("why", "0000", "--store", StorePath);

        Assert.Equal(1, code);
        Assert.Contains("journal list --text 0000", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_list_for_people_has_a_header_and_says_when_nothing_fits()
    {
        MessageId id = await MakeStoreAsync();

        (_, string list, _) = await RunAsync("journal", "list", "--store", StorePath);
        (int code, string none, string told) = await RunAsync("journal", "list", "--state", "failed", "--store", StorePath);
        (_, string json, string silent) = await RunAsync("journal", "list", "--state", "failed", "--json", "--store", StorePath);

        string[] lines = list.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.StartsWith("ID ", lines[0], StringComparison.Ordinal);
        Assert.StartsWith(id.ToString(), lines[1], StringComparison.Ordinal);
        Assert.Equal(lines[0].IndexOf("CREATED", StringComparison.Ordinal), lines[1].IndexOf("20", 36, StringComparison.Ordinal));
        Assert.Equal((0, "", "No message fits."), (code, none, told.Trim()));
        using JsonDocument page = JsonDocument.Parse(json);
        Assert.Equal((0, ""), (page.RootElement.GetProperty("items").GetArrayLength(), silent));
    }

    [Fact]
    public async Task Cl2_Queues_and_status_of_a_stopped_store_are_read_from_its_file()
    {
        await MakeStoreAsync();

        (int listed, string queues, string error) = await RunAsync("queues", "list", "--json", "--store", StorePath);
        (int shown, string queue, _) = await RunAsync("queues", "show", "orders", "--store", StorePath);
        (int missing, _, string problem) = await RunAsync("queues", "show", "nowhere", "--store", StorePath);
        (int state, string status, _) = await RunAsync("status", "--json", "--store", StorePath);

        Assert.True(listed == 0, error);
        using JsonDocument all = JsonDocument.Parse(queues);
        JsonElement orders = Assert.Single(all.RootElement.EnumerateArray());
        Assert.Equal(("orders", 1, false), (orders.GetProperty("name").GetString(), orders.GetProperty("pending").GetInt32(), orders.GetProperty("paused").GetBoolean()));
        Assert.Equal((0, 1, 0), (shown, missing, state));
        Assert.Contains("\"name\": \"orders\"", queue, StringComparison.Ordinal);
        Assert.StartsWith("There is no queue 'nowhere'", problem, StringComparison.Ordinal);
        using JsonDocument cold = JsonDocument.Parse(status);
        Assert.Equal((false, 1), (cold.RootElement.GetProperty("running").GetBoolean(), cold.RootElement.GetProperty("queues").GetArrayLength()));
    }

    [Fact]
    public async Task Cl3_A_list_takes_the_filters_of_the_journal_and_times_as_instants_or_as_so_long_ago()
    {
        MessageId id = await MakeStoreAsync();

        (_, string fits, _) = await RunAsync("journal", "list", "--since", "1h", "--until", "2999-01-01T00:00Z", "--order", "asc", "--store", StorePath);
        (_, string older, _) = await RunAsync("journal", "list", "--until", "1h", "--store", StorePath);
        (_, string uncertain, _) = await RunAsync("journal", "list", "--kind", "uncertain", "--direction", "outbound", "--from", "telegram:1", "--to", "telegram:2", "--group", id.ToString(), "--store", StorePath);
        (int time, _, string noTime) = await RunAsync("journal", "list", "--since", "yesterday", "--store", StorePath);
        (int group, _, string noGroup) = await RunAsync("journal", "list", "--group", "01", "--store", StorePath);

        Assert.Contains(id.ToString(), fits, StringComparison.Ordinal);
        Assert.Equal(("", ""), (older, uncertain));
        Assert.Equal((ExitCodes.Usage, ExitCodes.Usage), (time, group));
        Assert.Contains("--since is 'yesterday'; it must be a time such as 2026-01-31T08:00Z, or a duration such as 2h", noTime, StringComparison.Ordinal);
        Assert.Contains("--group is '01'; it must be the whole id of a group", noGroup, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://127.0.0.1:5080", "shop.example", "shop.example")]
    [InlineData("http://127.0.0.1:5080", "shop.example 127.0.0.1", null)]
    [InlineData("http://localhost:5080", "localhost:5080", null)]
    public void Cl1_The_runtime_of_this_machine_is_called_by_a_name_it_answers_to(string address, string hosts, string? name)
    {
        Assert.Equal(name, RuntimeClient.HostFor(new Uri(address), hosts.Split(' ')));
    }

    [Fact]
    public async Task A_missing_message_and_several_are_told_apart()
    {
        MessageId[] ids = [await MakeStoreAsync(), await MakeStoreAsync()];

        (int absent, _, string none) = await RunAsync("why", "ffffffff", "--store", StorePath);
        (int ambiguous, _, string several) = await RunAsync("journal", "show", ids[0].ToString()[..4], "--store", StorePath);

        Assert.Equal((1, 1), (absent, ambiguous));
        Assert.StartsWith("No message has the id or outside id 'ffffffff'", none, StringComparison.Ordinal);
        Assert.StartsWith($"Several messages begin with '{ids[0].ToString()[..4]}'", several, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_runtime_and_a_store_the_commands_exit_6_and_say_what_to_do()
    {
        (int code, _, string error) = await RunAsync("journal", "list", "--store", Path.Combine(_folder, "none.db"));

        (int plain, _, string hint) = await RunAsync("journal", "list", "--set", $"store.path={Path.Combine(_folder, "none.db")}", "--set", "server.urls=[\"http://127.0.0.1:1\"]"); // where nobody listens

        Assert.Equal((6, 6), (code, plain));
        Assert.Contains("none.db', which --store names", error, StringComparison.Ordinal);
        Assert.Contains("postroom run", hint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--role", "gateway")]
    [InlineData("--role=core", "--quiet")]
    public async Task A_role_other_than_all_needs_a_store_that_nodes_share(params string[] words)
    {
        (int code, _, string error) = await RunAsync(["run", .. words, "--set", $"store.path={Path.Combine(_folder, "role.db")}"]);

        Assert.Equal(3, code);
        Assert.Contains("runtime.role is '", error, StringComparison.Ordinal);
        Assert.Contains("Set store.kind to redis, or role to all", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_makes_a_backup_that_can_be_read()
    {
        MessageId id = await MakeStoreAsync();
        string copy = Path.Combine(_folder, "copy.db");

        (int code, _, string error) = await RunAsync("doctor", "--backup", copy, "--store", StorePath);

        Assert.True(code == 0, error);
        (_, string list, _) = await RunAsync("journal", "list", "--json", "--store", copy);
        Assert.Contains(id.ToString(), list, StringComparison.Ordinal);

        // Neither a former copy nor the store itself is ever touched.
        (int again, _, string refusal) = await RunAsync("doctor", "--backup", copy, "--store", StorePath);
        (int itself, _, _) = await RunAsync("doctor", "--backup", StorePath, "--store", StorePath);
        Assert.Equal((1, 1), (again, itself));
        Assert.Contains("overwrites nothing", refusal, StringComparison.Ordinal);
        Assert.True(File.Exists(copy));
        Assert.True(File.Exists(StorePath));
    }

    [Fact]
    public async Task Doctor_prints_its_findings_as_json_and_exits_1_when_one_needs_somebody()
    {
        if (OperatingSystem.IsWindows())
        {
            return; // File modes are those of Unix.
        }

        await MakeStoreAsync();
        (int good, string all, _) = await RunAsync("doctor", "--json", "--store", StorePath);
        File.SetUnixFileMode(StorePath, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        (int bad, string some, _) = await RunAsync("doctor", "--json", "--store", StorePath);

        Assert.Equal((0, 1), (good, bad));
        Assert.All(JsonDocument.Parse(all).RootElement.EnumerateArray(), finding => Assert.True(finding.GetProperty("good").GetBoolean()));
        JsonElement look = Assert.Single(JsonDocument.Parse(some).RootElement.EnumerateArray(), finding => !finding.GetProperty("good").GetBoolean());
        Assert.Contains("chmod 600", look.GetProperty("text").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Eu9_Chat_save_writes_a_conversation_of_a_stopped_program_as_a_script_and_overwrites_none()
    {
        await MakeStoreAsync(
            new Message { Sender = "ann", MessageType = "chat", RawPayload = "hello", ClientType = "emulator" }.ToEnvelope("in", "emulator"),
            new Envelope(MessageId.New(), "out.emulator", PayloadTypes.Notify, JsonSerializer.SerializeToUtf8Bytes(new OutgoingMessage("You wrote 5 characters."), PostroomJson.Default.OutgoingMessage))
            {
                Direction = MessageDirection.Outbound,
                To = Address.Parse("emulator:ann"),
                Conversation = "emulator/ann",
            });
        string file = Path.Combine(_folder, "hello.json");

        (int code, string output, string error) = await RunAsync("chat", "save", "ann", "--file", file, "--store", StorePath);
        (int again, _, string refusal) = await RunAsync("chat", "save", "ann", "--file", file, "--store", StorePath);
        (int nobody, _, string unknown) = await RunAsync("chat", "save", "telegram/7", "--store", StorePath);

        Assert.True(code == 0, error);
        Assert.Contains("2 steps are saved", output, StringComparison.Ordinal);
        Assert.Equal(2, Postroom.Testing.ConversationScript.Load(file).Steps);
        Assert.Contains("\"answer\": \"You wrote 5 characters.\"", await File.ReadAllTextAsync(file, Cancel), StringComparison.Ordinal);
        Assert.Equal((1, 1), (again, nobody));
        Assert.Contains("is there already", refusal, StringComparison.Ordinal);
        Assert.Contains("Nothing of conversation 'telegram/7' is kept", unknown, StringComparison.Ordinal);
    }

    private string StorePath => Path.Combine(_folder, "store.db");

    private async Task<MessageId> MakeStoreAsync(params Envelope[] more)
    {
        await using SqliteStore store = new(new StoreOptions { Path = StorePath }, new RetentionOptions(), new Redactor(), TimeProvider.System);
        await store.OpenAsync(new StoreOpening { Node = "node-1" }, Cancel);
        Envelope envelope = new(MessageId.New(), "orders", "order.received", "{\"number\":\"MO-1\"}"u8.ToArray());
        await store.AppendAsync([envelope, .. more], null, Cancel);
        await store.CloseAsync(Cancel);
        return envelope.Id;
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] words)
    {
        ProcessStartInfo start = new("dotnet") { WorkingDirectory = _folder, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Postroom.Host.dll"));
        foreach (string word in words)
        {
            start.ArgumentList.Add(word);
        }

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(Cancel);
        Task<string> error = process.StandardError.ReadToEndAsync(Cancel);
        await process.WaitForExitAsync(Cancel);
        return (process.ExitCode, await output, await error);
    }
}
