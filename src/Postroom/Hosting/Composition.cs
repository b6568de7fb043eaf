using Postroom.Configuration;
using Postroom.Memory;
using Postroom.Outbound;

namespace Postroom.Hosting;

/// <summary>What the modules registered together with what the configuration says, checked as a whole.</summary>
internal sealed class Composition
{
    private Composition(ApplicationBuilder builder, RuntimeConfiguration configuration, IReadOnlyList<IApplicationModule> modules)
    {
        Builder = builder;
        Configuration = configuration;
        Modules = modules;
    }

    public ApplicationBuilder Builder { get; }

    public RuntimeConfiguration Configuration { get; }

    /// <summary>The modules in the order they start.</summary>
    public IReadOnlyList<IApplicationModule> Modules { get; }

    public QueueCatalog Queues { get; } = new();

    public Dictionary<string, WorkerOptions> Pools { get; } = new(StringComparer.Ordinal);

    /// <summary>What an operator should know of the composition.</summary>
    public List<string> Notices { get; } = [];

    /// <summary>The configuration files that were read, in the order of their layers.</summary>
    public required IReadOnlyList<string> Files { get; init; }

    /// <summary>Lets the modules describe themselves, loads the configuration, and checks both.</summary>
    /// <exception cref="ConfigurationException">Something is missing, doubled, dangling or invalid; every problem is listed.</exception>
    public static async Task<Composition> CreateAsync(IReadOnlyList<IApplicationModule> registered, RuntimeSetup setup, CancellationToken cancellationToken)
    {
        (ApplicationBuilder builder, IReadOnlyList<IApplicationModule> modules) = Describe(registered);
        ConfigurationSources sources = SourcesOf(builder, registered, setup);
        RuntimeConfiguration configuration;
        try
        {
            configuration = await RuntimeConfiguration.LoadAsync(sources, setup.Redactor, setup.Clock, setup.Loggers.CreateLogger("Postroom.Configuration"), cancellationToken);
        }
        catch (ConfigurationException e) when (builder.Problems.Count > 0)
        {
            throw new ConfigurationException([.. builder.Problems, .. e.Problems]);
        }

        Composition composition = new(builder, configuration, modules)
        {
            Files = [.. sources.Layers.OfType<FileConfigurationLayer>().Where(file => file.WasRead).Select(file => Path.GetFullPath(file.Path))],
        };
        composition.Arrange();
        composition.ReportIdleQueues(setup.OpensReceivers);
        composition.ReportUnknownCommunicators();
        composition.ReportUnknownSources();
        return builder.Problems.Count == 0 ? composition : throw new ConfigurationException(builder.Problems);
    }

    /// <summary>The modules that the configuration names, also when it is not valid without them.</summary>
    public static ValueTask<IReadOnlyList<string>> ReadModulesAsync(RuntimeSetup setup, CancellationToken cancellationToken) =>
        new ConfigurationLoader(setup.Configuration, setup.Redactor).ReadModulesAsync(cancellationToken);

    /// <summary>Some sections of the configuration, whatever is wrong with the others.</summary>
    /// <exception cref="ConfigurationException">One of the sections is not valid; every problem is listed.</exception>
    public static async Task<ConfigurationSnapshot> ReadSectionsAsync(
        IReadOnlyList<IApplicationModule> registered, RuntimeSetup setup, IReadOnlyCollection<string> names, string except, CancellationToken cancellationToken)
    {
        ConfigurationSources sources = SourcesOf(Describe(registered).Builder, registered, setup);
        return await new ConfigurationLoader(sources, setup.Redactor).LoadSectionsAsync(names, except, cancellationToken);
    }

    /// <summary>The settings of one section.</summary>
    public T Get<T>(string section)
        where T : class => Configuration.Get<T>(section);

    public IMessageStore CreateStore(IServiceProvider services, RuntimeSetup setup)
    {
        StoreOptions options = Get<StoreOptions>("store");
        IMessageStore store = Builder.Stores[options.Kind](options, Get<RetentionOptions>("retention"), setup.Redactor, setup.Clock, services);
        return store is IJournal and ITransitionFeed and IStoreLifecycle and IQueueControl
            ? store
            : throw new InvalidOperationException(
                $"The store of kind '{options.Kind}' ({store.GetType().Name}) has to implement IJournal, ITransitionFeed, IStoreLifecycle and IQueueControl as well. MessageStoreConformance tells what is missing.");
    }

