using System.Collections.Frozen;

namespace Postroom.Hosting;

/// <summary>The types of each queue that an earlier run of the store handled and this build does not. Set after recovery, read at any time.</summary>
internal sealed class ParkedTypes
{
    private volatile FrozenDictionary<string, FrozenSet<string>> _types = FrozenDictionary<string, FrozenSet<string>>.Empty;

    /// <summary>The queues that have such types, with the types.</summary>
    public IReadOnlyDictionary<string, FrozenSet<string>> All => _types;

    /// <summary>The types of a queue; empty for none.</summary>
    public FrozenSet<string> TypesOf(string queue) => _types.GetValueOrDefault(queue) ?? FrozenSet<string>.Empty;

    public void Set(IEnumerable<KeyValuePair<string, FrozenSet<string>>> types) =>
        _types = types.Where(pair => pair.Value.Count > 0).ToFrozenDictionary(StringComparer.Ordinal);
}
