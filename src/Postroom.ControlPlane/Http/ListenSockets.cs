using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;

namespace Postroom.ControlPlane;

/// <summary>
/// Opens the sockets that HTTP listens on, takes those over that another program had opened, and keeps them through a hot restart (SPEC RS-9): what Kestrel closes
/// at its stop is the connections only. Safe for concurrent use.
/// </summary>
internal sealed class ListenSockets : IConnectionListenerFactory, IConnectionListenerFactorySelector, IDisposable
{
    private const int Backlog = 512; // what Kestrel asks for

    private readonly Lock _gate = new();
    private readonly List<(string Key, Socket Socket)> _inherited = [];
    private readonly List<KeptListener> _open = [];
    private bool _keeps;

    /// <summary>Whether sockets stay open when their listener ends, for the next program.</summary>
    public bool Keeps
    {
        get
        {
            lock (_gate)
            {
                return _keeps;
            }
        }
    }

    /// <summary>The sockets that are listened on, each with the address it was asked for.</summary>
    public IReadOnlyList<(string Key, Socket Socket)> Open
    {
        get
        {
            lock (_gate)
            {
                return [.. _open.Select(static listener => (listener.Key, listener.Socket))];
            }
        }
    }

    /// <summary>Sockets that another program opened and nobody has asked for yet.</summary>
    public IReadOnlyList<string> Unused
    {
        get
        {
            lock (_gate)
            {
                return [.. _inherited.Select(static one => one.Key)];
            }
        }
    }

    /// <summary>The name under which a socket is handed over: the address as it was asked for, a port of 0 included.</summary>
    public static string KeyOf(EndPoint endpoint) => endpoint is UnixDomainSocketEndPoint unix ? $"unix:{unix}" : endpoint.ToString() ?? "";

    /// <summary>Adds a listening socket of another program, to be used for an address.</summary>
    /// <param name="key">The address; null for the one it is bound to.</param>
    /// <param name="descriptor">Its descriptor in this process; this owns it from now on.</param>
    public void Inherit(string? key, int descriptor)
    {
        Socket socket = new(new SafeSocketHandle(descriptor, ownsHandle: true));
        lock (_gate)
        {
            _inherited.Add((key ?? KeyOf(socket.LocalEndPoint!), socket));
        }
    }

    /// <summary>From now on no connection is accepted, what has been accepted is served, and what comes waits in the backlog of the sockets, which stay open.</summary>
    public void KeepOpen()
    {
        lock (_gate)
        {
            _keeps = true;
            _open.ForEach(static listener => listener.StopAccepting());
        }
    }

    /// <inheritdoc/>
    public bool CanBind(EndPoint endpoint) => endpoint is IPEndPoint or UnixDomainSocketEndPoint;

    /// <inheritdoc/>
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        string key = KeyOf(endpoint);
        lock (_gate)
        {
            int found = _inherited.FindIndex(one => one.Key == key);
            Socket socket;
            if (found >= 0)
            {
                socket = _inherited[found].Socket;
                _inherited.RemoveAt(found);
            }
            else
            {
                socket = Bind(endpoint);
            }

            KeptListener listener = new(this, key, socket);
            _open.Add(listener);
            return new ValueTask<IConnectionListener>(listener);
        }
    }

    /// <summary>Closes what nobody uses.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _inherited.ForEach(static one => one.Socket.Dispose());
            _inherited.Clear();
            if (_keeps)
            {
                _open.ForEach(static listener => listener.Socket.Dispose());
            }
        }
    }

    private static Socket Bind(EndPoint endpoint)
    {
        try
        {
            Socket socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
            socket.Listen(Backlog);
            return socket;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            throw new AddressInUseException(e.Message, e); // the type by which Kestrel tells it from other failures
        }
    }

    private void Ended(KeptListener listener)
    {
        lock (_gate)
        {
            if (!_keeps)
            {
                _open.Remove(listener);
                listener.Socket.Dispose();
            }
        }
    }

    /// <summary>Accepts on a socket that outlives it.</summary>
    private sealed class KeptListener(ListenSockets owner, string key, Socket socket) : IConnectionListener
    {
        // A client sends its request right behind the handshake; one that was accepted a moment ago is given that moment before idle connections are closed.
        private static readonly TimeSpan Arrival = TimeSpan.FromMilliseconds(15);

        private readonly CancellationTokenSource _stop = new();
        private readonly SocketConnectionContextFactory _connections = new(new SocketConnectionFactoryOptions(), NullLogger.Instance);

        public string Key => key;

        public Socket Socket => socket;

        public EndPoint EndPoint { get; } = socket.LocalEndPoint!;

        public void StopAccepting() => _stop.Cancel();

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            while (true)
            {
                try
                {
                    // Cancelled, never closed, to end the wait: closing would tear down the socket for the next program too, and with it the connections that wait there.
                    Socket accepted = await socket.AcceptAsync(_stop.Token);
                    if (accepted.LocalEndPoint is IPEndPoint)
                    {
                        accepted.NoDelay = true;
                    }

                    return _connections.Create(accepted);
                }
                catch (OperationCanceledException)
                {
                    return null;
                }
                catch (ObjectDisposedException)
                {
                    return null;
                }
                catch (SocketException e) when (e.SocketErrorCode == SocketError.OperationAborted)
                {
                    return null;
                }
                catch (SocketException)
                {
                    // The client left before it was accepted.
                }
            }
        }

        public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            await _stop.CancelAsync();
            if (owner.Keeps)
            {
                await Task.Delay(Arrival, TimeProvider.System, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            else
            {
                owner.Ended(this); // the address is free from here on
            }
        }

        public ValueTask DisposeAsync()
        {
            owner.Ended(this);
            _connections.Dispose();
            _stop.Dispose();
            return default;
        }
    }
}
