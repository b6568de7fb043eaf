using Microsoft.Extensions.Logging;

namespace Postroom.Redis;

/// <summary>A connection that is there whenever the server is: it connects, connects again with growing waits, asks Sentinels, and classifies refusals (RD-8, RD-9).</summary>
/// <remarks>
/// Safe for concurrent use; commands of all callers share one connection. Blocking reads need a client of their own, since all behind them would wait. A call waits for a
/// connection at most for the time-out. Refusals that mean "not now" are tried again within it; a command that may have run is never repeated here.
/// </remarks>
internal sealed partial class RedisClient : IAsyncDisposable
{
    /// <summary>The waits between tries to connect.</summary>
    public static readonly Backoff Waits = new(TimeSpan.FromMilliseconds(50), 2, TimeSpan.FromSeconds(30), 0.2);

    /// <summary>How long the server is not asked again after it refused user, password or permission.</summary>
    public static readonly TimeSpan RefusedFor = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan Brief = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RoleEvery = TimeSpan.FromMilliseconds(50);

    private readonly RedisEndpoint _endpoint;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly Func<double> _random;
    private readonly RedisSentinels _sentinels;
    private readonly CancellationTokenSource _closing = new();
    private readonly RefusalGate _refusals;
    private readonly Lock _gate = new();
    private readonly Task _connecting;
    private TaskCompletionSource<RespConnection> _connected = New();
    private RespConnection? _current;
    private Exception? _problem;
    private long _connects;
    private int _disposals;

    /// <summary>Begins to connect.</summary>
    /// <param name="endpoint">Where to.</param>
    /// <param name="clock">Runs all times.</param>
    /// <param name="log">Is told of connects and failures.</param>
    /// <param name="random">A number from 0 to 1, for the jitter.</param>
    public RedisClient(RedisEndpoint endpoint, TimeProvider clock, ILogger log, Func<double> random)
    {
        _endpoint = endpoint;
        _clock = clock;
        _log = log;
        _random = random;
        _sentinels = new RedisSentinels(endpoint, clock);
        _refusals = new RefusalGate(clock, RefusedFor);
        _connecting = ConnectAsync();
    }

    /// <summary>Whether a connection is there.</summary>
    public bool IsConnected => _connected.Task.IsCompletedSuccessfully;

    /// <summary>Why there is no connection; null while there is one or the first try has not ended.</summary>
    public Exception? Problem => Volatile.Read(ref _problem);

    /// <summary>The server it is or was connected to; null before the first time.</summary>
    public RedisAddress? Server => _current?.Server;

    /// <summary>How many times it has connected: a caller that sees it change knows that the server may be another one.</summary>
    public long Connects => Volatile.Read(ref _connects);

    /// <summary>Runs a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="cancellationToken">Ends the wait; a command that was sent may run nevertheless.</param>
    /// <param name="extra">How much longer than the time-out the reply may take, for a blocking read; zero unless set.</param>
    /// <exception cref="RedisConnectionException">There is no connection, or it ended; <see cref="RedisConnectionException.MayHaveRun"/> says whether the command may have run.</exception>
    /// <exception cref="RedisException">The server refused it.</exception>
    public async ValueTask<RespValue> CallAsync(RespCommand command, CancellationToken cancellationToken, TimeSpan extra = default)
    {
        long begun = _clock.GetTimestamp();
        for (int tries = 1; ; tries++)
        {
            _refusals.Check(command.Name);
            RespConnection connection = await GetAsync(cancellationToken);
            RespValue reply = await connection.SendAsync(command, extra, cancellationToken);
            if (!reply.IsError)
            {
                return reply;
            }

            RedisException refusal = RedisException.For(connection.Server.ToString(), command.Name, reply);
            OnRefusal(connection, command, refusal);
            TimeSpan wait = Waits.After(tries, _random());
            if (refusal.Fault != RedisFault.NotNow || _clock.GetElapsedTime(begun) + wait >= _endpoint.Timeout)
            {
                throw refusal;
            }

            await Task.Delay(wait, _clock, cancellationToken);
        }
    }

