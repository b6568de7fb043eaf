using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Postroom.Outbound;

/// <content>Connections: one for each name, begun and ended in the name's turn.</content>
internal sealed partial class OutboundRoom
{
    private const string NotStartedText = "The communicator says that it is not started; it is started again.";

    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);
    private static readonly Backoff StartBackoff = new(TimeSpan.FromSeconds(1), 2, TimeSpan.FromSeconds(60), 0.2);

    private readonly ConcurrentDictionary<string, SemaphoreSlim> _turns = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Connection> _connections = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, byte> _stopped = new(StringComparer.Ordinal); // by operators
    private volatile bool _communicatorsRun;

    /// <summary>Starts communicators side by side, but for those that an operator stopped; one that cannot is tried again in the background.</summary>
    public async Task StartCommunicatorsAsync(CancellationToken cancellationToken)
    {
        _communicatorsRun = true;
        await Task.WhenAll(routes.All.Where(registration => !_stopped.ContainsKey(registration.Name)).Select(registration => TryConnectAsync(registration, cancellationToken)));
    }

    public async Task StopCommunicatorsAsync(CancellationToken cancellationToken)
    {
        _communicatorsRun = false;
        foreach (Registration registration in routes.All.Reverse())
        {
            await DisconnectAsync(registration, cancellationToken);
        }
    }

    /// <summary>Connects one that was stopped; returns after its first try.</summary>
    public Task StartCommunicatorAsync(Registration registration, CancellationToken cancellationToken)
    {
        _stopped.TryRemove(registration.Name, out _);
        return TryConnectAsync(registration, cancellationToken);
    }

    /// <summary>Disconnects one after the sends in progress; its messages wait until it is connected again, also when it is replaced meanwhile.</summary>
    public Task StopCommunicatorAsync(Registration registration, CancellationToken cancellationToken)
    {
        _stopped[registration.Name] = 0;
        return DisconnectAsync(registration, cancellationToken);
    }

    private async Task DisconnectAsync(Registration registration, CancellationToken cancellationToken)
    {
        using Turn turn = await TurnOrNoneAsync(registration.Name, cancellationToken);
        await EndAsync(registration.Name, cancellationToken);
        await StopAsync(registration, cancellationToken);
    }

    private async Task TryConnectAsync(Registration registration, CancellationToken cancellationToken)
    {
        Task tried;
        using (await TurnAsync(registration.Name, cancellationToken))
        {
            if (!IsCurrent(registration))
            {
                return; // The turn of its successor connects that one.
            }

            tried = Connect(registration);
        }

        try
        {
            await tried.WaitAsync(StartPatience, clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            string why = $"It has not started within {StartPatience.TotalSeconds:0} s; its start goes on.";
            GateOf(registration)?.CloseUnlessOpen(why);
            LogConnect(registration.Name, why);
        }
    }

    /// <summary>
    /// Keeps trying to start a communicator: at once, or after a second when it was started before, then doubling to 60 s. The result ends
    /// with the first try. Called in the name's turn.
    /// </summary>
    private Task Connect(Registration registration, bool again = false)
    {
        if (registration.Communicator is NoOpCommunicator noOp)
        {
            GateOf(registration)?.Close(noOp.Reason);
            return Task.CompletedTask;
        }

        if (_connections.TryGetValue(registration.Name, out Connection? known) && ReferenceEquals(known.Registration, registration) && known.IsTrying)
        {
            return known.Tried; // It is trying already.
        }

        Connection connection = new(registration, clock.GetTimestamp());
        connection.Loop = Task.Run(() => ConnectAsync(connection, again ? 1 : 0), CancellationToken.None);
        _connections[registration.Name] = connection;
        return connection.Tried;
    }

    private async Task ConnectAsync(Connection connection, int failures)
    {
        Registration registration = connection.Registration;
        CancellationToken cancellationToken = connection.Stop.Token;
        try
        {
            while (!cancellationToken.IsCancellationRequested)
            {
                try
                {
                    if (failures > 0)
                    {
                        await Task.Delay(StartBackoff.After(failures, random()), clock, cancellationToken);
                    }

                    await registration.Communicator.StartAsync(cancellationToken);
                    if (cancellationToken.IsCancellationRequested)
                    {
                        await registration.Communicator.StopAsync(CancellationToken.None); // It has started after it was given up.
                        return;
                    }

                    if (registration.Communicator.IsStarted)
                    {
                        connection.IsTrying = false; // Before the lane can find out that it is lost again.
                        GateOf(registration)?.Open();
                        if (failures > 0 || clock.GetElapsedTime(connection.Since) >= StartPatience)
                        {
                            LogConnected(registration.Name, Duration.Format(Whole(clock.GetElapsedTime(connection.Since))));
                        }

                        return;
                    }

                    Failed(registration, NotStartedText);
                }
                catch (Exception e) when (!cancellationToken.IsCancellationRequested)
                {
                    Failed(registration, e.Message);
                }

                failures++;
                connection.HasTried();
            }
        }
        finally
        {
            connection.IsTrying = false;
            connection.HasTried();
        }
    }

    /// <summary>Whole seconds of what took one or more: nobody reads the rest.</summary>
    private static TimeSpan Whole(TimeSpan span) => span < TimeSpan.FromSeconds(1) ? TimeSpan.FromMilliseconds(Math.Floor(span.TotalMilliseconds)) : TimeSpan.FromSeconds(Math.Floor(span.TotalSeconds));

    private void Failed(Registration registration, string why)
    {
        GateOf(registration)?.Close(why);
        LogConnect(registration.Name, why);
    }

    /// <summary>A communicator that had started says in front of a message that it is not: the lane waits, and it is started again.</summary>
    private void Lost(Registration registration)
    {
        if (GateOf(registration)?.CloseIfOpen(NotStartedText) == true)
        {
            LogConnect(registration.Name, NotStartedText);
            _ = StartAgainAsync(registration);
        }
    }

    private async Task StartAgainAsync(Registration registration)
    {
        using Turn turn = await TurnAsync(registration.Name, CancellationToken.None);
        if (_communicatorsRun && IsCurrent(registration))
        {
            _ = Connect(registration, again: true);
        }
    }

    /// <summary>Ends the connection of a name when it belongs to a communicator that was replaced or taken away.</summary>
    private ValueTask EndStaleAsync(string name, CancellationToken cancellationToken)
    {
        return _connections.TryGetValue(name, out Connection? connection) && !IsCurrent(connection.Registration) ? EndAsync(name, cancellationToken) : default;
    }

    /// <summary>Ends the tries to start a communicator, and closes its lane. A start that ignores its token is left to itself after a few seconds.</summary>
    private async ValueTask EndAsync(string name, CancellationToken cancellationToken)
    {
        if (!_connections.TryRemove(name, out Connection? connection))
        {
            return;
        }

        await connection.Stop.CancelAsync();
        await connection.Loop.WaitAsync(StopPatience, clock, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (connection.Loop.IsCompleted)
        {
            connection.Stop.Dispose();
        }

        if (_lanes.TryGetValue(name, out OutboundLane? lane))
        {
            lane.Gate.Close("The communicator has stopped.");
        }
    }

    /// <summary>Stops a communicator, which waits for the send in progress. One that takes longer than that may is left to itself.</summary>
    public async Task StopAsync(Registration registration, CancellationToken cancellationToken)
    {
        TimeSpan patience = registration.Config.Outbound.SendTimeout + StopPatience;
        try
        {
            await registration.Communicator.StopAsync(cancellationToken).WaitAsync(patience, clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            LogStop(registration.Name, $"it has not ended within {patience.TotalSeconds:0} s and is left to itself");
        }
        catch (Exception e)
        {
            LogStop(registration.Name, e.Message);
        }
    }

    /// <summary>Whether a registration is the one of its name, and not replaced or taken away.</summary>
    private bool IsCurrent(Registration registration) => ReferenceEquals(routes.Find(registration.Name), registration);

    /// <summary>The gate that a registration may open and close; null for one that is replaced or taken away.</summary>
    private LaneGate? GateOf(Registration registration) =>
        IsCurrent(registration) && _lanes.TryGetValue(registration.Name, out OutboundLane? lane) ? lane.Gate : null;

    /// <summary>Waits until nobody else changes the lane and the connection of a name.</summary>
    private async ValueTask<Turn> TurnAsync(string name, CancellationToken cancellationToken)
    {
        SemaphoreSlim free = _turns.GetOrAdd(name, static _ => new SemaphoreSlim(1, 1));
        await free.WaitAsync(cancellationToken);
        return new Turn(free);
    }

    /// <summary>As <see cref="TurnAsync"/>, but once the time is over without a turn: a stop stops the others all the same.</summary>
    private async ValueTask<Turn> TurnOrNoneAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            return await TurnAsync(name, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            return default;
        }
    }

    [LoggerMessage(450, LogLevel.Warning, "Communicator '{Name}' could not start and is tried again: {Why}")]
    private partial void LogConnect(string name, string why);

    [LoggerMessage(452, LogLevel.Information, "Communicator '{Name}' is connected after {Away} without a connection.")]
    private partial void LogConnected(string name, string away);

    [LoggerMessage(451, LogLevel.Warning, "Communicator '{Name}' did not stop in order: {Why}")]
    private partial void LogStop(string name, string why);

    /// <summary>The tries to start a communicator, ended or not.</summary>
    private sealed class Connection(Registration registration, long since)
    {
        private readonly TaskCompletionSource _tried = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _isTrying = true;

        public Registration Registration { get; } = registration;

        /// <summary>When the tries began, in ticks of the clock: since then it is away.</summary>
        public long Since { get; } = since;

        public CancellationTokenSource Stop { get; } = new();

        public Task Loop { get; set; } = Task.CompletedTask;

        /// <summary>Completes with the first try.</summary>
        public Task Tried => _tried.Task;

        /// <summary>Whether it will open the lane, or go on trying to.</summary>
        public bool IsTrying
        {
            get => _isTrying;
            set => _isTrying = value;
        }

        public void HasTried() => _tried.TrySetResult();
    }

    private readonly struct Turn(SemaphoreSlim? free) : IDisposable
    {
        public void Dispose() => free?.Release();
    }
}
