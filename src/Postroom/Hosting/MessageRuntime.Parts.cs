using Microsoft.Extensions.DependencyInjection;
using Postroom.Hosting;
using Postroom.Outbound;

namespace Postroom;

/// <content>The parts of a runtime and what each does at its start and stop.</content>
public sealed partial class MessageRuntime
{
    private static readonly TimeSpan ReportPatience = TimeSpan.FromSeconds(5);

    private void Build()
    {
        Composition composition = _composition!;
        RuntimeOptions options = composition.Get<RuntimeOptions>("runtime");
        StoreOptions store = composition.Get<StoreOptions>("store");
        Node = NodeIdentity.Get(options, durable: store.Kind != "memory");

        _services = MakeServices(composition);
        _rooms = RuntimeRooms.Build(this, composition, _services, Node, _setup);
        MakeRestarts(_rooms);
        RegisterParts(composition, options);
    }

    private ServiceProvider MakeServices(Composition composition)
    {
        IServiceCollection services = composition.Builder.Services;
        services.AddSingleton(_setup.Clock);
        services.AddSingleton(_setup.Loggers);
        services.AddSingleton(_setup.Redactor);
        services.AddSingleton<Configuration.IRuntimeConfiguration>(composition.Configuration);
        services.AddSingleton(View);
        services.AddSingleton(this);
        services.AddSingleton<TraceService>();
        services.AddSingleton(_ => Sender);
        services.AddSingleton(_ => Dispatcher);
        services.AddSingleton(_ => Journal);
        services.AddSingleton(_ => Workers);
        services.AddSingleton(_ => Health);
        services.AddLogging();
        return services.BuildServiceProvider(new ServiceProviderOptions { ValidateScopes = true });
    }

    private void RegisterParts(Composition composition, RuntimeOptions options)
    {
        RuntimeRooms rooms = _rooms!;
        _phases.Add(new RuntimePart("traces", RuntimePhase.Telemetry, _ => rooms.TraceExporter.ApplyAsync(composition.Get<TracingOptions>("tracing")), (_, _) => rooms.TraceExporter.StopAsync()));
        _phases.Add(new RuntimePart("store", RuntimePhase.Store, token => OpenStoreAsync(composition, token), (_, token) => CloseStoreAsync(rooms, token)));
        _phases.Add(new RuntimePart("lanes", RuntimePhase.Lanes, _ =>
        {
            rooms.Router.Start();
            if (options.Role != RuntimeRole.Core)
            {
                rooms.Signals.Start();
                rooms.Outbound.StartLanes();
            }

            return Task.CompletedTask;
        }, async (drain, token) => _workersWereClean &= await rooms.Router.StopAsync(drain, options.CancelGrace, token)));
        _phases.Add(new RuntimePart("communicators", RuntimePhase.Communicators, token => options.Role == RuntimeRole.Core ? Task.CompletedTask : rooms.Outbound.StartCommunicatorsAsync(token), async (drain, token) =>
        {
            // Sends in flight end before the way out is closed.
            _workersWereClean &= await rooms.Outbound.StopLanesAsync(drain, token);
            await rooms.Outbound.StopCommunicatorsAsync(token);
        }));
        _phases.Add(new RuntimePart("workers", RuntimePhase.Workers, async token =>
        {
            foreach (IModuleLifecycle module in composition.Modules.OfType<IModuleLifecycle>())
            {
                await module.OnStartedAsync(_services!, token);
                _startedModules.Push(module);
            }

            if (options.Role != RuntimeRole.Gateway)
            {
                rooms.Workers.StartAll();
            }
        }, async (drain, token) =>
        {
            _workersWereClean &= await rooms.Workers.StopAllAsync(drain, options.CancelGrace, token);
            while (_startedModules.TryPop(out IModuleLifecycle? module))
            {
                await module.OnStoppingAsync(_services!, token);
            }
        }));
        _phases.Add(new RuntimePart("sources", RuntimePhase.Sources, _ =>
        {
            if (!_setup.Paused && options.Role != RuntimeRole.Core)
            {
                if (_setup.Origin.Distrust is not null)
                {
                    ((RuntimeControl)View.Control).HoldDistrusted();
                }

                rooms.Sources.StartAll();
            }

            return Task.CompletedTask;
        }, (drain, _) => rooms.Sources.StopAllAsync(drain)));
        _phases.Add(new RuntimePart("schedules", RuntimePhase.Sources, _ =>
        {
            if (!_setup.Paused && _setup.Origin.Distrust is null && options.Role != RuntimeRole.Gateway)
            {
                rooms.Schedules.Start();
            }

            return Task.CompletedTask;
        }, (_, _) => rooms.Schedules.StopAsync()));
        RetentionLoop retention = new(rooms.Journal, () => composition.Get<RetentionOptions>("retention"), rooms.Clock, _setup.Clock, _setup.Loggers.CreateLogger("Postroom.Retention"));
        _phases.Add(new RuntimePart("retention", RuntimePhase.Ready, _ =>
        {
            retention.Start();
            return Task.CompletedTask;
        }, (_, _) => retention.StopAsync()));
        CancellationTokenSource watching = new();
        Task watch = Task.CompletedTask;
        _phases.Add(new RuntimePart("configuration", RuntimePhase.Ready, _ =>
        {
            watch = Task.Run(() => composition.Configuration.WatchAsync(watching.Token), CancellationToken.None);
            return Task.CompletedTask;
        }, async (_, _) =>
        {
            await watching.CancelAsync();
            await watch.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            watching.Dispose();
        }));
        _phases.Add(new RuntimePart("intake", RuntimePhase.Ready, _ =>
        {
            rooms.Intake.IsOpen = true;
            return Task.CompletedTask;
        }, (_, _) =>
        {
            rooms.Intake.IsOpen &= _keepsIntake;
            return Task.CompletedTask;
        }));
        foreach (Func<IServiceProvider, IRuntimeComponent> create in composition.Builder.Components)
        {
            IRuntimeComponent component = create(_services!);
            _phases.Add(component);
            if (component is IHandsOver part)
            {
                _handsOver.Add(part);
            }
        }
    }

