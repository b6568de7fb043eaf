using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Postroom.ControlPlane;

/// <summary>Hands lines of the log to whoever follows them, from information up, masked and bounded (TR-8). While nobody does, it costs the question whether somebody does. Safe for concurrent use.</summary>
/// <param name="redactor">Masks the texts.</param>
/// <param name="clock">Dates them, and bounds how many there are.</param>
[ProviderAlias("Events")]
internal sealed class LogTap(Redactor redactor, TimeProvider clock) : ILoggerProvider, ISupportExternalScope
{
    /// <summary>How many lines are handed on in a second at most; those beyond are counted.</summary>
    public const int PerSecond = 100;

    private const int LongestText = 4_096;

    private readonly CallerRateLimiter _rate = new(PerSecond, TimeSpan.FromSeconds(1), clock, maxKeys: 1);
    private IExternalScopeProvider? _scopes;
    private Action<LogView, MessageId?>? _follower;
    private long _left;

    /// <summary>Who follows; null for nobody.</summary>
    public Action<LogView, MessageId?>? Follower
    {
        get => Volatile.Read(ref _follower);
        set => Volatile.Write(ref _follower, value);
    }

    public ILogger CreateLogger(string categoryName) => new Tap(this, categoryName);

    public void SetScopeProvider(IExternalScopeProvider scopeProvider) => _scopes = scopeProvider;

    public void Dispose() => Follower = null;

    private void Tell(Action<LogView, MessageId?> follower, string category, LogLevel level, string text, object? state, Exception? exception)
    {
        if (_rate.Take("") is not null)
        {
            Interlocked.Increment(ref _left);
            return;
        }

        Subject subject = new();
        _scopes?.ForEachScope(static (scope, found) => found.Look(scope), subject);
        subject.Look(state);
        string whole = exception is null ? text : $"{text} {exception.GetType().Name}: {exception.Message}";
        long left = Interlocked.Exchange(ref _left, 0);
        follower(
            new LogView(
                clock.GetUtcNow(),
                level.ToString().ToLowerInvariant(),
                category,
                redactor.Redact(Redactor.Cut(whole, LongestText)),
                subject.Message?.ToString(),
                subject.Trace ?? (Activity.Current is { IdFormat: ActivityIdFormat.W3C, Recorded: true } current ? current.TraceId.ToHexString() : null),
                left > 0 ? left : null),
            subject.Message);
    }

    private sealed class Tap(LogTap owner, string category) : ILogger
    {
        private readonly LogLevel _least = category.StartsWith("Microsoft.", StringComparison.Ordinal) ? LogLevel.Warning : LogLevel.Information;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null; // the factory keeps the scopes

        public bool IsEnabled(LogLevel logLevel) => owner.Follower is not null && logLevel >= _least && logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel) && owner.Follower is { } follower)
            {
                owner.Tell(follower, category, logLevel, formatter(state, exception), state, exception);
            }
        }
    }

    /// <summary>The message and the trace that a line is about; inner scopes win over outer ones, and what the line says itself over both.</summary>
    private sealed class Subject
    {
        public MessageId? Message { get; private set; }

        public string? Trace { get; private set; }

        public void Look(object? state)
        {
            foreach ((string name, object? value) in state as IReadOnlyList<KeyValuePair<string, object?>> ?? [])
            {
                Message = name == "MessageId" && MessageId.TryParse(value?.ToString(), out MessageId id) ? id : Message;
                Trace = name == "TraceId" && value is string trace ? trace : Trace;
            }
        }
    }
}
