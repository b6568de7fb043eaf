using Postroom.Configuration;
using Xunit;

namespace Postroom.Tests.Configuration;

public sealed class ProblemTests : ConfigurationTest
{
    [Theory]
    [InlineData("workers:\n  orders: { paralelism: 4 }", "2: Unknown setting 'workers.orders.paralelism'. Did you mean 'parallelism'?")]
    [InlineData("worker: {}", "1: Unknown setting 'worker'. Did you mean 'workers'?")]
    [InlineData("health: { zzz: 1 }", "1: Unknown setting 'health.zzz'. Known here: reuse, timeout.")]
    [InlineData("limits: { hops: many }", "1: limits.hops is 'many', which is not a whole number.")]
    [InlineData("limits: { hops: 0 }", "1: limits.hops is '0'; it must be 1 to 10000.")]
    [InlineData("limits: { hops: [1] }", "1: limits.hops is a list; it must be one value.")]
    [InlineData("limits: [1]", "1: limits is a list; it must be a map of settings.")]
    [InlineData("limits: { body: 5MB }", "1: limits.body is '5MB', which is not a size. Write 64KiB, 25MiB, 1GiB or bare bytes.")]
    [InlineData("hooks: { timeout: soon }", "1: hooks.timeout is 'soon', which is not a duration. Write 250ms, 30s, 5m, 1h30m, 7d, a bare number of seconds or hh:mm:ss.")]
    [InlineData("hooks: { timeout: infinite }", "1: hooks.timeout is 'infinite', which is not a duration. Write 250ms, 30s, 5m, 1h30m, 7d, a bare number of seconds or hh:mm:ss.")]
    [InlineData("intake: { webhook: { perSender: 5 } }", "1: intake.webhook.perSender is '5', which is not a rate. Write 30/s, 20/min or 100/h.")]
    [InlineData("server: { urls: [\"https://0.0.0.0:8443\"] }", "1: server.urls has 'https://0.0.0.0:8443', but this program has no certificate and speaks no https itself. Write http://, put a proxy that speaks https before it, and name the proxy in server.trustedProxies.")]
    [InlineData("tracing: { sampleRatio: 2 }", "1: tracing.sampleRatio is '2'; it must be 0 to 1.")]
    [InlineData("retention: { keepBody: perhaps }", "1: retention.keepBody is 'perhaps', which is neither true nor false.")]
    [InlineData("runtime: { role: king }", "1: runtime.role is 'king', which is none of all, core, gateway.")]
    [InlineData("store: { check: x }", "1: store.check is 'x', which is none of afterCrash, always, never.")]
    [InlineData("server: { hosts: '[a, b' }", "1: server.hosts is a value; it must be a list, such as [a, b], or items numbered from 0 without a gap.")]
    [InlineData("server: { hosts: { 0: a, 2: b } }", "1: server.hosts is a map; it must be a list, such as [a, b], or items numbered from 0 without a gap.")]
    [InlineData("store: { kind: postgres }", "1: store.kind is 'postgres', but the PostgreSQL store is not part of this build. Use one of memory, redis, sqlite.")]
    [InlineData("store: { kind: files }", "1: store.kind is 'files', but no store of that kind is registered. Registered are memory, redis, sqlite; AddStore(\"files\", …) adds one.")]
    [InlineData("runtime: { role: core }", "1: runtime.role is 'core', which shares its store with other nodes, but store.kind is 'sqlite'. Set store.kind to redis, or role to all.")]
    [InlineData("runtime: { drainTimeout: 2m }", "1: runtime.drainTimeout (2m) is longer than stopTimeout (1m), which ends the whole stop. Lower drainTimeout or raise stopTimeout.")]
    [InlineData("queues:\n  in:\n    lease: 10s\n    renew: 6s", "4: queues.in.renew (6s) is more than half of lease (10s); one slow renewal would lose the lease. Lower renew or raise lease.")]
    [InlineData("queues: { in: { highWater: 10, lowWater: 11 } }", "1: queues.in.lowWater (11) is above highWater (10); a paused source would never resume. Lower lowWater or raise highWater.")]
    [InlineData("queues: { in: { order: sender } }", "1: queues.in.order is 'sender', which is none of conversation, none or header:{name}.")]
    [InlineData("queues: { in: { backoff: { base: 10m } } }", "1: queues.in.backoff.base (10m) is longer than max (5m); every wait would be max. Lower base or raise max.")]
    [InlineData("queues: { in: { limits: [ { key: from } ] } }", "1: queues.in.limits[0] bounds nothing. Give it concurrency, rate or both, or remove it.")]
    [InlineData("queues: { In: {} }", "1: 'In' is no name for a queue. Names have 1 to 64 of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit.")]
    [InlineData("workers: { a: { parallelism: 1025 } }", "1: workers.a.parallelism is '1025'; it must be 1 to 1024.")]
    [InlineData("communications: { backends: { a: { labels: [x] } } }", "1: communications.backends.a.type is missing. Say what kind of communicator it is, such as email, telegram, whatsapp, webhook or emulator.")]
    [InlineData("communications: { backends: { label: { type: email } } }", "1: 'label' is no name for a communicator, because addresses read {name}:{recipient}. Choose one without a dot, and none of label, queue, reply.")]
    [InlineData("communications: { defaultChannel: b, backends: { a: { type: x } } }", "1: communications.defaultChannel is 'b', but no communicator has that name. Did you mean 'a'?")]
    [InlineData("schedules: { s: { queue: q, type: t } }", "1: schedules.s has neither cron nor every. Give it exactly one of the two.")]
    [InlineData("schedules: { s: { every: 1m, queue: q, type: t, timeZone: Mars/Base } }", "1: schedules.s.timeZone is 'Mars/Base', which this machine does not know. Use an IANA name such as Europe/Berlin.")]
    [InlineData("server: { urls: ['127.0.0.1'] }", "1: server.urls has '127.0.0.1', which is no address such as http://127.0.0.1:8080. A path belongs in server.prefix.")]
    [InlineData("redis: { url: 'http://user:canary@x' }", "1: redis.url is no address of a server. Write redis://host:6379, rediss://host:6379 or unix:///path.")]
    [InlineData("limits: { hops: '${HOPS}' }", "1: limits.hops needs the environment variable HOPS, which is not set. Set it, or write ${HOPS:-default}.")]
    [InlineData("runtime: { name: 'a ${HOPS' }", "1: runtime.name has '${' without '}'. Close it, or write '$${' for a literal '${'.")]
    [InlineData("runtime: { name: '${secret://vault:x}' }", "1: runtime.name names the secret store 'vault', which does not exist. There are env, dotenv, file, yaml.")]
    [InlineData("runtime: { name: '${secret://env:X}' }", "1: runtime.name needs the secret 'X', which the secret store 'env' does not have. Add it there, or correct the name.")]
    [InlineData("secrets: { directory: '${secret://env:X}' }", "1: secrets.directory names a secret, but the section 'secrets' is read before any secret store exists. Write the value, or ${NAME}.")]
    public async Task A_problem_says_what_where_and_what_to_do(string yaml, string problem) => Assert.Equal([problem], await RefuseAsync(yaml));

