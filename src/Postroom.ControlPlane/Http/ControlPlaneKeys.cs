using Microsoft.AspNetCore.Http;
using Postroom.Configuration;

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
    private readonly bool _storeMayHaveKeys;

    /// <summary>Makes the component.</summary>
    /// <param name="runtime">Keeps the keys as facts.</param>
    /// <param name="options">The configured keys and addresses.</param>
    /// <param name="dataDirectory">Where <c>admin.key</c> is.</param>
    /// <param name="clock">Judges expiry.</param>
    /// <param name="storeMayHaveKeys">False for a store that is not there yet, which is not to be made for a start that has to end.</param>
    public ControlPlaneKeys(IRuntimeView runtime, ServerOptions options, string dataDirectory, TimeProvider clock, bool storeMayHaveKeys = true)
    {
        _storeMayHaveKeys = storeMayHaveKeys;
        _store = new FactKeyStore(runtime, options.Keys, clock);
        _options = options;
        _dataDirectory = dataDirectory;
        Keys = new ApiKeys(_store, clock);
        Sessions = new Sessions(runtime, Keys, clock);
    }

    public string Name => "control-plane-keys";

    // The store opens in the phase before; nothing is taken in before the last one.
    public RuntimePhase Phase => RuntimePhase.Lanes;

    /// <summary>Makes and checks keys.</summary>
    public ApiKeys Keys { get; }

    /// <summary>Who is signed in.</summary>
    public Sessions Sessions { get; }

    /// <summary>Whether keys are configured, so that nobody has to wait for the store to know of one.</summary>
    public bool AreConfigured => _options.Keys.Count > 0;

    /// <summary>Whether the store's keys and sessions are known; before that nobody can tell whether one is valid.</summary>
    public bool AreOpen { get; private set; }

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

    /// <summary>What is wrong with addresses that other machines can reach while no key is configured; null when there are none or one is.</summary>
    public static ConfigurationProblem? MissingKey(ServerOptions options)
    {
        (string Setting, string Url)[] all = [.. options.Urls.Select(url => ("server.urls", url)), .. options.AdminUrls.Select(url => ("server.adminUrls", url))];
        return options.Keys.Count > 0 || Array.Find(all, one => IsWide(one.Url)) is not { Url: { } wide, Setting: { } setting }
            ? null
            : new ConfigurationProblem(
                setting,
                $"{setting} has '{wide}', which other machines can reach, and there is no key yet: whoever comes first could take over. "
                + "Set one, such as server.keys: [{ name: ops, role: admin, key: \"${secret://env:POSTROOM_OPS_KEY}\" }], or listen on http://127.0.0.1:8080 only.",
                new SettingOrigin("server"));
    }

    /// <summary>Ends the start before the store is made, where it would end after that.</summary>
    /// <exception cref="ConfigurationException">Other machines could reach it, no key is configured, and the store can have none.</exception>
    public void RequireBeforeStore()
    {
        if (!_storeMayHaveKeys && MissingKey(_options) is { } problem)
        {
            throw new ConfigurationException([problem]);
        }
    }

    /// <summary>Takes other configured keys; those that are gone let nobody in any more.</summary>
    public void Change(IReadOnlyList<ServerKey> configured) => _store.Change(configured);

    /// <summary>Checks a code that signs in once.</summary>
    public ValueTask<KeyCheck> CheckCodeAsync(string code, string address, CancellationToken cancellationToken) => Keys.CheckAsync(() => Sessions.TakeCodeAsync(code, cancellationToken), address);

    /// <summary>A code with which whoever starts the program signs in as its administrator; null when its first key is gone.</summary>
    public async ValueTask<string?> MakeCodeAsync(CancellationToken cancellationToken) =>
        (await Keys.ListAsync(cancellationToken)).FirstOrDefault(key => key.Name == FirstKeyName) is { } first ? Sessions.MakeCode(first) : null;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await _store.LoadAsync(cancellationToken);
        await Sessions.LoadAsync(cancellationToken);
        if (MissingKey(_options) is { } problem && !await AnyMadeAsync(cancellationToken))
        {
            throw new ConfigurationException([problem]);
        }

        await EnsureFirstKeyAsync(cancellationToken);
        AreOpen = true;
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
