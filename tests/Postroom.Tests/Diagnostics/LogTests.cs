using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postroom.Configuration;
using Postroom.Host;
using Postroom.Testing;
using Postroom.Tests.Hosting;
using Xunit;
using static Postroom.Tests.Hosting.RuntimeHarness;

namespace Postroom.Tests.Diagnostics;

public sealed class LogTests
{
    private const string Trace = "0af7651916cd43dd8448eb211c80319c";

    private readonly MemoryOutput _output = new();
    private readonly Redactor _redactor = new();

    [Theory]
    [InlineData(LogFormat.Text, "2026-03-01T12:00:00.000Z warn  Shop: careful\n")]
    [InlineData(LogFormat.Color, "\u001b[2m2026-03-01T12:00:00.000Z\u001b[0m \u001b[33mwarn \u001b[0m \u001b[2mShop:\u001b[0m careful\n")]
    [InlineData(LogFormat.Json, "{\"at\":\"2026-03-01T12:00:00.000Z\",\"level\":\"warn\",\"category\":\"Shop\",\"message\":\"careful\"}\n")]
    public void A_record_is_one_line_in_each_form(LogFormat format, string line)
    {
        Write(format, log => log.LogWarning("careful"));

        Assert.Equal(line, _output.Text);
    }

    [Theory]
    [InlineData(LogFormat.Text)]
    [InlineData(LogFormat.Color)]
    [InlineData(LogFormat.Json)]
    public void Whatever_a_text_holds_its_record_is_one_line_of_at_most_16_KiB(LogFormat format)
    {
        string[] texts = ["a\r\nb", "\u001b[2J\u0007", "\u2028\u2029", "\u202eevil", new string('x', 100_000), new string('\u0001', 100_000), string.Concat(Enumerable.Repeat("😀", 20_000)), new string('"', 20_000), "\ud800 alone"];

        Write(format, log =>
        {
            foreach (string text in texts)
            {
                log.LogError(new InvalidOperationException(text), "{Text}", text);
            }
        });

        string[] lines = _output.Text.Split('\n')[..^1];
        Assert.Equal(texts.Length, lines.Length);
        Assert.All(lines, line =>
        {
            Assert.InRange(Encoding.UTF8.GetByteCount(line) + 1, 1, 16 * 1024);
            Assert.DoesNotContain(line.Replace("\u001b[0m", "", StringComparison.Ordinal).Replace("\u001b[2m", "", StringComparison.Ordinal).Replace("\u001b[31m", "", StringComparison.Ordinal), c => char.IsControl(c) || c is '\u2028' or '\u2029' or '\u202e');
            if (format == LogFormat.Json)
            {
                Assert.Equal("error", JsonDocument.Parse(line).RootElement.GetProperty("level").GetString());
            }
        });
    }

    [Fact]
    public async Task Message_and_trace_are_on_every_line_that_is_about_a_message()
    {
        await using MessageRuntime runtime = await StartAsync(LogFormat.Json, (_, context, _) =>
        {
            context.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Shop").LogInformation("looking");
            return new(context.Attempt == 1 ? throw new InvalidOperationException("away") : HandlerResult.Fail("no"));
        });
        SourceMessage message = new("work", "work.todo", """{"number":"1"}"""u8.ToArray()) { Headers = new Dictionary<string, string> { [HeaderNames.TraceParent] = $"00-{Trace}-b7ad6b7169203331-01" } };
        MessageId id = (await runtime.View.OpenSink("hook").AcceptAsync([message], null, Cancel))[0].Id;
        await runtime.EndedAsync(id, MessageState.Failed);

        await UntilAsync(() => About().Length == 4);
        Assert.All(About(), line => Assert.Equal((id.ToString(), Trace), (line.GetProperty("messageId").GetString(), line.GetProperty("traceId").GetString())));
        Assert.Equal(["failed on attempt 2", "is tried again", "looking", "looking"], About().Select(line => Short(line.GetProperty("message").GetString()!)).Order(StringComparer.Ordinal));

        JsonElement[] About() => [.. _output.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)
            .Where(line => line.GetProperty("message").GetString() is { } text && (text == "looking" || text.Contains(id.ToString(), StringComparison.Ordinal)))];

