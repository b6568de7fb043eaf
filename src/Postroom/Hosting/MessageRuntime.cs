using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Postroom.Configuration;
using Postroom.Hosting;

namespace Postroom;

/// <summary>The hosted service that coordinates everything: it starts the parts in order, recovers, and stops them in reverse.</summary>
/// <remarks>Start and stop are idempotent. Two runtimes in one process share nothing. Safe for concurrent use.</remarks>
public sealed partial class MessageRuntime : IHostedService, IAsyncDisposable
{
    private readonly RuntimeSetup _setup;
    private readonly ILogger _log;
    private readonly List<IApplicationModule> _modules = [];
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Stack<IModuleLifecycle> _startedModules = new();
    private readonly SemaphoreSlim _pausing = new(1, 1);
    private readonly PhaseRunner _phases;
    private Composition? _composition;
    private ServiceProvider? _services;
    private RuntimeRooms? _rooms;
    private RecoveryReport? _recovery;
    private IReadOnlyList<string> _storeNotices = [];
    private DateTimeOffset? _startedAt;
    private readonly TaskCompletionSource _stopRequested = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _stopIsWatched;
    private bool _workersWereClean = true;
    private int _settlerDisposed;
    private int _disposed;

    /// <summary>Makes a runtime; nothing runs yet.</summary>
    public MessageRuntime(RuntimeSetup setup)
    {
        _setup = setup;
        _log = setup.Loggers.CreateLogger<MessageRuntime>();
        _phases = new PhaseRunner(setup.Clock, _log);
    }

    /// <summary>Where it stands.</summary>
    public RuntimeState State { get; private set; } = RuntimeState.Created;

    /// <summary>Completes when the runtime cannot go on because its store cannot. It is <see cref="RuntimeState.Faulted"/> then; its host stops it and ends the process with exit code 4.</summary>
    /// <exception cref="InvalidOperationException">The runtime has not started.</exception>
    public Task<StoreUnavailableException> Failure => Rooms.Lifecycle.Fatal;

    /// <summary>Completes when an operator asks the program to stop. Its host stops the runtime and ends the process; a program that does not watch it is not stopped so.</summary>
    public Task StopRequested
    {
        get
        {
            _stopIsWatched = true;
            return _stopRequested.Task;
        }
    }

    /// <summary>Whether a stop had to leave work behind for recovery.</summary>
    public bool AbandonedWork => !_workersWereClean;

    /// <summary>The node's id; empty before the start.</summary>
    public string Node { get; private set; } = "";

    /// <summary>Services of the application.</summary>
    /// <exception cref="InvalidOperationException">The runtime has not started.</exception>
    public IServiceProvider Services => _services ?? throw NotStarted();

    /// <summary>Routes outgoing messages.</summary>
    /// <exception cref="InvalidOperationException">The runtime has not started.</exception>
    public CommunicationDispatcher Dispatcher => Rooms.Dispatcher;

    /// <summary>Sends and publishes from outside a handler.</summary>
    /// <exception cref="InvalidOperationException">The runtime has not started.</exception>
    public IMessageSender Sender => Rooms.Sender;

    /// <summary>The worker pools.</summary>
    /// <exception cref="InvalidOperationException">The runtime has not started.</exception>
    public WorkerSupervisor Workers => Rooms.Workers;

    /// <summary>The health of all parts.</summary>
    /// <exception cref="InvalidOperationException">The runtime has not started.</exception>
    public HealthRegistry Health => Rooms.Health;

    /// <summary>The store's record.</summary>
    /// <exception cref="InvalidOperationException">The runtime has not started.</exception>
    public IJournal Journal => Rooms.Journal;

    /// <summary>The store.</summary>
    /// <exception cref="InvalidOperationException">The runtime has not started.</exception>
    public IMessageStore Store => Rooms.Store;

    /// <summary>The configuration in force.</summary>
    /// <exception cref="InvalidOperationException">The runtime has not started.</exception>
    public IRuntimeConfiguration Configuration => _composition?.Configuration ?? throw NotStarted();

    /// <summary>What adapters see of this runtime.</summary>
    public IRuntimeView View => _view ??= new RuntimeView(this, _setup);

    /// <summary>What was started and stopped, in order; for tests and support.</summary>
    public IReadOnlyList<string> StartRecord => _phases.Record;

    internal RuntimeRooms Rooms => _rooms ?? throw NotStarted();

    internal bool HasRooms => _rooms is not null;

    internal Composition? Composition => _composition;

