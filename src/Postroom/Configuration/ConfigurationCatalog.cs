namespace Postroom.Configuration;

/// <summary>What this build knows and settings may name: kinds of stores, types of communicators and sources, transports, sections of applications.</summary>
/// <remarks>Filled while the program is composed, read at every load; not changed while a load runs.</remarks>
public sealed class ConfigurationCatalog
{
    /// <summary>The kinds <c>store.kind</c> may name. Memory only, until adapters are registered.</summary>
    public ISet<string> StoreKinds { get; } = new SortedSet<string>(StringComparer.Ordinal) { "memory" };

    /// <summary>The modules <c>modules</c> may name; null when whoever reads the setting does not load modules, so that any name will do.</summary>
    public ISet<string>? Modules { get; set; }

    /// <summary>The modules whose queues are known; null when whoever reads the settings runs none.</summary>
    internal ISet<string>? RunModules { get; set; }

    /// <summary>The transports <c>tracing.transport</c> may name.</summary>
    public ISet<string> TraceTransports { get; } = new SortedSet<string>(StringComparer.Ordinal) { "none", "console", "file", "otlp" };

    /// <summary>The types of communicators with a schema. Other types keep their settings in <see cref="CommunicatorBackendConfig.Extra"/>.</summary>
    public IDictionary<string, BackendSchema> Backends { get; } = new Dictionary<string, BackendSchema>(StringComparer.OrdinalIgnoreCase);

    /// <summary>The types of sources with a schema. Other types keep their settings in <see cref="SourceConfig.Extra"/>.</summary>
    public IDictionary<string, SourceSchema> Sources { get; } = new Dictionary<string, SourceSchema>(StringComparer.OrdinalIgnoreCase);

    /// <summary>The sections of applications, beside the built-in ones. A name given twice is refused at the load.</summary>
    public IList<SettingsSection> Sections { get; } = [];

    /// <summary>What modules say of their queues; settings override it member by member.</summary>
    public IDictionary<string, QueueOptions> Queues { get; } = new Dictionary<string, QueueOptions>(StringComparer.Ordinal);

    /// <summary>What modules say of their worker pools; settings override it member by member.</summary>
    public IDictionary<string, WorkerOptions> Pools { get; } = new Dictionary<string, WorkerOptions>(StringComparer.Ordinal);

    /// <summary>The schedules of modules; settings override them member by member.</summary>
    public IDictionary<string, ScheduleOptions> Schedules { get; } = new Dictionary<string, ScheduleOptions>(StringComparer.Ordinal);
}
