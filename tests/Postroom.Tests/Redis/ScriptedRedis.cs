using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Redis;

namespace Postroom.Tests.Redis;

/// <summary>A server that says what a test tells it to, for what a real one does not say.</summary>
internal sealed class ScriptedRedis : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _accepting;
    private readonly Func<ScriptedConversation, Task> _script;
    private int _connections;

    /// <summary>Begins to listen.</summary>
    /// <param name="script">Is run for each connection; the connection is closed when it returns.</param>
    public ScriptedRedis(Func<ScriptedConversation, Task> script)
    {
        _script = script;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public int Connections => Volatile.Read(ref _connections);

    public RedisEndpoint Endpoint => new() { Address = RedisAddress.Parse($"redis://127.0.0.1:{Port}") };

    /// <summary>A client of it.</summary>
    public RedisClient Connect(RedisEndpoint? endpoint = null) => new(endpoint ?? Endpoint, TimeProvider.System, NullLogger.Instance, () => 0.5);

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _ending.Dispose();
    }

    private async Task AcceptAsync()
    {
        List<Task> running = [];
        try
        {
            while (true)
            {
                Socket socket = await _listener.AcceptSocketAsync(_ending.Token);
                running.Add(RunAsync(socket, Interlocked.Increment(ref _connections)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }

        await Task.WhenAll(running);
    }

    private async Task RunAsync(Socket socket, int number)
    {
        await using NetworkStream stream = new(socket, ownsSocket: true);
        try
        {
            await _script(new ScriptedConversation(stream, number, _ending.Token));
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
        }
    }
}

/// <summary>One connection to a <see cref="ScriptedRedis"/>.</summary>
internal sealed class ScriptedConversation(Stream stream, int number, CancellationToken ending)
{
    private readonly RespParser _parser = new(new RespLimits());
    private byte[] _kept = [];

    /// <summary>1 for the first connection.</summary>
    public int Number => number;

    /// <summary>Lasts until the server ends.</summary>
    public Task Silence => Task.Delay(Timeout.Infinite, ending);

    /// <summary>The next command, its words with blanks between; null when the other side has closed.</summary>
    public async Task<string?> ReadAsync()
    {
        byte[] chunk = new byte[4_096];
        while (true)
        {
            ReadOnlySequence<byte> buffer = new(_kept);
            bool whole = _parser.TryRead(ref buffer, out RespValue command);
            _kept = buffer.ToArray();
            if (whole)
            {
                return string.Join(' ', command.Items.Select(item => item.AsText()));
            }

            int count = await stream.ReadAsync(chunk, ending);
            if (count == 0)
            {
                return null;
            }

            _kept = [.. _kept, .. chunk.AsSpan(0, count)];
        }
    }

    public async Task SayAsync(string text) => await stream.WriteAsync(Encoding.Latin1.GetBytes(text), ending);

    /// <summary>Answers what a client says first, in RESP2.</summary>
    public async Task GreetAsync()
    {
        while (await ReadAsync() is { } command)
        {
            if (command.StartsWith("HELLO", StringComparison.Ordinal))
            {
                await SayAsync("-ERR unknown command 'HELLO'\r\n");
            }
            else if (command == "PING")
            {
                await SayAsync("+PONG\r\n");
            }
            else
            {
                await SayAsync("+OK\r\n");
                if (command.StartsWith("CLIENT SETNAME", StringComparison.Ordinal))
                {
                    return;
                }
            }
        }
    }
}
