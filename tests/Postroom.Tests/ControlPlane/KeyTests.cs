using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Postroom.ControlPlane;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.ControlPlane;

/// <summary>Keys that are replaced, revoked or guessed (CP-4, CP-5, RELIABILITY T22).</summary>
public sealed class KeyTests
{
    [Fact]
    public async Task Cp5_a_session_and_a_code_end_with_the_key_they_were_made_with_also_when_another_takes_its_name()
    {
        ServerKey leaked = new() { Name = "ops", Role = ServerRole.Admin, Key = new Secret("a configured canary of mine") };
        ServerKey renewed = leaked with { Key = new Secret("another configured canary") };
        await using HttpFixture http = await HttpFixture.StartAsync(server: new ServerOptions { Keys = [leaked] });
        KeyCheck.Accepted accepted = Assert.IsType<KeyCheck.Accepted>(await http.Keys.Keys.CheckAsync("Bearer a configured canary of mine", "192.0.2.1", Cancel));
        (string cookie, _) = await http.Keys.Sessions.OpenAsync(accepted.Key, Cancel);
        string code = http.Keys.Sessions.MakeCode(accepted.Key);

        int before = (await http.GetAsync("/api/v1/status", null, ("Cookie", $"{SessionCookie.Name}={cookie}"))).Status;
        http.Keys.Change([renewed]);
        int after = (await http.GetAsync("/api/v1/status", null, ("Cookie", $"{SessionCookie.Name}={cookie}"))).Status;

        Assert.Equal((200, 401), (before, after));
        Assert.Null(await http.Keys.Sessions.TakeCodeAsync(code, Cancel));
    }

    [Fact]
    public async Task Cp4_a_key_that_is_revoked_while_its_use_is_noted_does_not_come_back()
    {
        SteppedClock clock = new();
        RuntimeDouble runtime = new(clock);
        FactKeyStore store = new(runtime, [], clock);
        ApiKeys keys = new(store, clock);
        (string text, ApiKey key) = await keys.CreateAsync("ci", ApiRole.Admin, null, Cancel);
        TaskCompletionSource writing = new(), write = new();
        runtime.BeforeFacts = () =>
        {
            writing.TrySetResult();
            return write.Task;
        };

        Task<KeyCheck> use = keys.CheckAsync($"Bearer {text}", "192.0.2.1", Cancel).AsTask();
        await writing.Task;
        Task<bool> revoke = keys.RemoveAsync(key.Id, Cancel).AsTask();
        write.SetResult();
        await use;

        Assert.True(await revoke);
        Assert.Empty(await store.ListAsync(Cancel));
        Assert.Empty(await runtime.Facts.ListAsync(FactScopes.ApiKey, Cancel));
    }

    [Fact]
    public async Task Cp5_a_session_that_is_signed_out_while_its_use_is_noted_does_not_come_back()
    {
        SteppedClock clock = new();
        RuntimeDouble runtime = new(clock);
        ApiKeys keys = new(new FactKeyStore(runtime, [], clock), clock);
        Sessions sessions = new(runtime, keys, clock);
        (_, ApiKey key) = await keys.CreateAsync("ci", ApiRole.Admin, null, Cancel);
        (string cookie, _) = await sessions.OpenAsync(key, Cancel);
        clock.Advance(TimeSpan.FromMinutes(2));
        TaskCompletionSource writing = new(), write = new();
        runtime.BeforeFacts = () =>
        {
            writing.TrySetResult();
            return write.Task;
        };

        Task use = sessions.FindAsync(cookie, Cancel).AsTask();
        await writing.Task;
        Task close = sessions.CloseAsync(cookie, Cancel).AsTask();
        write.SetResult();
        await use;
        await close;

        Assert.Null(await sessions.FindAsync(cookie, Cancel));
        Assert.Empty(await runtime.Facts.ListAsync(FactScopes.Session, Cancel));
    }

    [Fact]
    public async Task T22_a_thousand_guesses_from_a_thousand_addresses_are_ten_a_second_and_hold_nobody_up_who_is_known()
    {
        SteppedClock clock = new();
        ApiKeys keys = new(new FactKeyStore(new RuntimeDouble(clock), [], clock), clock);
        (string text, _) = await keys.CreateAsync("ci", ApiRole.Admin, null, Cancel);
        Assert.IsType<KeyCheck.Accepted>(await keys.CheckAsync($"Bearer {text}", "192.0.2.1", Cancel));
        int looked = 0;
        for (int n = 0; n < 1_000; n++)
        {
            looked += await keys.CheckAsync("Bearer pr_wrong", $"198.51.{n / 250}.{n % 250}", Cancel) is KeyCheck.Refused ? 1 : 0;
            clock.Advance(TimeSpan.FromMilliseconds(10));
        }

        Assert.InRange(looked, 100, 150); // 50 at once, and 10 a second
        for (int n = 0; n < 50; n++)
        {
            await keys.CheckAsync("Bearer pr_wrong", $"198.52.0.{n}", Cancel);
        }

        Assert.IsType<KeyCheck.Accepted>(await keys.CheckAsync($"Bearer {text}", "192.0.2.1", Cancel));
        Assert.IsType<KeyCheck.TooManyFailures>(await keys.CheckAsync($"Bearer {text}", "203.0.113.1", Cancel));
    }

