using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Outbound;

namespace Postroom;

/// <summary>The optional static way to communicators, for programs that have no runtime at hand (CM-12). Safe for concurrent use.</summary>
/// <remarks>
/// Where a runtime runs, it is that runtime's dispatcher. Without one, a stand-alone dispatcher over a memory store is made once: its messages are volatile,
/// and it is never merged with a runtime that starts later.
/// </remarks>
public static class Communications
{
    private static readonly Lock Gate = new();
    private static readonly List<MessageRuntime> Running = [];
    private static readonly ConcurrentDictionary<string, CommunicatorFactoryMethod> Registry = new(StringComparer.OrdinalIgnoreCase);
    private static readonly IServiceProvider None = new NoServices();
    private static MessageRuntime? _chosen;
    private static CommunicationDispatcher? _alone;
    private static readonly Dictionary<CommunicationDispatcher, BackendSet> Backends = []; // until the runtime of the dispatcher stops

    /// <summary>The types that were registered for the whole process.</summary>
    internal static IEnumerable<KeyValuePair<string, CommunicatorFactoryMethod>> Registered => Registry;

    /// <summary>The dispatcher of the running runtime, or else one stand-alone dispatcher, made at the first call.</summary>
    /// <exception cref="InvalidOperationException">Several runtimes run and none was chosen with <see cref="Use"/>.</exception>
    [SuppressMessage("Design", "CA1024:Use properties where appropriate", Justification = "The first call may make one.")]
    public static CommunicationDispatcher GetDispatcher()
    {
        lock (Gate)
        {
            if (Running.Count > 1 && _chosen is null)
            {
                throw new InvalidOperationException($"{Running.Count} runtimes run in this process, so it is not clear whose dispatcher is meant. Call Communications.Use(runtime) once, or take runtime.Dispatcher.");
            }

            return Running.Count > 0 ? (_chosen ?? Running[0]).Dispatcher : _alone ??= new CommunicationDispatcher();
        }
    }

    /// <summary>Chooses the runtime whose dispatcher is meant where several run.</summary>
    /// <param name="runtime">The runtime; null for whichever runs alone.</param>
    public static void Use(MessageRuntime? runtime)
    {
        lock (Gate)
        {
            _chosen = runtime;
        }
    }

    /// <summary>Emits a message through <see cref="GetDispatcher"/>.</summary>
    /// <param name="message">What to send.</param>
    /// <param name="cancellationToken">Ends the wait for the store.</param>
    /// <exception cref="AddressException">Nothing takes it and the policy is to reject.</exception>
    public static ValueTask<EmitResult> EmitMessageAsync(OutgoingMessage message, CancellationToken cancellationToken = default) => GetDispatcher().EmitAsync(message, cancellationToken);

    /// <summary>Makes, registers and starts every enabled communicator of a configuration; a second call applies the difference. Nothing happens when it is not enabled and never was.</summary>
    /// <param name="config">What is wanted.</param>
    /// <param name="cancellationToken">Ends the wait for starts and stops.</param>
    public static async Task InitCommunicationsAsync(CommunicationsConfig config, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        CommunicationDispatcher dispatcher;
        BackendSet? backends;
        lock (Gate)
        {
            if (!config.Enabled && Backends.Count == 0)
            {
                return;
            }

            dispatcher = GetDispatcher();
            if (!Backends.TryGetValue(dispatcher, out backends))
            {
                if (!config.Enabled)
                {
                    return;
                }

                Backends.Add(dispatcher, backends = new BackendSet(dispatcher, CreateCommunicator, NullLogger.Instance));
            }
        }

        await backends.ApplyAsync(config, static (_, before, now) => before == now, cancellationToken);
        await dispatcher.StartAllAsync(cancellationToken);
    }

    /// <summary>Makes a communicator of a type that was registered; of an unknown one a <see cref="NoOpCommunicator"/> that says so.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="config">Its settings; the type selects how it is made.</param>
    public static ICommunicator CreateCommunicator(string name, CommunicatorBackendConfig config)
    {
        MessageRuntime? runtime;
        lock (Gate)
        {
            runtime = _chosen ?? (Running.Count > 0 ? Running[0] : null);
        }

        return runtime is not null ? runtime.Rooms.Communicators.CreateCommunicator(name, config) : new CommunicatorFactory(None, Registry, NullLogger.Instance).CreateCommunicator(name, config);
    }

    /// <summary>Registers how communicators of a type are made: for the whole process, which runtimes copy at their start, and for those that run. What has a stand-in for want of the type is made then.</summary>
    /// <param name="type">The type, in any case; the last registration wins.</param>
    /// <param name="factory">Makes one; it gets no services where no runtime runs.</param>
    public static void RegisterBackend(string type, CommunicatorFactoryMethod factory)
    {
        Registry[type] = factory;
        MessageRuntime[] running;
        BackendSet[] backends;
        lock (Gate)
        {
            (running, backends) = ([.. Running], [.. Backends.Values]);
        }

        foreach (MessageRuntime runtime in running)
        {
            runtime.Rooms.Communicators.RegisterBackend(type, factory);
        }

        Array.ForEach(backends, static set => set.TryAgain());
    }

    internal static void Started(MessageRuntime runtime)
    {
        lock (Gate)
        {
            Running.Add(runtime);
        }

        runtime.Rooms.Communicators.RegisterMissing(Registry); // what was registered while it started
    }

    internal static void Stopped(MessageRuntime runtime)
    {
        lock (Gate)
        {
            if (Running.Remove(runtime))
            {
                Backends.Remove(runtime.Dispatcher);
            }

            _chosen = ReferenceEquals(_chosen, runtime) ? null : _chosen;
        }
    }

    private sealed class NoServices : IServiceProvider
    {
        public object? GetService(Type serviceType) => null;
    }
}
