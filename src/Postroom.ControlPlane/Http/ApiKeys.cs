using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Primitives;

namespace Postroom.ControlPlane;

/// <summary>What a key allows; each role includes the ones before (CP-2).</summary>
internal enum ApiRole
{
    Viewer,
    Operator,
    Admin,
}

/// <summary>A key as it is stored: its hash, never the key.</summary>
internal sealed record ApiKey
{
    /// <summary>Names the key in lists and in <c>DELETE</c>; not secret.</summary>
    public required string Id { get; init; }

    /// <summary>Who uses it; the user of audit rows.</summary>
    public required string Name { get; init; }

    /// <summary>What it allows.</summary>
    public required ApiRole Role { get; init; }

    /// <summary>The SHA-256 of the key's text.</summary>
    public required ReadOnlyMemory<byte> Hash { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>From when on it is refused; null for never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>When it was last accepted, to the minute; null for never.</summary>
    public DateTimeOffset? LastUsedAt { get; init; }
}

/// <summary>Keeps the keys. Reading is on the path of every request, so an implementation answers it from memory.</summary>
internal interface IApiKeyStore
{
    /// <summary>All keys, in no order.</summary>
    ValueTask<IReadOnlyList<ApiKey>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Adds a key.</summary>
    ValueTask SaveAsync(ApiKey key, CancellationToken cancellationToken);

    /// <summary>Notes that a key was used. It does nothing when the key is there no more, or is another one of its id: what was revoked does not come back.</summary>
    ValueTask UseAsync(ApiKey key, DateTimeOffset at, CancellationToken cancellationToken);

    /// <summary>Removes a key; false when there was none.</summary>
    ValueTask<bool> RemoveAsync(string id, CancellationToken cancellationToken);
}

/// <summary>The outcome of presenting a key.</summary>
internal abstract record KeyCheck
{
    private KeyCheck()
    {
    }

    /// <summary>The key is known and has not expired.</summary>
    public sealed record Accepted(ApiKey Key) : KeyCheck
    {
        /// <summary>True when the key's role includes <paramref name="needed"/>; otherwise the answer is 403.</summary>
        public bool Allows(ApiRole needed) => Key.Role >= needed;
    }

    /// <summary>No valid key: 401.</summary>
    public sealed record Refused : KeyCheck;

    /// <summary>Too many failures from this address: 429.</summary>
    public sealed record TooManyFailures(int RetryAfterSeconds) : KeyCheck;
}

/// <summary>Makes and checks keys (CP-4). Safe for concurrent use.</summary>
/// <param name="store">Where the hashes are.</param>
/// <param name="clock">Judges expiry and counts failures.</param>
internal sealed class ApiKeys(IApiKeyStore store, TimeProvider clock)
{
    /// <summary>Begins every key, so that scanners find a leaked one.</summary>
    public const string Prefix = "pr_";

    private const int RandomBytes = 32;
    private const int TextLength = 46;
    private const int FailuresPerMinute = 10;
    private const int FailuresOfAll = 50; // at once; they flow back in 5 seconds, so that all guessers together have 10 a second

    // A configured key (server.keys) may have any form.
    private const int LongestText = 512;
    private static readonly TimeSpan LastUsedStep = TimeSpan.FromMinutes(1);

    private readonly CallerRateLimiter _failures = new(FailuresPerMinute, TimeSpan.FromMinutes(1), clock);
    private readonly CallerRateLimiter _failuresOfAll = new(FailuresOfAll, TimeSpan.FromSeconds(5), clock, maxKeys: 1);
    private readonly KnownAddresses _known = new(clock);

    /// <summary>A new key text: <c>pr_</c> and 43 base64url characters of 256 random bits.</summary>
    public static string Generate() => Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(RandomBytes));

