namespace Postroom.Storage;

/// <summary>A store that other nodes change as well, beside what the runtime itself writes.</summary>
internal interface ISharedStore
{
    /// <summary>Calls an observer when another node has changed facts that all nodes go by, until the result is disposed.</summary>
    /// <param name="observer">Is given the scope. Returns at once and throws nothing.</param>
    IDisposable OnFactsChanged(Action<string> observer);
}
