using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Postroom.Crash;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>Who reaches the program from elsewhere (CP-3, AC-85).</summary>
[Collection(Processes.Name)]
public sealed class AccessTests
{
    [Fact]
    public async Task Ac85_a_wider_address_starts_once_a_key_was_made_and_the_store_has_its_hash_alone()
    {
        await using RealProgram program = new();
        string wide = $"server.urls=[\"http://0.0.0.0:{program.Port}\"]";

        AppProcess refused = program.StartProcess(RealProgram.HostAssembly, ["run"], [wide]);
        int without = await refused.WaitAsync().WaitAsync(TimeSpan.FromSeconds(60), RealProgram.Cancel);
        await program.RunAsync();
        (int made, string output) = await program.CommandAsync("token", "create", "--name", "ops", "--role", "viewer");
        (int linked, string link) = await program.CommandAsync("token", "link");
        string code = link[(link.IndexOf("#code=", StringComparison.Ordinal) + 6)..link.IndexOf('\n', StringComparison.Ordinal)].Trim();
        HttpStatusCode[] signedIn = [await SignInAsync(), await SignInAsync()];
        await program.StopAsync();
        await program.RunAsync(wide);
        string key = output[..46];
        HttpStatusCode nobody = await StatusAsync(null);
        HttpStatusCode somebody = await StatusAsync(key);
        await program.StopAsync();
        string[] contents = [.. Directory.EnumerateFiles(program.Folder, "*", SearchOption.AllDirectories).Select(static file => Encoding.Latin1.GetString(File.ReadAllBytes(file)))];

        Assert.Equal((3, 0, 0), (without, made, linked));
        Assert.StartsWith($"{program.Address}ui", link, StringComparison.Ordinal);
        Assert.Equal([HttpStatusCode.OK, HttpStatusCode.Unauthorized], signedIn);
        Assert.Contains("there is no key yet", refused.Output, StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.OK), (nobody, somebody));
        Assert.StartsWith("pr_", key, StringComparison.Ordinal);
        Assert.DoesNotContain(contents, content => content.Contains(key, StringComparison.Ordinal));
        Assert.Contains(contents, content => content.Contains(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key))), StringComparison.Ordinal));

        async Task<HttpStatusCode> SignInAsync()
        {
            using StringContent content = new($$"""{"code":"{{code}}"}""", Encoding.UTF8, "application/json");
            using HttpClient browser = new(); // with cookies of its own
            using HttpResponseMessage answer = await browser.PostAsync(new Uri(program.Address, "api/v1/session"), content, RealProgram.Cancel);
            return answer.StatusCode;
        }

        async Task<HttpStatusCode> StatusAsync(string? with)
        {
            using HttpRequestMessage request = new(HttpMethod.Get, new Uri(program.Address, "api/v1/status"));
            request.Headers.Authorization = with is null ? null : new AuthenticationHeaderValue("Bearer", with);
            using HttpResponseMessage answer = await program.Http.SendAsync(request, RealProgram.Cancel);
            return answer.StatusCode;
        }
    }
}
