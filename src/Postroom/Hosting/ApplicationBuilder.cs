using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Postroom.Configuration;
using Postroom.Handling;

namespace Postroom.Hosting;

/// <summary>Collects what modules register, and every problem of it.</summary>
internal sealed class ApplicationBuilder : IApplicationBuilder
{
    private readonly List<string> _moduleQueues = [];
    private readonly List<(string Type, Func<string, HandlerEntry> Make)> _handlersOfModule = [];
    private string _module = "";

    public IServiceCollection Services { get; } = new ServiceCollection();

    public ConfigurationCatalog Catalog { get; } = new();

    public PayloadCatalog Payloads { get; } = new();

    public List<HandlerEntry> Handlers { get; } = [];

    public List<HandlerEntry> Fallbacks { get; } = [];

    public List<Type> Middleware { get; } = [];

    public List<(string Name, Func<IServiceProvider, IMessageSource> Create, string Into)> Sources { get; } = [];

    public List<(Func<IServiceProvider, ICommunicator> Create, IReadOnlyList<string>? Labels, CommunicatorBackendConfig? Config)> Communicators { get; } = [];

    public Dictionary<string, CommunicatorFactoryMethod> Backends { get; } = new(StringComparer.OrdinalIgnoreCase);

    public Dictionary<string, SourceFactoryMethod> SourceTypes { get; } = new(StringComparer.OrdinalIgnoreCase);

    public List<(Func<IServiceProvider, IDispatchHook> Create, HookFailurePolicy OnFailure)> Hooks { get; } = [];

    public List<Func<IServiceProvider, IHealthContributor>> Health { get; } = [];

    public List<Func<IServiceProvider, IRuntimeComponent>> Components { get; } = [];

    public List<(IConfigurationLayer Layer, string? After)> Layers { get; } = [];

    public List<ISecretStore> SecretStores { get; } = [];

    public Dictionary<string, StoreFactoryMethod> Stores { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, ITraceTransport> TraceTransports { get; } = new(StringComparer.Ordinal);

    public List<ConfigurationProblem> Problems { get; } = [];

    /// <summary>Lets one module describe itself.</summary>
    public void Run(IApplicationModule module)
    {
        _module = module.Name;
        _moduleQueues.Clear();
        _handlersOfModule.Clear();
        try
        {
            module.Configure(this);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"Module '{module.Name}' failed in Configure: {e.Message}", e);
        }

        // A handler without a queue serves those of its module, whatever the order of the calls was.
        IReadOnlyList<string> queues = _moduleQueues.Count > 0 ? [.. _moduleQueues] : ["in"];
        foreach ((_, Func<string, HandlerEntry> make) in _handlersOfModule)
        {
            foreach (string queue in queues)
            {
                AddHandler(make(queue));
            }
        }
    }

    public IApplicationBuilder AddQueue(string name, Action<QueueOptions>? configure = null)
    {
        if (!Names.IsName(name))
        {
            AddProblem($"queues.{name}", $"'{Names.Shorten(name)}' is not a queue name. {Names.Rule}");
            return this;
        }

        QueueOptions options = new();
        configure?.Invoke(options);
        Catalog.Queues[name] = options;
        _moduleQueues.Add(name);
        return this;
    }

    public IApplicationBuilder AddPayload<T>(string type, JsonTypeInfo<T> json)
    {
        CheckType(type);
        Payloads.Add(type, json);
        return this;
    }

    public IApplicationBuilder AddHandler<T, THandler>(string type, JsonTypeInfo<T> json, string? queue = null)
        where THandler : class, IMessageHandler<T>
    {
        Services.TryAddSingleton<THandler>();
        AddPayload(type, json);
        return Register(type, queue, served => new HandlerEntry<T, THandler>(served, type, json));
    }

    public IApplicationBuilder AddHandler<T>(
        string type, JsonTypeInfo<T> json, Func<T, HandlerContext, CancellationToken, ValueTask<HandlerResult>> handle, string? queue = null)
    {
        AddPayload(type, json);
        return Register(type, queue, served => new FunctionEntry<T>(served, type, json, handle));
    }

    public IApplicationBuilder AddFallbackHandler<THandler>(string queue)
        where THandler : class, IFallbackHandler
    {
        Services.TryAddSingleton<THandler>();
        if (Fallbacks.Exists(entry => entry.Queue == queue))
        {
            AddProblem($"queues.{queue}", $"Queue '{queue}' has two fallback handlers. Remove one AddFallbackHandler(\"{queue}\").");
        }

        Fallbacks.Add(new FallbackEntry<THandler>(queue));
        return this;
    }

    public IApplicationBuilder AddWorkers(string pool, Action<WorkerOptions>? configure = null)
    {
        if (Catalog.Pools.ContainsKey(pool))
        {
            AddProblem($"workers.{pool}", $"Worker pool '{pool}' is added twice. Remove one AddWorkers(\"{pool}\") in module '{_module}', or give it another name.");
        }

        WorkerOptions options = new();
        configure?.Invoke(options);
        options.Queue = options.Queue is { Length: > 0 } queue ? queue : pool == "router" ? "in" : pool;
        Catalog.Pools[pool] = options;
        return this;
    }