    [Fact]
    public async Task T22_wrong_keys_are_counted_and_an_address_with_too_many_is_one_row_of_the_audit()
    {
        await using RealHttp http = await RealHttp.StartAsync(static app => { });
        string key = await http.KeyAsync(ApiRole.Viewer);
        int[] statuses = new int[14];
        for (int n = 0; n < statuses.Length; n++)
        {
            statuses[n] = (await http.CallAsync("GET", "/api/v1/status", ApiKeys.Generate())).Status;
        }

        IReadOnlyList<AuditEntry> rows = (await http.Runtime.Journal.QueryAuditAsync(new AuditQuery { Action = RefusedKeys.Action }, Cancel)).Items;
        string metrics = await http.Runtime.View.WriteMetricsAsync(Cancel);

        Assert.Equal([.. Enumerable.Repeat(401, 10), .. Enumerable.Repeat(429, 4)], statuses);
        AuditRecord row = Assert.Single(rows).Record;
        Assert.Equal(("127.0.0.1", "127.0.0.1", "rate_limited", ""), (row.Remote, row.Target, row.Result, row.User));
        Assert.Equal(10, Sample(metrics, "key"));
        Assert.Equal(4, Sample(metrics, "rate"));
        Assert.Equal(429, (await http.CallAsync("GET", "/api/v1/status", key)).Status); // before the key is looked at

        static int Sample(string metrics, string reason)
        {
            string name = $"postroom_http_refused_total{{reason=\"{reason}\"}} ";
            return int.Parse(metrics.Split('\n').Single(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..], CultureInfo.InvariantCulture);
        }
    }

    [Fact]
    public async Task Ac84_a_browsers_request_with_a_session_and_without_its_token_or_from_elsewhere_has_no_effect()
    {
        await using RealHttp http = await RealHttp.StartAsync(static app => { });
        using HttpClient browser = new(new SocketsHttpHandler { CookieContainer = new CookieContainer() }) { BaseAddress = http.Client.BaseAddress };
        using StringContent body = new($$"""{"key":"{{await http.KeyAsync(ApiRole.Admin)}}"}""", Encoding.UTF8, "application/json");
        using HttpResponseMessage opened = await browser.PostAsync(new Uri("/api/v1/session", UriKind.Relative), body, Cancel);
        string csrf = System.Text.Json.JsonDocument.Parse(await opened.Content.ReadAsStringAsync(Cancel)).RootElement.GetProperty("csrf").GetString()!;

        int host = await PauseAsync(("Host", "evil.example"), ("X-Postroom-Csrf", csrf));
        int origin = await PauseAsync(("Origin", "https://evil.example"), ("X-Postroom-Csrf", csrf));
        int form = await PauseAsync(("Form", "a=b"), ("X-Postroom-Csrf", csrf));
        int without = await PauseAsync();
        bool paused = http.Runtime.View.Control.IsPaused;
        IReadOnlyList<AuditEntry> rows = (await http.Runtime.Journal.QueryAuditAsync(new AuditQuery { Action = "runtime." }, Cancel)).Items;
        int right = await PauseAsync(("X-Postroom-Csrf", csrf));

        Assert.Equal((421, 403, 415, 403), (host, origin, form, without));
        Assert.False(paused);
        Assert.Empty(rows);
        Assert.Equal((202, true), (right, http.Runtime.View.Control.IsPaused));

        async Task<int> PauseAsync(params (string Name, string Value)[] headers)
        {
            using HttpRequestMessage request = new(HttpMethod.Post, "/api/v1/runtime/pause");
            foreach ((string name, string value) in headers)
            {
                if (name == "Form")
                {
                    request.Content = new StringContent(value, Encoding.UTF8, "application/x-www-form-urlencoded");
                }
                else
                {
                    request.Headers.TryAddWithoutValidation(name, value);
                }
            }

            return (await browser.AnswerAsync(request)).Status;
        }
    }

    [Fact]
    public async Task Eu7_failures_are_told_to_contacts_only_as_long_as_nothing_has_to_be_proved()
    {
        await using RealHttp http = await RealHttp.StartAsync(static app => { });
        string admin = await http.KeyAsync(ApiRole.Admin);
        WebChat chat = http.Runtime.Services.GetRequiredService<WebChat>();

        bool before = chat.IsLocal;
        await http.CallAsync("PUT", "/api/v1/config/overrides/intake.webhook.token", admin, """{"value":"hunter2-is-no-token"}""");
        await UntilAsync(() => !chat.IsLocal);

        Assert.True(before);
    }
}
