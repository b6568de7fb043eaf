using Microsoft.Extensions.Logging;

namespace Postroom.Outbound;

/// <summary>The communicators that a configuration asks for: made, replaced and taken away as it changes (CF-8). Used by one caller at a time.</summary>
internal sealed partial class BackendSet(CommunicationDispatcher dispatcher, Func<string, CommunicatorBackendConfig, ICommunicator> create, ILogger log) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Dictionary<string, CommunicatorBackendConfig> _applied = new(StringComparer.Ordinal);
    private CommunicationsConfig? _latest;
    private readonly HashSet<string> _failed = new(StringComparer.Ordinal); // tried again with the next change, whatever it is about

    /// <summary>Brings the registered communicators in line with a configuration; one that fails is logged and keeps no other from it.</summary>
    /// <param name="config">What is asked for; nothing when it is not enabled.</param>
    /// <param name="isSame">Whether the settings of a name are still those that were applied.</param>
    /// <param name="cancellationToken">Ends the wait for sends in progress of those replaced.</param>
    public async Task ApplyAsync(CommunicationsConfig config, Func<string, CommunicatorBackendConfig, CommunicatorBackendConfig, bool> isSame, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            _latest = config;
            await ApplyInTurnAsync(config, isSame, cancellationToken);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>A type was registered: those that could not be made, and have a stand-in since, are tried again in the background.</summary>
    public void TryAgain() => _ = TryAgainAsync();

    public void Dispose() => _turn.Dispose();

    private async Task TryAgainAsync()
    {
        try
        {
            await _turn.WaitAsync();
            try
            {
                if (_latest is { } config && _failed.Count > 0)
                {
                    await ApplyInTurnAsync(config, static (_, _, _) => true, CancellationToken.None);
                }
            }
            finally
            {
                _turn.Release();
            }
        }
        catch (ObjectDisposedException)
        {
            // Nobody needs them any more.
        }
    }

    private async Task ApplyInTurnAsync(CommunicationsConfig config, Func<string, CommunicatorBackendConfig, CommunicatorBackendConfig, bool> isSame, CancellationToken cancellationToken)
    {
        Dictionary<string, CommunicatorBackendConfig> wanted = config.Enabled
            ? config.Backends.Where(static pair => pair.Value.Enabled).ToDictionary(StringComparer.Ordinal)
            : [];
        foreach (string gone in _applied.Keys.Except(wanted.Keys).ToArray())
        {
            await TryAsync(gone, () => dispatcher.RemoveAsync(gone, cancellationToken));
            _applied.Remove(gone);
            _failed.Remove(gone);
        }

        foreach ((string name, CommunicatorBackendConfig backend) in wanted)
        {
            if (!_applied.TryGetValue(name, out CommunicatorBackendConfig? before) || _failed.Contains(name) || !isSame(name, before, backend))
            {
                _applied[name] = backend;
                _failed.Add(name);
                await TryAsync(name, async () =>
                {
                    ICommunicator made = create(name, backend);
                    await dispatcher.RegisterAsync(made, backend.Labels, backend, cancellationToken);
                    if (made is not NoOpCommunicator)
                    {
                        _failed.Remove(name);
                    }
                });
            }
        }
    }

    private async Task TryAsync(string name, Func<Task> change)
    {
        try
        {
            await change();
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogFailed(e, name);
        }
    }

    [LoggerMessage(441, LogLevel.Error, "Communicator '{Name}' could not be brought in line with its settings.")]
    private partial void LogFailed(Exception exception, string name);
}
