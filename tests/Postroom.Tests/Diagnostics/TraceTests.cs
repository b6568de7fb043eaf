using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Testing;
using Postroom.Tests.ControlPlane;
using Postroom.Tests.Hosting;
using Postroom.Tests.Sqlite;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Diagnostics;

public sealed class TraceTests
{
    private const string OutsideTrace = "0af7651916cd43dd8448eb211c80319c";
    private const string OutsideParent = $"00-{OutsideTrace}-b7ad6b7169203331-01";

    private readonly RecordingTransport _transport = new();

    [Fact]
    public async Task A_trace_from_outside_goes_through_accept_handler_settlement_and_delivery()
    {
        await using MessageRuntime runtime = await StartTracedAsync((_, context, _) =>
        {
            context.Send("people", "text");
            return new(HandlerResult.Completed);
        });

        AcceptResult accepted = await AcceptAsync(runtime, "1", OutsideParent);
        await _transport.UntilAsync(spans => spans.Count(span => span.Name == "postroom.settle") == 2);

        TraceSpan source = _transport.One("postroom.source");
        TraceSpan accept = _transport.One("postroom.accept");
        TraceSpan handle = _transport.One("postroom.handle");
        TraceSpan deliver = _transport.One("postroom.deliver");
        Assert.All(_transport.Spans, span => Assert.Equal(OutsideTrace, span.TraceId));
        Assert.Equal("b7ad6b7169203331", source.ParentSpanId);
        Assert.Equal(source.SpanId, accept.ParentSpanId);
        Assert.Equal(accept.SpanId, handle.ParentSpanId);
        Assert.Equal(handle.SpanId, deliver.ParentSpanId);
        Assert.Contains(_transport.Spans, span => span.Name == "postroom.settle" && span.ParentSpanId == handle.SpanId);
        Assert.Equal(accepted.Id.ToString(), Tag(handle, "messaging.message.id"));
        Assert.Equal("work", Tag(handle, "messaging.destination.name"));
        Assert.Equal("work.todo", Tag(handle, "postroom.message.type"));
        Assert.Equal("acked", Tag(handle, "postroom.outcome"));
        Assert.Equal(1, Tag(handle, "postroom.attempt"));
        Assert.Equal("people", Tag(deliver, "postroom.communicator"));
        Assert.Equal(16, ((string)Tag(handle, "postroom.conversation.hash")!).Length);
        Assert.DoesNotContain(_transport.Spans, span => span.Tags.Any(tag => tag.Value is string text && text.Contains("secret-chat", StringComparison.Ordinal)));
        Assert.DoesNotContain(_transport.Spans, span => span.Links.Count > 0);
    }

    [Fact]
    public async Task A_retry_is_a_new_span_linked_to_the_first_attempt_and_says_why_the_first_failed()
    {
        await using MessageRuntime runtime = await StartTracedAsync(static (_, context, _) =>
            context.Attempt < 3 ? throw new InvalidOperationException("the price list is away, Authorization: canary-header") : new(HandlerResult.Completed));

        await runtime.EndedAsync((await AcceptAsync(runtime, "1", null)).Id, MessageState.Acked);
        await _transport.UntilAsync(spans => spans.Count(span => span.Name == "postroom.handle") == 3);

        TraceSpan[] attempts = [.. _transport.Spans.Where(span => span.Name == "postroom.handle").OrderBy(span => span.StartedAt)];
        Assert.Empty(attempts[0].Links);
        Assert.Equal(ActivityStatusCode.Error, attempts[0].Status);
        Assert.Contains("the price list is away", attempts[0].StatusText, StringComparison.Ordinal);
        Assert.DoesNotContain("canary-header", attempts[0].StatusText, StringComparison.Ordinal);
        Assert.Equal("retry", Tag(attempts[0], "postroom.outcome"));
        Assert.All(attempts[1..], attempt => Assert.Equal([new TraceLink(attempts[0].TraceId, attempts[0].SpanId)], attempt.Links));
        Assert.All(attempts, attempt => Assert.Equal(_transport.One("postroom.accept").SpanId, attempt.ParentSpanId));
    }

