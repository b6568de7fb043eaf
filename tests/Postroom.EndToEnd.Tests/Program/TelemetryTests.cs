using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Postroom.Crash;
using Postroom.Tests.Diagnostics;
using Xunit;

namespace Postroom.EndToEnd.Tests.Program;

/// <summary>What the real program tells of itself, and what happens when nobody can hear it.</summary>
[Collection(Processes.Name)]
public sealed class TelemetryTests
{
    private const string Trace = "4bf92f3577b34da6a3ce929d0e0e4736";

    [Fact]
    public async Task Ac76_One_trace_goes_from_the_webhook_through_handler_lane_and_send_and_the_attempt_after_a_restart_over_grpc_and_http()
    {
        await using OtlpCollector collector = await OtlpCollector.StartAsync();
        await using RealProgram program = new();
        await program.RunAppAsync("talk", "--set", "tracing.transport=otlp", "--set", $"tracing.endpoint={collector.GrpcEndpoint}");
        Task<string> begun = program.Ledger.NextAsync("BEGIN wait");
        string id = await PostAsync(program);
        await begun;
        await program.UntilAsync(() => Task.FromResult(collector.Spans.Any(span => span.Name == "postroom.accept")), () => $"nothing accepted: {collector.Malformed}");

        await program.KillAsync();
        await program.RunAppAsync("talk", "--set", "tracing.transport=otlp", "--set", $"tracing.endpoint={collector.HttpEndpoint}");
        await program.UntilAsync(id, "acked");
        await program.UntilAsync(() => Task.FromResult(collector.Spans.Count(span => span.TraceId == Trace && span.Name == "postroom.settle") == 2), () => string.Join(' ', collector.Spans.Select(span => span.Name)));

        Assert.Null(collector.Malformed);
        Assert.True(collector.Requests["grpc"] > 0 && collector.Requests["http"] > 0);
        ReceivedSpan[] spans = [.. collector.Spans.Where(span => span.TraceId == Trace)];
        ReceivedSpan source = Assert.Single(spans, span => span.Name == "postroom.source");
        ReceivedSpan accept = Assert.Single(spans, span => span.Name == "postroom.accept");
        ReceivedSpan handle = Assert.Single(spans, span => span.Name == "postroom.handle");
        ReceivedSpan deliver = Assert.Single(spans, span => span.Name == "postroom.deliver");
        Assert.Equal("00f067aa0ba902b7", source.ParentId);
        Assert.Equal((source.SpanId, accept.SpanId, handle.SpanId), (accept.ParentId, handle.ParentId, deliver.ParentId));
        Assert.Equal((2L, true), (handle.Attributes["postroom.attempt"], handle.Attributes["postroom.redelivered"]));
        Assert.Equal([(Trace, accept.SpanId)], handle.Links);
        Assert.Equal("emulator", deliver.Attributes["postroom.communicator"]);
        Assert.Equal(id, handle.Attributes["messaging.message.id"]);
    }

    [Theory]
    [InlineData("/dev/full")]
    [InlineData("closed")]
    public async Task An_output_that_is_full_or_closed_costs_lines_of_the_log_which_are_counted_and_nothing_else(string output)
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Skip("The standard output of other systems says nothing of what it loses.");
        }

        await using RealProgram program = new();
        string settings = string.Create(CultureInfo.InvariantCulture, $"--set runtime.dataDirectory={program.Folder}/data --set store.path={program.Store} --set server.urls.0=http://127.0.0.1:{program.Port} --set logging.level=debug");
        string start = $"exec dotnet {RealProgram.HostAssembly} run {settings}";
        using Process process = Process.Start(new ProcessStartInfo("/bin/bash")
        {
            ArgumentList = { "-c", output == "closed" ? start : $"{start} > {output}" },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = program.Folder,
        })!;
        process.StandardOutput.Close();
        try
        {
            await program.UntilAsync(async () => await ReadyAsync(program));
            await program.UntilAsync(await program.PostAsync("1", "hello"), "acked");
            await program.UntilAsync(async () => await LostAsync(program) > 0);
            Assert.False(process.HasExited);
            Assert.Equal(0, (await Shell.TryRunAsync("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)])).Code);
            await process.WaitForExitAsync(RealProgram.Cancel).WaitAsync(TimeSpan.FromSeconds(30), RealProgram.Cancel);
            Assert.Equal(0, process.ExitCode);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }

    private static async Task<bool> ReadyAsync(RealProgram program)
    {
        try
        {
            using HttpResponseMessage answer = await program.Http.GetAsync(new Uri(program.Address, "health/ready"), RealProgram.Cancel);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static async Task<double> LostAsync(RealProgram program)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri(program.Address, "metrics"));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", (await File.ReadAllTextAsync(Path.Combine(program.Folder, "data", "admin.key"), RealProgram.Cancel)).Trim());
        using HttpResponseMessage answer = await program.Http.SendAsync(request, RealProgram.Cancel);
        string line = (await answer.Content.ReadAsStringAsync(RealProgram.Cancel)).Split('\n').Single(line => line.StartsWith("postroom_log_lost_total ", StringComparison.Ordinal));
        return double.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture);
    }

    private static async Task<string> PostAsync(RealProgram program)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri(program.Address, "webhook"))
        {
            Content = JsonContent.Create(new { sender = "1076", msg_type = "chat", raw_msg = "wait", client_type = "emulator" }),
        };
        request.Headers.Add("traceparent", $"00-{Trace}-00f067aa0ba902b7-01");
        using HttpResponseMessage answer = await program.Http.SendAsync(request, RealProgram.Cancel);
        return RealProgram.IdOf(await answer.Content.ReadAsStringAsync(RealProgram.Cancel));
    }
}
