using System.Text.Json;
using System.Text.RegularExpressions;
using Postroom.ControlPlane;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.ControlPlane;

/// <summary>Every route, with each key and each way to ask it wrongly (AC-83, AC-84). The list of routes is the one that is mapped.</summary>
public sealed partial class RouteMatrixTests
{
    [Fact]
    public async Task Ac83_every_route_answers_those_only_who_have_its_role_and_none_is_open_on_loopback_but_the_marked()
    {
        await using RealHttp http = await StartAsync();
        string[] keys = [await http.KeyAsync(ApiRole.Viewer), await http.KeyAsync(ApiRole.Operator), await http.KeyAsync(ApiRole.Admin)];
        List<string> wrong = [];
        foreach ((ApiRoute route, string path) in Paths(http).Where(one => one.Route.Role is not null))
        {
            int none = (await http.CallAsync(route.Method, path, null)).Status;
            Check(route, path, "no key", none, none == 401);
            foreach (ApiRole role in Enum.GetValues<ApiRole>())
            {
                int status = (await http.CallAsync(route.Method, path, keys[(int)role])).Status;
                Check(route, path, role.ToString(), status, role < route.Role ? status == 403 : status is not (401 or 403 or 405 or 500 or > 501)); // 501: this process cannot be replaced
            }
        }

        Assert.Empty(wrong);
        Assert.Equal(
            ["/", "/api/v1/session", "/api/v1/session", "/api/v1/session", "/chat", "/chat/faults", "/chat/faults", "/chat/script", "/chat/{file}", "/events", "/health/live", "/health/ready", "/hooks/{source}", "/ui", "/ui/{file}", "/webhook"],
            http.Routes.Where(route => route.Role is null).SelectMany(route => route.Paths).Order(StringComparer.Ordinal));

        void Check(ApiRoute route, string path, string who, int status, bool right)
        {
            if (!right)
            {
                wrong.Add($"{route.Method} {path} with {who}: {status}");
            }
        }
    }

    [Fact]
    public async Task Ac84_a_foreign_host_or_origin_a_form_a_wrong_method_and_too_long_a_body_are_refused_with_every_key_and_change_nothing()
    {
        await using RealHttp http = await StartAsync();
        (string Who, string? Text)[] keys =
            [("nobody", null), .. await Task.WhenAll(Enum.GetValues<ApiRole>().Select(async role => (role.ToString(), (string?)await http.KeyAsync(role))))];
        List<string> wrong = [];
        foreach (((ApiRoute route, string path), int number) in Paths(http).SelectMany(one => Enumerable.Range(0, keys.Length).Select(key => (one, key))))
        {
            (string who, string? key) = keys[number];
            bool allowed = route.Role is not { } needed || (number > 0 && (ApiRole)(number - 1) >= needed);
            await ExpectAsync(421, "foreign Host", http.CallAsync(route.Method, path, key, null, ("Host", "evil.example")));
            await ExpectAsync(405, "wrong method", http.CallAsync("PATCH", path, key, "{}"));
            if (route.Method == "GET")
            {
                continue;
            }

            await ExpectAsync(403, "foreign Origin", http.CallAsync(route.Method, path, key, "{}", ("Origin", "https://evil.example")));
            await ExpectAsync(403, "no Origin of its own", http.CallAsync(route.Method, path, key, "{}", ("Origin", "null")));
            await ExpectAsync(403, "cross-site", http.CallAsync(route.Method, path, key, "{}", ("Sec-Fetch-Site", "cross-site")));

            // A source of /hooks that there is none of takes no type and no size.
            bool isHook = path.StartsWith("/hooks/", StringComparison.Ordinal);
            await ExpectAsync(isHook ? 404 : 415, "form", http.CallAsync(route.Method, path, key, "a=b", ("Content-Type", "application/x-www-form-urlencoded")));
            if (route.Body is not null || path == "/webhook" || isHook)
            {
                await ExpectAsync(!allowed ? (number == 0 ? 401 : 403) : isHook ? 404 : 413, "too long", DeclareAsync(http, route.Method, path, key));
            }

            async Task ExpectAsync(int status, string how, Task<Answer> call)
            {
                Answer answer = await call;
                if (answer.Status != status)
                {
                    wrong.Add($"{route.Method} {path} ({how}, {who}): {answer.Status} instead of {status}");
                }
            }
        }

        Assert.Empty(wrong);
        Assert.DoesNotContain((await http.Runtime.Journal.QueryAuditAsync(new AuditQuery(), Cancel)).Items, static row => row.Record.User.StartsWith("test-", StringComparison.Ordinal));
        Assert.Equal(0, (await http.Runtime.Journal.QueryAsync(new JournalQuery(), Cancel)).Total);
        Assert.Equal(RuntimeState.Running, http.Runtime.State);
    }

    [Fact]
    public async Task Ac87_every_changing_request_that_did_something_has_one_row_and_none_has_two()
    {
        await using RealHttp http = await StartAsync();
        string admin = await http.KeyAsync(ApiRole.Admin);
        List<string> wrong = [];
        int done = 0;
        foreach ((ApiRoute route, string path) in Paths(http).Where(static one => one.Route.Role is not null && one.Route.Method != "GET" && !one.Path.EndsWith("/validate", StringComparison.Ordinal)))
        {
            int before = await RowsAsync();
            int status = (await http.CallAsync(route.Method, path, admin, route.Body is null ? null : "{}")).Status;
            int rows = await RowsAsync() - before;
            done += status < 300 ? 1 : 0;
            if (rows > 1 || (status is < 300 or 409 or 422 && rows != 1))
            {
                wrong.Add($"{route.Method} {path}: {status} with {rows} rows");
            }
        }

        Assert.Empty(wrong);
        Assert.InRange(done, 15, 60);

        async Task<int> RowsAsync()
        {
            int rows = 0;
            for (long? cursor = null; ;)
            {
                AuditPage page = await http.Runtime.Journal.QueryAuditAsync(new AuditQuery { User = "test-admin", Limit = 100, Cursor = cursor }, Cancel);
                rows += page.Items.Count;
                if ((cursor = page.Next) is null)
                {
                    return rows;
                }
            }
        }
    }

