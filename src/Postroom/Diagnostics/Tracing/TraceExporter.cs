using System.Diagnostics;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Postroom.Diagnostics;

/// <summary>Hands finished spans to the transport in force, and keeps the latest for people. Whatever becomes of a transport is a notice and nothing more (TR-4).</summary>
/// <remarks>Safe for concurrent use. Without a transport it listens to nothing, and no span is made for it.</remarks>
internal sealed partial class TraceExporter(TraceService traces, Func<TracingOptions, ITraceTransport?> transports, Redactor redactor, TimeProvider clock, ILogger log)
{
    /// <summary>How many spans wait at most; what comes beyond is dropped and counted.</summary>
    public const int MostWaiting = 8_192;

    private const int MostInBatch = 512;
    private const int MostTries = 5;

    private static readonly TimeSpan Company = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(2);
    private static readonly Backoff Again = new(TimeSpan.FromSeconds(1), 2, TimeSpan.FromSeconds(30), 0);

    private readonly Lock _gate = new();
    private readonly Queue<TraceSpan> _kept = new();
    private Running? _running;
    private int _keep;
    private double _ratio = 1;
    private string? _problem;
    private long _exported;
    private long _dropped;

    /// <summary>Spans that a transport took.</summary>
    public long Exported => Interlocked.Read(ref _exported);

    /// <summary>Spans that no transport took.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>What keeps the transport from taking spans; null for nothing.</summary>
    public string? Problem => Volatile.Read(ref _problem);

    /// <summary>The latest spans of a trace, oldest first; of all traces without one.</summary>
    public IReadOnlyList<TraceSpan> Kept(string? traceId)
    {
        lock (_gate)
        {
            return [.. _kept.Where(span => traceId is null || span.TraceId == traceId)];
        }
    }

    /// <summary>Goes by other settings from now on. The former transport gets what waits for it, for at most 2 s.</summary>
    public async Task ApplyAsync(TracingOptions options)
    {
        Running? next = transports(options) is { } transport ? new Running(transport) : null;
        Running? former;
        lock (_gate)
        {
            (former, _running) = (_running, next);
            (_keep, _ratio) = (next is null ? 0 : options.Keep, options.SampleRatio);
            Trim();
        }

        Volatile.Write(ref _problem, null);
        if (next is not null)
        {
            next.Loop = Task.Run(() => RunAsync(next), CancellationToken.None);
            next.Listener = Listen(next);
        }

        if (former is not null)
        {
            await EndAsync(former);
        }
    }

    /// <summary>Hands over what waits, for at most 2 s, and listens no more.</summary>
    public async Task StopAsync()
    {
        Running? former;
        lock (_gate)
        {
            (former, _running) = (_running, null);
        }

        if (former is not null)
        {
            await EndAsync(former);
        }
    }