    internal RecoveryReport? Recovery => _recovery;

    /// <summary>What the store found when it was opened; empty for nothing.</summary>
    internal IReadOnlyList<string> StoreNotices => _storeNotices;

    internal DateTimeOffset? StartedAt => _startedAt;

    private RuntimeView? _view;

    /// <summary>Adds a module, before the start.</summary>
    /// <exception cref="InvalidOperationException">The runtime has started.</exception>
    public void RegisterModule(IApplicationModule module)
    {
        if (State != RuntimeState.Created)
        {
            throw new InvalidOperationException($"Module '{module.Name}' comes too late: the runtime is {State}. Register modules before StartAsync.");
        }

        _modules.Add(module);
    }

    /// <summary>Adds a dispatch hook while running; disposing the result takes it away.</summary>
    public IDisposable RegisterDispatchHook(IDispatchHook hook, HookFailurePolicy onFailure = HookFailurePolicy.Ignore) => Rooms.Hooks.Register(hook, onFailure);

    /// <summary>One queue as an application sees it.</summary>
    /// <exception cref="AddressException">The queue is not declared; the text names the nearest one.</exception>
    public IMessageQueue OpenQueue(string name) => Rooms.OpenQueue(name, _setup.Clock, _setup.Random ?? Chance.Next);

    /// <summary>Composes and checks without starting anything: what <c>postroom check</c> shows.</summary>
    /// <exception cref="ConfigurationException">Something is missing or invalid; every problem is listed.</exception>
    public async Task<CompositionReport> CheckAsync(CancellationToken cancellationToken)
    {
        Composition composition = await ComposeAsync(cancellationToken);
        return CompositionReport.Of(composition);
    }

    /// <summary>Loads and validates the configuration without starting anything.</summary>
    /// <exception cref="ConfigurationException">Something is missing or invalid; every problem is listed.</exception>
    public async Task<ConfigurationSnapshot> LoadSettingsAsync(CancellationToken cancellationToken)
    {
        Composition composition = await ComposeAsync(cancellationToken);
        return composition.Configuration.Current;
    }

    /// <summary>Loads some sections without starting anything, whatever is wrong with the others or missing in the environment for them.</summary>
    internal Task<ConfigurationSnapshot> LoadSectionsAsync(IReadOnlyCollection<string> names, string except, CancellationToken cancellationToken) =>
        Composition.ReadSectionsAsync(_modules, _setup, names, except, cancellationToken);

    /// <summary>Starts the parts in order; returns when the runtime is ready.</summary>
    /// <exception cref="ConfigurationException">The configuration or composition cannot be used.</exception>
    /// <exception cref="StoreOpenException">The store cannot be opened.</exception>
    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (State is not RuntimeState.Created)
            {
                return;
            }

