using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Postroom.ControlPlane;
using Xunit;

namespace Postroom.Tests.ControlPlane;

public sealed class HttpRulesTests
{
    [Theory]
    [InlineData("localhost", true)]
    [InlineData("LOCALHOST:5000", true)]
    [InlineData("127.0.0.1:80", true)]
    [InlineData("[::1]:5000", true)]
    [InlineData("chat.example.org:8443", true)]
    [InlineData("chat.example.org", false)]
    [InlineData("chat.example.org:8444", false)]
    [InlineData("evil.example", false)]
    [InlineData("localhost.evil.example", false)]
    [InlineData("127.0.0.1.nip.io", false)]
    [InlineData("localhost.", false)]
    [InlineData("localhost:", false)]
    [InlineData("localhost:80:evil", false)]
    [InlineData("", false)]
    public async Task Only_our_own_host_names_are_answered(string host, bool answered)
    {
        DefaultHttpContext context = Request("GET");
        context.Request.Headers.Host = host;

        await RunAsync(context);

        Assert.Equal(answered ? 200 : 421, context.Response.StatusCode);
    }

    [Fact]
    public async Task Two_host_headers_are_misdirected()
    {
        DefaultHttpContext context = Request("GET");
        context.Request.Headers.Host = new(["localhost", "evil.example"]);

        await RunAsync(context);

        Assert.Equal(421, context.Response.StatusCode);
    }

