using System.Collections.Concurrent;

namespace Postroom.Memory;

/// <summary>Facts in memory.</summary>
/// <param name="clock">Ends them.</param>
/// <param name="halted">Says which failed message holds its order key; the messages themselves know.</param>
internal sealed class MemoryFacts(TimeProvider clock, Func<string, StoredFact?> halted) : IFacts
{
    private const int SetsPerSweep = 1_024;

    private readonly ConcurrentDictionary<(string Scope, string Key), StoredFact> _facts = new();
    private int _sets;

    public void Set(FactChange change)
    {
        if (change.Value is not { } value)
        {
            _facts.TryRemove((change.Scope, change.Key), out _);
            return;
        }

        _facts[(change.Scope, change.Key)] = new StoredFact(change.Scope, change.Key, value.ToArray(), change.ExpiresAt, clock.GetUtcNow());
        if (change.ExpiresAt is not null && Interlocked.Increment(ref _sets) % SetsPerSweep == 0)
        {
            foreach (KeyValuePair<(string, string), StoredFact> fact in _facts.Where(fact => IsOver(fact.Value)))
            {
                _facts.TryRemove(fact);
            }
        }
    }

    public ValueTask<StoredFact?> GetAsync(string scope, string key, CancellationToken cancellationToken)
    {
        return new ValueTask<StoredFact?>(scope == FactScopes.Halt ? halted(key) : _facts.TryGetValue((scope, key), out StoredFact? fact) && !IsOver(fact) ? fact : null);
    }

    public ValueTask<IReadOnlyList<StoredFact>> ListAsync(string scope, CancellationToken cancellationToken)
    {
        return new ValueTask<IReadOnlyList<StoredFact>>(
            [.. _facts.Values.Where(fact => fact.Scope == scope && !IsOver(fact)).OrderBy(fact => fact.Key, StringComparer.Ordinal)]);
    }

    private bool IsOver(StoredFact fact) => fact.ExpiresAt is { } end && end <= clock.GetUtcNow();
}
