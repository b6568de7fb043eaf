using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.DependencyInjection;
using Postroom.Configuration;

namespace Postroom;

/// <summary>Takes what an application registers. Everything missing, doubled or dangling is reported together when the runtime starts.</summary>
public interface IApplicationBuilder
{
    /// <summary>Services of the application.</summary>
    IServiceCollection Services { get; }

    /// <summary>Declares a queue. Settings under <c>queues.{name}</c> override <paramref name="configure"/>.</summary>
    IApplicationBuilder AddQueue(string name, Action<QueueOptions>? configure = null);

    /// <summary>Declares a payload type that no handler here takes, so that it can be published.</summary>
    /// <typeparam name="T">The payload.</typeparam>
    IApplicationBuilder AddPayload<T>(string type, JsonTypeInfo<T> json);

    /// <summary>Registers a handler for one payload type.</summary>
    /// <typeparam name="T">The payload.</typeparam>
    /// <typeparam name="THandler">The handler; a singleton unless <see cref="Services"/> says otherwise.</typeparam>
    /// <param name="type">The payload type.</param>
    /// <param name="json">How the payload is read and written.</param>
    /// <param name="queue">The queue it takes the type from; null for every queue of this module, or <c>in</c> when it declares none.</param>
    IApplicationBuilder AddHandler<T, THandler>(string type, JsonTypeInfo<T> json, string? queue = null)
        where THandler : class, IMessageHandler<T>;

    /// <summary>Registers a handler written as a function.</summary>
    /// <typeparam name="T">The payload.</typeparam>
    IApplicationBuilder AddHandler<T>(
        string type, JsonTypeInfo<T> json, Func<T, HandlerContext, CancellationToken, ValueTask<HandlerResult>> handle, string? queue = null);

    /// <summary>Registers what takes every type of a queue that no handler takes.</summary>
    /// <typeparam name="THandler">The handler; a singleton unless <see cref="Services"/> says otherwise.</typeparam>
    IApplicationBuilder AddFallbackHandler<THandler>(string queue)
        where THandler : class, IFallbackHandler;

    /// <summary>Adds a worker pool. Settings under <c>workers.{pool}</c> override <paramref name="configure"/>.</summary>
    /// <param name="pool">The pool's name; also its queue unless the options say otherwise.</param>
    /// <param name="configure">Sets options; null for the defaults.</param>
    IApplicationBuilder AddWorkers(string pool, Action<WorkerOptions>? configure = null);

    /// <summary>Adds a source.</summary>
    IApplicationBuilder AddSource(string name, Func<IServiceProvider, IMessageSource> create, string into = "in");

    /// <summary>Adds a schedule. Settings under <c>schedules.{name}</c> override <paramref name="configure"/>.</summary>
    /// <param name="name">The schedule's name.</param>
    /// <param name="configure">Says when it appends what: <see cref="ScheduleOptions.Cron"/> or <see cref="ScheduleOptions.Every"/>, <see cref="ScheduleOptions.Queue"/> and <see cref="ScheduleOptions.Type"/>.</param>
    IApplicationBuilder AddSchedule(string name, Action<ScheduleOptions> configure);

    /// <summary>Registers how sources of a type are made that <c>sources.{name}</c> asks for; the last registration of a type wins.</summary>
    /// <param name="type">The type as configuration names it.</param>
    /// <param name="factory">Makes one. It is disposed, if it can be, when the configuration replaces it or takes it away.</param>
    /// <param name="schema">Reads settings of its own; null keeps them in <see cref="SourceConfig.Extra"/>.</param>
    IApplicationBuilder RegisterSource(string type, SourceFactoryMethod factory, SourceSchema? schema = null);

    /// <summary>Adds a communicator under labels; null or no labels mean <c>default</c>.</summary>
    IApplicationBuilder AddCommunicator(Func<IServiceProvider, ICommunicator> create, IReadOnlyList<string>? labels = null, CommunicatorBackendConfig? config = null);

    /// <summary>Registers how communicators of a type are made; the last registration of a type wins.</summary>
    /// <param name="type">The type as configuration names it.</param>
    /// <param name="factory">Makes one.</param>
    /// <param name="schema">Reads settings of its own; null keeps them in <see cref="CommunicatorBackendConfig.Extra"/>.</param>
    IApplicationBuilder RegisterBackend(string type, CommunicatorFactoryMethod factory, BackendSchema? schema = null);

    /// <summary>Wraps handler calls; the first one added is outermost.</summary>
    /// <typeparam name="TMiddleware">The middleware; a singleton unless <see cref="Services"/> says otherwise.</typeparam>
    IApplicationBuilder AddMiddleware<TMiddleware>()
        where TMiddleware : class, IHandlerMiddleware;

    /// <summary>Adds a dispatch hook.</summary>
    IApplicationBuilder AddHook(Func<IServiceProvider, IDispatchHook> create, HookFailurePolicy onFailure = HookFailurePolicy.Ignore);

    /// <summary>Adds a health contributor.</summary>
    IApplicationBuilder AddHealthContributor(Func<IServiceProvider, IHealthContributor> create);

    /// <summary>Adds a part that starts and stops with the runtime.</summary>
    IApplicationBuilder AddComponent(Func<IServiceProvider, IRuntimeComponent> create);

    /// <summary>Adds a configuration layer.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="after">The name of the layer it follows; null for the end.</param>
    IApplicationBuilder AddConfigurationLayer(IConfigurationLayer layer, string? after = null);

    /// <summary>Adds a secret store that settings can refer to.</summary>
    IApplicationBuilder AddSecretStore(ISecretStore store);

    /// <summary>Registers a kind of store for <c>store.kind</c>.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="create">Makes the store.</param>
    IApplicationBuilder AddStore(string kind, StoreFactoryMethod create);

    /// <summary>Registers where finished spans go when <c>tracing.transport</c> names it; the last registration of a name wins, over <c>console</c>, <c>file</c> and <c>otlp</c> too.</summary>
    /// <param name="name">The name; <c>none</c> is taken.</param>
    /// <param name="transport">Takes them.</param>
    IApplicationBuilder AddTraceTransport(string name, ITraceTransport transport);

    /// <summary>Makes stored messages of a former type reach the handler of the new one.</summary>
    IApplicationBuilder AddTypeAlias(string oldType, string newType);

    /// <summary>Rewrites bodies of a former payload version.</summary>
    IApplicationBuilder AddUpcaster(IUpcaster upcaster);

    /// <summary>Adds a section of the configuration and requires that it is valid.</summary>
    IApplicationBuilder RequireConfiguration(SettingsSection section);
}

/// <summary>Makes a communicator from its name and settings.</summary>
public delegate ICommunicator CommunicatorFactoryMethod(string name, CommunicatorBackendConfig config, IServiceProvider services);

/// <summary>Makes a source from its name and settings.</summary>
public delegate IMessageSource SourceFactoryMethod(string name, SourceConfig config, IServiceProvider services);

/// <summary>Makes a store. It also has to be an <see cref="IJournal"/>, an <see cref="ITransitionFeed"/>, an <see cref="IStoreLifecycle"/> and an <see cref="IQueueControl"/>.</summary>
public delegate IMessageStore StoreFactoryMethod(StoreOptions options, RetentionOptions retention, Redactor redactor, TimeProvider clock, IServiceProvider services);