    private static (ApplicationBuilder Builder, IReadOnlyList<IApplicationModule> Modules) Describe(IReadOnlyList<IApplicationModule> registered)
    {
        ApplicationBuilder builder = new();
        builder.AddStore("memory", static (options, retention, _, clock, _) => new MemoryStore(clock, options.Memory, retention));
        IReadOnlyList<IApplicationModule> modules = ModuleOrder.Sort(registered, builder);
        foreach (IApplicationModule module in modules)
        {
            builder.Run(module);
        }

        return (builder, modules);
    }

    private static ConfigurationSources SourcesOf(ApplicationBuilder builder, IReadOnlyList<IApplicationModule> registered, RuntimeSetup setup)
    {
        ConfigurationSources given = setup.Configuration;
        foreach (string kind in given.Catalog.StoreKinds)
        {
            builder.Catalog.StoreKinds.Add(kind);
        }

        builder.Catalog.Modules = registered.Concat(setup.KnownModules).Select(module => module.Name).ToHashSet(SettingKey.Comparer);
        builder.Catalog.RunModules = registered.Select(module => module.Name).ToHashSet(SettingKey.Comparer);

        List<IConfigurationLayer> layers = [.. given.Layers];
        foreach ((IConfigurationLayer layer, string? after) in builder.Layers)
        {
            int index = after is null ? -1 : layers.FindIndex(other => other.Name == after);
            layers.Insert(index < 0 ? layers.Count : index + 1, layer);
        }

        ConfigurationSources sources = new() { Layers = layers, Variables = given.Variables, Catalog = builder.Catalog };
        foreach (ISecretStore store in given.SecretStores.Concat(builder.SecretStores))
        {
            sources.SecretStores.Add(store);
        }

        return sources;
    }

    private void Arrange()
    {
        Queues.Declare("in", new QueueOptions());
        Queues.Declare(OutboundQueue.Unrouted, new QueueOptions());
        foreach ((string name, QueueOptions options) in Builder.Catalog.Queues.Concat(Get<IReadOnlyDictionary<string, QueueOptions>>("queues")))
        {
            Queues.Declare(name, options);
        }

        foreach ((string name, WorkerOptions options) in Builder.Catalog.Pools.Concat(Get<IReadOnlyDictionary<string, WorkerOptions>>("workers")))
        {
            Pools[name] = options;
        }

        if (Builder.Handlers.Exists(entry => entry.Queue == "in") && !Pools.Values.Any(pool => pool.Queue == "in"))
        {
            Pools["router"] = new WorkerOptions { Queue = "in" };
        }

        foreach (string queue in Builder.Handlers.Concat(Builder.Fallbacks).Select(entry => entry.Queue).Distinct(StringComparer.Ordinal))
        {
            if (!Queues.IsDeclared(queue))
            {
                Builder.AddProblem($"queues.{queue}", $"A handler takes messages of queue '{queue}', which is not declared. Call AddQueue(\"{queue}\") in a module.");
            }
            else if (!Pools.Values.Any(pool => pool.Queue == queue))
            {
                Builder.AddProblem($"workers.{queue}", $"Queue '{queue}' has handlers and no worker pool, so its messages would wait forever. Call AddWorkers(\"{queue}\") in a module, or remove the handlers.");
            }
        }

        foreach ((string name, WorkerOptions options) in Pools)
        {
            if (!Queues.IsDeclared(options.Queue))
            {
                Builder.AddProblem(
                    $"workers.{name}.queue",
                    $"Worker pool '{name}' serves queue '{options.Queue}', which is not declared.{(Names.Nearest(options.Queue, Queues.Names) is { } near ? $" Did you mean '{near}'?" : "")} Call AddQueue(\"{options.Queue}\") in a module, or set workers.{name}.queue.");
            }
        }

        foreach ((string name, _) in Get<IReadOnlyDictionary<string, SourceConfig>>("sources").Where(pair => pair.Value.Enabled && Builder.SourceTypes.ContainsKey(pair.Value.Type)))
        {
            if (Builder.Sources.Exists(other => other.Name == name))
            {
                Builder.AddProblem($"sources.{name}", $"Source '{name}' is in the configuration and added by a module. Give one of the two another name.");
            }
        }

        foreach ((string name, _, string into) in Builder.Sources)
        {
            if (!Queues.IsDeclared(into))
            {
                Builder.AddProblem($"sources.{name}", $"Source '{name}' brings messages into queue '{into}', which is not declared. Call AddQueue(\"{into}\") in a module.");
            }
        }
    }

