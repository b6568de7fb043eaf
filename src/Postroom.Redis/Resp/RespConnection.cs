using System.Buffers;
using System.IO.Pipelines;

namespace Postroom.Redis;

/// <summary>One connection to a server: commands go out in the order of the calls, and replies come back in that order (RD-8).</summary>
/// <remarks>
/// Safe for concurrent use. What arrives while bytes are being written goes out with the next write, so that many callers share a system call. A reply that does not
/// come in time ends the connection with everything in flight, so that no reply is ever taken for another command's.
/// </remarks>
internal sealed class RespConnection : IAsyncDisposable
{
    private const int ReadSize = 64 * 1024;
    private const int KeptBuffer = 1 << 20;

    private readonly Lock _gate = new();
    private readonly Stream _stream;
    private readonly RedisEndpoint _endpoint;
    private readonly TimeProvider _clock;
    private readonly Queue<PendingReply> _pending = new();
    private readonly CancellationTokenSource _ending = new();
    private readonly ITimer _timer;
    private readonly Task _reading;
    private ArrayBufferWriter<byte> _filling = new();
    private ArrayBufferWriter<byte> _writing = new();
    private TaskCompletionSource? _room;
    private Task _flushing = Task.CompletedTask;
    private bool _isFlushing;
    private RedisConnectionException? _ended;

