using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Postroom.ControlPlane;

/// <summary>The keys of <c>server.keys</c>, and those kept as facts. Answered from memory; safe for concurrent use.</summary>
/// <remarks>Before <see cref="LoadAsync"/> only configured keys are known: the store is not open yet.</remarks>
internal sealed class FactKeyStore : IApiKeyStore
{
    private const string ConfiguredPrefix = "server.keys.";

    private readonly IRuntimeView _runtime;
    private readonly TimeProvider _clock;
    private volatile ConcurrentDictionary<string, ApiKey> _configured;
    private readonly ConcurrentDictionary<string, ApiKey> _stored = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _writing = new(1, 1); // what is in memory is what was stored last

    public FactKeyStore(IRuntimeView runtime, IReadOnlyList<ServerKey> configured, TimeProvider clock)
    {
        _runtime = runtime;
        _clock = clock;
        _configured = Of(configured);
    }

    /// <summary>Takes other configured keys.</summary>
    public void Change(IReadOnlyList<ServerKey> configured) => _configured = Of(configured);

    /// <summary>Reads the keys from the store, which is open.</summary>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        foreach (StoredFact fact in await _runtime.Facts.ListAsync(FactScopes.ApiKey, cancellationToken))
        {
            if (JsonSerializer.Deserialize(fact.Value.Span, KeyJson.Default.StoredKey) is { } stored)
            {
                _stored[fact.Key] = stored.ToKey(fact.Key);
            }
        }
    }

    /// <summary>Whether an id is that of a key in <c>server.keys</c>, which only the configuration can take away.</summary>
    public static bool IsConfigured(string id) => id.StartsWith(ConfiguredPrefix, StringComparison.Ordinal);

    public ValueTask<IReadOnlyList<ApiKey>> ListAsync(CancellationToken cancellationToken) => new([.. _configured.Values, .. _stored.Values]);

    public async ValueTask SaveAsync(ApiKey key, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await WriteAsync(key, cancellationToken);
            _stored[key.Id] = key;
        }
        finally
        {
            _writing.Release();
        }
    }

    public async ValueTask UseAsync(ApiKey key, DateTimeOffset at, CancellationToken cancellationToken)
    {
        if (IsConfigured(key.Id))
        {
            // The dictionary that is there now: one that replaces it meanwhile is not written to.
            ConcurrentDictionary<string, ApiKey> configured = _configured;
            _ = configured.TryGetValue(key.Id, out ApiKey? known) && IsSame(known, key) && configured.TryUpdate(key.Id, known with { LastUsedAt = at }, known);
            return;
        }

        if (!await _writing.WaitAsync(0, cancellationToken))
        {
            return; // The next request notes it: nobody is to wait for this.
        }

        try
        {
            if (_stored.TryGetValue(key.Id, out ApiKey? known) && IsSame(known, key))
            {
                ApiKey used = known with { LastUsedAt = at };
                _stored[key.Id] = used;
                await WriteAsync(used, cancellationToken);
            }
        }
        catch (StoreUnavailableException)
        {
            // Status is read most when the store is in trouble; the time of last use can wait.
        }
        finally
        {
            _writing.Release();
        }
    }

    public async ValueTask<bool> RemoveAsync(string id, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            if (!_stored.ContainsKey(id))
            {
                return false;
            }

            await _runtime.WriteFactsAsync([new FactChange(FactScopes.ApiKey, id, null)], cancellationToken);
            return _stored.TryRemove(id, out _);
        }
        finally
        {
            _writing.Release();
        }
    }

    private static bool IsSame(ApiKey one, ApiKey other) => one.Hash.Span.SequenceEqual(other.Hash.Span);

    private async ValueTask WriteAsync(ApiKey key, CancellationToken cancellationToken)
    {
        byte[] value = JsonSerializer.SerializeToUtf8Bytes(StoredKey.Of(key), KeyJson.Default.StoredKey);
        await _runtime.WriteFactsAsync([new FactChange(FactScopes.ApiKey, key.Id, value, key.ExpiresAt)], cancellationToken);
    }

    private ConcurrentDictionary<string, ApiKey> Of(IReadOnlyList<ServerKey> configured) =>
        new(configured.Select(key => Configured(key, _clock.GetUtcNow())).Select(key => KeyValuePair.Create(key.Id, key)), StringComparer.Ordinal);

    private static ApiKey Configured(ServerKey key, DateTimeOffset now) => new()
    {
        Id = ConfiguredPrefix + key.Name,
        Name = key.Name,
        Role = (ApiRole)key.Role,
        Hash = ApiKeys.HashOf(key.Key.Reveal()),
        CreatedAt = now,
    };
}

/// <summary>A key as a fact; its id is the fact's key.</summary>
/// <remarks>Every start reads one, so it has plain properties of texts: the serializer's code for these is compiled already.</remarks>
internal sealed class StoredKey
{
    public string Name { get; set; } = "";

    public string Role { get; set; } = "";

    public string Hash { get; set; } = "";

    public string CreatedAt { get; set; } = "";

    public string? ExpiresAt { get; set; }

    public string? LastUsedAt { get; set; }

    public static StoredKey Of(ApiKey key) => new()
    {
        Name = key.Name,
        Role = key.Role.ToString().ToLowerInvariant(),
        Hash = Convert.ToHexStringLower(key.Hash.Span),
        CreatedAt = Text(key.CreatedAt),
        ExpiresAt = Text(key.ExpiresAt),
        LastUsedAt = Text(key.LastUsedAt),
    };

    public ApiKey ToKey(string id) => new()
    {
        Id = id,
        Name = Name,
        Role = Enum.Parse<ApiRole>(Role, ignoreCase: true),
        Hash = Convert.FromHexString(Hash),
        CreatedAt = Instant(CreatedAt),
        ExpiresAt = ExpiresAt is null ? null : Instant(ExpiresAt),
        LastUsedAt = LastUsedAt is null ? null : Instant(LastUsedAt),
    };

    private static string Text(DateTimeOffset at) => at.ToString("O", CultureInfo.InvariantCulture);

    private static string? Text(DateTimeOffset? at) => at is { } known ? Text(known) : null;

    private static DateTimeOffset Instant(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind);
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(StoredKey))]
internal sealed partial class KeyJson : JsonSerializerContext;