    [Fact]
    public async Task Ac90_a_secret_of_the_settings_is_in_no_span_no_metric_and_no_file_of_them()
    {
        using TempFolder folder = new();
        Redactor redactor = new();
        redactor.AddSecret("canary-setting");
        string path = Path.Combine(folder.Path, "traces.jsonl");
        MessageRuntime runtime = new(new RuntimeSetup
        {
            Configuration = new ConfigurationSources { Layers = { new CommandLineConfigurationLayer(["store.kind=memory", "tracing.transport=file", $"tracing.endpoint={path}"]) } },
            Redactor = redactor,
        });
        runtime.RegisterModule(new TestModule(app => app.AddWork((_, context, _) =>
        {
            using Activity? span = context.Services.GetRequiredService<TraceService>().ForModule("shop").Create("price", [new("url", "https://user:canary-url@example.org"), new("token", "canary-setting")]);
            throw new PermanentException("The service refused canary-setting. Authorization: Bearer canary-bearer");
        })));
        await runtime.StartAsync(Cancel);
        await runtime.EndedAsync(await runtime.PublishAsync("1"), MessageState.Failed);
        string metrics = await runtime.View.WriteMetricsAsync(Cancel);
        await UntilAsync(() => runtime.Rooms.TraceExporter.Exported == 3);
        string kept = string.Join('\n', runtime.View.KeptSpans(null).SelectMany(span => span.Tags.Select(tag => $"{tag.Value}").Append(span.StatusText)));
        await runtime.DisposeAsync();

        string file = await File.ReadAllTextAsync(path, Cancel);
        Assert.Contains("price", file, StringComparison.Ordinal);
        Assert.All((string[])[metrics, kept, file], text => Assert.DoesNotContain("canary", text, StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task Messages_that_come_in_together_are_traces_of_their_own_linked_to_their_batch()
    {
        await using MessageRuntime runtime = await StartTracedAsync(static (_, _, _) => new(HandlerResult.Completed));

        await runtime.View.OpenSink("hook").AcceptAsync([Message("1", null), Message("2", OutsideParent)], null, Cancel);
        await _transport.UntilAsync(spans => spans.Count(span => span.Name == "postroom.settle") == 2);

        TraceSpan batch = _transport.One("postroom.source");
        TraceSpan[] accepts = [.. _transport.Spans.Where(span => span.Name == "postroom.accept")];
        Assert.Equal(2, Tag(batch, "messaging.batch.message_count"));
        Assert.All(accepts, accept => Assert.Equal([new TraceLink(batch.TraceId, batch.SpanId)], accept.Links));
        Assert.Equal(3, accepts.Select(accept => accept.TraceId).Append(batch.TraceId).Distinct().Count());
        Assert.Contains(accepts, accept => accept.TraceId == OutsideTrace);
    }

    [Fact]
    public async Task Without_a_transport_or_a_listener_no_span_is_made_and_the_trace_of_outside_is_kept()
    {
        Activity? seen = null;
        string? trace = null;
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, context, _) =>
        {
            (seen, trace) = (Activity.Current, context.TraceId);
            context.Publish("work", "work.todo", new Order("child"));
            return new(HandlerResult.Completed);
        }).AddTraceTransport("recording", _transport));

        AcceptResult accepted = await AcceptAsync(runtime, "1", OutsideParent);
        JournalRecord record = await runtime.EndedAsync(accepted.Id, MessageState.Acked);

        Assert.Null(seen);
        Assert.Equal(OutsideTrace, trace);
        Assert.Empty(_transport.Spans);
        Assert.Equal(OutsideParent, record.Children[0].Envelope.Header(HeaderNames.TraceParent));
    }

    [Fact]
    public async Task A_listener_of_somebody_else_gets_spans_of_a_module_within_those_of_its_attempt()
    {
        List<Activity> stopped = [];
        using ActivityListener listener = new()
        {
            ShouldListenTo = static source => source.Name == TraceService.SourceName,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity =>
            {
                lock (stopped)
                {
                    stopped.Add(activity);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        ITraceFactory? factory = null;
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) =>
        {
            using Activity? span = factory!.Create("price", [new("article", 7)]);
            return new(HandlerResult.Completed);
        }));
        factory = runtime.Services.GetRequiredService<TraceService>().ForModule("shop");

        MessageId id = (await AcceptAsync(runtime, "1", null)).Id;
        await runtime.EndedAsync(id, MessageState.Acked);
        await UntilAsync(() => Mine().Any(activity => activity.OperationName == "postroom.settle"));

        Activity handle = Mine().Single(activity => activity.OperationName == "postroom.handle");
        Activity price = stopped.Single(activity => activity.OperationName == "price" && activity.ParentSpanId == handle.SpanId);
        Assert.Equal("shop", price.GetTagItem("postroom.module"));
        Assert.Equal(7, price.GetTagItem("article"));

        Activity[] Mine()
        {
            lock (stopped)
            {
                return [.. stopped.Where(activity => activity.GetTagItem("messaging.message.id") as string == id.ToString())];
            }
        }
    }