    /// <summary>Speaks over a stream, which it owns from now on.</summary>
    public RespConnection(Stream stream, RedisEndpoint endpoint, RedisAddress server, TimeProvider clock)
    {
        _stream = stream;
        _endpoint = endpoint;
        _clock = clock;
        Server = server;
        _timer = clock.CreateTimer(static state => ((RespConnection)state!).OnTime(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _reading = ReadAsync();
    }

    /// <summary>The server it is connected to.</summary>
    public RedisAddress Server { get; }

    /// <summary>2 or 3; 2 until the handshake says otherwise.</summary>
    public int Protocol { get; set; } = 2;

    /// <summary>Why it has ended; null while it lives.</summary>
    public RedisConnectionException? Ended => Volatile.Read(ref _ended);

    /// <summary>Completes when it has ended.</summary>
    public Task Ending => _reading;

    /// <summary>Commands that await their reply.</summary>
    public int InFlight
    {
        get
        {
            lock (_gate)
            {
                return _pending.Count;
            }
        }
    }

    /// <summary>What the server said unasked.</summary>
    public long Pushes { get; private set; }

    /// <summary>Sends a command and gives its reply, refusals included.</summary>
    /// <param name="command">The command.</param>
    /// <param name="extra">How much longer than the time-out the reply may take, for a blocking read.</param>
    /// <param name="cancellationToken">Ends the wait; the command may run nevertheless.</param>
    /// <exception cref="RedisConnectionException">The connection has ended, before or after the command was sent.</exception>
    public async ValueTask<RespValue> SendAsync(RespCommand command, TimeSpan extra, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        PendingReply reply = new(command.Name, _clock.GetTimestamp(), _endpoint.Timeout + extra);
        while (Enqueue(command, reply) is { } room)
        {
            await room.WaitAsync(cancellationToken);
        }

        return await (cancellationToken.CanBeCanceled ? reply.Task.WaitAsync(cancellationToken) : reply.Task);
    }

    /// <summary>Ends it with what is in flight.</summary>
    public void End(RedisConnectionException why)
    {
        PendingReply[] lost;
        TaskCompletionSource? room;
        lock (_gate)
        {
            if (_ended is not null)
            {
                return;
            }

            _ended = why;
            lost = [.. _pending];
            _pending.Clear();
            (room, _room) = (_room, null);
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }

        try
        {
            _ending.Cancel(); // not under the lock: it runs what waits for it
        }
        catch (ObjectDisposedException)
        {
            // Reading had ended by itself, and whoever owns the connection was quicker.
        }

        _stream.Dispose();
        room?.TrySetResult();
        foreach (PendingReply reply in lost)
        {
            reply.TrySetException(new RedisConnectionException(why.Message, why) { MayHaveRun = true });
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        End(new RedisConnectionException($"The connection to Redis {Server} was closed."));
        await _reading;
        await _flushing;
        await _timer.DisposeAsync();
        _ending.Dispose();
    }

    /// <summary>Writes a command behind the others; where there is no room, what to wait for before the next try.</summary>
    private Task? Enqueue(RespCommand command, PendingReply reply)
    {
        lock (_gate)
        {
            if (_ended is not null)
            {
                throw new RedisConnectionException(_ended.Message, _ended);
            }

            if (_pending.Count >= _endpoint.MaxInFlight || _filling.WrittenCount >= _endpoint.MaxUnsent)
            {
                return (_room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            reply.BegunAt = _clock.GetTimestamp();
            command.WriteTo(_filling);
            _pending.Enqueue(reply);
            if (_pending.Count == 1)
            {
                _timer.Change(reply.Limit, Timeout.InfiniteTimeSpan);
            }

            if (_isFlushing)
            {
                return null;
            }

            _isFlushing = true;
        }

        _flushing = FlushAsync();
        return null;
    }

    private async Task FlushAsync()
    {
        try
        {
            for (int round = 0; TakeFilled(); round++)
            {
                await _stream.WriteAsync(_writing.WrittenMemory, _ending.Token);
                if (round == 0)
                {
                    await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding); // the caller waits for its own reply, not for the others' bytes
                }
            }
        }
        catch (Exception e)
        {
            End(new RedisConnectionException($"Redis {Server} cannot be written to: {e.Message}", e));
        }
    }

    private bool TakeFilled()
    {
        TaskCompletionSource? room;
        lock (_gate)
        {
            if (_writing.Capacity > KeptBuffer)
            {
                _writing = new ArrayBufferWriter<byte>();
            }
            else
            {
                _writing.ResetWrittenCount();
            }

            if (_filling.WrittenCount == 0 || _ended is not null)
            {
                _isFlushing = false;
                return false;
            }

            (_filling, _writing) = (_writing, _filling);
            (room, _room) = (_room, null);
        }

        room?.TrySetResult();
        return true;
    }

    private async Task ReadAsync()
    {
        RespParser parser = new(_endpoint.Limits);
        PipeReader reader = PipeReader.Create(_stream, new StreamPipeReaderOptions(bufferSize: ReadSize, minimumReadSize: ReadSize / 4, leaveOpen: true));
        try
        {
            while (true)
            {
                ReadResult read = await reader.ReadAsync(_ending.Token);
                ReadOnlySequence<byte> buffer = read.Buffer;
                while (parser.TryRead(ref buffer, out RespValue value))
                {
                    Answer(value);
                }

                bool isCut = parser.IsWithinReply || !buffer.IsEmpty;
                reader.AdvanceTo(buffer.Start, buffer.End);
                if (read.IsCompleted)
                {
                    End(new RedisConnectionException($"Redis {Server} closed the connection{(isCut ? " in the middle of a reply" : "")}."));
                    break;
                }
            }
        }
        catch (RespProtocolException e)
        {
            End(new RedisConnectionException($"Redis {Server} does not keep to the protocol. {e.Message}", e));
        }
        catch (Exception e)
        {
            End(new RedisConnectionException($"The connection to Redis {Server} broke: {e.Message}", e));
        }

        await reader.CompleteAsync();
    }

    private void Answer(in RespValue value)
    {
        if (value.Kind == RespKind.Push)
        {
            Pushes++;
            return;
        }

        PendingReply? reply;
        TaskCompletionSource? room = null;
        lock (_gate)
        {
            if (!_pending.TryDequeue(out reply))
            {
                throw new RespProtocolException("A reply came that no command waits for.");
            }

            if (_room is not null && _filling.WrittenCount < _endpoint.MaxUnsent)
            {
                (room, _room) = (_room, null);
            }

            // The timer goes on as it is set: it looks at the next reply's own limit when it fires.
            if (_pending.Count == 0)
            {
                _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }

        room?.TrySetResult();
        reply.TrySetResult(value);
    }

    private void OnTime()
    {
        PendingReply late;
        lock (_gate)
        {
            if (_ended is not null || !_pending.TryPeek(out late!))
            {
                return;
            }

            TimeSpan left = late.Limit - _clock.GetElapsedTime(late.BegunAt);
            if (left > TimeSpan.Zero)
            {
                _timer.Change(left, Timeout.InfiniteTimeSpan);
                return;
            }
        }

        End(new RedisConnectionException(
            $"Redis {Server} did not answer {late.Command} in {late.Limit.TotalSeconds:0.###} s ({InFlight} commands await their reply). Nobody knows whether they ran."));
    }

    /// <summary>A command that awaits its reply.</summary>
    private sealed class PendingReply(string command, long begunAt, TimeSpan limit) : TaskCompletionSource<RespValue>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public string Command { get; } = command;

        public TimeSpan Limit { get; } = limit;

        public long BegunAt { get; set; } = begunAt;
    }
}
