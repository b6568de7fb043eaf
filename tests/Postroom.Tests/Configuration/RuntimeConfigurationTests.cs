using Postroom.Configuration;
using Xunit;

namespace Postroom.Tests.Configuration;

public sealed class RuntimeConfigurationTests : ConfigurationTest
{
    [Fact]
    public async Task Without_any_setting_every_default_of_the_specification_holds()
    {
        RuntimeConfiguration configuration = await LoadAsync();

        Assert.Equal(1, configuration.Current.Version);
        Assert.Equal(new RuntimeOptions(), configuration.Get<RuntimeOptions>("runtime"));
        Assert.Equal(new StoreOptions(), configuration.Get<StoreOptions>("store"));
        Assert.Equal(new RetentionOptions(), configuration.Get<RetentionOptions>("retention"));
        Assert.Equal(new OutboundOptions(), configuration.Get<OutboundOptions>("outbound"));
        Assert.Equal(new RestartOptions(), configuration.Get<RestartOptions>("restart"));
        Assert.Equal(new HealthOptions(), configuration.Get<HealthOptions>("health"));
        Assert.Equal(new HooksOptions(), configuration.Get<HooksOptions>("hooks"));
        Assert.Equal(new TracingOptions(), configuration.Get<TracingOptions>("tracing"));
        Assert.Equal(new LimitsOptions(), configuration.Get<LimitsOptions>("limits"));
        Assert.Equal(new IntakeOptions(), configuration.Get<IntakeOptions>("intake"));
        Assert.False(configuration.Get<CommunicationsConfig>("communications").Enabled);
        Assert.Empty(configuration.Get<IReadOnlyDictionary<string, QueueOptions>>("queues"));
    }

