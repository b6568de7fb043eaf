using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Postroom.ControlPlane;
using Postroom.Tests.Hosting;
using Xunit;

namespace Postroom.Tests.ControlPlane;

public sealed class WholeWalkTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_text_from_the_page_goes_through_the_runtime_and_its_answer_is_found_by_why()
    {
        string data = Directory.CreateTempSubdirectory("postroom-walk-").FullName;
        await using MessageRuntime runtime = await RuntimeHarness.StartAsync(
            app => app.AddControlPlane()
                .AddQueue("in")
                .AddHandler("chat.text", PostroomJson.Default.IncomingMessage, (message, context, _) =>
                {
                    context.Reply($"you said {message.Text}");
                    return new ValueTask<HandlerResult>(HandlerResult.Completed);
                }, "in")
                .AddWorkers("in"),
            "server.urls.0=http://127.0.0.1:0", $"runtime.dataDirectory={data}", "communications.enabled=true", "communications.backends.emulator.type=emulator");
        ControlPlaneService http = runtime.Services.GetRequiredService<ControlPlaneService>();
        using HttpClient client = new() { BaseAddress = new Uri(http.Addresses[0]), Timeout = TimeSpan.FromSeconds(30) };

        using StreamReader stream = new(await client.GetStreamAsync(new Uri("/events?sender=ann", UriKind.Relative), Cancel));
        while (await stream.ReadLineAsync(Cancel) is not "id: 0")
        {
        }

        using StringContent body = new("""{"sender":"ann","msg_type":"chat","raw_msg":"hello","client_type":"emulator","message_id":"k1"}""", Encoding.UTF8, "application/json");
        using HttpResponseMessage posted = await client.PostAsync(new Uri("/webhook", UriKind.Relative), body, Cancel);
        Assert.True(posted.IsSuccessStatusCode, await posted.Content.ReadAsStringAsync(Cancel));
        string id = JsonDocument.Parse(await posted.Content.ReadAsStringAsync(Cancel)).RootElement.GetProperty("data").GetProperty("entry_id").GetString()!;
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(15));
        while (await stream.ReadLineAsync(limit.Token) is not "data: you said hello")
        {
        }

        client.DefaultRequestHeaders.Authorization = new("Bearer", await AdminKeyFile.ReadAsync(data, Cancel));
        await runtime.EndedAsync(MessageId.Parse(id), MessageState.Acked);
        JsonElement why = JsonDocument.Parse(await client.GetStringAsync(new Uri($"/api/v1/journal/{id}/why", UriKind.Relative), Cancel)).RootElement;
        Assert.Contains("It was handled", why.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal("running", JsonDocument.Parse(await client.GetStringAsync(new Uri("/api/v1/status", UriKind.Relative), Cancel)).RootElement.GetProperty("state").GetString());
        await RuntimeHarness.UntilAsync(async () =>
        {
            JournalPage page = await runtime.Journal.QueryAsync(new JournalQuery { Queue = "out.emulator" }, Cancel);
            JournalRecord? answer = await runtime.Journal.GetAsync(page.Items[0].Envelope.Id, false, Cancel);
            return answer!.Receipts.Any(receipt => receipt.Status == DeliveryStatus.Delivered);
        });
    }
}
