using Postroom.ControlPlane;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.ControlPlane;

/// <summary>SE-2: who may say from whom a request comes.</summary>
public sealed class TrustedProxyTests
{
    [Theory]
    [InlineData("127.0.0.0/8", "198.51.100.7", "198.51.100.7")]
    [InlineData("127.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7")] // what stands before was written by nobody who is trusted
    [InlineData("10.0.0.0/8", "198.51.100.7", "127.0.0.1")]
    [InlineData(null, "198.51.100.7", "127.0.0.1")]
    public async Task Only_a_trusted_proxy_says_from_whom_a_request_comes(string? trusted, string forwarded, string remote)
    {
        await using RealHttp http = await RealHttp.StartAsync(static app => { }, trusted is null ? [] : [$"server.trustedProxies=[\"{trusted}\"]"]);

        Answer answer = await http.CallAsync("POST", "/api/v1/queues/in/pause", await http.KeyAsync(ApiRole.Operator), null, ("X-Forwarded-For", forwarded), ("X-Forwarded-Host", "evil.example"));

        Assert.Equal(200, answer.Status);
        Assert.Equal(remote, Assert.Single((await http.Runtime.Journal.QueryAuditAsync(new AuditQuery(), Cancel)).Items).Record.Remote);
    }
}
