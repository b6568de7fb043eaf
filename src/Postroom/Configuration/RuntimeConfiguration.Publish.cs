using Microsoft.Extensions.Logging;

namespace Postroom.Configuration;

public sealed partial class RuntimeConfiguration
{
    private async Task<ReloadResult> ReloadInTurnAsync()
    {
        // Outside the turn, so that overrides and a step back need not wait.
        if (_lastReload is { } last && _time.GetElapsedTime(last) is var since && since < ReloadInterval)
        {
            await Task.Delay(ReloadInterval - since, _time);
        }

        await _turn.WaitAsync();
        try
        {
            _lastReload = _time.GetTimestamp();
            lock (_lock)
            {
                _waiting = null; // from here on a further request needs a further read
            }

            return await ReadAsync();
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<ReloadResult> RestoreAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (_previous is not { } previous)
            {
                return Refused([]) with { NothingToRestore = true };
            }

            _previous = null;
            _overrides.Current = previous.Layers.First(static layer => layer.Name == LayerNames.Overrides).Settings;
            _layers = previous.Layers;
            _problems = [];
            return await PublishAsync(previous.Snapshot.WithVersion(_current.Version + 1));
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Reads all layers; a candidate without problems is in force then.</summary>
    private async Task<ReloadResult> ReadAsync()
    {
        ConfigurationLoader.Candidate candidate = await _loader.LoadAsync(CancellationToken.None);
        Database?.KeepSeen();
        if (candidate.Problems.Count > 0)
        {
            _problems = candidate.Problems;
            Log.Rejected(_logger, candidate.Problems.Count, string.Join(" | ", candidate.Problems.Take(20)));
            return Refused(candidate.Problems);
        }

        (ConfigurationSnapshot Snapshot, IReadOnlyList<ConfigurationLoader.Layer> Layers) before = (_current, _layers);
        _layers = candidate.Layers;
        _problems = [];
        ReloadResult result = await PublishAsync(Next(candidate));
        if (result.Changes.Count > 0)
        {
            _previous = before;
        }

        return result;
    }

    private ConfigurationSnapshot Next(ConfigurationLoader.Candidate candidate) => new(_current.Version + 1, candidate.Sections, candidate.Readings, candidate.Notices, _redactor);

    private async Task<ReloadResult> PublishAsync(ConfigurationSnapshot next)
    {
        ConfigurationSnapshot before = _current;
        List<SettingChange> changes = Compare(before, next);
        if (changes.Count == 0)
        {
            // The same settings, perhaps from other lines: views show those.
            _current = next.WithVersion(before.Version);
            return new ReloadResult { Applied = true, Version = before.Version };
        }

        _redactor.SetPatterns(next.Get<LoggingOptions>("logging").Redact);
        _current = next;
        Subscription[] subscriptions;
        lock (_lock)
        {
            subscriptions = [.. _subscriptions];
        }

        Log.Published(_logger, next.Version, changes.Count);
        foreach (Subscription subscription in subscriptions)
        {
            await subscription.TellAsync(before, next, changes, _logger);
        }

        return new ReloadResult { Applied = true, Version = next.Version, Changes = changes };
    }

    private ReloadResult Refused(IReadOnlyList<ConfigurationProblem> problems) => new() { Applied = false, Version = _current.Version, Problems = problems };

    private List<SettingChange> Compare(ConfigurationSnapshot before, ConfigurationSnapshot next)
    {
        IReadOnlySet<string> sections = SettingsCatalogue.SectionsAtRestart(_sources.Catalog);
        Dictionary<string, SettingReading> old = ByKey(before);
        Dictionary<string, SettingReading> now = ByKey(next);
        var changes = new List<SettingChange>();
        foreach (string key in old.Keys.Union(now.Keys, StringComparer.Ordinal))
        {
            SettingReading? was = old.GetValueOrDefault(key);
            SettingReading? becomes = now.GetValueOrDefault(key);
            if (!string.Equals(was?.Text, becomes?.Text, StringComparison.Ordinal))
            {
                changes.Add(new SettingChange(key, was?.ToView(_redactor).Value, becomes?.ToView(_redactor).Value, SettingsCatalogue.NeedsRestart(key, sections, was is not null)));
            }
        }

        return changes;
    }

    private static Dictionary<string, SettingReading> ByKey(ConfigurationSnapshot snapshot)
    {
        var result = new Dictionary<string, SettingReading>(StringComparer.Ordinal);
        foreach (SettingReading reading in snapshot.Readings)
        {
            result[reading.Key] = reading;
        }

        return result;
    }

    private static string Section(string key) => key.Split('.', '[')[0];

    private async Task WatchLayerAsync(IConfigurationLayer layer, Action changed, CancellationToken cancellationToken)
    {
        try
        {
            await layer.WatchAsync(changed, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Being cancelled is how a watch ends.
        }
        catch (Exception e)
        {
            Log.WatchFailed(_logger, layer.Name, e);
        }
    }

    private void Remove(Subscription subscription)
    {
        lock (_lock)
        {
            _subscriptions.Remove(subscription);
        }
    }

    private delegate ValueTask Teller(ConfigurationSnapshot old, ConfigurationSnapshot now, IReadOnlyList<SettingChange> changes, CancellationToken cancellationToken);

    private sealed class Subscription(string section, Teller tell, Action<Subscription> remove) : IDisposable
    {
        public async ValueTask TellAsync(ConfigurationSnapshot old, ConfigurationSnapshot now, IReadOnlyList<SettingChange> changes, ILogger logger)
        {
            List<SettingChange> own = [.. changes.Where(change => SettingKey.Comparer.Equals(Section(change.Key), section))];
            if (own.Count == 0)
            {
                return;
            }

            try
            {
                await tell(old, now, own, CancellationToken.None);
            }
            catch (Exception e)
            {
                Log.SubscriberFailed(logger, section, e);
            }
        }

        public void Dispose() => remove(this);
    }
}
