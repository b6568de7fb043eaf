using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Diagnostics;
using Postroom.Tests.Hosting;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Diagnostics;

public sealed class TraceTransportTests
{
    private static readonly KeyValuePair<string, object?>[] Resource = [new("service.name", "postroom"), new("service.instance.id", "node-1")];

    [Theory]
    [InlineData("grpc")]
    [InlineData("http")]
    public async Task Spans_arrive_at_a_collector_as_the_protocol_says(string protocol)
    {
        await using OtlpCollector collector = await OtlpCollector.StartAsync();
        using OtlpTransport transport = new(protocol == "grpc" ? collector.GrpcEndpoint : collector.HttpEndpoint, Resource);
        TraceSpan span = Span("postroom.handle") with
        {
            ParentSpanId = "00f067aa0ba902b7",
            Kind = ActivityKind.Consumer,
            Duration = TimeSpan.FromMilliseconds(2.5),
            Status = ActivityStatusCode.Error,
            StatusText = "no room",
            Tags = [new("messaging.destination.name", "orders"), new("postroom.attempt", 2), new("postroom.redelivered", true), new("share", 0.5), new("empty", ""), new("zero", 0), new("nothing", null)],
            Links = [new TraceLink("11f7651916cd43dd8448eb211c80319c", "11ad6b7169203331")],
        };

        await transport.ExportAsync([span, Span("postroom.settle")], Cancel);

        Assert.Null(collector.Malformed);
        Assert.Equal(1, collector.Requests[protocol]);
        ReceivedSpan[] received = [.. collector.Spans];
        ReceivedSpan first = received[0];
        Assert.Equal(["postroom.handle", "postroom.settle"], received.Select(one => one.Name));
        Assert.Equal((span.TraceId, span.SpanId, "00f067aa0ba902b7", 5), (first.TraceId, first.SpanId, first.ParentId, first.Kind));
        Assert.Equal(2_500_000UL, first.End - first.Begin);
        Assert.Equal(1_772_366_400_000_000_000UL, first.Begin);
        Assert.Equal((2, "no room"), (first.Status, first.StatusText));
        Assert.Equal(
            [("messaging.destination.name", "orders"), ("postroom.attempt", 2L), ("postroom.redelivered", true), ("share", 0.5), ("empty", ""), ("zero", 0L)],
            first.Attributes.Select(pair => (pair.Key, pair.Value)));
        Assert.Equal([("11f7651916cd43dd8448eb211c80319c", "11ad6b7169203331")], first.Links);
        Assert.Equal(("Postroom", "node-1"), (first.Scope, first.Resource["service.instance.id"]));
    }

