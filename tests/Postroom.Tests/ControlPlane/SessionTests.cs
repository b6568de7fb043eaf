using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Postroom.ControlPlane;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.ControlPlane;

/// <summary>Signing in with a browser, and keys (CP-3 to CP-5).</summary>
public sealed class SessionTests
{
    [Fact]
    public async Task Cp5_a_session_reads_with_its_cookie_and_changes_only_with_its_token()
    {
        await using RealHttp http = await RealHttp.StartAsync(static app => { });
        using HttpClient browser = Browser(http);

        HttpResponseMessage opened = await PostAsync(browser, "/api/v1/session", $$"""{"key":"{{await http.KeyAsync(ApiRole.Operator)}}"}""");
        string cookie = Assert.Single(opened.Headers.GetValues("Set-Cookie"));
        JsonElement session = JsonDocument.Parse(await opened.Content.ReadAsStringAsync(Cancel)).RootElement;
        HttpResponseMessage read = await browser.GetAsync(new Uri("/api/v1/status", UriKind.Relative), Cancel);
        HttpResponseMessage without = await PostAsync(browser, "/api/v1/queues/in/pause", null);
        HttpResponseMessage wrong = await PostAsync(browser, "/api/v1/queues/in/pause", null, "0000");
        HttpResponseMessage with = await PostAsync(browser, "/api/v1/queues/in/pause", null, session.GetProperty("csrf").GetString());
        HttpResponseMessage lower = await PostAsync(browser, "/api/v1/queues/in/purge", null, session.GetProperty("csrf").GetString());
        AuditPage audit = await http.Runtime.Journal.QueryAuditAsync(new AuditQuery { Action = "queue." }, Cancel);
        using HttpRequestMessage end = new(HttpMethod.Delete, "/api/v1/session");
        end.Headers.Add("X-Postroom-Csrf", session.GetProperty("csrf").GetString());
        HttpResponseMessage closed = await browser.SendAsync(end, Cancel);
        HttpResponseMessage after = await browser.GetAsync(new Uri("/api/v1/status", UriKind.Relative), Cancel);

        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=strict", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(("test-operator", "operator"), (session.GetProperty("user").GetString(), session.GetProperty("role").GetString()));
        Assert.Equal(
            [HttpStatusCode.OK, HttpStatusCode.OK, HttpStatusCode.Forbidden, HttpStatusCode.Forbidden, HttpStatusCode.OK, HttpStatusCode.Forbidden, HttpStatusCode.OK, HttpStatusCode.Unauthorized],
            [opened.StatusCode, read.StatusCode, without.StatusCode, wrong.StatusCode, with.StatusCode, lower.StatusCode, closed.StatusCode, after.StatusCode]);
        Assert.Equal("test-operator", Assert.Single(audit.Items).Record.User);
        Assert.All(http.Files.Where(file => file.EndsWith(".db", StringComparison.Ordinal) || file.EndsWith("-wal", StringComparison.Ordinal)), file => Assert.DoesNotContain(cookie.Split('=', ';')[1], Encoding.Latin1.GetString(ReadShared(file)), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Cp3_a_code_signs_in_once_as_the_administrator()
    {
        await using RealHttp http = await RealHttp.StartAsync(static app => { });
        string code = (await http.Runtime.Services.GetRequiredService<ControlPlaneKeys>().MakeCodeAsync(Cancel))!;
        using HttpClient browser = Browser(http);

        HttpResponseMessage first = await PostAsync(browser, "/api/v1/session", $$"""{"code":"{{code}}"}""");
        HttpResponseMessage second = await PostAsync(Browser(http), "/api/v1/session", $$"""{"code":"{{code}}"}""");
        JsonElement session = JsonDocument.Parse(await browser.GetStringAsync(new Uri("/api/v1/session", UriKind.Relative), Cancel)).RootElement;

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.Unauthorized), (first.StatusCode, second.StatusCode));
        Assert.Equal(("admin.key", "admin"), (session.GetProperty("user").GetString(), session.GetProperty("role").GetString()));
    }

    [Fact]
    public async Task Cp5_a_code_is_made_for_a_key_and_not_for_a_session_and_signs_in_once_and_the_oldest_of_too_many_ends()
    {
        await using RealHttp http = await RealHttp.StartAsync(static app => { });
        string key = await http.KeyAsync(ApiRole.Viewer);

        Answer nobody = await http.CallAsync("POST", "/api/v1/session/code", null);
        Answer made = await http.CallAsync("POST", "/api/v1/session/code", key);
        string body = $$"""{"code":"{{made.Json.GetProperty("code").GetString()}}"}""";
        using HttpClient browser = Browser(http);
        HttpResponseMessage first = await PostAsync(browser, "/api/v1/session", body);
        HttpResponseMessage second = await PostAsync(Browser(http), "/api/v1/session", body);
        JsonElement session = JsonDocument.Parse(await browser.GetStringAsync(new Uri("/api/v1/session", UriKind.Relative), Cancel)).RootElement;
        using HttpRequestMessage again = new(HttpMethod.Post, "/api/v1/session/code");
        again.Headers.Add("X-Postroom-Csrf", session.GetProperty("csrf").GetString());
        HttpResponseMessage bySession = await browser.SendAsync(again, Cancel);
        string[] codes = new string[Sessions.MostCodes + 1];
        for (int i = 0; i < codes.Length; i++)
        {
            codes[i] = (await http.CallAsync("POST", "/api/v1/session/code", key)).Json.GetProperty("code").GetString()!;
        }

        HttpResponseMessage oldest = await PostAsync(Browser(http), "/api/v1/session", $$"""{"code":"{{codes[0]}}"}""");
        HttpResponseMessage next = await PostAsync(Browser(http), "/api/v1/session", $$"""{"code":"{{codes[1]}}"}""");

        Assert.Equal((401, 201, HttpStatusCode.OK, HttpStatusCode.Unauthorized), (nobody.Status, made.Status, first.StatusCode, second.StatusCode));
        Assert.Equal("viewer", session.GetProperty("role").GetString());
        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.Unauthorized, HttpStatusCode.OK), (bySession.StatusCode, oldest.StatusCode, next.StatusCode));
    }

    [Fact]
    public async Task Cp4_keys_are_made_listed_without_their_text_and_revoked_with_their_sessions()
    {
        await using RealHttp http = await RealHttp.StartAsync(static app => { });
        string admin = await http.KeyAsync(ApiRole.Admin);

        Answer made = await http.CallAsync("POST", "/api/v1/keys", admin, """{"name":"robot","role":"viewer","expiresIn":"90d"}""");
        string text = made.Json.GetProperty("key").GetString()!;
        using HttpClient browser = Browser(http);
        await PostAsync(browser, "/api/v1/session", $$"""{"key":"{{text}}"}""");
        Answer list = await http.CallAsync("GET", "/api/v1/keys", admin);
        int before = (await http.CallAsync("GET", "/api/v1/status", text)).Status;
        Answer revoked = await http.CallAsync("DELETE", $"/api/v1/keys/{made.Json.GetProperty("id").GetString()}", admin);
        int after = (await http.CallAsync("GET", "/api/v1/status", text)).Status;
        HttpResponseMessage session = await browser.GetAsync(new Uri("/api/v1/status", UriKind.Relative), Cancel);

        Assert.Equal((201, 46), (made.Status, text.Length));
        Assert.Contains("robot", list.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(text, list.Text, StringComparison.Ordinal);
        Assert.Equal((200, 200, 401, HttpStatusCode.Unauthorized), (before, revoked.Status, after, session.StatusCode));
        Assert.Equal(400, (await http.CallAsync("POST", "/api/v1/keys", admin, """{"name":"x y","role":"viewer"}""")).Status);
        Assert.Equal(400, (await http.CallAsync("POST", "/api/v1/keys", admin, """{"name":"x","role":"1"}""")).Status);
        Assert.Equal(404, (await http.CallAsync("DELETE", "/api/v1/keys/none", admin)).Status);
    }

    private static HttpClient Browser(RealHttp http) => new(new SocketsHttpHandler { CookieContainer = new CookieContainer() }) { BaseAddress = http.Client.BaseAddress };

    private static byte[] ReadShared(string file)
    {
        using FileStream stream = new(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using MemoryStream all = new();
        stream.CopyTo(all);
        return all.ToArray();
    }

    private static async Task<HttpResponseMessage> PostAsync(HttpClient browser, string path, string? body, string? csrf = null)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, path);
        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        }

        if (csrf is not null)
        {
            request.Headers.Add("X-Postroom-Csrf", csrf);
        }

        return await browser.SendAsync(request, Cancel);
    }
}