    [Fact]
    public async Task The_example_of_the_specification_is_accepted_whole()
    {
        WriteSecret("secrets/shop-inbox", "inbox-canary\n");
        WriteSecret("secrets/shop-mail", "mail-canary");
        WriteSecret("secrets/telegram", "123456:telegram-canary");
        WriteSecret("secrets/wa-app", "app-canary");
        Variables["POSTROOM_OPS_KEY"] = "ops-key-canary-ops-key-canary";
        Variables["WHATSAPP_ACCESS_TOKEN"] = "wa-token-canary";
        Variables["VERIFY_TOKEN"] = "verify-canary";
        Catalog.Sections.Add(SettingsSection.Create("mailOrder", reader => reader.ReadText("database") + reader.ReadText("catalogueFile")));

        RuntimeConfiguration configuration = await LoadAsync($"secrets: {{ directory: '{File("secrets")}' }}\n{Example}");

        Assert.Equal(["MailOrderBot"], configuration.Get<IReadOnlyList<string>>("modules"));
        QueueOptions orders = configuration.Get<IReadOnlyDictionary<string, QueueOptions>>("queues")["orders"];
        Assert.Equal(new QueueLimit { Key = new LimitKey(LimitKeyKind.From), Rate = Rate.Parse("60/h") }, Assert.Single(orders.Limits));
        Assert.Equal(new QueueOptions() with { Limits = [] }, configuration.Get<IReadOnlyDictionary<string, QueueOptions>>("queues")["in"] with { Limits = new QueueOptions().Limits });
        IReadOnlyDictionary<string, WorkerOptions> workers = configuration.Get<IReadOnlyDictionary<string, WorkerOptions>>("workers");
        Assert.Equal("in", workers["router"].Queue);
        Assert.Equal(TimeSpan.FromSeconds(60), workers["orders"].HandlerTimeout);
        CommunicationsConfig communications = configuration.Get<CommunicationsConfig>("communications");
        Assert.Equal(["shop-mail", "ops-chat", "whatsapp", "emulator"], communications.Backends.Keys);
        Assert.Equal(UncertainPolicy.Ask, communications.Backends["whatsapp"].Uncertain);
        Assert.Equal(["operators", "default"], communications.Backends["ops-chat"].Labels);
        Assert.Equal("inbox-canary", configuration.Get<IReadOnlyDictionary<string, SourceConfig>>("sources")["shop-inbox"].Extra.GetText("password"));
        Assert.Equal(ServerRole.Operator, Assert.Single(configuration.Get<ServerOptions>("server").Keys).Role);
        Assert.DoesNotContain(configuration.Current.View(), view => view.Value?.Contains("canary", StringComparison.Ordinal) == true);
        Assert.DoesNotContain("canary", communications.Backends["ops-chat"].ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_layers_override_each_other_in_order_and_the_view_names_the_winner()
    {
        string platform = Write("postroom.yaml", "limits: { hops: 2, staged: 2, contacts: 2, connections: 2, body: 2 }\n");
        string application = Write("app.yaml", "limits: { staged: 3, contacts: 3, connections: 3, body: 3 }\n");
        Variables["POSTROOM__limits__contacts"] = "5";
        Variables["POSTROOM__limits__connections"] = "5";
        Variables["POSTROOM__LIMITS__BODY"] = "5";
        Settings.AddRange(["limits.connections=6", "limits.body=6"]);
        ConfigurationSources sources = Sources(platform, application);
        sources.Layers.Insert(2, new FixedLayer(LayerNames.Database, "limits: { contacts: 4, connections: 4, body: 4, stagedSize: 4 }"));

        RuntimeConfiguration configuration = await LoadAsync(sources);
        ReloadResult result = await configuration.SetOverrideAsync("limits.body", "7", persist: false, Cancel);

        Assert.True(result.Applied);
        LimitsOptions limits = configuration.Get<LimitsOptions>("limits");
        Assert.Equal((100, 2, 3, 4L, 5, 6, 7L), (limits.ConnectionsPerAddress, limits.Hops, limits.Staged, limits.StagedSize, limits.Contacts, limits.Connections, limits.Body));
        Assert.Equal("defaults", Layer("limits.connectionsPerAddress"));
        Assert.Equal(LayerNames.PlatformFile, Layer("limits.hops"));
        Assert.Equal(LayerNames.ApplicationFile, Layer("limits.staged"));
        Assert.Equal(LayerNames.Database, Layer("limits.stagedSize"));
        Assert.Equal(LayerNames.Environment, Layer("limits.contacts"));
        Assert.Equal(LayerNames.CommandLine, Layer("limits.connections"));
        Assert.Equal(LayerNames.Overrides, Layer("limits.body"));
        Assert.Equal($"{platform}:1:11", View("limits.hops").Origin.Location);

        string Layer(string key) => View(key).Origin.Layer;
        SettingView View(string key) => configuration.Current.View().Single(view => view.Key == key);
    }

    [Fact]
    public async Task Maps_merge_lists_replace_and_null_returns_to_the_default()
    {
        string platform = Write("postroom.yaml", "server: { hosts: [a, b], prefix: /x }\nqueues: { in: { lease: 60s, max_attempts: 9 } }\n");
        string application = Write("app.json", """{"server": {"hosts": ["c"], "prefix": null}, "queues": {"in": {"maxAttempts": 7}, "new": {}}}""");

        RuntimeConfiguration configuration = await LoadAsync(Sources(platform, application));

        IReadOnlyDictionary<string, QueueOptions> queues = configuration.Get<IReadOnlyDictionary<string, QueueOptions>>("queues");
        Assert.Equal(["c"], configuration.Get<ServerOptions>("server").Hosts);
        Assert.Equal("", configuration.Get<ServerOptions>("server").Prefix);
        Assert.Equal((TimeSpan.FromSeconds(60), 7), (queues["in"].Lease, queues["in"].MaxAttempts));
        Assert.Equal(5, queues["new"].MaxAttempts);
    }

    [Fact]
    public async Task The_environment_gives_lists_by_number_or_as_json_and_knows_the_short_names()
    {
        Variables["POSTROOM__server__hosts__1"] = "b";
        Variables["POSTROOM__server__hosts__0"] = "a";
        Variables["POSTROOM__modules"] = """["One", "Two"]""";
        Variables["POSTROOM__queues"] = """{"in": {"maxAttempts": 3}}""";
        Variables["PORT"] = "9090";
        Variables["VERIFY_TOKEN"] = "verify-canary";
        Variables["WHATSAPP_CLIENT_TYPE"] = "business_api";

        RuntimeConfiguration configuration = await LoadAsync("queues: { in: { lease: 60s } }\ncommunications: { backends: { whatsapp: { type: whatsapp, verifyToken: x } } }\n");

        QueueOptions queue = configuration.Get<IReadOnlyDictionary<string, QueueOptions>>("queues")["in"];
        CommunicatorBackendConfig whatsApp = configuration.Get<CommunicationsConfig>("communications").Backends["whatsapp"];
        Assert.Equal(["a", "b"], configuration.Get<ServerOptions>("server").Hosts);
        Assert.Equal(["http://127.0.0.1:9090"], configuration.Get<ServerOptions>("server").Urls);
        Assert.Equal(["One", "Two"], configuration.Get<IReadOnlyList<string>>("modules"));
        Assert.Equal((TimeSpan.FromSeconds(60), 3), (queue.Lease, queue.MaxAttempts));
        Assert.Equal(("verify-canary", "business_api"), (whatsApp.Extra.GetText("verifyToken"), whatsApp.Extra.GetText("client")));
    }

    [Fact]
    public async Task Short_names_never_make_a_communicator()
    {
        Variables["VERIFY_TOKEN"] = "of another program";
        RuntimeConfiguration without = await LoadAsync("communications: { enabled: true }\n");
        Assert.Empty(without.Get<CommunicationsConfig>("communications").Backends);

        Variables["POSTROOM__communications__backends__whatsapp__type"] = "whatsapp";
        RuntimeConfiguration with = await LoadAsync();
        Assert.Equal("of another program", with.Get<CommunicationsConfig>("communications").Backends["whatsapp"].Extra.GetText("verifyToken"));
    }

    [Fact]
    public async Task The_command_line_wins_over_the_port_of_the_environment()
    {
        Variables["PORT"] = "9090";
        Settings.Add("server.urls=[\"http://127.0.0.1:7070\"]");

        RuntimeConfiguration configuration = await LoadAsync();

        Assert.Equal(["http://127.0.0.1:7070"], configuration.Get<ServerOptions>("server").Urls);
    }

    [Theory]
    [InlineData("http://127.0.0.1:18471")]
    [InlineData("http://*:18471", "http://*:8080")]
    [InlineData("http://[::1]:18471", "http://[::1]")]
    [InlineData("http://example.org:18471", "http://example.org/", "http://127.0.0.1:9")]
    public async Task The_port_of_the_command_line_replaces_that_of_the_first_address(string first, params string[] urls)
    {
        Settings.Add("server.port=18471");

        RuntimeConfiguration configuration = await LoadAsync(urls.Length == 0 ? null : $"server: {{ urls: ['{string.Join("', '", urls)}'] }}\n");

        Assert.Equal([first, .. urls.Skip(1)], configuration.Get<ServerOptions>("server").Urls);
    }

    [Fact]
    public async Task Addresses_of_a_later_layer_win_over_the_port_of_an_earlier_one()
    {
        Variables["POSTROOM__server__urls__0"] = "http://127.0.0.1:7070";

        RuntimeConfiguration configuration = await LoadAsync("server: { port: 18471 }\n");

        Assert.Equal(["http://127.0.0.1:7070"], configuration.Get<ServerOptions>("server").Urls);
    }

    [Theory]
    [InlineData("[127.0.0.1, localhost]", "127.0.0.1", "localhost")]
    [InlineData("[\"127.0.0.1\", 'localhost']", "127.0.0.1", "localhost")]
    [InlineData("[127.0.0.1]", "127.0.0.1")]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("[]")]
    public async Task A_list_on_the_command_line_or_in_the_environment_needs_no_quotes_and_one_item_no_brackets(string text, params string[] hosts)
    {
        Settings.Add($"server.hosts={text}");
        Variables["POSTROOM__server__trustedProxies"] = text.Replace("localhost", "::1", StringComparison.Ordinal);

        ServerOptions server = (await LoadAsync()).Get<ServerOptions>("server");

        Assert.Equal(hosts, server.Hosts);
        Assert.Equal(hosts.Select(host => host.Replace("localhost", "::1", StringComparison.Ordinal)), server.TrustedProxies);
    }

    [Fact]
    public async Task Addresses_are_a_list_like_any_other_and_a_list_that_does_not_end_is_refused()
    {
        Settings.Add("server.urls=[http://127.0.0.1:18475]");
        Settings.Add("runtime.name=[a text]");
        RuntimeConfiguration configuration = await LoadAsync();
        Assert.Equal(["http://127.0.0.1:18475"], configuration.Get<ServerOptions>("server").Urls);
        Assert.Equal("[a text]", configuration.Get<RuntimeOptions>("runtime").Name);

        Settings.Add("server.hosts=[a, b");
        Assert.Contains(await RefuseAsync(), text => text.Contains("server.hosts is a value; it must be a list, such as [a, b]", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_name_with_a_dot_is_set_in_quotes()
    {
        Settings.Add("queues.\"out.shop-mail\".timeToLive=5m");

        RuntimeConfiguration configuration = await LoadAsync();

        Assert.Equal(TimeSpan.FromMinutes(5), configuration.Get<IReadOnlyDictionary<string, QueueOptions>>("queues")["out.shop-mail"].TimeToLive);
        Assert.Contains(configuration.Current.View(), view => view.Key == "queues.\"out.shop-mail\".timeToLive" && view.Value == "5m");
    }

    [Fact]
    public async Task A_module_reads_its_own_section_and_a_section_twice_is_refused()
    {
        Catalog.Sections.Add(SettingsSection.Create("mailOrder", reader => reader.ReadText("currency", "EUR")!));
        Assert.Equal("USD", (await LoadAsync("mailOrder: { currency: USD }\n")).Get<string>("mail_order"));

        Catalog.Sections.Add(SettingsSection.Create("queues", _ => ""));
        Assert.Contains(await RefuseAsync(), text => text.Contains("described twice", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_section_that_does_not_exist_is_named_with_the_nearest_one()
    {
        RuntimeConfiguration configuration = await LoadAsync();

        Assert.Contains("'queues'", Assert.Throws<KeyNotFoundException>(() => configuration.Get<object>("queue")).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidCastException>(() => configuration.Get<StoreOptions>("queues"));
    }

    private const string Example = """
        runtime: { name: postroom, environment: production, role: all, dataDirectory: data, drainTimeout: 25s, stopTimeout: 60s }
        modules: [MailOrderBot]                                    # example
        store: { kind: sqlite, path: data/postroom.db, synchronous: full, check: afterCrash, reserve: 64MiB }  # or redis, memory
        retention: { acked: 7d, failed: 30d, dedup: 8d, audit: 90d, occurrences: 90d, keepBody: true }
        redis: { url: "redis://localhost:6379", prefix: postroom, requireDurable: false, waitReplicas: 0 }
        server:
          urls: ["http://127.0.0.1:8080"]
          prefix: ""                                               # put before every path
          adminUrls: []                                            # when set, control plane and dashboard answer only there
          hosts: [localhost, 127.0.0.1, "[::1]"]                   # accepted Host names
          trustedProxies: []
          keys:                                                    # example
            - { name: ops, role: operator, key: "${secret://env:POSTROOM_OPS_KEY}" }
        intake:
          webhook: { into: in, token: "${WEBHOOK_TOKEN:-}", maxBody: 25MiB, perSender: 100/min, perAddress: 600/min }
        queues:
          in: { lease: 30s, renew: 10s, maxAttempts: 5, backoff: { base: 1s, factor: 2, max: 5m, jitter: 0.2 },
                order: conversation, haltOnFailure: false, highWater: 10000, lowWater: 8000 }
          orders: { maxAttempts: 5, limits: [ { key: from, rate: 60/h } ] }     # example
        workers:
          router: { queue: in, parallelism: 8, handlerTimeout: 30s, retryTimeouts: true, cancelGrace: 5s }
          orders: { parallelism: 4, handlerTimeout: 60s }          # example
        sources:                                                   # example
          shop-inbox:
            { type: imap, host: mail.example.org, username: orders@example.org, password: "${secret://file:shop-inbox}",
              mode: auto, into: orders, markSeen: afterAck, replyVia: shop-mail }
        schedules:                                                 # example
          daily-report: { cron: "0 7 * * MON-FRI", timeZone: Europe/Berlin, queue: orders, type: schedule.report, misfire: once }
        communications:
          enabled: true                                            # default false
          onUnroutable: fail
          backends:                                                # example
            shop-mail: { type: email, host: mail.example.org, port: 587, username: orders@example.org,
                         password: "${secret://file:shop-mail}", fromAddress: "Shop <orders@example.org>", labels: [customers] }
            ops-chat:
              type: telegram
              token: ${secret://file:telegram}
              labels: [operators, default]
              listenToCommands: true
              chats:
                operators: { chatId: "-1001234567890", topicId: 7, commandAuthorized: true }
                default: { chatId: "-1001234567890" }
            whatsapp: { type: whatsapp, client: business_api, accessToken: "${WHATSAPP_ACCESS_TOKEN}", phoneNumberId: "1234567890",
                        appSecret: "${secret://file:wa-app}", verifyToken: "${VERIFY_TOKEN}", uncertain: ask }
            emulator: { type: emulator }
        outbound: { maxInFlight: 32, sendTimeout: 30s, autoclaimInterval: 30s, autoclaimMinIdle: 60s, claimTtl: 60s, doneTtl: 24h, maxDeliveries: 5,
                    drainTimeout: 25s, toolsDirectory: tools }             # any backend may override these under its own `outbound`
        gateway: { tools: { enabled: false } }
        restart: { onSighup: restart, mode: auto, drain: graceful, drainTimeout: 25s, maxPerWindow: 5, window: 10m, minUptime: 30s }
        health: { reuse: 2s, timeout: 5s }
        hooks: { timeout: 2s }
        tracing: { transport: none, endpoint: "", sampleRatio: 1.0, keep: 1000 }   # none | console | file | otlp
        logging: { level: info, format: text, redact: [] }         # text | color | json
        limits: { body: 25MiB, hops: 50 }
        mailOrder: { database: data/shop.db, catalogueFile: catalogue.csv }        # example
        """;
}
