using System.Collections.Concurrent;
using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Postroom.Workers;

namespace Postroom.Diagnostics;

/// <summary>What the hooks answered for one attempt: an entry id per hook, null where no further calls are wanted.</summary>
internal sealed class HookCalls(ImmutableArray<HookRegistration> hooks, string?[] entryIds, string? conversation)
{
    private int _ended;

    public ImmutableArray<HookRegistration> Hooks { get; } = hooks;

    public string?[] EntryIds { get; } = entryIds;

    public string? Conversation { get; } = conversation;

    /// <summary>Claims the right to tell the end: an attempt that was given up may still come back. True once.</summary>
    public bool TryEnd() => Interlocked.Exchange(ref _ended, 1) == 0;
}

/// <summary>One registered hook.</summary>
internal sealed record HookRegistration(IDispatchHook Hook, HookFailurePolicy OnFailure, string Name);

/// <summary>Calls dispatch hooks in order, each bounded in time, and keeps their faults away from the dispatch.</summary>
internal sealed partial class HookDispatcher
{
    private readonly TimeSpan _timeout;
    private readonly RuntimeMetrics _metrics;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly ConcurrentDictionary<string, long> _lastLogged = new(StringComparer.Ordinal);
    private readonly Lock _registering = new();
    private ImmutableArray<HookRegistration> _hooks = [];

    public HookDispatcher(TimeSpan timeout, IJournal journal, ITransitionFeed feed, RuntimeMetrics metrics, TimeProvider clock, ILogger log)
    {
        _timeout = timeout;
        _metrics = metrics;
        _clock = clock;
        _log = log;
        Conversations = new ConversationWatch(journal, feed, CompleteAsync, clock, log);
    }

    /// <summary>Finds out when conversations are complete.</summary>
    public ConversationWatch Conversations { get; }

    /// <summary>Whether there is none, so that a dispatch costs nothing for hooks.</summary>
    public bool IsEmpty => _hooks.IsEmpty;

    /// <summary>Adds a hook; disposing the result takes it away.</summary>
    public IDisposable Register(IDispatchHook hook, HookFailurePolicy onFailure)
    {
        HookRegistration registration = new(hook, onFailure, hook.GetType().Name);
        Change(hooks => hooks.Add(registration));
        return new Registration(this, registration);
    }

    /// <summary>Announces an attempt: intent, then dispatched. An exception means that a hook's policy fails the attempt.</summary>
    public async ValueTask<HookCalls> BeginAsync(Attempt attempt, string toId)
    {
        Conversations.Enter(attempt.Envelope.Conversation);
        try
        {
            return await AnnounceAsync(attempt.Envelope, toId);
        }
        catch
        {
            Conversations.Leave(attempt.Envelope.Conversation);
            throw;
        }
    }

    /// <summary>Tells how an announced attempt ended, in reverse order. Only the first end of an attempt is told.</summary>
    public async ValueTask EndAsync(HookCalls calls, Settlement settlement)
    {
        if (!calls.TryEnd())
        {
            return;
        }

        for (int i = calls.Hooks.Length - 1; i >= 0; i--)
        {
            if (calls.EntryIds[i] is not { } id)
            {
                continue;
            }

            if (settlement is Settlement.Acknowledged)
            {
                await CallAsync(calls.Hooks[i], (hook, token) => hook.OnAcknowledgedAsync(id, token));
            }
            else
            {
                string error = ErrorOf(settlement);
                await CallAsync(calls.Hooks[i], (hook, token) => hook.OnFailedAsync(id, error, token));
            }
        }

        Conversations.Leave(calls.Conversation);
    }

    /// <summary>Tells that a conversation is complete, in reverse order.</summary>
    public async ValueTask CompleteAsync(string conversation)
    {
        ImmutableArray<HookRegistration> hooks = _hooks;
        for (int i = hooks.Length - 1; i >= 0; i--)
        {
            await CallAsync(hooks[i], (hook, token) => hook.OnConversationCompleteAsync(conversation, token));
        }
    }

    /// <summary>Looks at conversations no more. May be called twice.</summary>
    public void Close() => Conversations.Close();

