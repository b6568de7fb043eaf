using System.Collections.Concurrent;

namespace Postroom;

/// <summary>Asks all parts how they are. Checks run when asked for; results are reused for a short time.</summary>
/// <remarks>Safe for concurrent use.</remarks>
public sealed class HealthRegistry
{
    private readonly ConcurrentDictionary<string, IHealthContributor> _contributors = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (long At, HealthCheck Check)> _latest = new(StringComparer.Ordinal);
    private readonly TimeProvider _clock;
    private volatile HealthOptions _options;

    internal HealthRegistry(HealthOptions options, TimeProvider clock)
    {
        _options = options;
        _clock = clock;
    }

    /// <summary>Goes by other settings from the next check on.</summary>
    internal void Change(HealthOptions options) => _options = options;

    /// <summary>Adds a contributor; one of the same name is replaced.</summary>
    public void Register(IHealthContributor contributor) => _contributors[contributor.Name] = contributor;

    /// <summary>Takes a contributor away; an unknown name is fine.</summary>
    public void Unregister(string name) => _contributors.TryRemove(name, out _);

    /// <summary>Asks every part that answers a question. The worst answer wins.</summary>
    public async ValueTask<HealthReport> CheckAsync(HealthViews view, CancellationToken cancellationToken)
    {
        HealthCheck[] checks = await Task.WhenAll(_contributors.Values
            .Where(contributor => (contributor.Views & view) != 0)
            .OrderBy(contributor => contributor.Name, StringComparer.Ordinal)
            .Select(contributor => CheckAsync(contributor, cancellationToken)));
        HealthState worst = HealthState.Healthy;
        foreach (HealthCheck check in checks)
        {
            worst = check.Result.State > worst ? check.Result.State : worst;
        }

        return new HealthReport(worst, checks);
    }

    private async Task<HealthCheck> CheckAsync(IHealthContributor contributor, CancellationToken cancellationToken)
    {
        long now = _clock.GetTimestamp();
        if (_latest.TryGetValue(contributor.Name, out (long At, HealthCheck Check) latest) && _clock.GetElapsedTime(latest.At, now) < _options.Reuse)
        {
            return latest.Check;
        }

        HealthResult result;
        try
        {
            result = await contributor.CheckAsync(cancellationToken).AsTask().WaitAsync(_options.Timeout, _clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            result = new HealthResult(HealthState.Unhealthy, $"No answer within {_options.Timeout.TotalSeconds} s.");
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            result = new HealthResult(HealthState.Unhealthy, e.Message);
        }

        HealthCheck check = new(contributor.Name, result, _clock.GetElapsedTime(now));
        _latest[contributor.Name] = (_clock.GetTimestamp(), check);
        return check;
    }
}

/// <summary>A contributor made of a function.</summary>
internal sealed class HealthProbe(string name, HealthViews views, Func<CancellationToken, ValueTask<HealthResult>> check) : IHealthContributor
{
    public string Name { get; } = name;

    public HealthViews Views { get; } = views;

    public ValueTask<HealthResult> CheckAsync(CancellationToken cancellationToken) => check(cancellationToken);
}
