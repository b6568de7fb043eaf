using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>Opens the stored keys once the store is open, and makes the first one (CP-3).</summary>
/// <remarks>Until then only configured keys work, so an early listener lets nobody in.</remarks>
internal sealed class ControlPlaneKeys : IRuntimeComponent
{
    /// <summary>The name of the key that is made at the first start.</summary>
    public const string FirstKeyName = "admin.key";

    private readonly FactKeyStore _store;
    private readonly ServerOptions _options;
    private readonly string _dataDirectory;

    /// <summary>Makes the component.</summary>
    /// <param name="runtime">Keeps the keys as facts.</param>
    /// <param name="options">The configured keys and addresses.</param>
    /// <param name="dataDirectory">Where <c>admin.key</c> is.</param>
    /// <param name="clock">Judges expiry.</param>
    public ControlPlaneKeys(IRuntimeView runtime, ServerOptions options, string dataDirectory, TimeProvider clock)
    {
        _store = new FactKeyStore(runtime, options.Keys, clock);
        _options = options;
        _dataDirectory = dataDirectory;
        Keys = new ApiKeys(_store, clock);
    }

    public string Name => "control-plane-keys";

    // The store opens in the phase before; nothing is taken in before the last one.
    public RuntimePhase Phase => RuntimePhase.Lanes;

    /// <summary>Makes and checks keys.</summary>
    public ApiKeys Keys { get; }

    /// <summary>Whether keys are configured, so that nobody has to wait for the store to know of one.</summary>
    public bool AreConfigured => _options.Keys.Count > 0;

    /// <summary>Whether other machines can reach an address.</summary>
    public static bool IsWide(string url)
    {
        BindingAddress address = BindingAddress.Parse(url);
        return !string.Equals(address.Host, "localhost", StringComparison.OrdinalIgnoreCase)
            && !(System.Net.IPAddress.TryParse(address.Host.Trim('[', ']'), out System.Net.IPAddress? ip) && System.Net.IPAddress.IsLoopback(ip));
    }

    /// <summary>Whether somebody configured or made a key; the one of the first start does not count.</summary>
    public async ValueTask<bool> AnyMadeAsync(CancellationToken cancellationToken) =>
        (await _store.ListAsync(cancellationToken)).Any(key => key.Name != FirstKeyName);

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await _store.LoadAsync(cancellationToken);
        string? wide = _options.Urls.Concat(_options.AdminUrls).FirstOrDefault(IsWide);
        if (wide is not null && !await AnyMadeAsync(cancellationToken))
        {
            throw new InvalidOperationException(
                $"server.urls has '{wide}', which other machines can reach, and there is no key yet: whoever comes first could take over. "
                + "Set server.keys or make one with 'postroom token create' while it listens on http://127.0.0.1:8080, then widen server.urls.");
        }

        await EnsureFirstKeyAsync(cancellationToken);
    }

    public Task StopAsync(TimeSpan drain, CancellationToken cancellationToken) => Task.CompletedTask;

    private async Task EnsureFirstKeyAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<ApiKey> keys = await _store.ListAsync(cancellationToken);
        ApiKey[] first = [.. keys.Where(key => key.Name == FirstKeyName)];
        string? text = await AdminKeyFile.ReadAsync(_dataDirectory, cancellationToken);
        byte[]? written = text is not null ? ApiKeys.HashOf(text) : null;
        if (written is not null && first.Any(key => key.Hash.Span.SequenceEqual(written)))
        {
            return;
        }

        foreach (ApiKey old in first)
        {
            await _store.RemoveAsync(old.Id, cancellationToken);
        }

        // A new store in a folder that has a key file takes that key: another runtime of the folder may be using it.
        if (text is not null && ApiKeys.IsWellFormed(text))
        {
            await Keys.AddAsync(text, FirstKeyName, ApiRole.Admin, expiresIn: null, cancellationToken);
            return;
        }

        (string key, _) = await Keys.CreateAsync(FirstKeyName, ApiRole.Admin, expiresIn: null, cancellationToken);
        await AdminKeyFile.WriteAsync(_dataDirectory, key, cancellationToken);
    }
}
