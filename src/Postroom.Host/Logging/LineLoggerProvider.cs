using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Postroom.Host;

/// <summary>Writes one record per line: control characters escaped, secrets masked, at most 16 KiB. A slow or closed output never holds up the runtime.</summary>
internal sealed class LineLoggerProvider : ILoggerProvider
{
    private const int MaxRecord = 16 * 1024;

    private readonly Channel<string> _lines;
    private readonly Redactor _redactor;
    private readonly TimeProvider _clock;
    private readonly Task _writer;
    private long _lost;

    public LineLoggerProvider(Redactor redactor, TimeProvider clock, TextWriter output)
    {
        _redactor = redactor;
        _clock = clock;
        _lines = Channel.CreateBounded<string>(
            new BoundedChannelOptions(4_096) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true }, _ => Interlocked.Increment(ref _lost));
        _writer = Task.Run(() => WriteAsync(output));
    }

    /// <summary>The lowest level that is written; set once the configuration is known.</summary>
    public LogLevel Level { get; set; } = LogLevel.Information;

    /// <summary>Writes JSON instead of text.</summary>
    public bool Json { get; set; }

    /// <summary>Lines that could not be written.</summary>
    public long Lost => Interlocked.Read(ref _lost);

    public ILogger CreateLogger(string categoryName) => new LineLogger(this, categoryName);

    public void Dispose()
    {
        _lines.Writer.TryComplete();
        _writer.Wait(TimeSpan.FromSeconds(2));
    }

    /// <summary>Writes as the settings say from now on.</summary>
    public void Apply(LoggingOptions logging)
    {
        Level = logging.Level;
        Json = logging.Format == LogFormat.Json;
    }

    private void Log(string category, LogLevel level, string message, Exception? exception)
    {
        string text = exception is null ? message : $"{message} {exception.GetType().Name}: {exception.Message}";
        string clean = Redactor.Cut(_redactor.Redact(text), MaxRecord);
        string at = _clock.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        string line = Json
            ? $"{{\"at\":\"{at}\",\"level\":\"{Word(level).Trim()}\",\"category\":{JsonEncodedText.Encode(category).ToString().Quote()},\"message\":{JsonEncodedText.Encode(clean).ToString().Quote()}}}"
            : $"{at} {Word(level)} {category}: {Escape(clean)}";
        _lines.Writer.TryWrite(line);
    }

    private async Task WriteAsync(TextWriter output)
    {
        await foreach (string line in _lines.Reader.ReadAllAsync())
        {
            try
            {
                await output.WriteLineAsync(line);
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                Interlocked.Increment(ref _lost);
            }
        }
    }

    private static string Word(LogLevel level)
    {
        return level switch
        {
            LogLevel.Trace => "trace",
            LogLevel.Debug => "debug",
            LogLevel.Information => "info ",
            LogLevel.Warning => "warn ",
            LogLevel.Error => "error",
            _ => "crit ",
        };
    }

    private static string Escape(string text)
    {
        if (!text.Any(c => char.IsControl(c) || c is '\u2028' or '\u2029'))
        {
            return text;
        }

        StringBuilder escaped = new(text.Length + 16);
        foreach (char c in text)
        {
            escaped.Append(c switch
            {
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                _ when char.IsControl(c) || c is '\u2028' or '\u2029' => FormattableString.Invariant($"\\u{(int)c:x4}"),
                _ => c.ToString(),
            });
        }

        return escaped.ToString();
    }

    private sealed class LineLogger(LineLoggerProvider provider, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= provider.Level && logLevel != LogLevel.None && (!category.StartsWith("Microsoft.", StringComparison.Ordinal) || logLevel >= LogLevel.Warning);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                provider.Log(category, logLevel, formatter(state, exception), exception);
            }
        }
    }
}

/// <summary>Small text helpers of the log.</summary>
internal static class LogText
{
    public static string Quote(this string text) => $"\"{text}\"";
}