    [Fact]
    public async Task All_problems_of_all_sections_are_reported_together()
    {
        IReadOnlyList<string> problems = await RefuseAsync("queues:\n  a: { leese: 1 }\nworkers:\n  b: { parallelism: x }\nlimits: { hops: '${NOPE}' }\nschedules:\n  s: {}\n");

        Assert.Equal([2, 4, 5, 7, 7, 7], problems.Select(problem => int.Parse(problem.Split(':')[0], null)).Order());
        Assert.Contains(problems, problem => problem.Contains("schedules.s.queue is missing", StringComparison.Ordinal));
        Assert.Contains(problems, problem => problem.Contains("schedules.s.type is missing", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Two_missing_sections_of_modules_are_reported_together()
    {
        Catalog.Sections.Add(SettingsSection.Create("mailOrder", reader => reader.RequireText("database", "Name the file.")));
        Catalog.Sections.Add(SettingsSection.Create("billing", reader => reader.RequireText("account", "Name the account.")));

        Assert.Equal(["0: mailOrder.database is missing. Name the file.", "0: billing.account is missing. Name the account."], await RefuseAsync());
    }

    [Fact]
    public async Task A_problem_names_the_variable_or_option_it_came_from()
    {
        Variables["POSTROOM__limits__hops"] = "x";
        Settings.AddRange(["limits.staged=y", "nothing"]);
        ConfigurationException line = await Assert.ThrowsAsync<ConfigurationException>(() => LoadAsync());
        Settings.Remove("nothing");
        ConfigurationException both = await Assert.ThrowsAsync<ConfigurationException>(() => LoadAsync());

        Assert.Contains("--set nothing sets nothing", line.Message, StringComparison.Ordinal);
        Assert.Contains("[POSTROOM__limits__hops (environment)]", both.Message, StringComparison.Ordinal);
        Assert.Contains("[--set limits.staged (command line)]", both.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ac74_an_unset_variable_and_a_misspelt_key_are_named_and_two_missing_sections_are_told_together()
    {
        IReadOnlyList<string> problems = await RefuseAsync("""
            server: { prefix: "${POSTROOM_NOBODY_SETS_THIS}" }
            workers: { orders: { paralelism: 4 } }
            sources: { inbox: { into: in } }
            communications: { backends: { pager: { beeps: 3 } } }
            """);

        Assert.Contains(problems, static one => one.StartsWith("1: ", StringComparison.Ordinal) && one.Contains("POSTROOM_NOBODY_SETS_THIS, which is not set", StringComparison.Ordinal));
        Assert.Contains("2: Unknown setting 'workers.orders.paralelism'. Did you mean 'parallelism'?", problems);
        Assert.Contains(problems, static one => one.StartsWith("3: ", StringComparison.Ordinal) && one.Contains("sources.inbox.type", StringComparison.Ordinal));
        Assert.Contains(problems, static one => one.StartsWith("4: ", StringComparison.Ordinal) && one.Contains("communications.backends.pager.type", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Custom_communicators_keep_settings_nobody_else_knows()
    {
        RuntimeConfiguration configuration = await LoadAsync("communications: { backends: { pager: { type: pager, beeps: 3, lines: [a, b], apiKey: canary-key } } }");

        CommunicatorBackendConfig pager = configuration.Get<CommunicationsConfig>("communications").Backends["pager"];
        Assert.Equal("3", pager.Extra.GetText("Beeps"));
        Assert.Equal("***", configuration.Current.View().Single(view => view.Key == "communications.backends.pager.apiKey").Value);
    }

    [Fact]
    public async Task A_type_with_a_schema_refuses_what_the_schema_does_not_know()
    {
        Catalog.Backends["pager"] = (common, reader) =>
        {
            reader.ReadCount("beeps", 1);
            return common;
        };

        Assert.Equal(["1: Unknown setting 'communications.backends.a.beps'. Did you mean 'beeps'?"], await RefuseAsync("communications: { backends: { a: { type: pager, beps: 3 } } }"));
    }

    [Fact]
    public async Task A_communicator_overrides_the_options_of_its_lane()
    {
        RuntimeConfiguration configuration = await LoadAsync("outbound: { maxInFlight: 4, sendTimeout: 9s }\ncommunications: { backends: { a: { type: x, outbound: { maxInFlight: 2, drainTimeout: infinite } }, b: { type: x } } }");

        IReadOnlyDictionary<string, CommunicatorBackendConfig> backends = configuration.Get<CommunicationsConfig>("communications").Backends;
        Assert.Equal((2, TimeSpan.FromSeconds(9), Timeout.InfiniteTimeSpan), (backends["a"].Outbound.MaxInFlight, backends["a"].Outbound.SendTimeout, backends["a"].Outbound.DrainTimeout));
        Assert.Equal(4, backends["b"].Outbound.MaxInFlight);
    }
}
