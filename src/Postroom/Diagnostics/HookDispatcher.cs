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
internal sealed class HookDispatcher
{
    private readonly HookCaller _caller;
    private readonly Lock _registering = new();
    private ImmutableArray<HookRegistration> _hooks = [];

    public HookDispatcher(TimeSpan timeout, IJournal journal, ITransitionFeed feed, RuntimeMetrics metrics, TimeProvider clock, ILogger log)
    {
        _caller = new HookCaller(timeout, metrics, clock, log);
        Conversations = new ConversationWatch(journal, feed, CompleteAsync, clock, log);
    }

    /// <summary>How long a hook may take.</summary>
    public TimeSpan Timeout
    {
        get => _caller.Timeout;
        set => _caller.Timeout = value;
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

            await (settlement is Settlement.Acknowledged ? _caller.TellAsync(calls.Hooks[i], HookCaller.Acknowledged, id) : _caller.TellAsync(calls.Hooks[i], HookCaller.Failed, id, ErrorOf(settlement)));
        }

        Conversations.Leave(calls.Conversation);
    }

    /// <summary>Tells that a conversation is complete, in reverse order.</summary>
    public async ValueTask CompleteAsync(string conversation)
    {
        ImmutableArray<HookRegistration> hooks = _hooks;
        for (int i = hooks.Length - 1; i >= 0; i--)
        {
            await _caller.TellAsync(hooks[i], HookCaller.Complete, conversation);
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
            (string? id, Exception? error) = await _caller.AskAsync(hooks[i], new HookIntent(conversation, from, toId, envelope.Type, envelope.Body));
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
                await _caller.TellAsync(hooks[i], HookCaller.Dispatched, id);
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
                await _caller.TellAsync(hooks[i], HookCaller.Failed, id, error);
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

    private sealed class Registration(HookDispatcher dispatcher, HookRegistration registration) : IDisposable
    {
        public void Dispose() => dispatcher.Change(hooks => hooks.Remove(registration));
    }
}

/// <summary>A hook that may fail attempts has failed this one.</summary>
internal sealed class HookRefusedException(string hook, Exception cause)
    : Exception($"Dispatch hook {hook} failed the attempt: {cause.Message}", cause);
