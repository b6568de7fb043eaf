using System.Diagnostics;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Postroom.Diagnostics;

namespace Postroom.Host;

/// <summary>Writes one record per line: control characters escaped, secrets masked, at most 16 KiB. A slow, full or closed output never holds up the runtime: lines are lost and counted.</summary>
internal sealed class LineLoggerProvider : ILoggerProvider, ISupportExternalScope
{
    /// <summary>How many lines wait for a slow output; those beyond are lost.</summary>
    public const int MostWaiting = 4_096;

    private const int LongestText = 256 * 1024; // masked before it is cut to a record

    private readonly Channel<string> _lines;
    private readonly Redactor _redactor;
    private readonly TimeProvider _clock;
    private readonly Task _writer;
    private IExternalScopeProvider? _scopes;
    private long _lost;

    public LineLoggerProvider(Redactor redactor, TimeProvider clock, TextWriter output)
    {
        _redactor = redactor;
        _clock = clock;
        _lines = Channel.CreateBounded<string>(
            new BoundedChannelOptions(MostWaiting) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true }, _ => Interlocked.Increment(ref _lost));
        _writer = Task.Run(() => WriteAsync(output));
    }

    /// <summary>The lowest level that is written; set once the configuration is known.</summary>
    public LogLevel Level { get; set; } = LogLevel.Information;

    /// <summary>How lines are written.</summary>
    public LogFormat Format { get; set; }

    /// <summary>Lines that could not be written.</summary>
    public long Lost => Interlocked.Read(ref _lost);

    public ILogger CreateLogger(string categoryName) => new LineLogger(this, categoryName);

    public void SetScopeProvider(IExternalScopeProvider scopeProvider) => _scopes = scopeProvider;

    public void Dispose()
    {
        _lines.Writer.TryComplete();
        _writer.Wait(TimeSpan.FromSeconds(2));
    }

    /// <summary>Writes as the settings say from now on.</summary>
    public void Apply(LoggingOptions logging)
    {
        Level = logging.Level;
        Format = logging.Format;
    }

    private void Log<TState>(string category, LogLevel level, EventId eventId, string message, TState state, Exception? exception)
    {
        string text = exception is null ? message : $"{message} {exception.GetType().Name}: {exception.Message}";
        About about = new();
        about.Look(state);
        _scopes?.ForEachScope(static (scope, found) => found.Look(scope), about);
        LogRecord record = new(_clock.GetUtcNow(), level, category, Mask(text))
        {
            EventId = eventId.Id,
            MessageId = about.MessageId,
            TraceId = about.TraceId ?? (Activity.Current is { IdFormat: ActivityIdFormat.W3C, Recorded: true } current ? current.TraceId.ToHexString() : null),
            Exception = exception is null || Format != LogFormat.Json ? null : Mask(exception.ToString()),
        };
        _lines.Writer.TryWrite(record.Format(Format));
    }

    private string Mask(string text) => _redactor.Redact(text.Length > LongestText ? text[..LongestText] : text);

    private async Task WriteAsync(TextWriter output)
    {
        long told = 0;
        await foreach (string line in _lines.Reader.ReadAllAsync())
        {
            if (!await TryWriteAsync(output, line))
            {
                Interlocked.Increment(ref _lost);
            }
            else if (Lost is var lost && lost != told && await TryWriteAsync(output, LostLine(lost - told)))
            {
                told = lost;
            }
        }
    }

    /// <summary>Writes a line; false when the output does not take it.</summary>
    private static async ValueTask<bool> TryWriteAsync(TextWriter output, string line)
    {
        try
        {
            await output.WriteAsync(line + "\n");
            await output.FlushAsync();
            return true;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private string LostLine(long lost) =>
        new LogRecord(_clock.GetUtcNow(), LogLevel.Warning, "Postroom.Log", $"{lost} lines before this one are lost: the output was full, closed, or slower than the log.").Format(Format);

    private sealed class LineLogger(LineLoggerProvider provider, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => provider._scopes?.Push(state);

        public bool IsEnabled(LogLevel logLevel) => logLevel >= provider.Level && logLevel != LogLevel.None && (!category.StartsWith("Microsoft.", StringComparison.Ordinal) || logLevel >= LogLevel.Warning);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                provider.Log(category, logLevel, eventId, formatter(state, exception), state, exception);
            }
        }
    }

    /// <summary>The message and the trace that a record is about: what it says itself wins over the scopes around it, and inner scopes over outer ones.</summary>
    private sealed class About
    {
        private string? _own;
        private bool _isScope;

        public string? MessageId { get; private set; }

        public string? TraceId { get; private set; }

        public void Look(object? state)
        {
            foreach ((string name, object? value) in state as IReadOnlyList<KeyValuePair<string, object?>> ?? [])
            {
                if (name == MessageScope.Message && value is not null)
                {
                    MessageId = _own ?? value.ToString();
                }
                else if (name == MessageScope.Trace && value is string trace)
                {
                    TraceId = trace;
                }
            }

            _own = _isScope ? _own : MessageId;
            _isScope = true;
        }
    }
}
