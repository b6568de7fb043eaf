namespace Postroom;

/// <summary>Small named values that are stored with the messages: checkpoints, pauses, settings, occurrences, runs, keys.</summary>
/// <remarks>Facts change through <see cref="IMessageStore.WriteAsync"/>, in one transaction with messages where wanted. Safe for concurrent use.</remarks>
public interface IFacts
{
    /// <summary>Reads one fact; null when there is none or it has expired.</summary>
    ValueTask<StoredFact?> GetAsync(string scope, string key, CancellationToken cancellationToken);

    /// <summary>Reads all facts of a scope, by key in ordinal order; expired ones are left out.</summary>
    ValueTask<IReadOnlyList<StoredFact>> ListAsync(string scope, CancellationToken cancellationToken);

    /// <summary>Reads the last facts of a scope whose keys begin alike, last key first in ordinal order; expired ones are left out.</summary>
    /// <param name="scope">The scope.</param>
    /// <param name="prefix">What the keys begin with; at least one character.</param>
    /// <param name="before">Only keys before this one; null for all.</param>
    /// <param name="limit">The most facts; at least 1.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    async ValueTask<IReadOnlyList<StoredFact>> ListLastAsync(string scope, string prefix, string? before, int limit, CancellationToken cancellationToken)
    {
        IReadOnlyList<StoredFact> all = await ListAsync(scope, cancellationToken);
        return
        [
            .. all.Where(fact => fact.Key.StartsWith(prefix, StringComparison.Ordinal) && (before is null || string.CompareOrdinal(fact.Key, before) < 0))
                .OrderByDescending(fact => fact.Key, StringComparer.Ordinal).Take(limit),
        ];
    }
}

/// <summary>One stored fact.</summary>
/// <param name="Scope">The kind of fact.</param>
/// <param name="Key">Its name within the scope.</param>
/// <param name="Value">Its value; at most 64 KiB.</param>
/// <param name="ExpiresAt">When it ends; null for never.</param>
/// <param name="UpdatedAt">When it was written.</param>
public sealed record StoredFact(string Scope, string Key, ReadOnlyMemory<byte> Value, DateTimeOffset? ExpiresAt, DateTimeOffset UpdatedAt)
{
    /// <summary>The longest value in bytes.</summary>
    public const int MaxValueBytes = 64 * 1024;
}

/// <summary>A change of one fact: it replaces the former value.</summary>
/// <param name="Scope">The kind of fact.</param>
/// <param name="Key">Its name within the scope.</param>
/// <param name="Value">The new value, at most <see cref="StoredFact.MaxValueBytes"/>; null removes the fact.</param>
/// <param name="ExpiresAt">When it ends; null for never.</param>
public sealed record FactChange(string Scope, string Key, ReadOnlyMemory<byte>? Value, DateTimeOffset? ExpiresAt = null);

/// <summary>The scopes of facts that the runtime itself uses.</summary>
public static class FactScopes
{
    /// <summary>Where sources stand.</summary>
    public const string Checkpoint = "checkpoint";

    /// <summary>Signed-in people, by the hash of what their browser has.</summary>
    public const string Session = "session";

    /// <summary>Values of handlers, per conversation and name.</summary>
    public const string HandlerCheckpoint = "handler-checkpoint";

    /// <summary>The last channel and time of each contact.</summary>
    public const string Contact = "contact";

    /// <summary>Paused queues and pools.</summary>
    public const string Pause = "pause";

    /// <summary>Settings made at run time.</summary>
    public const string Settings = "settings";

    /// <summary>Occurrences of schedules.</summary>
    public const string Occurrence = "occurrence";

    /// <summary>Up to where schedules have decided, by their name.</summary>
    public const string Schedule = "schedule";

    /// <summary>Runs of the program.</summary>
    public const string Run = "run";

    /// <summary>Keys of the control plane.</summary>
    public const string ApiKey = "api-key";

    /// <summary>Types that had a handler, by queue.</summary>
    public const string HandledType = "handled-type";

    /// <summary>What communicators keep, by their name.</summary>
    public const string Channel = "channel";

    /// <summary>Killed conversations.</summary>
    public const string Conversation = "conversation";

    /// <summary>Failed messages that hold their order key until somebody decides, by queue and id.</summary>
    public const string Halt = "halt";

    /// <summary>The key under which a failed message holds its order key.</summary>
    /// <param name="message">The message.</param>
    public static string HaltKey(Envelope message) => $"{message.Queue}/{message.Id}";
}
