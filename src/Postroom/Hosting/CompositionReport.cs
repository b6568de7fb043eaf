using Postroom.Hosting;

namespace Postroom;

/// <summary>What a program is composed of, for <c>postroom check</c>.</summary>
public sealed record CompositionReport
{
    /// <summary>The configuration files that were read, in the order of their layers; empty when there was none.</summary>
    public required IReadOnlyList<string> Files { get; init; }

    /// <summary>The modules in the order they start.</summary>
    public required IReadOnlyList<string> Modules { get; init; }

    /// <summary>The declared queues, by name.</summary>
    public required IReadOnlyList<string> Queues { get; init; }

    /// <summary>The handlers as <c>queue/type → handler</c>.</summary>
    public required IReadOnlyList<string> Handlers { get; init; }

    /// <summary>The middleware, outermost first.</summary>
    public required IReadOnlyList<string> Middleware { get; init; }

    /// <summary>The worker pools as <c>pool on queue × parallelism</c>.</summary>
    public required IReadOnlyList<string> Pools { get; init; }

    /// <summary>The communicators as <c>name (type)</c>.</summary>
    public required IReadOnlyList<string> Communicators { get; init; }

    /// <summary>What an operator should know; empty when there is nothing.</summary>
    public required IReadOnlyList<string> Notices { get; init; }

    internal static CompositionReport Of(Composition composition)
    {
        CommunicationsConfig communications = composition.Get<CommunicationsConfig>("communications");
        return new CompositionReport
        {
            Files = composition.Files,
            Modules = [.. composition.Modules.Select(module => $"{module.Name} {module.Version}")],
            Queues = [.. composition.Queues.Names.Order(StringComparer.Ordinal)],
            Handlers = [.. composition.Builder.Handlers.Concat(composition.Builder.Fallbacks).Select(entry => $"{entry.Queue}/{entry.Type} → {entry.Name}").Order(StringComparer.Ordinal)],
            Middleware = [.. composition.Builder.Middleware.Select(type => type.Name)],
            Pools = [.. composition.Pools.Select(pool => $"{pool.Key} on {pool.Value.Queue} × {pool.Value.Parallelism}").Order(StringComparer.Ordinal)],
            Communicators = communications.Enabled ? [.. communications.Backends.Where(backend => backend.Value.Enabled).Select(backend => $"{backend.Key} ({backend.Value.Type})")] : [],
            Notices = [.. composition.Notices, .. composition.Configuration.Current.Notices.Select(notice => notice.Message)],
        };
    }
}
