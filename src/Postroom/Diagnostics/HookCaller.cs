using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Postroom.Diagnostics;

/// <summary>What a hook is told before an attempt.</summary>
internal readonly record struct HookIntent(string Conversation, string From, string To, string Type, ReadOnlyMemory<byte> Payload);

/// <summary>Calls one hook at a time, bounded in time; what it throws is logged once a minute and counted.</summary>
/// <remarks>The token of a hook that answers at once is used again for the next call.</remarks>
internal sealed partial class HookCaller(TimeSpan timeout, RuntimeMetrics metrics, TimeProvider clock, ILogger log)
{
    public static readonly Tell Dispatched = static (hook, about, _, token) => hook.OnDispatchedAsync(about, token);
    public static readonly Tell Acknowledged = static (hook, about, _, token) => hook.OnAcknowledgedAsync(about, token);
    public static readonly Tell Failed = static (hook, about, error, token) => hook.OnFailedAsync(about, error!, token);
    public static readonly Tell Complete = static (hook, about, _, token) => hook.OnConversationCompleteAsync(about, token);

    private const string TooLate = "It blocked its thread beyond its time.";

    private long _timeout = timeout.Ticks;

    /// <summary>How long a hook may take.</summary>
    public TimeSpan Timeout
    {
        get => new(Volatile.Read(ref _timeout));
        set => Volatile.Write(ref _timeout, value.Ticks);
    }

    private readonly ConcurrentDictionary<string, long> _lastLogged = new(StringComparer.Ordinal);
    private CancellationTokenSource? _spare;

    /// <summary>One of the calls that answer nothing.</summary>
    public delegate ValueTask Tell(IDispatchHook hook, string about, string? error, CancellationToken cancellationToken);

    /// <summary>Tells a hook something; never throws.</summary>
    public ValueTask TellAsync(HookRegistration registration, Tell tell, string about, string? error = null)
    {
        CancellationTokenSource limit = Rent();
        ValueTask told;
        try
        {
            told = tell(registration.Hook, about, error, limit.Token);
        }
        catch (Exception e)
        {
            told = ValueTask.FromException(e);
        }

        if (!told.IsCompletedSuccessfully)
        {
            return FinishAsync(registration, told, limit);
        }

        if (!Return(limit))
        {
            Fault(registration, new TimeoutException(TooLate));
        }

        return default;
    }

    /// <summary>Asks a hook for its entry id; what it throws is the answer.</summary>
    public ValueTask<(string? Id, Exception? Error)> AskAsync(HookRegistration registration, in HookIntent intent)
    {
        CancellationTokenSource limit = Rent();
        ValueTask<string> asked;
        try
        {
            asked = registration.Hook.OnIntentAsync(intent.Conversation, intent.From, intent.To, intent.Type, intent.Payload, limit.Token);
        }
        catch (Exception e)
        {
            asked = ValueTask.FromException<string>(e);
        }

        if (!asked.IsCompletedSuccessfully)
        {
            return FinishAsync(registration, asked, limit);
        }

        if (Return(limit))
        {
            return new ValueTask<(string?, Exception?)>((asked.Result, null));
        }

        TimeoutException late = new(TooLate);
        Fault(registration, late);
        return new ValueTask<(string?, Exception?)>((null, late));
    }

    private async ValueTask FinishAsync(HookRegistration registration, ValueTask told, CancellationTokenSource limit)
    {
        using (limit)
        {
            try
            {
                await told.AsTask().WaitAsync(Timeout, clock);
            }
            catch (Exception e)
            {
                Fault(registration, e);
            }
        }
    }

    private async ValueTask<(string? Id, Exception? Error)> FinishAsync(HookRegistration registration, ValueTask<string> asked, CancellationTokenSource limit)
    {
        using (limit)
        {
            try
            {
                return (await asked.AsTask().WaitAsync(Timeout, clock), null);
            }
            catch (Exception e)
            {
                Fault(registration, e);
                return (null, e);
            }
        }
    }

    /// <summary>A source whose time runs from now on, also while the hook blocks its thread.</summary>
    private CancellationTokenSource Rent()
    {
        if (Interlocked.Exchange(ref _spare, null) is not { } spare)
        {
            return new CancellationTokenSource(Timeout, clock);
        }

        spare.CancelAfter(Timeout);
        return spare;
    }

    /// <summary>Keeps a source for the next call; false when its time has run out.</summary>
    private bool Return(CancellationTokenSource limit)
    {
        bool inTime = !limit.IsCancellationRequested;
        if (!limit.TryReset() || Interlocked.CompareExchange(ref _spare, limit, null) is not null)
        {
            limit.Dispose();
        }

        return inTime;
    }

    private void Fault(HookRegistration registration, Exception e)
    {
        metrics.HookError(registration.Name);
        long now = clock.GetTimestamp();
        long last = _lastLogged.GetOrAdd(registration.Name, long.MinValue);
        if ((last == long.MinValue || clock.GetElapsedTime(last, now) >= TimeSpan.FromMinutes(1)) && _lastLogged.TryUpdate(registration.Name, now, last))
        {
            LogHook(e, registration.Name, Timeout.TotalSeconds);
        }
    }

    [LoggerMessage(610, LogLevel.Warning, "Dispatch hook {Hook} threw or took longer than {Seconds} s (hooks.timeout); dispatch goes on. This is logged once a minute.")]
    private partial void LogHook(Exception exception, string hook, double seconds);
}
