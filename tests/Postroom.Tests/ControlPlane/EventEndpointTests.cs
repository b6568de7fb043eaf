using System.Net.Http.Headers;
using System.Text.Json;
using Postroom.ControlPlane;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.ControlPlane;

/// <summary>TR-8: what happens, as it happens, and where a client goes on that was away.</summary>
public sealed class EventEndpointTests
{
    [Fact]
    public async Task Moves_come_in_order_filtered_and_a_client_goes_on_behind_the_last_it_had()
    {
        await using RealHttp http = await StartAsync();
        string key = await http.KeyAsync(ApiRole.Viewer);
        using EventReader all = await EventReader.OpenAsync(http, "/api/v1/events?type=transition&queue=work", key);
        MessageId id = await http.Runtime.PublishAsync("1");
        List<(string Id, string Name, JsonElement Data)> first = await all.ReadAsync(3);

        using EventReader again = await EventReader.OpenAsync(http, $"/api/v1/journal/stream?messageId={id}", key, first[0].Id);
        List<(string Id, string Name, JsonElement Data)> rest = await again.ReadAsync(2);
        using EventReader foreign = await EventReader.OpenAsync(http, "/api/v1/events", key, "other-7");
        (string _, string gap, JsonElement why) = (await foreign.ReadAsync(1))[0];

        Assert.Equal(["pending", "dispatched", "acked"], first.Select(one => one.Data.GetProperty("to").GetString()));
        Assert.All(first, one => Assert.Equal((id.ToString(), "transition", "work"), (one.Data.GetProperty("messageId").GetString(), one.Name, one.Data.GetProperty("queue").GetString())));
        Assert.Equal(first.Skip(1).Select(one => one.Id), rest.Select(one => one.Id));
        Assert.Equal("gap", gap);
        Assert.Contains("another run", why.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal(400, (await http.CallAsync("GET", "/api/v1/events?type=weather", key)).Status);
    }

    [Fact]
    public async Task Changes_of_the_configuration_of_pools_and_of_health_are_told()
    {
        await using RealHttp http = await StartAsync();
        string admin = await http.KeyAsync(ApiRole.Admin);
        using EventReader events = await EventReader.OpenAsync(http, "/api/v1/events?type=config,worker,source", admin);

        await http.CallAsync("POST", "/api/v1/workers/work/pause", admin);
        (string _, string worker, JsonElement paused) = (await events.ReadAsync(1))[0];
        await http.CallAsync("PUT", "/api/v1/config/overrides/hooks.timeout", admin, """{"value":"9s"}""");
        (string _, string config, JsonElement version) = (await events.ReadAsync(1))[0];

        Assert.Equal(("worker", "work", "paused"), (worker, paused.GetProperty("name").GetString(), paused.GetProperty("state").GetString()));
        Assert.Equal(("config", "version 2"), (config, version.GetProperty("state").GetString()));
    }

    [Fact]
    public async Task Tr8_thousands_of_events_are_resumed_and_later_receipts_are_told()
    {
        await using RealHttp http = await StartAsync();
        string key = await http.KeyAsync(ApiRole.Viewer);
        using EventReader first = await EventReader.OpenAsync(http, "/api/v1/events?queue=quiet", key);
        Envelope[] many = [.. Enumerable.Range(0, 3_000).Select(_ => new Envelope(MessageId.New(), "quiet", "work.todo", default))];
        await http.Store.AppendAsync(many, null, Cancel);
        string begin = (await first.ReadAsync(1))[0].Id;

        using EventReader again = await EventReader.OpenAsync(http, "/api/v1/events?type=transition&queue=quiet", key, begin);
        List<(string Id, string Name, JsonElement Data)> rest = await again.ReadAsync(2_999);
        using EventReader receipts = await EventReader.OpenAsync(http, $"/api/v1/events?type=receipt&messageId={many[7].Id}", key);
        DeliveryReceipt read = new() { Status = DeliveryStatus.Read, At = TimeProvider.System.GetUtcNow() };
        await http.Runtime.View.WriteNotesAsync([new StoreNote(NoteKind.Receipt, read.At, JsonSerializer.SerializeToUtf8Bytes(read, PostroomJson.Default.DeliveryReceipt)) { MessageId = many[7].Id }], Cancel);
        JsonElement receipt = (await receipts.ReadAsync(1))[0].Data;

        Assert.All(rest, one => Assert.Equal("transition", one.Name));
        Assert.Equal(2_999, rest.Select(one => one.Id).Distinct(StringComparer.Ordinal).Count());
        Assert.Equal(("read", "quiet"), (receipt.GetProperty("status").GetString(), receipt.GetProperty("queue").GetString()));
        Assert.Equal(403, (await http.CallAsync("GET", "/api/v1/events?type=log", key)).Status);
        Assert.Equal(200, (await http.CallAsync("GET", "/api/v1/events?type=log,restart", await http.KeyAsync(ApiRole.Admin))).Status);
    }

    [Fact]
    public async Task A_stop_ends_the_streams()
    {
        RealHttp http = await StartAsync();
        using EventReader events = await EventReader.OpenAsync(http, "/api/v1/events", await http.KeyAsync(ApiRole.Viewer));

        await http.DisposeAsync();

        await events.EndAsync();
    }

    private static Task<RealHttp> StartAsync() => RealHttp.StartAsync(app => app.AddWork((_, _, _) => new ValueTask<HandlerResult>(HandlerResult.Completed)));

    /// <summary>Reads a stream of events.</summary>
    private sealed class EventReader : IDisposable
    {
        private readonly HttpResponseMessage _response;
        private readonly StreamReader _lines;

        private EventReader(HttpResponseMessage response, Stream stream) => (_response, _lines) = (response, new StreamReader(stream));

        public static async Task<EventReader> OpenAsync(RealHttp http, string path, string key, string? last = null)
        {
            using HttpRequestMessage request = new(HttpMethod.Get, path);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
            if (last is not null)
            {
                request.Headers.TryAddWithoutValidation("Last-Event-ID", last);
            }

            HttpResponseMessage response = await http.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);
            Assert.True(response.IsSuccessStatusCode);
            EventReader reader = new(response, await response.Content.ReadAsStreamAsync(Cancel));
            Assert.Equal("retry: 2000", await reader._lines.ReadLineAsync(Cancel)); // from here on it is connected
            return reader;
        }

        public async Task<List<(string Id, string Name, JsonElement Data)>> ReadAsync(int count)
        {
            List<(string, string, JsonElement)> events = [];
            (string id, string name, string data) = ("", "", "");
            while (events.Count < count)
            {
                string line = await _lines.ReadLineAsync(Cancel) ?? throw new EndOfStreamException();
                if (line.Length == 0 && data.Length > 0)
                {
                    events.Add((id, name, JsonDocument.Parse(data).RootElement));
                    (id, name, data) = ("", "", "");
                }

                id = line.StartsWith("id: ", StringComparison.Ordinal) ? line[4..] : id;
                name = line.StartsWith("event: ", StringComparison.Ordinal) ? line[7..] : name;
                data = line.StartsWith("data: ", StringComparison.Ordinal) ? line[6..] : data;
            }

            return events;
        }

        public async Task EndAsync()
        {
            try
            {
                while (await _lines.ReadLineAsync(Cancel) is not null)
                {
                    // What was on its way.
                }
            }
            catch (IOException)
            {
                // The connection ended.
            }
        }

        public void Dispose()
        {
            _lines.Dispose();
            _response.Dispose();
        }
    }
}