    /// <summary>QU-8. A program may open its receiver of 'in' later; without receivers, what comes in would wait unseen.</summary>
    private void ReportIdleQueues(bool opensReceivers)
    {
        foreach ((string queue, string pool) in FindPoolsWithoutHandlers().Where(static pair => pair.Key != "in"))
        {
            Notices.Add($"Queue '{queue}' has worker pool '{pool}' and no handler, so its messages wait until a receiver takes them. Add a handler for queue '{queue}' in a module, or open a receiver.");
        }

        foreach (string queue in Queues.Names.Where(queue => queue != OutboundQueue.Unrouted && !Pools.Values.Any(pool => pool.Queue == queue)))
        {
            if (queue != "in")
            {
                Notices.Add($"Queue '{queue}' has no worker pool, so its messages wait until a receiver takes them. Call AddWorkers(\"{queue}\"), open a receiver, or remove the queue.");
            }
            else if (!opensReceivers && FeedsIn())
            {
                Notices.Add("Queue 'in' has no worker pool, so what comes in waits for ever. Name a module that handles it, such as modules: [welcome], or add a handler for queue 'in' in a module of your own. "
                    + "A program whose handlers are in its own code handles it by them, and this is not about that one.");
            }
        }
    }

    /// <summary>The queues whose pools have nothing to do, for no handler is there for them, each with one of its pools: such a pool does not run.</summary>
    public IReadOnlyDictionary<string, string> FindPoolsWithoutHandlers() =>
        Pools.Where(pool => !Builder.Handlers.Concat(Builder.Fallbacks).Any(entry => entry.Queue == pool.Value.Queue))
            .GroupBy(static pool => pool.Value.Queue, StringComparer.Ordinal)
            .ToDictionary(static pools => pools.Key, static pools => pools.First().Key, StringComparer.Ordinal);

    /// <summary>Whether anything brings messages into queue <c>in</c>: a channel that may receive, or a source.</summary>
    private bool FeedsIn()
    {
        CommunicationsConfig communications = Get<CommunicationsConfig>("communications");
        return Builder.Communicators.Count > 0
            || (communications.Enabled && communications.Backends.Values.Any(static backend => backend.Enabled && BuiltInKinds.MayReceive(backend.Type)))
            || Builder.Sources.Exists(static source => source.Into == "in")
            || Get<IReadOnlyDictionary<string, SourceConfig>>("sources").Values.Any(static source => source.Enabled && source.Into == "in");
    }

    private void ReportUnknownCommunicators()
    {
        CommunicationsConfig communications = Get<CommunicationsConfig>("communications");
        foreach ((string name, CommunicatorBackendConfig backend) in communications.Backends.Where(pair => communications.Enabled && pair.Value.Enabled && !Builder.Backends.ContainsKey(pair.Value.Type)))
        {
            string hint = Builder.Backends.Count == 0 ? "A module makes a type known with RegisterBackend." : NearestName.Hint(backend.Type, Builder.Backends.Keys);
            Notices.Add($"Communicator '{name}' has the unknown type '{backend.Type}', so its messages are held until a program that knows it runs. {hint}");
        }
    }

    private void ReportUnknownSources()
    {
        foreach ((string name, SourceConfig source) in Get<IReadOnlyDictionary<string, SourceConfig>>("sources").Where(pair => pair.Value.Enabled && !Builder.SourceTypes.ContainsKey(pair.Value.Type)))
        {
            string hint = Builder.SourceTypes.Count == 0 ? "A module makes a type known with RegisterSource." : NearestName.Hint(source.Type, Builder.SourceTypes.Keys);
            Notices.Add($"Source '{name}' has the unknown type '{source.Type}', so nothing comes in by it. {hint}");
        }
    }
}
