using Postroom.Configuration;
using Xunit;

namespace Postroom.Tests.Configuration;

public sealed class SecretSettingTests : ConfigurationTest
{
    [Fact]
    public async Task Every_built_in_store_gives_its_secret()
    {
        Variables["FROM_ENV"] = "env-canary";
        string yaml = $$"""
            secrets: { directory: '{{File("secrets")}}', dotenv: '{{WriteSecret("my.env", "# c\nexport FROM_DOTENV=\"dotenv-canary\"\n")}}', yaml: '{{WriteSecret("s.yaml", "mail: { password: yaml-canary }\n")}}' }
            runtime: { name: '${secret://env:FROM_ENV}', environment: '${secret://dotenv:FROM_DOTENV}', node: '${secret://file:a}', dataDirectory: 'x-${secret://yaml:mail.password}-$${y}' }
            """;
        WriteSecret("secrets/a", "file-canary\n");

        RuntimeConfiguration configuration = await LoadAsync(yaml);

        RuntimeOptions runtime = configuration.Get<RuntimeOptions>("runtime");
        Assert.Equal(("env-canary", "dotenv-canary", "file-canary", "x-yaml-canary-${y}"), (runtime.Name, runtime.Environment, runtime.Node, runtime.DataDirectory));
        Assert.Equal("saw *** and ***", Redactor.Redact("saw env-canary and yaml-canary"));
        Assert.All(configuration.Current.View().Where(view => view.Key is "runtime.name" or "runtime.node" or "runtime.dataDirectory"), view => Assert.Equal("***", view.Value));
    }

    [Fact]
    public async Task A_secret_file_that_others_can_read_is_refused()
    {
        WriteSecret("secrets/a", "canary", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);

        string problem = Assert.Single(await RefuseAsync($"secrets: {{ directory: '{File("secrets")}' }}\nintake: {{ webhook: {{ token: '${{secret://file:a}}' }} }}"));

        Assert.Contains("intake.webhook.token needs the secret 'a'", problem, StringComparison.Ordinal);
        Assert.Contains("chmod 600", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../a")]
    [InlineData("/etc/passwd")]
    [InlineData("..")]
    public async Task A_secret_key_is_no_path(string key)
    {
        string problem = Assert.Single(await RefuseAsync($"runtime: {{ name: '${{secret://file:{key}}}' }}"));

        Assert.Contains("without a path", problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_secret_appears_in_no_problem_even_when_it_is_the_problem()
    {
        Variables["S"] = "canary-9000";
        Variables["PLAIN"] = "canary-9000";

        IReadOnlyList<string> problems = await RefuseAsync("""
            limits: { hops: '${secret://env:S}' }
            hooks: { timeout: '${PLAIN}' }
            store: { kind: '${secret://env:S}' }
            server: { keys: [ { name: a, key: canary-short } ], urls: ['http://user:canary@x/y'], trustedProxies: ['${secret://env:S}'] }
            """);

        Assert.Equal(6, problems.Count);
        Assert.DoesNotContain(problems, problem => problem.Contains("canary", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_changed_secret_is_a_change_and_stays_masked()
    {
        Variables["S"] = "first-canary";
        RuntimeConfiguration configuration = await LoadAsync("intake: { webhook: { token: '${secret://env:S}' } }");
        Variables["S"] = "second-canary";

        ReloadResult result = await configuration.ReloadAsync(previous: false, Cancel);

        Assert.Equal(new SettingChange("intake.webhook.token", "***", "***", NeedsRestart: false), Assert.Single(result.Changes));
        Assert.Equal("*** ***", Redactor.Redact("first-canary second-canary"));
    }

    [Fact]
    public async Task A_variable_with_a_default_uses_it_when_unset_or_empty()
    {
        Variables["EMPTY"] = "";
        Variables["SET"] = "set";

        RuntimeConfiguration configuration = await LoadAsync("runtime: { name: '${UNSET:-a}${EMPTY:-b}${SET:-c}', environment: '${EMPTY}', node: '${SET}-$${SET}' }");

        RuntimeOptions runtime = configuration.Get<RuntimeOptions>("runtime");
        Assert.Equal(("abset", "", "set-${SET}"), (runtime.Name, runtime.Environment, runtime.Node));
    }

    [Fact]
    public async Task What_a_reference_gave_is_not_expanded_again()
    {
        Variables["A"] = "${B}";

        Assert.Equal("${B}", (await LoadAsync("runtime: { name: '${A}' }")).Get<RuntimeOptions>("runtime").Name);
    }

    [Fact]
    public async Task Only_the_winning_value_is_expanded()
    {
        Settings.Add("runtime.name=plain");

        Assert.Equal("plain", (await LoadAsync("runtime: { name: '${NOWHERE}' }")).Get<RuntimeOptions>("runtime").Name);
    }

    [Fact]
    public async Task An_address_shows_its_server_and_not_its_password()
    {
        RuntimeConfiguration configuration = await LoadAsync("redis: { url: 'redis://user:canary@redis:6379' }");

        Assert.Equal("redis://user:***@redis:6379", configuration.Current.View().Single(view => view.Key == "redis.url").Value);
        Assert.DoesNotContain("canary", configuration.Get<RedisOptions>("redis").ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_text_setting_keeps_json_as_its_text()
    {
        Variables["POSTROOM__intake__webhook__secret"] = """{"not": "a map"}""";

        Assert.Equal("""{"not": "a map"}""", (await LoadAsync()).Get<IntakeOptions>("intake").Webhook.Secret!.Reveal());
    }
}