        static string Short(string text) => ((string[])["is tried again", "failed on attempt 2", "looking"]).First(part => text.Contains(part, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_line_of_a_handler_names_its_message_as_text_too()
    {
        await using MessageRuntime runtime = await StartAsync(LogFormat.Text, (_, context, _) =>
        {
            context.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Shop").LogInformation("looking");
            return new(HandlerResult.Completed);
        });

        MessageId id = await runtime.PublishAsync("1");
        await runtime.EndedAsync(id, MessageState.Acked);

        await UntilAsync(() => _output.Text.Contains($"Shop: looking message={id}\n", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_output_that_fails_loses_lines_counts_them_and_tells_when_it_is_back()
    {
        using LineLoggerProvider provider = new(_redactor, new ManualClock(), _output);
        ILogger log = provider.CreateLogger("Shop");
        log.LogInformation("before");
        await UntilAsync(() => _output.Text.Length > 0);
        _output.Fails = true;
        log.LogInformation("lost 1");
        log.LogInformation("lost 2");
        await UntilAsync(() => provider.Lost == 2);

        _output.Fails = false;
        log.LogInformation("after");
        await UntilAsync(() => _output.Text.Contains("2 lines before this one are lost", StringComparison.Ordinal));

        Assert.DoesNotContain("lost 1", _output.Text, StringComparison.Ordinal);
        Assert.Contains("after", _output.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_output_that_takes_nothing_holds_nobody_up()
    {
        _output.Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using LineLoggerProvider provider = new(_redactor, new ManualClock(), _output);
        ILogger log = provider.CreateLogger("Shop");

        for (int i = 0; i < LineLoggerProvider.MostWaiting + 500; i++)
        {
            log.LogInformation("line");
        }

        await UntilAsync(() => provider.Lost >= 499);
        _output.Gate.SetResult();
    }

    [Fact]
    public void A_pattern_that_takes_too_long_masks_the_whole_line()
    {
        _redactor.SetPatterns(["(?=(a+)+$)(a+)+$b", "order-[0-9]+"]);

        Write(LogFormat.Text, log =>
        {
            log.LogInformation("order-17 is here");
            log.LogInformation("{Text}", new string('a', 5_000) + "!");
        });

        string[] lines = _output.Text.Split('\n');
        Assert.EndsWith("*** is here", lines[0], StringComparison.Ordinal);
        Assert.Contains("a redaction pattern took longer than 100 ms", lines[1], StringComparison.Ordinal);
    }

    private void Write(LogFormat format, Action<ILogger> write)
    {
        using (LineLoggerProvider provider = new(_redactor, new ManualClock(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero)), _output) { Format = format })
        {
            write(provider.CreateLogger("Shop"));
        }
    }

    private async Task<MessageRuntime> StartAsync(LogFormat format, Func<Order, HandlerContext, CancellationToken, ValueTask<HandlerResult>> handle)
    {
        LineLoggerProvider provider = new(_redactor, TimeProvider.System, _output) { Format = format };
        MessageRuntime runtime = new(new RuntimeSetup
        {
            Configuration = new ConfigurationSources { Layers = { new CommandLineConfigurationLayer(["store.kind=memory"]) } },
            Loggers = new LoggerFactory([provider]),
            Redactor = _redactor,
        });
        runtime.RegisterModule(new TestModule(app => app.AddWork(handle)));
        await runtime.StartAsync(Cancel);
        return runtime;
    }

    /// <summary>An output that can be told to fail or to wait.</summary>
    private sealed class MemoryOutput : TextWriter
    {
        private readonly Lock _gate = new();
        private readonly StringBuilder _text = new();

        public override Encoding Encoding => Encoding.UTF8;

        public bool Fails { get; set; }

        public TaskCompletionSource? Gate { get; set; }

        public string Text
        {
            get
            {
                lock (_gate)
                {
                    return _text.ToString();
                }
            }
        }

        public override async Task WriteAsync(string? value)
        {
            if (Gate is { } gate)
            {
                await gate.Task;
            }

            if (Fails)
            {
                throw new IOException("No space left on device");
            }

            lock (_gate)
            {
                _text.Append(value);
            }
        }

        public override void Write(char value) => throw new NotSupportedException();
    }
}
