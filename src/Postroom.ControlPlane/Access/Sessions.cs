using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom.ControlPlane;

/// <summary>A signed-in person. The browser has the cookie's text, here is only its hash.</summary>
/// <param name="KeyId">The key it was made with; when that is gone or has expired, so is the session.</param>
/// <param name="Csrf">What changing requests repeat in a header.</param>
/// <param name="ExpiresAt">The end, whatever happens.</param>
/// <param name="UsedAt">When it was last used, to the minute.</param>
internal sealed record Session(string KeyId, string Csrf, DateTimeOffset ExpiresAt, DateTimeOffset UsedAt);

/// <summary>Sessions of the dashboard (CP-5), kept as facts so that a restart signs nobody out, and single-use codes to sign in with. Safe for concurrent use.</summary>
internal sealed class Sessions(IRuntimeView runtime, ApiKeys keys, TimeProvider clock)
{
    /// <summary>How long a session lasts at most.</summary>
    public static readonly TimeSpan Life = TimeSpan.FromHours(12);

    /// <summary>How long one lasts that is not used.</summary>
    public static readonly TimeSpan Idle = TimeSpan.FromMinutes(30);

    /// <summary>How long a code to sign in with is valid.</summary>
    public static readonly TimeSpan CodeLife = TimeSpan.FromMinutes(10);

    private const int Most = 10_000;
    private static readonly TimeSpan UsedStep = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, (string KeyId, DateTimeOffset Until)> _codes = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Session> _sessions = new(StringComparer.Ordinal);

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

        string code = RandomNumberGenerator.GetString("abcdefghijkmnpqrstuvwxyz23456789", 24);
        _codes[HashOf(code)] = (key.Id, clock.GetUtcNow() + CodeLife);
        return code;
    }

    /// <summary>The key a code stands for; null when it was used, or is too old. It is used up.</summary>
    public async ValueTask<ApiKey?> TakeCodeAsync(string code, CancellationToken cancellationToken) =>
        _codes.TryRemove(HashOf(code), out (string KeyId, DateTimeOffset Until) found) && found.Until > clock.GetUtcNow() ? await keys.FindByIdAsync(found.KeyId, cancellationToken) : null;

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
        Session opened = new(key.Id, RandomNumberGenerator.GetHexString(32, lowercase: true), now + Life, now);
        await SaveAsync(HashOf(cookie), opened, cancellationToken);
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

        if (!IsAlive(session, now) || await keys.FindByIdAsync(session.KeyId, cancellationToken) is not { } key)
        {
            await ForgetAsync(hash, cancellationToken);
            return null;
        }

        if (now - session.UsedAt >= UsedStep)
        {
            session = session with { UsedAt = now };
            try
            {
                await SaveAsync(hash, session, cancellationToken);
            }
            catch (StoreUnavailableException)
            {
                _sessions[hash] = session; // Status is read most when the store is in trouble.
            }
        }

        return (session, key);
    }

    /// <summary>Signs out.</summary>
    public ValueTask CloseAsync(string cookie, CancellationToken cancellationToken) => ForgetAsync(HashOf(cookie), cancellationToken);

    private static bool IsAlive(Session session, DateTimeOffset now) => session.ExpiresAt > now && session.UsedAt + Idle > now;

    private static string HashOf(string text) => Convert.ToHexStringLower(ApiKeys.HashOf(text));

    private async ValueTask SaveAsync(string hash, Session session, CancellationToken cancellationToken)
    {
        byte[] value = JsonSerializer.SerializeToUtf8Bytes(session, SessionJson.Default.Session);
        await runtime.WriteFactsAsync([new FactChange(FactScopes.Session, hash, value, session.ExpiresAt)], cancellationToken);
        _sessions[hash] = session;
    }

    private async ValueTask ForgetAsync(string hash, CancellationToken cancellationToken)
    {
        if (_sessions.TryRemove(hash, out _))
        {
            await runtime.WriteFactsAsync([new FactChange(FactScopes.Session, hash, null)], cancellationToken);
        }
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(Session))]
internal sealed partial class SessionJson : JsonSerializerContext;
