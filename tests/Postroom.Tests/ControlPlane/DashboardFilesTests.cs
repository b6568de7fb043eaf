using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.ControlPlane;
using Xunit;

namespace Postroom.Tests.ControlPlane;

/// <summary>What the dashboard's files are made of, without a browser.</summary>
public sealed partial class DashboardFilesTests
{
    [Fact]
    public async Task Ui1_every_file_that_a_page_names_is_embedded_and_nothing_comes_from_elsewhere()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        string[] names = [.. DashboardEndpoints.Names];
        Assert.Contains("index.html", names);

        foreach (string name in names)
        {
            Answer answer = await http.GetAsync($"/ui/{name}");
            Assert.Equal(200, answer.Status);
            Assert.All(Import().Matches(answer.Text).Select(match => match.Groups[1].Success ? match.Groups[1].Value : match.Groups[2].Value), file => Assert.Contains(file, names));
            Assert.DoesNotMatch(Elsewhere(), answer.Text.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal));
            Assert.DoesNotMatch(InlineCode(), answer.Text);
        }

        Assert.Equal(404, (await http.GetAsync("/ui/none.js")).Status);
        Assert.StartsWith("<!doctype html>", (await http.GetAsync("/ui/")).Text, StringComparison.Ordinal);
    }

    /// <summary>Markup is never made of data: no call of the page takes any.</summary>
    [Fact]
    public async Task Ui2_no_script_makes_markup_or_code_out_of_text()
    {
        await using HttpFixture http = await HttpFixture.StartAsync();
        foreach (string name in DashboardEndpoints.Names.Where(name => name.EndsWith(".js", StringComparison.Ordinal)))
        {
            Assert.DoesNotMatch(Markup(), (await http.GetAsync($"/ui/{name}")).Text);
        }
    }

    [Fact]
    public async Task While_the_store_opens_a_session_is_not_ended_and_a_key_is_no_guess()
    {
        RuntimeDouble runtime = new(TimeProvider.System);
        ControlPlaneKeys keys = new(runtime, new ServerOptions(), Path.GetTempPath(), TimeProvider.System);
        AuditTrail audit = new(runtime, new Redactor(), TimeProvider.System, NullLogger<AuditTrail>.Instance);
        KeyGate gate = new(keys, new RefusedKeys(runtime, keys, audit, TimeProvider.System, NullLogger<RefusedKeys>.Instance));

        Assert.Equal(503, await StatusAsync("Cookie", $"{SessionCookie.Name}={new string('a', 64)}"));
        Assert.Equal(503, await StatusAsync("Authorization", "Bearer pr_unknown"));
        Assert.Equal(401, await StatusAsync("Accept", "*/*"));

        async Task<int> StatusAsync(string header, string value)
        {
            DefaultHttpContext context = new();
            context.Request.Headers[header] = value;
            Assert.False(await gate.AdmitAsync(context, ApiRole.Viewer));
            return context.Response.StatusCode;
        }
    }

    [GeneratedRegex("""from '\./([a-z-]+\.js)'|(?:href|src)=.([a-z-]+\.[a-z]+)["']""")]
    private static partial Regex Import();

    [GeneratedRegex("""(?:https?:)?//[a-z]""")]
    private static partial Regex Elsewhere();

    [GeneratedRegex("""<style|<script>|\son[a-z]+="|\sstyle=|javascript:""")]
    private static partial Regex InlineCode();

    [GeneratedRegex("""innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|createContextualFragment""")]
    private static partial Regex Markup();
}