    private ActivityListener Listen(Running running)
    {
        ActivityListener listener = new()
        {
            ShouldListenTo = source => ReferenceEquals(source, traces.Source),
            Sample = Sample,
            ActivityStopped = span => Take(span, running),
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    /// <summary>What began elsewhere is decided there; a trace of our own by its id, so that every node decides alike.</summary>
    private ActivitySamplingResult Sample(ref ActivityCreationOptions<ActivityContext> options)
    {
        bool recorded = options.Parent.TraceId != default ? (options.Parent.TraceFlags & ActivityTraceFlags.Recorded) != 0 : IsSampled(options.TraceId);
        return recorded ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.PropagationData;
    }

    private bool IsSampled(ActivityTraceId trace)
    {
        double ratio = Volatile.Read(ref _ratio);
        if (ratio >= 1)
        {
            return true;
        }

        Span<byte> id = stackalloc byte[16];
        trace.CopyTo(id);
        return (System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(id[8..]) >> 1) < ratio * long.MaxValue;
    }

    private void Take(Activity activity, Running running)
    {
        if (!activity.Recorded)
        {
            return;
        }

        TraceSpan span = SpanOf(activity);
        lock (_gate)
        {
            _kept.Enqueue(span);
            Trim();
        }

        if (!running.Waiting.Writer.TryWrite(span))
        {
            Interlocked.Increment(ref _dropped);
        }
    }

    private void Trim()
    {
        while (_kept.Count > _keep)
        {
            _kept.Dequeue();
        }
    }

    private TraceSpan SpanOf(Activity activity) => new()
    {
        Name = activity.OperationName,
        TraceId = activity.TraceId.ToHexString(),
        SpanId = activity.SpanId.ToHexString(),
        ParentSpanId = activity.ParentSpanId == default ? null : activity.ParentSpanId.ToHexString(),
        TraceState = activity.TraceStateString,
        Kind = activity.Kind,
        StartedAt = new DateTimeOffset(activity.StartTimeUtc, TimeSpan.Zero),
        Duration = activity.Duration,
        Status = activity.Status,
        StatusText = activity.StatusDescription is { } text ? redactor.ErrorText(text) : null,
        Tags = [.. activity.TagObjects.Select(tag => tag.Value is string value ? KeyValuePair.Create<string, object?>(tag.Key, redactor.ErrorText(value)) : tag)],
        Links = [.. activity.Links.Select(static link => new TraceLink(link.Context.TraceId.ToHexString(), link.Context.SpanId.ToHexString()))],
    };

    private async Task RunAsync(Running running)
    {
        ChannelReader<TraceSpan> waiting = running.Waiting.Reader;
        List<TraceSpan> batch = [];
        while (await waiting.WaitToReadAsync())
        {
            // A moment, so that not every span is a request of its own.
            await Task.Delay(Company, clock, running.Ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            batch.Clear();
            while (batch.Count < MostInBatch && waiting.TryRead(out TraceSpan? span))
            {
                batch.Add(span);
            }

            await ExportAsync(running, batch);
        }
    }

    private async Task ExportAsync(Running running, List<TraceSpan> batch)
    {
        for (int tries = 1; batch.Count > 0; tries++)
        {
            using CancellationTokenSource time = CancellationTokenSource.CreateLinkedTokenSource(running.Ended.Token);
            time.CancelAfter(Longest);
            try
            {
                await running.Transport.ExportAsync(batch, time.Token).AsTask().WaitAsync(time.Token);
                Interlocked.Add(ref _exported, batch.Count);
                if (Interlocked.Exchange(ref _problem, null) is not null)
                {
                    LogWell(running.Transport.Name);
                }

                return;
            }
            catch (Exception e)
            {
                Fail(running, e is OperationCanceledException ? $"it did not answer within {Longest.TotalSeconds} s" : e.Message);
            }

            if (tries == MostTries || running.Ending.IsCancellationRequested)
            {
                Interlocked.Add(ref _dropped, batch.Count);
                return;
            }

            await Task.Delay(Again.After(tries, 0.5), clock, running.Ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Tells of a failure once, until it is over.</summary>
    private void Fail(Running running, string why)
    {
        string text = $"Trace transport '{running.Transport.Name}' takes no spans: {redactor.ErrorText(why)}. They are tried again, at most {MostWaiting} wait, and messages go on. Mend it or set tracing.transport to none.";
        if (ReferenceEquals(Volatile.Read(ref _running), running) && Interlocked.Exchange(ref _problem, text) is null)
        {
            LogProblem(text);
        }
    }

    private static async Task EndAsync(Running running)
    {
        running.Listener?.Dispose();
        running.Waiting.Writer.TryComplete();
        await running.Ending.CancelAsync();
        try
        {
            await running.Loop.WaitAsync(LastWords, TimeProvider.System);
        }
        catch (TimeoutException)
        {
            await running.Ended.CancelAsync();
            await running.Loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (running.Transport is BuiltInTransport and IDisposable own)
        {
            own.Dispose();
        }

        running.Ending.Dispose();
        running.Ended.Dispose();
    }

    [LoggerMessage(610, LogLevel.Warning, "{Problem}")]
    private partial void LogProblem(string problem);

    [LoggerMessage(611, LogLevel.Information, "Trace transport '{Transport}' takes spans again.")]
    private partial void LogWell(string transport);

    /// <summary>A transport in force, with what waits for it.</summary>
    private sealed class Running(ITraceTransport transport)
    {
        public ITraceTransport Transport { get; } = transport;

        public Channel<TraceSpan> Waiting { get; } = Channel.CreateBounded<TraceSpan>(new BoundedChannelOptions(MostWaiting) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });

        /// <summary>No pause is made any more.</summary>
        public CancellationTokenSource Ending { get; } = new();

        /// <summary>The time is over.</summary>
        public CancellationTokenSource Ended { get; } = new();

        public Task Loop { get; set; } = Task.CompletedTask;

        public ActivityListener? Listener { get; set; }
    }
}