    [Fact]
    public async Task Cp1_the_document_describes_every_route_with_its_role_and_its_references_lead_somewhere()
    {
        await using RealHttp http = await StartAsync();

        Answer answer = await http.CallAsync("GET", "/api/v1/openapi.json", await http.KeyAsync(ApiRole.Viewer));
        JsonElement document = answer.Json;
        JsonElement paths = document.GetProperty("paths");
        string[] described = [.. paths.EnumerateObject().SelectMany(path => path.Value.EnumerateObject().Select(method => $"{method.Name.ToUpperInvariant()} {path.Name} {method.Value.GetProperty("x-role").GetString()}"))];
        string[] ids = [.. paths.EnumerateObject().SelectMany(path => path.Value.EnumerateObject().Select(method => method.Value.GetProperty("operationId").GetString()!))];
        string[] references = [.. References().Matches(answer.Text).Select(match => match.Groups[1].Value).Distinct()];

        Assert.Equal("3.1.1", document.GetProperty("openapi").GetString());
        Assert.Equal(
            http.Routes.SelectMany(route => route.Paths.Select(path => $"{route.Method} {path.Replace("**", "", StringComparison.Ordinal)} {route.Role?.ToString().ToLowerInvariant()}")).Order(StringComparer.Ordinal),
            described.Order(StringComparer.Ordinal));
        Assert.Equal(ids.Length, ids.Distinct(StringComparer.Ordinal).Count());
        Assert.NotEmpty(references);
        Assert.All(references, reference => Assert.True(Resolves(document, reference), reference));
        Assert.All(paths.EnumerateObject().SelectMany(path => path.Value.EnumerateObject().Select(method => (path.Name, method.Value))), one =>
        {
            string[] inPath = [.. Braces().Matches(one.Name).Select(match => match.Groups[1].Value)];
            string[] declared = one.Value.TryGetProperty("parameters", out JsonElement parameters)
                ? [.. parameters.EnumerateArray().Where(parameter => parameter.GetProperty("in").GetString() == "path").Select(parameter => parameter.GetProperty("name").GetString()!)]
                : [];
            Assert.Equal(inPath, declared);
            Assert.NotEmpty(one.Value.GetProperty("summary").GetString()!);
            Assert.NotEmpty(one.Value.GetProperty("responses").EnumerateObject());
        });
    }

    /// <summary>Announces a body of 64 MiB and waits to be asked for it, so that a refusal costs nothing.</summary>
    private static async Task<Answer> DeclareAsync(RealHttp http, string method, string path, string? key)
    {
        using HttpRequestMessage request = new(new HttpMethod(method), path) { Content = new Unsent(64 << 20) };
        request.Headers.ExpectContinue = true;
        request.Headers.Authorization = key is null ? null : new("Bearer", key);
        request.Content.Headers.ContentType = new("application/json");
        return await http.Client.AnswerAsync(request);
    }

    private static bool Resolves(JsonElement document, string pointer)
    {
        JsonElement place = document;
        foreach (string step in pointer.TrimStart('#', '/').Split('/').Select(step => step.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)))
        {
            bool found = place.ValueKind == JsonValueKind.Array ? int.TryParse(step, out int index) && index < place.GetArrayLength() : place.TryGetProperty(step, out _);
            if (!found)
            {
                return false;
            }

            place = place.ValueKind == JsonValueKind.Array ? place[int.Parse(step, System.Globalization.CultureInfo.InvariantCulture)] : place.GetProperty(step);
        }

        return true;
    }

    private static Task<RealHttp> StartAsync() => RealHttp.StartAsync(
        static app => app.AddCommunicator(static _ => new Postroom.Testing.RecordingCommunicator("chat"), ["default"]),
        "intake.webhook.perAddress=100000/s");

    /// <summary>Each route under each of its paths, its parameters filled; what stops or pauses the whole comes last.</summary>
    internal static IEnumerable<(ApiRoute Route, string Path)> Paths(RealHttp http) => http.Routes
        .SelectMany(route => route.Paths.Select(path => (route, Braces().Replace(path, match => match.Groups[1].Value switch
        {
            "queue" => "in",
            "communicator" => "chat",
            "path" => route.Method == "GET" ? "chat/7" : "chat/7/kill",
            "number" => "0",
            "key" => "hooks.timeout",
            _ => "x",
        }))));

    [GeneratedRegex(@"\{\**([A-Za-z]+)\}")]
    private static partial Regex Braces();

    [GeneratedRegex("\"\\$ref\":\"([^\"]+)\"")]
    private static partial Regex References();

    /// <summary>A body that is never sent.</summary>
    private sealed class Unsent(long length) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context) => throw new IOException("Nobody was to ask for this body.");

        protected override bool TryComputeLength(out long computed)
        {
            computed = length;
            return true;
        }
    }
}
