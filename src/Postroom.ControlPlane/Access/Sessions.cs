using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom.ControlPlane;

/// <summary>A signed-in person. The browser has the cookie's text, here is only its hash.</summary>
/// <param name="KeyId">The key it was made with; when that is gone, has expired or was replaced, so is the session.</param>
/// <param name="KeyHash">The hash of that key as hexadecimal digits; null in a session of an older version, which is none any more.</param>
/// <param name="Csrf">What changing requests repeat in a header.</param>
/// <param name="ExpiresAt">The end, whatever happens.</param>
/// <param name="UsedAt">When it was last used, to the minute.</param>
internal sealed record Session(string KeyId, string? KeyHash, string Csrf, DateTimeOffset ExpiresAt, DateTimeOffset UsedAt);

/// <summary>Sessions of the dashboard (CP-5), kept as facts so that a restart signs nobody out, and single-use codes to sign in with. Safe for concurrent use.</summary>
internal sealed class Sessions(IRuntimeView runtime, ApiKeys keys, TimeProvider clock)
{
    /// <summary>How long a session lasts at most.</summary>
    public static readonly TimeSpan Life = TimeSpan.FromHours(12);

    /// <summary>How long one lasts that is not used.</summary>
    public static readonly TimeSpan Idle = TimeSpan.FromMinutes(30);

    /// <summary>How long a code to sign in with is valid.</summary>
    public static readonly TimeSpan CodeLife = TimeSpan.FromMinutes(10);

    /// <summary>How many codes of one key there are at most that nobody has used; the oldest makes room.</summary>
    public const int MostCodes = 10;

    private const int Most = 10_000;
    private static readonly TimeSpan UsedStep = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, (ApiKey Key, DateTimeOffset Until)> _codes = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Session> _sessions = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _writing = new(1, 1); // what is in memory is what was stored last

    /// <summary>Reads what an earlier run left; the store is open.</summary>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        foreach (StoredFact fact in await runtime.Facts.ListAsync(FactScopes.Session, cancellationToken))
        {
            if (JsonSerializer.Deserialize(fact.Value.Span, SessionJson.Default.Session) is { } session && session.ExpiresAt > clock.GetUtcNow())
            {
                _sessions[fact.Key] = session;
            }
        }
    }

    /// <summary>A code that signs in once, as a key would.</summary>
    public string MakeCode(ApiKey key)
    {
        foreach ((string old, (_, DateTimeOffset until)) in _codes)
        {
            if (until <= clock.GetUtcNow())
            {
                _codes.TryRemove(old, out _);
            }
        }

        foreach ((string old, _) in _codes.Where(one => one.Value.Key.Id == key.Id).OrderByDescending(static one => one.Value.Until).Skip(MostCodes - 1).ToArray())
        {
            _codes.TryRemove(old, out _);
        }

        string code = RandomNumberGenerator.GetString("abcdefghijkmnpqrstuvwxyz23456789", 24);
        _codes[HashOf(code)] = (key, clock.GetUtcNow() + CodeLife);
        return code;
    }

    /// <summary>The key a code stands for; null when it was used, or is too old. It is used up.</summary>
    public async ValueTask<ApiKey?> TakeCodeAsync(string code, CancellationToken cancellationToken) =>
        _codes.TryRemove(HashOf(code), out (ApiKey Key, DateTimeOffset Until) found) && found.Until > clock.GetUtcNow() ? await keys.FindAsync(found.Key.Id, found.Key.Hash, cancellationToken) : null;

    /// <summary>Signs in; gives the cookie's text and the session.</summary>
    /// <exception cref="RuntimeConflictException">There are too many sessions.</exception>
    public async ValueTask<(string Cookie, Session Session)> OpenAsync(ApiKey key, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        foreach ((string old, Session session) in _sessions)
        {
            if (!IsAlive(session, now))
            {
                await ForgetAsync(old, cancellationToken);
            }
        }

        if (_sessions.Count >= Most)
        {
            throw new RuntimeConflictException($"There are {Most} sessions. Sign some out, or wait until they end.");
        }

        string cookie = RandomNumberGenerator.GetHexString(64, lowercase: true);
        Session opened = new(key.Id, Convert.ToHexStringLower(key.Hash.Span), RandomNumberGenerator.GetHexString(32, lowercase: true), now + Life, now);
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await WriteAsync(HashOf(cookie), opened, cancellationToken);
            _sessions[HashOf(cookie)] = opened;
        }
        finally
        {
            _writing.Release();
        }

        return (cookie, opened);
    }

    /// <summary>The session of a cookie with its key; null when it has ended.</summary>
    public async ValueTask<(Session Session, ApiKey Key)?> FindAsync(string cookie, CancellationToken cancellationToken)
    {
        string hash = HashOf(cookie);
        DateTimeOffset now = clock.GetUtcNow();
        if (!_sessions.TryGetValue(hash, out Session? session))
        {
            return null;
        }

        if (!IsAlive(session, now) || session.KeyHash is not { } keyHash || await keys.FindAsync(session.KeyId, Convert.FromHexString(keyHash), cancellationToken) is not { } key)
        {
            await ForgetAsync(hash, cancellationToken);
            return null;
        }

        return (now - session.UsedAt >= UsedStep ? await UseAsync(hash, session with { UsedAt = now }, session, cancellationToken) : session, key);
    }

    /// <summary>Signs out.</summary>
    public ValueTask CloseAsync(string cookie, CancellationToken cancellationToken) => ForgetAsync(HashOf(cookie), cancellationToken);

    private static bool IsAlive(Session session, DateTimeOffset now) => session.ExpiresAt > now && session.UsedAt + Idle > now;

    private static string HashOf(string text) => Convert.ToHexStringLower(ApiKeys.HashOf(text));

    /// <summary>Notes that a session was used, unless it has ended meanwhile: what was signed out does not come back.</summary>
    private async ValueTask<Session> UseAsync(string hash, Session used, Session known, CancellationToken cancellationToken)
    {
        if (!_sessions.TryUpdate(hash, used, known) || !await _writing.WaitAsync(0, cancellationToken))
        {
            return used; // In memory at most: nobody is to wait for this.
        }

        try
        {
            if (_sessions.ContainsKey(hash))
            {
                await WriteAsync(hash, used, cancellationToken);
            }
        }
        catch (StoreUnavailableException)
        {
            // Status is read most when the store is in trouble.
        }
        finally
        {
            _writing.Release();
        }

        return used;
    }

    private async ValueTask WriteAsync(string hash, Session session, CancellationToken cancellationToken)
    {
        byte[] value = JsonSerializer.SerializeToUtf8Bytes(session, SessionJson.Default.Session);
        await runtime.WriteFactsAsync([new FactChange(FactScopes.Session, hash, value, session.ExpiresAt)], cancellationToken);
    }

    private async ValueTask ForgetAsync(string hash, CancellationToken cancellationToken)
    {
        if (!_sessions.TryRemove(hash, out _))
        {
            return;
        }

        // Behind a write that is under way, which would bring it back at the next start.
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await runtime.WriteFactsAsync([new FactChange(FactScopes.Session, hash, null)], cancellationToken);
        }
        finally
        {
            _writing.Release();
        }
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(Session))]
internal sealed partial class SessionJson : JsonSerializerContext;