    [Theory]
    [InlineData("POST", null, null, 200)]
    [InlineData("POST", "http://localhost:5000", "same-origin", 200)]
    [InlineData("POST", "https://localhost:5000", null, 200)]
    [InlineData("POST", "http://localhost:5001", "same-site", 403)]
    [InlineData("POST", "https://evil.example", null, 403)]
    [InlineData("POST", "null", null, 403)]
    [InlineData("POST", null, "cross-site", 403)]
    [InlineData("DELETE", "https://evil.example", null, 403)]
    [InlineData("GET", "https://evil.example", "cross-site", 200)]
    public async Task A_page_of_another_origin_cannot_change_anything(string method, string? origin, string? site, int status)
    {
        DefaultHttpContext context = Request(method);
        context.Request.Headers.Origin = origin;
        context.Request.Headers["Sec-Fetch-Site"] = site;

        await RunAsync(context);

        Assert.Equal(status, context.Response.StatusCode);
        Assert.DoesNotContain(context.Response.Headers, header => header.Key.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase));
    }

    [Theory]
    [InlineData("/api/v1/send", "application/json", 200)]
    [InlineData("/api/v1/send", "text/plain", 415)]
    [InlineData("/api/v1/send", "application/x-www-form-urlencoded", 415)]
    [InlineData("/api/v1/send", null, 415)]
    [InlineData("/hooks/shop", "text/xml", 200)]
    [InlineData("/hooksy", "text/xml", 415)]
    [InlineData("/pager", "application/x-www-form-urlencoded", 200)]
    [InlineData("/pager/more", "application/x-www-form-urlencoded", 415)]
    public async Task A_body_must_be_json_except_below_hooks(string path, string? contentType, int status)
    {
        DefaultHttpContext context = Request("POST");
        context.Request.Path = path;
        context.Request.ContentType = contentType;
        context.Request.ContentLength = 2;

        await RunAsync(context);

        Assert.Equal(status, context.Response.StatusCode);
    }

    [Fact]
    public async Task Every_answer_carries_the_security_headers()
    {
        DefaultHttpContext refused = Request("GET");
        refused.Request.Headers.Host = "evil.example";

        await RunAsync(refused);

        Assert.StartsWith("default-src 'none'", refused.Response.Headers.ContentSecurityPolicy.ToString(), StringComparison.Ordinal);
        Assert.Equal("nosniff", refused.Response.Headers.XContentTypeOptions);
        Assert.Equal("no-store", refused.Response.Headers.CacheControl);
    }

    [Theory]
    [InlineData("127.0.0.1", "localhost:5000", null, true)]
    [InlineData("127.8.0.1", "127.0.0.1", null, true)]
    [InlineData("::1", "[::1]:5000", null, true)]
    [InlineData("::ffff:127.0.0.1", "localhost", null, true)]
    [InlineData("192.0.2.7", "localhost", null, false)]
    [InlineData(null, "localhost", null, false)]
    [InlineData("127.0.0.1", "chat.example.org", null, false)]
    [InlineData("127.0.0.1", "2130706433", null, false)]
    [InlineData("127.0.0.1", "localhost", "X-Forwarded-For", false)]
    [InlineData("127.0.0.1", "localhost", "x-forwarded-anything", false)]
    [InlineData("127.0.0.1", "localhost", "forwarded", false)]
    public void Only_a_direct_request_of_this_machine_counts_as_local(string? address, string host, string? header, bool local)
    {
        DefaultHttpContext context = Request("POST");
        context.Connection.RemoteIpAddress = address is null ? null : IPAddress.Parse(address);
        context.Request.Headers.Host = host;
        if (header is not null)
        {
            context.Request.Headers[header] = "1";
        }

        Assert.Equal(local, LoopbackOnly.Allows(context));
    }

    [Fact]
    public async Task A_problem_is_written_with_code_id_and_errors()
    {
        DefaultHttpContext context = Request("GET");
        Problem problem = new()
        {
            Status = 400,
            Code = ProblemCode.BadRequest,
            Detail = "limit is 500 and may be 1 to 100.",
            Errors = new Dictionary<string, string[]> { ["limit"] = ["1 to 100"] },
        };

        await problem.WriteAsync(context);

        using JsonDocument written = Read(context);
        Assert.Equal("application/problem+json", context.Response.ContentType);
        Assert.Equal("Bad Request", written.RootElement.GetProperty("title").GetString());
        Assert.Equal(400, written.RootElement.GetProperty("status").GetInt32());
        Assert.Equal("bad_request", written.RootElement.GetProperty("code").GetString());
        Assert.Equal(problem.Id, written.RootElement.GetProperty("id").GetString());
        Assert.Equal("1 to 100", written.RootElement.GetProperty("errors").GetProperty("limit")[0].GetString());
    }

    [Fact]
    public async Task Webhook_answers_have_the_form_that_bridges_expect()
    {
        DefaultHttpContext stored = Request("POST");
        await WebhookAnswer.WriteStoredAsync(stored, "0198", duplicate: true);
        Assert.Equal("{\"success\":true,\"message\":\"\",\"data\":{\"entry_id\":\"0198\",\"duplicate\":true}}", Text(stored));

        DefaultHttpContext failed = Request("POST");
        await WebhookAnswer.WriteErrorAsync(failed, 503, "the store is not available", id: "abc", retryAfterSeconds: 0);
        Assert.Equal("{\"success\":false,\"message\":\"Error processing webhook: the store is not available (id abc)\",\"data\":null}", Text(failed));
        Assert.Equal(503, failed.Response.StatusCode);
        Assert.Equal("1", failed.Response.Headers.RetryAfter);
    }

    [Fact]
    public void The_server_has_the_limits_of_the_specification()
    {
        KestrelServerOptions options = new();

        KestrelLimits.Apply(options);

        Assert.Equal(TimeSpan.FromSeconds(10), options.Limits.RequestHeadersTimeout);
        Assert.Equal(240, options.Limits.MinRequestBodyDataRate!.BytesPerSecond);
        Assert.Equal(TimeSpan.FromSeconds(5), options.Limits.MinRequestBodyDataRate.GracePeriod);
        Assert.Equal(10_000, options.Limits.MaxConcurrentConnections);
        Assert.Equal(32 * 1024, options.Limits.MaxRequestHeadersTotalSize);
        Assert.Equal(8 * 1024, options.Limits.MaxRequestLineSize);
        Assert.False(options.AddServerHeader);
    }

    private static DefaultHttpContext Request(string method)
    {
        DefaultHttpContext context = new();
        context.Request.Method = method;
        context.Request.Scheme = "http";
        context.Request.Headers.Host = "localhost:5000";
        context.Response.Body = new MemoryStream();
        return context;
    }

    private static Task RunAsync(HttpContext context) =>
        new BrowserRules(_ => Task.CompletedTask, new() { Hosts = ["localhost", "127.0.0.1", "[::1]", "chat.example.org:8443"], IsReceiver = static path => path == "/pager" }).InvokeAsync(context);

    private static JsonDocument Read(HttpContext context)
    {
        context.Response.Body.Position = 0;
        return JsonDocument.Parse(context.Response.Body);
    }

    private static string Text(HttpContext context) => System.Text.Encoding.UTF8.GetString(((MemoryStream)context.Response.Body).ToArray());
}