    [Theory]
    [InlineData("grpc", "answered grpc-status 14: no room")]
    [InlineData("http", "answered 503")]
    public async Task A_collector_that_refuses_is_told_with_what_it_said(string protocol, string said)
    {
        await using OtlpCollector collector = await OtlpCollector.StartAsync();
        collector.Refuses = 503;
        using OtlpTransport transport = new(protocol == "grpc" ? collector.GrpcEndpoint : collector.HttpEndpoint, Resource);

        IOException refused = await Assert.ThrowsAsync<IOException>(() => transport.ExportAsync([Span("postroom.handle")], Cancel).AsTask());

        Assert.Contains(said, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ac76_An_unreachable_collector_changes_nothing_but_a_notice()
    {
        await using MessageRuntime runtime = await StartAsync(
            app => app.AddWork((_, _, _) => new(HandlerResult.Completed)), "tracing.transport=otlp", $"tracing.endpoint=http://127.0.0.1:{FreePort()}");

        for (int i = 0; i < 20; i++)
        {
            await runtime.EndedAsync(await runtime.PublishAsync($"{i}"), MessageState.Acked);
        }

        await UntilAsync(async () => (await runtime.View.GetStatusAsync(Cancel)).Notices.Any(notice => notice.Contains("cannot be reached", StringComparison.Ordinal)));
        Assert.Equal(HealthState.Healthy, (await runtime.View.CheckHealthAsync(HealthViews.Ready, Cancel)).State);
        Assert.Equal(0, runtime.Rooms.TraceExporter.Exported);
    }

    [Fact]
    public async Task What_comes_while_too_many_spans_wait_is_dropped_and_counted()
    {
        using TraceService traces = new();
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TraceExporter exporter = new(traces, _ => new Gated(gate.Task), new Redactor(), TimeProvider.System, NullLogger.Instance);
        await exporter.ApplyAsync(new TracingOptions { Transport = "gated", Keep = 10 });

        for (int i = 0; i < TraceExporter.MostWaiting + 1_000; i++)
        {
            traces.Start("work", ActivityKind.Internal, parent: null, link: null, isCurrent: false)!.Stop();
        }

        Assert.InRange(exporter.Dropped, 400, 1_000); // a batch may be on its way
        Assert.Equal(10, exporter.Kept(null).Count);
        gate.SetResult();
        await UntilAsync(() => exporter.Exported + exporter.Dropped == TraceExporter.MostWaiting + 1_000);
        await exporter.StopAsync();
    }

    [Fact]
    public async Task Files_are_turned_over_five_are_kept_and_their_owner_alone_reads_them()
    {
        using TempFolder folder = new();
        string path = Path.Combine(folder.Path, "traces", "traces.jsonl");
        using FileTransport transport = new(path, longest: 1_000);

        for (int i = 0; i < 40; i++)
        {
            await transport.ExportAsync([Span($"span-{i:00}") with { Tags = [new("text", "line\nbreak \u001b[31m"), new("number", i)] }], Cancel);
        }

        transport.Dispose();
        string[] files = [.. Directory.EnumerateFiles(Path.GetDirectoryName(path)!).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];
        Assert.Equal(["traces.1.jsonl", "traces.2.jsonl", "traces.3.jsonl", "traces.4.jsonl", "traces.jsonl"], files);
        Assert.All(Directory.EnumerateFiles(Path.GetDirectoryName(path)!), file => Assert.InRange(new FileInfo(file).Length, 1, 1_000));
        JsonElement last = JsonDocument.Parse((await File.ReadAllLinesAsync(path, Cancel))[^1]).RootElement;
        Assert.Equal("span-39", last.GetProperty("name").GetString());
        Assert.Equal(39, last.GetProperty("tags").GetProperty("number").GetInt32());
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        }

        using FileTransport again = new(path, longest: 100_000);
        await again.ExportAsync([Span("after a restart")], Cancel);
        Assert.Equal("span-39", JsonDocument.Parse((await File.ReadAllLinesAsync(path, Cancel))[^2]).RootElement.GetProperty("name").GetString());
    }

    [Fact]
    public async Task The_console_shows_a_span_on_one_line()
    {
        StringWriter output = new();
        using ConsoleTransport transport = new(output);

        await transport.ExportAsync([Span("postroom.handle") with { Tags = [new("queue", "a\nb")], StatusText = "x\ry" }], Cancel);

        Assert.Equal(
            "span 2026-03-01T12:00:00.000Z postroom.handle 1 ms trace=0af7651916cd43dd8448eb211c80319c span=b7ad6b7169203331 queue=a\\nb error=x\\ry\n", output.ToString());
    }

    private static TraceSpan Span(string name) => new()
    {
        Name = name,
        TraceId = "0af7651916cd43dd8448eb211c80319c",
        SpanId = "b7ad6b7169203331",
        StartedAt = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero),
        Duration = TimeSpan.FromMilliseconds(1),
    };

    private static int FreePort()
    {
        using System.Net.Sockets.TcpListener listener = new(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }

    private sealed class Gated(Task gate) : ITraceTransport
    {
        public string Name => "gated";

        public async ValueTask ExportAsync(IReadOnlyList<TraceSpan> batch, CancellationToken cancellationToken) => await gate.WaitAsync(cancellationToken);
    }
}
