using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Postroom.Testing;

/// <summary>Listens on a free loopback port and serves each connection on its own. Safe for concurrent use.</summary>
/// <param name="serve">Serves one connection, which has a number from 1, until it ends.</param>
internal sealed class FakeConnections(Func<TcpClient, int, CancellationToken, Task> serve) : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<TcpClient, Task> _open = new();
    private TcpListener? _listener;
    private Task _accepting = Task.CompletedTask;
    private int _accepted;

    /// <summary>The port; 0 before the first start.</summary>
    public int Port { get; private set; }

    /// <summary>How many connections came so far.</summary>
    public int Count => Volatile.Read(ref _accepted);

    /// <summary>Whether it takes connections; false ends those there are, and true listens on the same port again.</summary>
    public bool IsUp
    {
        get => _listener is not null;
        set
        {
            if (value && _listener is null)
            {
                Listen();
            }
            else if (!value)
            {
                Close();
            }
        }
    }

    /// <summary>Ends every open connection without a word.</summary>
    public void Drop()
    {
        foreach (TcpClient connection in _open.Keys)
        {
            connection.Dispose();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        Close();
        await Task.WhenAll([_accepting, .. _open.Values]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private void Listen()
    {
        TcpListener listener = new(IPAddress.Loopback, Port);
        listener.Start(512);
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        _listener = listener;
        _accepting = AcceptAsync(listener);
    }

    private void Close()
    {
        _listener?.Dispose();
        _listener = null;
        Drop();
    }

    private async Task AcceptAsync(TcpListener listener)
    {
        while (!_stopping.IsCancellationRequested)
        {
            TcpClient connection;
            try
            {
                connection = await listener.AcceptTcpClientAsync(_stopping.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }

            int number = Interlocked.Increment(ref _accepted);
            TaskCompletionSource added = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _open[connection] = ServeAsync(connection, number, added.Task);
            added.SetResult();
        }
    }

    private async Task ServeAsync(TcpClient connection, int number, Task added)
    {
        await added;
        using (connection)
        {
            try
            {
                await serve(connection, number, _stopping.Token);
            }
            catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException or System.Security.Authentication.AuthenticationException)
            {
                // The other side went away or refused the handshake, or the server stops.
            }
            finally
            {
                _open.TryRemove(connection, out _);
            }
        }
    }
}
