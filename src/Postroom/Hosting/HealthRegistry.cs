using System.Collections.Concurrent;
using System.Globalization;

namespace Postroom;

/// <summary>Asks all parts how they are. Checks run when asked for; results are reused for a short time.</summary>
/// <remarks>
/// A check runs apart from whoever asks, so one that blocks its thread delays nobody beyond its time-out; until it ends it is not begun again and counts as
/// unhealthy. Safe for concurrent use.
/// </remarks>
public sealed class HealthRegistry
{
    private readonly ConcurrentDictionary<string, IHealthContributor> _contributors = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, HealthGroup> _groups = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (long At, HealthCheck Check)> _latest = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Flight> _flights = new(StringComparer.Ordinal);
    private readonly Lock _gate = new(); // a check begins once
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
    public void Register(IHealthContributor contributor)
    {
        _contributors[contributor.Name] = contributor;
        Forget(contributor.Name);
    }

    /// <summary>Takes a contributor away; an unknown name is fine.</summary>
    public void Unregister(string name)
    {
        _contributors.TryRemove(name, out _);
        Forget(name);
    }

    /// <summary>Adds a contributor for each member of a group, whoever belongs to it at the time of a check.</summary>
    internal void Register(HealthGroup group) => _groups[group.Name] = group;

    /// <summary>Asks every part that answers a question. The worst answer wins.</summary>
    public async ValueTask<HealthReport> CheckAsync(HealthViews view, CancellationToken cancellationToken)
    {
        IHealthContributor[] asked =
        [
            .. _contributors.Values.Concat(_groups.Values.Where(group => (group.Views & view) != 0).SelectMany(static group => group.Members()))
                .Where(contributor => (contributor.Views & view) != 0)
                .OrderBy(contributor => contributor.Name, StringComparer.Ordinal),
        ];
        HealthCheck[] checks = await Task.WhenAll(asked.Select(contributor => CheckAsync(contributor, cancellationToken)));
        HealthState worst = HealthState.Healthy;
        foreach (HealthCheck check in checks)
        {
            worst = check.Result.State > worst ? check.Result.State : worst;
        }

        ForgetGone();
        return new HealthReport(worst, checks);
    }

    private async Task<HealthCheck> CheckAsync(IHealthContributor contributor, CancellationToken cancellationToken)
    {
        string name = contributor.Name;
        long now = _clock.GetTimestamp();
        if (_latest.TryGetValue(name, out (long At, HealthCheck Check) latest) && _clock.GetElapsedTime(latest.At, now) < _options.Reuse)
        {
            return latest.Check;
        }

        TimeSpan limit = _options.Timeout;
        Flight flight = Fly(contributor, limit);
        HealthResult result;
        try
        {
            TimeSpan left = limit - _clock.GetElapsedTime(flight.Begun);
            result = left > TimeSpan.Zero ? await flight.Work.WaitAsync(left, _clock, cancellationToken)
                : flight.Work.IsCompleted ? await flight.Work
                : new HealthResult(HealthState.Unhealthy, string.Create(CultureInfo.InvariantCulture, $"No answer for {_clock.GetElapsedTime(flight.Begun).TotalSeconds:0} s; health.timeout is {limit.TotalSeconds:0.###} s. It is not asked again before it answers."));
        }
        catch (TimeoutException) when (!flight.Work.IsCompleted)
        {
            result = new HealthResult(HealthState.Unhealthy, string.Create(CultureInfo.InvariantCulture, $"No answer within {limit.TotalSeconds} s."));
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            result = new HealthResult(HealthState.Unhealthy, e.Message);
        }

        HealthCheck check = new(name, result, _clock.GetElapsedTime(flight.Begun));
        _latest[name] = (_clock.GetTimestamp(), check);
        return check;
    }

    /// <summary>The check of a part that is under way, or a new one.</summary>
    private Flight Fly(IHealthContributor contributor, TimeSpan limit)
    {
        lock (_gate)
        {
            if (_flights.TryGetValue(contributor.Name, out Flight? flight) && !flight.Work.IsCompleted)
            {
                return flight;
            }

            // Not the caller's token: others may wait for the same answer.
            CancellationTokenSource late = new(limit, _clock);
            Task<HealthResult> work = Task.Run(() => contributor.CheckAsync(late.Token).AsTask(), CancellationToken.None);
            _ = work.ContinueWith(
                ended =>
                {
                    _ = ended.Exception; // its waiters have it, if there still are any
                    late.Dispose();
                },
                CancellationToken.None,
                TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
            return _flights[contributor.Name] = new Flight(work, _clock.GetTimestamp());
        }
    }

    private void Forget(string name)
    {
        _latest.TryRemove(name, out _);
        _flights.TryRemove(name, out _);
    }

    /// <summary>Members of groups come and go; what is known of those that went is dropped once it is more than what is asked for.</summary>
    private void ForgetGone()
    {
        if (_latest.Count <= 2 * (_contributors.Count + _groups.Values.Sum(static group => group.Count)) + 16)
        {
            return;
        }

        foreach ((string name, (long at, _)) in _latest)
        {
            if (!_contributors.ContainsKey(name) && _clock.GetElapsedTime(at) > _options.Reuse && _flights.TryGetValue(name, out Flight? flight) && flight.Work.IsCompleted)
            {
                Forget(name);
            }
        }
    }

    private sealed record Flight(Task<HealthResult> Work, long Begun);
}

/// <summary>A contributor made of a function.</summary>
internal sealed class HealthProbe(string name, HealthViews views, Func<CancellationToken, ValueTask<HealthResult>> check) : IHealthContributor
{
    public string Name { get; } = name;

    public HealthViews Views { get; } = views;

    public ValueTask<HealthResult> CheckAsync(CancellationToken cancellationToken) => check(cancellationToken);
}

/// <summary>Parts of one kind, each with an answer of its own, named <c>{group}.{member}</c>. Those beyond <see cref="Most"/> share one answer, the worst of theirs.</summary>
internal sealed class HealthGroup(string name, HealthViews views, Func<IEnumerable<string>> members, Func<string, CancellationToken, ValueTask<HealthResult>> check)
{
    /// <summary>The most members with an answer of their own.</summary>
    public const int Most = 200;

    private const int MostTexts = 10;

    public string Name { get; } = name;

    public HealthViews Views { get; } = views;

    /// <summary>How many contributors it was at last.</summary>
    public int Count { get; private set; }

    public IReadOnlyList<IHealthContributor> Members()
    {
        string[] names = [.. members().Order(StringComparer.Ordinal)];
        List<IHealthContributor> each = [.. names.Take(Most).Select(member => new HealthProbe($"{Name}.{member}", Views, token => check(member, token)))];
        if (names.Length > Most)
        {
            each.Add(new HealthProbe($"{Name} (others)", Views, token => CheckRestAsync(names[Most..], token)));
        }

        Count = each.Count;
        return each;
    }

    private async ValueTask<HealthResult> CheckRestAsync(string[] names, CancellationToken cancellationToken)
    {
        HealthState worst = HealthState.Healthy;
        List<string> texts = [];
        int ill = 0;
        foreach (string member in names)
        {
            HealthResult result = await check(member, cancellationToken);
            worst = result.State > worst ? result.State : worst;
            ill += result.State == HealthState.Healthy ? 0 : 1;
            if (result.State != HealthState.Healthy && texts.Count < MostTexts)
            {
                texts.Add($"{member}: {result.Text}");
            }
        }

        return worst == HealthState.Healthy ? HealthResult.Healthy : new HealthResult(worst, $"{ill} of {names.Length} more: {string.Join("; ", texts)}");
    }
}