    private async ValueTask<HookCalls> AnnounceAsync(Envelope envelope, string toId)
    {
        ImmutableArray<HookRegistration> hooks = _hooks;
        string?[] ids = new string?[hooks.Length];
        string conversation = envelope.Conversation ?? "";
        string from = envelope.From?.ToString() ?? "";
        for (int i = 0; i < hooks.Length; i++)
        {
            (string? id, Exception? error) = await CallAsync(
                hooks[i], (hook, token) => hook.OnIntentAsync(conversation, from, toId, envelope.Type, envelope.Body, token));
            if (error is not null && hooks[i].OnFailure == HookFailurePolicy.FailAttempt)
            {
                HookRefusedException refused = new(hooks[i].Name, error);
                await WithdrawAsync(hooks, ids.AsMemory(0, i), refused.Message);
                throw refused;
            }

            ids[i] = string.IsNullOrEmpty(id) ? null : id;
        }

        HookCalls calls = new(hooks, ids, envelope.Conversation);
        for (int i = 0; i < hooks.Length; i++)
        {
            if (ids[i] is { } id)
            {
                await CallAsync(hooks[i], (hook, token) => hook.OnDispatchedAsync(id, token));
            }
        }

        return calls;
    }

    private void Change(Func<ImmutableArray<HookRegistration>, ImmutableArray<HookRegistration>> change)
    {
        lock (_registering)
        {
            _hooks = change(_hooks);
            Conversations.Listen(!_hooks.IsEmpty);
        }
    }

    /// <summary>Tells hooks that had taken an intent that the attempt will not come, in reverse order.</summary>
    private async ValueTask WithdrawAsync(ImmutableArray<HookRegistration> hooks, ReadOnlyMemory<string?> ids, string error)
    {
        for (int i = ids.Length - 1; i >= 0; i--)
        {
            if (ids.Span[i] is { } id)
            {
                await CallAsync(hooks[i], (hook, token) => hook.OnFailedAsync(id, error, token));
            }
        }
    }

    private static string ErrorOf(Settlement settlement)
    {
        return settlement switch
        {
            Settlement.Retried { Cause: FailureKind.Timeout } or Settlement.Failed { Kind: FailureKind.Timeout } => "timeout",
            Settlement.Retried retried => retried.Reason,
            Settlement.Failed failed => failed.Reason,
            _ => "cancelled",
        };
    }

    private async ValueTask CallAsync(HookRegistration registration, Func<IDispatchHook, CancellationToken, ValueTask> call)
    {
        await CallAsync<object?>(registration, async (hook, token) =>
        {
            await call(hook, token);
            return null;
        });
    }

    private async ValueTask<(T? Result, Exception? Error)> CallAsync<T>(HookRegistration registration, Func<IDispatchHook, CancellationToken, ValueTask<T>> call)
    {
        using CancellationTokenSource limit = new(_timeout, _clock);
        try
        {
            ValueTask<T> running = call(registration.Hook, limit.Token);
            return (running.IsCompletedSuccessfully ? running.Result : await running.AsTask().WaitAsync(_timeout, _clock), null);
        }
        catch (Exception e)
        {
            _metrics.HookError(registration.Name);
            long now = _clock.GetTimestamp();
            long last = _lastLogged.GetOrAdd(registration.Name, long.MinValue);
            if ((last == long.MinValue || _clock.GetElapsedTime(last, now) >= TimeSpan.FromMinutes(1)) && _lastLogged.TryUpdate(registration.Name, now, last))
            {
                LogHook(e, registration.Name, _timeout.TotalSeconds);
            }

            return (default, e);
        }
    }

    [LoggerMessage(610, LogLevel.Warning, "Dispatch hook {Hook} threw or took longer than {Seconds} s (hooks.timeout); dispatch goes on. This is logged once a minute.")]
    private partial void LogHook(Exception exception, string hook, double seconds);

    private sealed class Registration(HookDispatcher dispatcher, HookRegistration registration) : IDisposable
    {
        public void Dispose() => dispatcher.Change(hooks => hooks.Remove(registration));
    }
}

/// <summary>A hook that may fail attempts has failed this one.</summary>
internal sealed class HookRefusedException(string hook, Exception cause)
    : Exception($"Dispatch hook {hook} failed the attempt: {cause.Message}", cause);
