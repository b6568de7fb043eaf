using System.Collections.Concurrent;

namespace Postroom.ControlPlane;

/// <summary>The hooks there are at the moment, by name. Safe for concurrent use.</summary>
internal sealed class HookBoard
{
    private readonly ConcurrentDictionary<string, HookSource> _hooks = new(StringComparer.Ordinal);

    /// <summary>Adds a hook, or puts it in the place of another of its name.</summary>
    public void Put(HookSource hook) => _hooks[hook.Name] = hook;

    /// <summary>Takes a hook away, unless another one is in its place.</summary>
    public void Take(HookSource hook) => _hooks.TryRemove(KeyValuePair.Create(hook.Name, hook));

    /// <summary>The hook of a name; null when there is none.</summary>
    public HookSource? Find(string name) => _hooks.GetValueOrDefault(name);
}