    /// <summary>Ends the connection that is there, so that a blocking read ends at once; it connects again.</summary>
    /// <param name="why">Why, for the calls that it ends.</param>
    public void Interrupt(string why) => _current?.End(new RedisConnectionException(why));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposals, 1) != 0)
        {
            return;
        }

        await _closing.CancelAsync();
        await _connecting;
        lock (_gate)
        {
            Observe(_connected);
            _connected.TrySetException(Closed());
        }

        _closing.Dispose();
    }

    private async ValueTask<RespConnection> GetAsync(CancellationToken cancellationToken)
    {
        Task<RespConnection> task;
        lock (_gate)
        {
            task = _connected.Task;
        }

        if (task.IsCompletedSuccessfully)
        {
            RespConnection connection = await task;
            if (connection.Ended is not { } why)
            {
                return connection;
            }

            task = Withdraw(connection, why);
        }

        try
        {
            return await task.WaitAsync(_endpoint.Timeout, _clock, cancellationToken) is { Ended: null } connection ? connection : throw Unreachable();
        }
        catch (TimeoutException)
        {
            // A wrong password is not asked again for a while; whoever comes meanwhile is told the same.
            throw Problem is RedisException { Fault: RedisFault.Configuration } refusal ? refusal : Unreachable();
        }
    }

    private RedisConnectionException Unreachable() => Problem is { } problem
        ? new RedisConnectionException(problem.Message, problem)
        : new RedisConnectionException($"There is no connection to Redis {_endpoint.Address} yet.");

    private RedisConnectionException Closed() => new($"The client of Redis {_endpoint.Address} is closed.");

    private void OnRefusal(RespConnection connection, RespCommand command, RedisException refusal)
    {
        if (refusal.Code is "READONLY" or "MASTERDOWN" or "NOAUTH")
        {
            // The master is somewhere else now, or wants to know who this is: both are found out by connecting again.
            connection.End(new RedisConnectionException(refusal.Message, refusal));
        }

        if (refusal.Fault == RedisFault.Configuration)
        {
            _refusals.Close(refusal.Code == "NOPERM" ? command.Name : null, refusal);
        }
    }

    /// <summary>Connects, waits until the connection ends, and begins anew.</summary>
    private async Task ConnectAsync()
    {
        for (int failures = 0; !_closing.IsCancellationRequested;)
        {
            try
            {
                await using RespConnection connection = await OpenAsync(_closing.Token);
                using CancellationTokenRegistration closing = _closing.Token.UnsafeRegister(
                    static state => ((RespConnection)state!).End(new RedisConnectionException("The client is closed.")), connection);
                Offer(connection);
                long begun = _clock.GetTimestamp();
                await connection.Ending;
                _ = Withdraw(connection, connection.Ended!);
                if (!_closing.IsCancellationRequested)
                {
                    Log.Lost(_log, connection.Ended!.Message);
                }

                // One that ends as soon as it begins is a failure too: it is not repeated without a wait.
                failures = _clock.GetElapsedTime(begun) < Brief ? failures + 1 : 0;
                if (failures > 0)
                {
                    await Task.Delay(Waits.After(failures, _random()), _clock, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
            catch (OperationCanceledException) when (_closing.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                failures++;
                Volatile.Write(ref _problem, e);
                TimeSpan wait = Waits.After(failures, _random());
                if (e is RedisException { Fault: RedisFault.Configuration })
                {
                    wait = wait > RefusedFor ? wait : RefusedFor;
                    Refuse(e);
                }

                Log.Unreachable(_log, e.Message, wait);
                await Task.Delay(wait, _clock, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task<RespConnection> OpenAsync(CancellationToken cancellationToken)
    {
        if (_endpoint.Sentinels.Count == 0)
        {
            return await RespHandshake.ConnectAsync(_endpoint.Address, _endpoint, _clock, cancellationToken);
        }

        RedisAddress master = await _sentinels.FindMasterAsync(cancellationToken);
        RespConnection connection = await RespHandshake.ConnectAsync(master, _endpoint, _clock, cancellationToken);
        try
        {
            // A Sentinel may be late: what it names may just have become a replica, or not yet be the master.
            RespValue role = await RespHandshake.DemandAsync(connection, new RespCommand("ROLE"), cancellationToken);
            return role.Items is [var name, ..] && name.AsText() == "master"
                ? connection
                : throw new RedisConnectionException($"Redis {master} is not the master that the Sentinels say it is.");
        }
        catch
        {
            await connection.DisposeAsync();
            await Task.Delay(RoleEvery, _clock, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }

    private void Offer(RespConnection connection)
    {
        Interlocked.Increment(ref _connects);
        Log.Connected(_log, connection.Server, _endpoint.ClientName, connection.Protocol);
        lock (_gate)
        {
            _problem = null;
            _current = connection;
            if (_connected.Task.IsCompleted)
            {
                Observe(_connected);
                _connected = New();
            }

            _connected.SetResult(connection);
        }
    }

    /// <summary>Takes an ended connection back, once.</summary>
    /// <returns>What to wait for instead.</returns>
    private Task<RespConnection> Withdraw(RespConnection ended, RedisConnectionException why)
    {
        lock (_gate)
        {
            if (_connected.Task.IsCompletedSuccessfully && ReferenceEquals(_current, ended))
            {
                _problem = why;
                _connected = New();
            }

            return _connected.Task;
        }
    }

    /// <summary>Answers all calls with a refusal until the next try.</summary>
    private void Refuse(Exception why)
    {
        lock (_gate)
        {
            TaskCompletionSource<RespConnection> before = _connected;
            _connected = New();
            Observe(before);
            before.TrySetException(why);
            _refusals.Close(null, (RedisException)why);
        }
    }

    private static TaskCompletionSource<RespConnection> New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>A failure that nobody waited for is no unobserved one.</summary>
    private static void Observe(TaskCompletionSource<RespConnection> source) => _ = source.Task.ContinueWith(
        static task => _ = task.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
}