    [Fact]
    public async Task A_share_of_traces_is_kept_and_what_others_decided_is_followed()
    {
        await using MessageRuntime runtime = await StartTracedAsync(static (_, _, _) => new(HandlerResult.Completed), "tracing.sampleRatio=0");

        await runtime.EndedAsync((await AcceptAsync(runtime, "1", null)).Id, MessageState.Acked);
        await runtime.EndedAsync((await AcceptAsync(runtime, "2", OutsideParent)).Id, MessageState.Acked);
        await _transport.UntilAsync(spans => spans.Any(span => span.Name == "postroom.settle"));

        Assert.All(_transport.Spans, span => Assert.Equal(OutsideTrace, span.TraceId));
    }

    [Fact]
    public async Task A_transport_that_fails_is_a_notice_and_its_spans_are_dropped_and_counted_at_the_stop()
    {
        _transport.Fails = true;
        MessageRuntime runtime = await StartTracedAsync(static (_, _, _) => new(HandlerResult.Completed));
        try
        {
            await runtime.EndedAsync((await AcceptAsync(runtime, "1", null)).Id, MessageState.Acked);
            await UntilAsync(async () => (await runtime.View.GetStatusAsync(Cancel)).Notices.Any(notice => notice.Contains("Trace transport 'recording' takes no spans: the collector sleeps", StringComparison.Ordinal)));

            HealthReport health = await runtime.View.CheckHealthAsync(HealthViews.Status, Cancel);
            Assert.Equal(HealthState.Degraded, health.Checks.Single(check => check.Name == "traces").Result.State);
            Assert.Equal(HealthState.Healthy, (await runtime.View.CheckHealthAsync(HealthViews.Ready, Cancel)).State);
        }
        finally
        {
            await runtime.DisposeAsync();
        }

        Assert.True(runtime.Rooms.TraceExporter.Dropped >= 3);
        Assert.Equal(0, runtime.Rooms.TraceExporter.Exported);
    }

    [Fact]
    public async Task A_change_of_the_setting_turns_traces_on_and_off_while_messages_flow()
    {
        await using MessageRuntime runtime = await StartAsync(app => app.AddWork((_, _, _) => new(HandlerResult.Completed)).AddTraceTransport("recording", _transport));

        await runtime.EndedAsync((await AcceptAsync(runtime, "1", null)).Id, MessageState.Acked);
        await runtime.Configuration.SetOverrideAsync("tracing.transport", "recording", persist: false, Cancel);
        MessageId traced = (await AcceptAsync(runtime, "2", null)).Id;
        await _transport.UntilAsync(spans => spans.Any(span => span.Name == "postroom.settle"));
        await runtime.Configuration.SetOverrideAsync("tracing.transport", "none", persist: false, Cancel);
        await runtime.EndedAsync((await AcceptAsync(runtime, "3", null)).Id, MessageState.Acked);

        Assert.Equal([traced.ToString()], _transport.Spans.Where(span => span.Name == "postroom.handle").Select(span => Tag(span, "messaging.message.id")));
        Assert.Empty(runtime.View.KeptSpans(null));
    }

    [Fact]
    public async Task A_trace_is_read_over_http_by_its_id_and_by_a_message_of_it_with_the_times_of_the_journal()
    {
        await using RealHttp http = await RealHttp.StartAsync(
            app => app.AddWork((order, context, _) =>
            {
                if (order.Number == "1")
                {
                    context.Publish("work", "work.todo", new Order("child"));
                }

                return new(order.Number == "child" ? HandlerResult.Fail("no child") : HandlerResult.Completed);
            }).AddTraceTransport("recording", _transport),
            "tracing.transport=recording");
        string key = await http.KeyAsync(ApiRole.Viewer);
        MessageId first = (await AcceptAsync(http.Runtime, "1", OutsideParent)).Id;
        MessageId own = await http.Runtime.PublishAsync("own");
        await http.Runtime.EndedAsync(own, MessageState.Acked);
        MessageId child = (await http.Runtime.EndedAsync(first, MessageState.Acked)).Children[0].Envelope.Id;
        await http.Runtime.EndedAsync(child, MessageState.Failed);

        JsonElement trace = (await http.CallAsync("GET", $"/api/v1/traces/{OutsideTrace}", key)).Json;
        JsonElement byChild = (await http.CallAsync("GET", $"/api/v1/traces/{child}", key)).Json;
        JsonElement list = (await http.CallAsync("GET", "/api/v1/traces?limit=10", key)).Json;
        JsonElement ofOwn = (await http.CallAsync("GET", $"/api/v1/traces/{own.ToString().Replace("-", "", StringComparison.Ordinal)}", key)).Json;

        Assert.Equal(2, trace.GetProperty("messages").GetInt32());
        Assert.Equal(
            ["postroom.accept", "postroom.handle", "postroom.accept", "postroom.handle"],
            trace.GetProperty("spans").EnumerateArray().OrderBy(span => span.GetProperty("messageId").GetString(), StringComparer.Ordinal).Select(span => span.GetProperty("name").GetString()));
        Assert.Equal(OutsideTrace, byChild.GetProperty("id").GetString());
        Assert.Equal(2, byChild.GetProperty("messages").GetInt32());
        Assert.Contains(trace.GetProperty("kept").EnumerateArray(), span => span.GetProperty("name").GetString() == "postroom.source");
        JsonElement head = list.GetProperty("items").EnumerateArray().Single(item => item.GetProperty("id").GetString() == OutsideTrace);
        Assert.Equal((first.ToString(), "failed", 2), (head.GetProperty("messageId").GetString(), head.GetProperty("state").GetString(), head.GetProperty("messages").GetInt32()));
        Assert.DoesNotContain(list.GetProperty("items").EnumerateArray(), item => item.GetProperty("messageId").GetString() == child.ToString());
        Assert.Equal(1, ofOwn.GetProperty("messages").GetInt32());
        Assert.Equal(404, (await http.CallAsync("GET", $"/api/v1/traces/{new string('7', 32)}", key)).Status);
        Assert.Equal(400, (await http.CallAsync("GET", "/api/v1/traces/what", key)).Status);
    }