            State = RuntimeState.Starting;
            _startedAt = _setup.Clock.GetUtcNow();
            _composition = await ComposeAsync(cancellationToken);
            _setup.Configured?.Invoke(_composition.Configuration.Current);
            Build();
            RuntimeOptions options = _composition.Get<RuntimeOptions>("runtime");
            await _phases.StartAsync(Enter, options.StopTimeout, cancellationToken);
            State = Failure.IsCompleted ? RuntimeState.Faulted : RuntimeState.Running;
            _opened.TrySetResult();
            Communications.Started(this);
            await CompleteRestartAsync();
            LogReady(Node, _rooms!.Store.Features.Kind, _setup.Clock.GetUtcNow() - _startedAt.Value);
        }
        catch
        {
            State = RuntimeState.Faulted;
            throw;
        }
        finally
        {
            _opened.TrySetResult();
            _turn.Release();
        }
    }

    /// <summary>Takes nothing new from outside from now on and is not ready, because <see cref="StopAsync(CancellationToken)"/> will follow.</summary>
    internal void CloseIntake()
    {
        if (State == RuntimeState.Running)
        {
            State = RuntimeState.Draining;
            Rooms.Intake.IsOpen = false;
        }
    }

    /// <summary>Stops in order: takes nothing new, finishes what it holds within the drain limit, stops the parts in reverse.</summary>
    public Task StopAsync(CancellationToken cancellationToken = default) => StopPartsAsync(drain: null, keepsOwnership: false, cancellationToken);

    private async Task StopPartsAsync(TimeSpan? drain, bool keepsOwnership, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(CancellationToken.None);
        try
        {
            if (State is RuntimeState.Created or RuntimeState.Stopped || _composition is null)
            {
                return;
            }

            Communications.Stopped(this);
            bool faulted = State == RuntimeState.Faulted;
            State = RuntimeState.Draining;
            _keepsOwnership = keepsOwnership;
            RuntimeOptions options = _composition.Get<RuntimeOptions>("runtime");
            await _phases.StopAsync(drain ?? options.DrainTimeout, options.StopTimeout, cancellationToken);
            State = faulted ? RuntimeState.Faulted : RuntimeState.Stopped;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await StopAsync(CancellationToken.None);
        if (_rooms is { } rooms)
        {
            await rooms.Signals.DisposeAsync();
            DisposeSettler(rooms);
            rooms.Hooks.Close();
            await rooms.Lifecycle.DisposeAsync();
            rooms.Failures.Dispose();
            rooms.FailureCounts.Dispose();
            rooms.MetricsText.Dispose();
            rooms.Metrics.Dispose();
        }

        if (_services is not null)
        {
            await _services.DisposeAsync();
        }

        _composition?.Configuration.Dispose();
        _turn.Dispose();
        _pausing.Dispose();
    }

    /// <summary>Tells whoever watches <see cref="StopRequested"/>; false when nobody does.</summary>
    internal bool RequestStop() => _stopIsWatched && (_stopRequested.TrySetResult() || true);

    /// <summary>The envelopes of an answer to a received message, to be stored with its acknowledgement.</summary>
    internal IReadOnlyList<Envelope> ComposeReply(OutgoingMessage message, Envelope input)
    {
        return Rooms.Composer.ComposeReply(message, input, new MessageOrigin(input.Id, input.Conversation, input.Hops + 1, input));
    }

    private static InvalidOperationException NotStarted() => new("The runtime has not started. Call StartAsync first.");

    private async Task<Composition> ComposeAsync(CancellationToken cancellationToken)
    {
        Composition? composition = null;
        IApplicationModule[] named;
        try
        {
            composition = await Composition.CreateAsync(_modules, _setup, cancellationToken);
            named = Named(composition.Get<IReadOnlyList<string>>("modules"));
        }
        catch (ConfigurationException) when (_setup.KnownModules.Count > 0)
        {
            // What is unknown now, such as a section or a queue, may be what a named module adds.
            named = Named(await Composition.ReadModulesAsync(_setup, cancellationToken));
            if (named.Length == 0)
            {
                throw;
            }
        }

        if (composition is not null && named.Length == 0)
        {
            return composition;
        }

        // The configuration names modules, and modules add to what the configuration may say: compose once more with all of them.
        composition?.Configuration.Dispose();
        _modules.AddRange(named);
        return await Composition.CreateAsync(_modules, _setup, cancellationToken);
    }

    private IApplicationModule[] Named(IReadOnlyList<string> wanted) =>
        [.. _setup.KnownModules.Where(known => wanted.Contains(known.Name, SettingKey.Comparer) && !_modules.Exists(module => module.Name == known.Name))];

    private void Fault(StoreUnavailableException failure)
    {
        LogFailure(failure.Message);
        if (State == RuntimeState.Running)
        {
            State = RuntimeState.Faulted;
        }
    }

    private void Enter(RuntimePhase phase)
    {
        if (phase == RuntimePhase.Store)
        {
            State = RuntimeState.Recovering;
        }
    }

    [LoggerMessage(520, LogLevel.Information, "Postroom is ready on node {Node} with the {Store} store after {Duration}.")]
    private partial void LogReady(string node, string store, TimeSpan duration);

    [LoggerMessage(523, LogLevel.Critical, "The runtime cannot go on and refuses everything: {Why}")]
    private partial void LogFailure(string why);

    [LoggerMessage(521, LogLevel.Warning, "{Notice}")]
    private partial void LogNotice(string notice);

    [LoggerMessage(525, LogLevel.Information, "Nothing in this build handles {Types} of queue '{Queue}', which an earlier run of this store handled. Such messages are parked until a build that handles them starts.")]
    private partial void LogUnhandled(string queue, string types);

    [LoggerMessage(524, LogLevel.Information, "The store is new; this is its first run.")]
    private partial void LogNewStore();

    [LoggerMessage(522, LogLevel.Information, "Recovered run {Run} (previous run {Clean}): {Pending} pending, {Redelivered} redelivered, {Poisoned} poisoned, {Uncertain} uncertain, {Expired} expired, {Parked} parked, in {Duration}.")]
    private partial void LogRecovered(long run, string clean, long pending, long redelivered, long poisoned, long uncertain, long expired, long parked, TimeSpan duration);
}