    public IApplicationBuilder AddSource(string name, Func<IServiceProvider, IMessageSource> create, string into = "in")
    {
        if (Sources.Exists(source => source.Name == name))
        {
            AddProblem($"sources.{name}", $"Source '{name}' is added twice. Remove one AddSource(\"{name}\") in module '{_module}', or give it another name.");
        }

        Sources.Add((name, create, into));
        return this;
    }

    public IApplicationBuilder AddSchedule(string name, Action<ScheduleOptions> configure)
    {
        if (Catalog.Schedules.ContainsKey(name))
        {
            AddProblem($"schedules.{name}", $"Schedule '{name}' is added twice. Remove one AddSchedule(\"{name}\") in module '{_module}', or give it another name.");
        }

        if (!Names.IsName(name))
        {
            AddProblem($"schedules.{name}", $"'{Names.Shorten(name)}' is not a name for a schedule. {Names.Rule}");
            return this;
        }

        ScheduleOptions options = new();
        configure(options);
        Catalog.Schedules[name] = options;
        return this;
    }

    public IApplicationBuilder RegisterSource(string type, SourceFactoryMethod factory, SourceSchema? schema = null)
    {
        SourceTypes[type] = factory;
        if (schema is not null)
        {
            Catalog.Sources[type] = schema;
        }

        return this;
    }

    public IApplicationBuilder AddCommunicator(Func<IServiceProvider, ICommunicator> create, IReadOnlyList<string>? labels = null, CommunicatorBackendConfig? config = null)
    {
        Communicators.Add((create, labels, config));
        return this;
    }

    public IApplicationBuilder RegisterBackend(string type, CommunicatorFactoryMethod factory, BackendSchema? schema = null)
    {
        Backends[type] = factory;
        if (schema is not null)
        {
            Catalog.Backends[type] = schema;
        }

        return this;
    }

    public IApplicationBuilder AddMiddleware<TMiddleware>()
        where TMiddleware : class, IHandlerMiddleware
    {
        Services.TryAddSingleton<TMiddleware>();
        Middleware.Add(typeof(TMiddleware));
        return this;
    }

    public IApplicationBuilder AddHook(Func<IServiceProvider, IDispatchHook> create, HookFailurePolicy onFailure = HookFailurePolicy.Ignore)
    {
        Hooks.Add((create, onFailure));
        return this;
    }

    public IApplicationBuilder AddHealthContributor(Func<IServiceProvider, IHealthContributor> create)
    {
        Health.Add(create);
        return this;
    }

    public IApplicationBuilder AddComponent(Func<IServiceProvider, IRuntimeComponent> create)
    {
        Components.Add(create);
        return this;
    }

    public IApplicationBuilder AddConfigurationLayer(IConfigurationLayer layer, string? after = null)
    {
        Layers.Add((layer, after));
        return this;
    }

    public IApplicationBuilder AddSecretStore(ISecretStore store)
    {
        SecretStores.Add(store);
        return this;
    }

    public IApplicationBuilder AddStore(string kind, StoreFactoryMethod create)
    {
        Stores[kind] = create;
        Catalog.StoreKinds.Add(kind);
        return this;
    }

    public IApplicationBuilder AddTraceTransport(string name, ITraceTransport transport)
    {
        ArgumentNullException.ThrowIfNull(transport);
        if (!Names.IsName(name) || name == "none")
        {
            AddProblem("tracing.transport", $"'{Names.Shorten(name)}' is not a name for a trace transport. {Names.Rule} 'none' stands for no transport.");
            return this;
        }

        TraceTransports[name] = transport;
        Catalog.TraceTransports.Add(name);
        return this;
    }

    public IApplicationBuilder AddTypeAlias(string oldType, string newType)
    {
        CheckType(oldType);
        CheckType(newType);
        Payloads.AddAlias(oldType, newType);
        return this;
    }

    public IApplicationBuilder AddUpcaster(IUpcaster upcaster)
    {
        Payloads.AddUpcaster(upcaster);
        return this;
    }

    public IApplicationBuilder RequireConfiguration(SettingsSection section)
    {
        Catalog.Sections.Add(section);
        return this;
    }

    /// <summary>Notes a problem of the composition; all are reported together.</summary>
    public void AddProblem(string key, string message)
    {
        Problems.Add(new ConfigurationProblem(key, message, new SettingOrigin(_module.Length > 0 ? $"module {_module}" : "composition")));
    }

    private ApplicationBuilder Register(string type, string? queue, Func<string, HandlerEntry> make)
    {
        if (queue is null)
        {
            _handlersOfModule.Add((type, make));
        }
        else
        {
            AddHandler(make(queue));
        }

        return this;
    }

    private void AddHandler(HandlerEntry entry)
    {
        if (Handlers.Find(other => other.Queue == entry.Queue && other.Type == entry.Type) is { } other)
        {
            AddProblem(
                $"queues.{entry.Queue}",
                $"Queue '{entry.Queue}' has two handlers for type '{entry.Type}' ({other.Name} and {entry.Name}). A type has one handler per queue: remove one AddHandler, or name another queue.");
            return;
        }

        Handlers.Add(entry);
    }

    private void CheckType(string type)
    {
        if (!Names.IsPayloadType(type))
        {
            AddProblem(type, $"'{Names.Shorten(type)}' is not a payload type. {Names.TypeRule}");
        }
    }
}