    /// <summary>What is stored of a key.</summary>
    public static byte[] HashOf(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    /// <summary>True when the text has the form of a key.</summary>
    public static bool IsWellFormed([NotNullWhen(true)] string? key) =>
        key?.Length == TextLength
        && key.StartsWith(Prefix, StringComparison.Ordinal)
        && Base64Url.IsValid(key.AsSpan(Prefix.Length), out int bytes)
        && bytes == RandomBytes;

    /// <summary>Makes a key and stores its hash. The text is returned once and kept nowhere.</summary>
    public ValueTask<(string Text, ApiKey Key)> CreateAsync(string name, ApiRole role, TimeSpan? expiresIn, CancellationToken cancellationToken)
    {
        return AddAsync(Generate(), name, role, expiresIn, cancellationToken);
    }

    /// <summary>Stores a key whose text exists already.</summary>
    public async ValueTask<(string Text, ApiKey Key)> AddAsync(string text, string name, ApiRole role, TimeSpan? expiresIn, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        ApiKey key = new()
        {
            Id = RandomNumberGenerator.GetHexString(12, lowercase: true),
            Name = name,
            Role = role,
            Hash = HashOf(text),
            CreatedAt = now,
            ExpiresAt = now + expiresIn,
        };
        await store.SaveAsync(key, cancellationToken);
        return (text, key);
    }

    /// <summary>All keys, without their texts.</summary>
    public ValueTask<IReadOnlyList<ApiKey>> ListAsync(CancellationToken cancellationToken) => store.ListAsync(cancellationToken);

    /// <summary>Removes a key; false when there was none.</summary>
    public ValueTask<bool> RemoveAsync(string id, CancellationToken cancellationToken) => store.RemoveAsync(id, cancellationToken);

    /// <summary>The key that something was made with, if it is still valid; null when it is gone, has expired, or another one has its id.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="hash">Its hash: a key that was rotated in the configuration keeps its id.</param>
    /// <param name="cancellationToken">Ends the wait for the store.</param>
    public async ValueTask<ApiKey?> FindAsync(string id, ReadOnlyMemory<byte> hash, CancellationToken cancellationToken) =>
        (await store.ListAsync(cancellationToken)).FirstOrDefault(key => key.Id == id && CryptographicOperations.FixedTimeEquals(key.Hash.Span, hash.Span) && !(key.ExpiresAt <= clock.GetUtcNow()));

    /// <summary>Checks something else than a key that lets somebody in, with the same count of failures.</summary>
    /// <param name="find">The key it stands for; null for none.</param>
    /// <param name="address">The caller, for the count of failures.</param>
    public async ValueTask<KeyCheck> CheckAsync(Func<ValueTask<ApiKey?>> find, string address) =>
        HoldUp(address) is { } wait ? new KeyCheck.TooManyFailures(wait)
        : await find() is { } key ? Accept(key, address)
        : Fail(address);

    /// <summary>Checks the <c>Authorization</c> header of a request.</summary>
    /// <param name="authorization">All values of the header; more than one is refused.</param>
    /// <param name="address">The caller, for the count of failures.</param>
    /// <param name="cancellationToken">Ends the wait for the store.</param>
    public async ValueTask<KeyCheck> CheckAsync(StringValues authorization, string address, CancellationToken cancellationToken)
    {
        // Counted before the key is looked at, so that a blocked guesser does not learn from a hit.
        if (HoldUp(address) is { } wait)
        {
            return new KeyCheck.TooManyFailures(wait);
        }

        ApiKey? found = BearerOf(authorization) is { Length: > 0 and <= LongestText } text ? await FindAsync(HashOf(text), cancellationToken) : null;
        DateTimeOffset now = clock.GetUtcNow();
        if (found is null || found.ExpiresAt <= now)
        {
            // A request without any key is not a guess: it costs nothing.
            return authorization.Count > 0 ? Fail(address) : new KeyCheck.Refused();
        }

        if (found.LastUsedAt is null || now - found.LastUsedAt >= LastUsedStep)
        {
            await store.UseAsync(found, now, cancellationToken);
        }

        return Accept(found, address);
    }

    /// <summary>How many seconds an address has to wait before anything of it is looked at; null for none. Those that are known do not wait for what others guess.</summary>
    private int? HoldUp(string address) => _failures.Check(address) ?? (_known.Contains(address) ? null : _failuresOfAll.Check(""));

    private KeyCheck.Accepted Accept(ApiKey key, string address)
    {
        _known.Add(address);
        return new KeyCheck.Accepted(key);
    }

    private KeyCheck Fail(string address)
    {
        _ = _failuresOfAll.Take("");
        return _failures.Take(address) is { } seconds ? new KeyCheck.TooManyFailures(seconds) : new KeyCheck.Refused();
    }

    private static string? BearerOf(StringValues authorization)
    {
        const string Scheme = "Bearer ";
        return authorization.Count == 1 && authorization[0] is { } value && value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            ? value[Scheme.Length..]
            : null;
    }

    private async ValueTask<ApiKey?> FindAsync(byte[] hash, CancellationToken cancellationToken)
    {
        ApiKey? found = null;
        foreach (ApiKey key in await store.ListAsync(cancellationToken))
        {
            // Every key is compared: the place in the list must not show in the time.
            if (CryptographicOperations.FixedTimeEquals(key.Hash.Span, hash))
            {
                found = key;
            }
        }

        return found;
    }
}