    /// <summary>Stores what was handed over while there is time, and closes the store in any case.</summary>
    private async Task CloseStoreAsync(RuntimeRooms rooms, CancellationToken cancellationToken)
    {
        try
        {
            // A store that cannot go on takes nothing more, however long one waits.
            await rooms.Settler.FlushAsync(Failure.IsCompleted ? new CancellationToken(canceled: true) : cancellationToken);
            await FlushReportsAsync(rooms, cancellationToken);
            await EndRunAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            _workersWereClean = false; // Recovery finds those messages as they were before their attempts.
        }
        finally
        {
            if (_order is not null)
            {
                await HandOverAsync(cancellationToken);
            }

            DisposeSettler(rooms);
            rooms.Hooks.Close();
            _composition?.Configuration.Database?.Detach();
            if (_keepsOwnership)
            {
                _ownership = await rooms.Lifecycle.CloseKeepingOwnershipAsync(CancellationToken.None);
            }
            else
            {
                await rooms.Lifecycle.CloseAsync(CancellationToken.None);
            }
        }
    }

    /// <summary>Tells hooks which conversations the last outcomes have completed; a stop does not wait long for slow hooks.</summary>
    private static async Task FlushReportsAsync(RuntimeRooms rooms, CancellationToken cancellationToken)
    {
        await rooms.Hooks.Conversations.FlushAsync(cancellationToken)
            .WaitAsync(ReportPatience, CancellationToken.None)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private void DisposeSettler(RuntimeRooms rooms)
    {
        if (Interlocked.Exchange(ref _settlerDisposed, 1) == 0)
        {
            rooms.Settler.Dispose();
        }
    }

    private async Task OpenStoreAsync(Composition composition, CancellationToken cancellationToken)
    {
        RuntimeRooms rooms = _rooms!;
        NodeIdentity.Keep(composition.Get<RuntimeOptions>("runtime"), Node, durable: composition.Get<StoreOptions>("store").Kind != "memory");
        QueueRulesBook rules = new(rooms, composition);
        rules.SetBeforeRecovery();
        StoreOpening opening = new()
        {
            Node = Node,
            Home = rooms.Store.Features.MultiNode ? NodeIdentity.Home(composition.Get<RuntimeOptions>("runtime")) : null,
            Version = _setup.Version,
            Generation = _setup.Origin.Generation,
            Ownership = _setup.Origin.Ownership,
        };
        _recovery = await rooms.Lifecycle.OpenAsync(opening, cancellationToken);
        composition.Configuration.Database?.Attach(rooms.Store);
        await BeginRunAsync(cancellationToken);
        _ = Failure.ContinueWith(
            fatal => Fault(fatal.Result), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        long parked = await rules.SetAfterRecoveryAsync(cancellationToken);
        FollowOtherNodes(rooms);
        _recovery = _recovery with { Parked = parked };
        _storeNotices = _recovery.Notices;
        LogOpened(_recovery);
        foreach (string notice in Notices())
        {
            LogNotice(notice);
        }

        foreach ((Func<IServiceProvider, IDispatchHook> create, HookFailurePolicy onFailure) in composition.Builder.Hooks)
        {
            rooms.Hooks.Register(create(_services!), onFailure);
        }

        await RegisterCommunicatorsAsync(composition, cancellationToken);
        foreach ((_, Func<IServiceProvider, IMessageSource> create, string into) in composition.Builder.Sources)
        {
            rooms.Sources.Add(create(_services!), into);
        }

        await AddSourcesAsync(composition, cancellationToken);
        await rooms.Schedules.ApplyAsync(composition.Get<IReadOnlyDictionary<string, ScheduleOptions>>("schedules"), cancellationToken);
        _ = composition.Configuration.Subscribe<IReadOnlyDictionary<string, ScheduleOptions>>("schedules", async (change, token) => await rooms.Schedules.ApplyAsync(change.New, token));

        new LiveSettings(rooms, composition).Follow();
        await ReportWaitingAsync(cancellationToken);
        HealthProbes.Register(this, composition, _services!);
        foreach (string conversation in _recovery.CompletedConversations)
        {
            await rooms.Hooks.CompleteAsync(conversation);
        }
    }

    /// <summary>On a store that nodes share: what an operator has paused or taken from its worker elsewhere holds here too.</summary>
    private void FollowOtherNodes(RuntimeRooms rooms)
    {
        if (rooms.Store is not Storage.ISharedStore shared)
        {
            return;
        }

        GatewayLink link = new(shared);
        if (_composition!.Get<RuntimeOptions>("runtime").Role == RuntimeRole.Core)
        {
            rooms.Signals.Elsewhere = link.Show;
            rooms.Calls.Elsewhere = link.CallAsync;
        }
        else
        {
            link.Answer(rooms.Calls.CallAsync, rooms.Signals.Show);
        }

        _ = shared.OnFactsChanged(scope => _ = FollowPausesAsync());
        _ = ((ITransitionFeed)rooms.Store).ObserveFailures(move =>
        {
            if (move is { From: MessageState.Dispatched, Kind: FailureKind.Discarded })
            {
                Cancel(move.MessageId);
            }
        });
    }

    private async Task FollowPausesAsync()
    {
        await _pausing.WaitAsync();
        try
        {
            await new QueueRulesBook(Rooms, _composition!).SetAfterRecoveryAsync(CancellationToken.None);
        }
        catch (Exception e) when (e is StoreUnavailableException or ObjectDisposedException)
        {
            LogNotice($"Another node has paused or resumed a queue, which is not known here before the next start: {e.Message}");
        }
        finally
        {
            _pausing.Release();
        }
    }

    private void LogOpened(RecoveryReport recovery)
    {
        if (recovery.Run == 1)
        {
            LogNewStore();
            return;
        }

        LogRecovered(
            recovery.Run, recovery.PreviousRunClean ? "clean" : "not clean", recovery.Pending, recovery.Redelivered, recovery.Poisoned, recovery.Uncertain,
            recovery.Expired, recovery.Parked, recovery.Duration);
    }

    /// <summary>Tells of messages that wait for what this build does not have, and of types that would.</summary>
    private async Task ReportWaitingAsync(CancellationToken cancellationToken)
    {
        RuntimeRooms rooms = _rooms!;
        StoreStats stats = await rooms.Store.GetStatsAsync(null, cancellationToken);
        IReadOnlyList<string> notices = await new WaitingNotices(rooms).ReadAsync(stats, cancellationToken);
        foreach (string notice in notices)
        {
            LogNotice(notice);
        }

        foreach ((string queue, IReadOnlySet<string> types) in rooms.Parked.All.Where(pair => stats.Queues.GetValueOrDefault(pair.Key) is not { Parked: > 0 }).Select(pair => (pair.Key, (IReadOnlySet<string>)pair.Value)))
        {
            LogUnhandled(queue, WaitingNotices.List([.. types]));
        }

        long orphans = stats.Queues.Where(pair => !rooms.HasPool(pair.Key)).Sum(pair => pair.Value.Pending);
        _recovery = _recovery! with { Parked = _recovery.Parked + orphans, Notices = [.. _recovery.Notices, .. notices] };
    }

    private async Task RegisterCommunicatorsAsync(Composition composition, CancellationToken cancellationToken)
    {
        RuntimeRooms rooms = _rooms!;
        BackendSet backends = new(rooms.Dispatcher, rooms.Communicators.CreateCommunicator, _setup.Loggers.CreateLogger("Postroom.Outbound"));
        rooms.Communicators.Registered += backends.TryAgain;
        await backends.ApplyAsync(composition.Get<CommunicationsConfig>("communications"), static (_, _, _) => true, cancellationToken);
        _ = composition.Configuration.Subscribe<CommunicationsConfig>(
            "communications",
            async (change, token) => await backends.ApplyAsync(change.New, (name, _, _) => !change.Changes.Any(setting => IsOf(setting.Key, name)), token));

        // Those that say nothing of their own go by it.
        _ = composition.Configuration.Subscribe<OutboundOptions>(
            "outbound",
            async (_, token) => await backends.ApplyAsync(composition.Get<CommunicationsConfig>("communications"), static (_, before, now) => before.Outbound == now.Outbound, token));

        foreach ((Func<IServiceProvider, ICommunicator> create, IReadOnlyList<string>? labels, CommunicatorBackendConfig? given) in composition.Builder.Communicators)
        {
            ICommunicator communicator = create(_services!);
            await rooms.Dispatcher.RegisterAsync(communicator, labels, given ?? new CommunicatorBackendConfig { Type = communicator.GetType().Name }, cancellationToken);
        }
    }

    private async Task AddSourcesAsync(Composition composition, CancellationToken cancellationToken)
    {
        SourceSet set = new(_rooms!.Sources, composition.Queues, Create, _setup.Loggers.CreateLogger("Postroom.Sources"));
        await set.ApplyAsync(composition.Get<IReadOnlyDictionary<string, SourceConfig>>("sources"), static _ => true, cancellationToken);
        _ = composition.Configuration.Subscribe<IReadOnlyDictionary<string, SourceConfig>>(
            "sources",
            async (change, token) => await set.ApplyAsync(change.New, name => !change.Changes.Any(setting => IsBelow(setting.Key, $"sources.{name}")), token));

        IMessageSource? Create(string name, SourceConfig config) =>
            composition.Builder.SourceTypes.TryGetValue(config.Type, out SourceFactoryMethod? factory) ? factory(name, config, _services!) : null;
    }

    /// <summary>Whether a setting is one of a communicator's.</summary>
    private static bool IsOf(string key, string communicator) => IsBelow(key, $"communications.backends.{communicator}");

    private static bool IsBelow(string key, string section) =>
        key.StartsWith($"{section}.", StringComparison.OrdinalIgnoreCase) || key.StartsWith($"{section}[", StringComparison.OrdinalIgnoreCase) || key.Equals(section, StringComparison.OrdinalIgnoreCase);

    /// <summary>What an operator should know now.</summary>
    internal IReadOnlyList<string> Notices()
    {
        List<string> notices = [];
        if (_rooms is { } rooms && !rooms.Store.Features.Durable)
        {
            notices.Add(rooms.Store.Features.Promise);
        }

        notices.AddRange(_storeNotices);
        notices.AddRange(_setup.Origin.Distrust is { } distrust ? [distrust] : _setup.Origin.Bad is { } bad ? [bad] : []);
        if (_rooms?.TraceExporter.Problem is { } traces)
        {
            notices.Add(traces);
        }

        notices.AddRange(_composition?.Notices ?? []);
        notices.AddRange(_composition?.Configuration.Current.Notices.Select(notice => notice.Message) ?? []);
        return notices;
    }
}