    [Fact]
    public void A_message_carries_the_current_span_and_gives_it_back()
    {
        using TraceService traces = new();
        Envelope bare = new(MessageId.New(), "work", "work.todo", default);
        Assert.Same(bare, traces.Inject(bare));
        Assert.Null(traces.Start("nothing"));
        using ActivityListener listener = new()
        {
            ShouldListenTo = source => ReferenceEquals(source, traces.Source),
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(listener);

        using Activity? span = traces.Start("outer", new ActivityContext(ActivityTraceId.CreateRandom(), ActivitySpanId.CreateRandom(), ActivityTraceFlags.Recorded, "vendor=1"));
        Envelope carrying = traces.Inject(bare);

        Assert.Equal(span!.Id, carrying.Header(HeaderNames.TraceParent));
        Assert.Equal("vendor=1", carrying.Header(HeaderNames.TraceState));
        ActivityContext context = TraceService.Extract(carrying)!.Value;
        Assert.Equal((span.TraceId, span.SpanId, true), (context.TraceId, context.SpanId, context.IsRemote));
        Assert.Null(TraceService.Extract(bare with { Headers = new Dictionary<string, string> { [HeaderNames.TraceParent] = "00-nonsense" } }));
    }

    private Task<MessageRuntime> StartTracedAsync(Func<Order, HandlerContext, CancellationToken, ValueTask<HandlerResult>> handle, params string[] settings) => StartAsync(
        app => app.AddWork(handle).AddTraceTransport("recording", _transport).AddCommunicator(_ => new RecordingCommunicator("people"), ["people"]),
        ["tracing.transport=recording", .. settings]);

    private static async Task<AcceptResult> AcceptAsync(MessageRuntime runtime, string number, string? parent) =>
        (await runtime.View.OpenSink("hook").AcceptAsync([Message(number, parent)], null, Cancel))[0];

    private static SourceMessage Message(string number, string? parent) => new("work", "work.todo", JsonSerializer.SerializeToUtf8Bytes(new Order(number), RuntimeTestJson.Default.Order))
    {
        Conversation = $"secret-chat/{number}",
        Headers = parent is null ? new Dictionary<string, string>() : new Dictionary<string, string> { [HeaderNames.TraceParent] = parent },
    };

    private static object? Tag(TraceSpan span, string name) => span.Tags.FirstOrDefault(tag => tag.Key == name).Value;

    /// <summary>Keeps what it is given, or refuses it.</summary>
    private sealed class RecordingTransport : ITraceTransport
    {
        private readonly Lock _gate = new();
        private readonly List<TraceSpan> _spans = [];

        public string Name => "recording";

        public bool Fails { get; set; }

        public TraceSpan[] Spans
        {
            get
            {
                lock (_gate)
                {
                    return [.. _spans];
                }
            }
        }

        public TraceSpan One(string name) => Assert.Single(Spans, span => span.Name == name);

        public Task UntilAsync(Func<TraceSpan[], bool> condition) => RuntimeHarness.UntilAsync(() => condition(Spans));

        public ValueTask ExportAsync(IReadOnlyList<TraceSpan> batch, CancellationToken cancellationToken)
        {
            if (Fails)
            {
                throw new IOException("the collector sleeps");
            }

            lock (_gate)
            {
                _spans.AddRange(batch);
            }

            return default;
        }
    }
}
