using Postroom.Handling;
using Postroom.Outbound;
using Postroom.Storage;
using Postroom.Workers;

namespace Postroom.Hosting;

/// <summary>What operators may do to a runtime.</summary>
internal sealed partial class RuntimeControl(MessageRuntime runtime, TimeProvider clock) : IRuntimeControl
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    private readonly Lock _gate = new();
    private Action? _distrusted;
    private (string[] Pools, string[] Sources)? _paused; // what had been paused on its own before, and stays so

    public bool IsPaused
    {
        get
        {
            lock (_gate)
            {
                return _paused is not null;
            }
        }
    }

    private RuntimeRooms Rooms => runtime.HasRooms ? runtime.Rooms : throw new RuntimeConflictException("The runtime is starting; wait until it runs.");

    public Task PauseAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            RequireRunning();
            if (_paused is not null)
            {
                throw new RuntimeConflictException("The runtime is paused already.");
            }

            HoldAll();
        }

        return Task.CompletedTask;
    }

    public Task ResumeAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            RequireRunning();
            if (_paused is null && _distrusted is { } release)
            {
                _distrusted = null;
                runtime.Origin.Distrust = null;
                release();
                Rooms.Schedules.Start();
                return Task.CompletedTask;
            }

            LetGo();
        }

        return Task.CompletedTask;
    }

    /// <summary>Pauses sources, pools and lanes for a restart; the result lets them go on as they were.</summary>
    public Action Hold()
    {
        lock (_gate)
        {
            if (_paused is not null)
            {
                return static () => { };
            }

            HoldAll();
        }

        return () =>
        {
            lock (_gate)
            {
                LetGo();
            }
        };
    }

    /// <summary>Begins with paused sources and without schedules, until somebody resumes the runtime (SPEC RS-13).</summary>
    public void HoldDistrusted() => _distrusted = HoldSources();

    /// <summary>Pauses sources only, so that workers can empty the queues; the result lets them go on as they were.</summary>
    public Action HoldSources()
    {
        string[] held = [.. Rooms.Sources.Status().Keys.Where(source => !Rooms.Sources.IsPaused(source))];
        Array.ForEach(held, Rooms.Sources.Pause);
        return () => Array.ForEach(held, Rooms.Sources.Resume);
    }

    public async Task<int> DrainAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            RequireRunning();
            if (_paused is null)
            {
                HoldAll();
            }
        }

        long begun = clock.GetTimestamp();
        while (InWork() > 0 && clock.GetElapsedTime(begun) < limit)
        {
            await Task.Delay(Look, clock, cancellationToken);
        }

        return InWork();
    }

    public RestartStatus Restart => runtime.HasRooms ? runtime.Restarts.Status : RestartStatus.None;

    public Task<RestartStatus> RestartAsync(RestartRequest request, CancellationToken cancellationToken)
    {
        _ = Rooms;
        return runtime.Restarts.RequestAsync(request, cancellationToken);
    }

    public Task<RestartStatus> CancelRestartAsync(CancellationToken cancellationToken) => runtime.Restarts.CancelAsync(cancellationToken);

    public ValueTask<IReadOnlyList<RuntimeRun>> GetRunsAsync(int limit, CancellationToken cancellationToken) => runtime.Runs.ReadAsync(limit, cancellationToken);

    public void RequestStop()
    {
        RequireRunning();
        if (!runtime.RequestStop())
        {
            throw new RuntimeConflictException("This runtime is part of a program that ends by itself. Stop that program.");
        }
    }

    public Task PauseQueueAsync(string queue, CancellationToken cancellationToken) => runtime.PauseQueueAsync(Declared(queue), cancellationToken);

    public Task ResumeQueueAsync(string queue, CancellationToken cancellationToken) => runtime.ResumeQueueAsync(Declared(queue), cancellationToken);

    public Task<long> PurgeQueueAsync(string queue, string reason, CancellationToken cancellationToken) => runtime.PurgeQueueAsync(Declared(queue), reason, cancellationToken);

    public Task DiscardAsync(MessageId id, string reason, bool force, CancellationToken cancellationToken) => runtime.DiscardAsync(id, reason, force, cancellationToken);

    public Task<long> KillConversationAsync(string conversation, string reason, CancellationToken cancellationToken) =>
        runtime.KillConversationAsync(conversation, reason, cancellationToken);

    public Task<ContactMessages> CountContactAsync(Address contact, CancellationToken cancellationToken) => new ContactRecords(runtime.Journal).CountAsync(contact, cancellationToken);

    public Task<long> EraseAsync(Address contact, CancellationToken cancellationToken) => new ContactRecords(runtime.Journal).EraseAsync(contact, cancellationToken);

    public async Task<FileInfo> BackupAsync(string file, CancellationToken cancellationToken)
    {
        if (runtime.Store is not IStoreBackup store)
        {
            throw new RuntimeConflictException("This store is one of memory and has no file to copy. Set store.kind sqlite.");
        }

        string target = DataDirectory.Inside(runtime.Configuration.Current.Get<RuntimeOptions>("runtime").DataDirectory, file);
        try
        {
            await store.BackupAsync(target, cancellationToken);
        }
        catch (IOException e)
        {
            throw new RuntimeConflictException(e.Message);
        }

        return new FileInfo(target);
    }

    public async Task<DryRunResult> DryRunAsync(MessageId id, CancellationToken cancellationToken)
    {
        JournalEntry entry = (await runtime.Journal.GetAsync(id, withBody: true, cancellationToken))?.Entry ?? throw JournalMoves.NotKept(id);
        JournalMoves.CheckContent(entry.Envelope, entry.State);
        HandlerRunner runner = Rooms.Workers.Pools.Where(pool => pool.Options.Queue == entry.Envelope.Queue).Select(static pool => pool.Runner).OfType<HandlerRunner>().FirstOrDefault()
            ?? throw new DryRunUnsupportedException($"Nothing of this program handles queue '{entry.Envelope.Queue}', so there is nothing to run.");
        return await runner.DryRunAsync(entry.Envelope, cancellationToken);
    }

    public void PausePool(string pool) => Pool(pool).Pause();

    public void ResumePool(string pool) => Pool(pool).Resume();

    public void RestartPool(string pool) => Pool(pool).Restart();

    public void ScalePool(string pool, int parallelism) => Pool(pool).Scale(parallelism);

    public void StartSource(string source) => Rooms.Sources.Start(source);

    public Task StopSourceAsync(string source, CancellationToken cancellationToken) => Rooms.Sources.StopAsync(source).WaitAsync(cancellationToken);

    public void PauseSource(string source) => Rooms.Sources.Pause(source);

    public void ResumeSource(string source) => Rooms.Sources.Resume(source);

    public async Task<int> PollSourceAsync(string source, CancellationToken cancellationToken)
    {
        try
        {
            return await Rooms.Sources.PollAsync(source, cancellationToken);
        }
        catch (NotSupportedException e)
        {
            throw new RuntimeConflictException(e.Message);
        }
    }

    public Task StartCommunicatorAsync(string communicator, CancellationToken cancellationToken) => Rooms.Outbound.StartCommunicatorAsync(Registered(communicator), cancellationToken);

    public Task StopCommunicatorAsync(string communicator, CancellationToken cancellationToken) => Rooms.Outbound.StopCommunicatorAsync(Registered(communicator), cancellationToken);

    public ValueTask<EmitResult> SendAsync(OutgoingMessage message, CancellationToken cancellationToken) => Rooms.Sender.SendAsync(message, cancellationToken);

    public void Show(Signal signal) => Rooms.Signals.Show(signal);

    /// <summary>Throws unless the runtime runs.</summary>
    public void RequireRunning()
    {
        if (runtime.State != RuntimeState.Running)
        {
            throw new RuntimeConflictException($"The runtime is {runtime.State.ToString().ToLowerInvariant()}, not running.");
        }
    }

    private void LetGo()
    {
        (string[] pools, string[] sources) = _paused ?? throw new RuntimeConflictException("The runtime is not paused.");
        _paused = null;
        (Rooms.Pools.MakesPaused, Rooms.Sources.AddsPaused) = (false, false);
        Rooms.Activity.ReleaseReceivers();
        foreach (WorkerPool pool in Pools().Where(pool => !pools.Contains(pool.Name)))
        {
            pool.Resume();
        }

        foreach (string source in Rooms.Sources.Status().Keys.Except(sources))
        {
            Rooms.Sources.Resume(source);
        }
    }

    private void HoldAll()
    {
        // What is added from here on begins paused as well.
        (Rooms.Pools.MakesPaused, Rooms.Sources.AddsPaused) = (true, true);
        _paused = ([.. Pools().Where(static pool => pool.IsPaused).Select(static pool => pool.Name)], [.. Rooms.Sources.Status().Keys.Where(Rooms.Sources.IsPaused)]);
        foreach (string source in Rooms.Sources.Status().Keys)
        {
            Rooms.Sources.Pause(source);
        }

        foreach (WorkerPool pool in Pools())
        {
            pool.Pause();
        }

        Rooms.Activity.HoldReceivers();
    }

    /// <summary>How many messages are in work, with receivers of the program too, or await their commit.</summary>
    public int InWork() => Rooms.Activity.HeldByReceivers + Pools().Sum(static pool => pool.Status() is var status ? status.Busy + status.Settling : 0);

    /// <summary>Worker pools and lanes.</summary>
    public IEnumerable<WorkerPool> Pools() => [.. Rooms.Workers.Pools, .. Rooms.Outbound.Lanes.Select(static lane => lane.Pool)];

    private WorkerPool Pool(string name) => Pools().FirstOrDefault(pool => pool.Name == name)
        ?? throw new KeyNotFoundException($"There is no worker pool '{Names.Shorten(name)}'. Pools are {string.Join(", ", Pools().Select(static pool => pool.Name).Order(StringComparer.Ordinal))}.");

    private string Declared(string queue) => Rooms.Queues.Names.Contains(queue)
        ? queue
        : throw new KeyNotFoundException($"There is no queue '{Names.Shorten(queue)}'. Queues are {string.Join(", ", Rooms.Queues.Names.Order(StringComparer.Ordinal))}.");

    private Registration Registered(string communicator) => Rooms.Outbound.Routes.Find(communicator)
        ?? throw new KeyNotFoundException($"There is no communicator '{Names.Shorten(communicator)}'. Communicators are {string.Join(", ", Rooms.Outbound.Routes.All.Select(static one => one.Name))}.");
}
