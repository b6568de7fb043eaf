using System.Diagnostics;

namespace Postroom;

/// <summary>Makes the spans of one module: of its lookups, its calculations, its calls. Safe for concurrent use.</summary>
public interface ITraceFactory
{
    /// <summary>Begins a span inside the one that is current, which in a handler is the attempt's. Dispose it where the work ends.</summary>
    /// <param name="operation">What is done, such as <c>price</c>; a name, never content of a message.</param>
    /// <param name="tags">Attributes of it; null for none. Secrets the runtime knows are masked.</param>
    /// <returns>The span; null while nobody looks at spans, and then nothing was made.</returns>
    Activity? Create(string operation, IReadOnlyList<KeyValuePair<string, object?>>? tags = null);
}
