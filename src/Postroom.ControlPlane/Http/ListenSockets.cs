using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Postroom.ControlPlane;

/// <summary>
/// Opens the sockets that HTTP listens on, takes those over that another program had opened, and keeps them through a hot restart (SPEC RS-9): what Kestrel closes
/// at its stop is the connections only. Safe for concurrent use.
/// </summary>
internal sealed class ListenSockets : IDisposable
{
    private static readonly int Backlog = new SocketTransportOptions().Backlog;

    private readonly Lock _gate = new();
    private readonly List<(string Key, Socket Socket)> _inherited = [];
    private readonly List<KeptListener> _open = [];
    private readonly List<(string Key, Socket Socket)> _bound = [];
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

    /// <summary>The name under which a socket is handed over: the address as it was asked for, a port of 0 included.</summary>
    public static string KeyOf(EndPoint endpoint) => endpoint is UnixDomainSocketEndPoint unix ? $"unix:{unix}" : endpoint.ToString() ?? "";

    /// <summary>Adds a listening socket of another program, to be used for an address.</summary>
    /// <param name="key">The address; null for the one it is bound to.</param>
    /// <param name="descriptor">Its descriptor in this process; this owns it from now on.</param>
    /// <exception cref="InvalidOperationException">It is no bound socket.</exception>
    public void Inherit(string? key, int descriptor)
    {
        Socket socket;
        EndPoint? bound;
        SafeSocketHandle handle = new(descriptor, ownsHandle: true);
        try
        {
            socket = new Socket(handle);
            bound = socket.LocalEndPoint;
        }
        catch (SocketException e)
        {
            handle.SetHandleAsInvalid(); // it is something of somebody else, which is not to be closed
            throw new InvalidOperationException($"Descriptor {descriptor}, which was handed over as a listening socket (LISTEN_FDS), is none: {e.Message} Start the program without it, or mend the socket unit.", e);
        }

        if (bound is null)
        {
            throw new InvalidOperationException($"Descriptor {descriptor}, which was handed over as a listening socket (LISTEN_FDS), is bound to no address. Start the program without it, or mend the socket unit.");
        }

        lock (_gate)
        {
            _inherited.Add((key ?? KeyOf(bound), socket));
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

    /// <summary>Makes the sockets of addresses ahead, so that none of them can be refused any more. False when one cannot be had, or is known only to the system, as a name is: nothing is made then.</summary>
    /// <param name="urls">The addresses, each once or several times.</param>
    public bool TryBind(IReadOnlyList<string> urls)
    {
        lock (_gate)
        {
            List<(string Key, Socket Socket)> made = [];
            foreach (string url in urls.Distinct(StringComparer.OrdinalIgnoreCase))
            {
                BindingAddress address = BindingAddress.Parse(url);
                if (!IPAddress.TryParse(address.Host.Trim('[', ']'), out IPAddress? ip) || !TryMake(new IPEndPoint(ip, address.Port), made))
                {
                    made.ForEach(static one => one.Socket.Dispose());
                    return false;
                }
            }

            _inherited.AddRange(made);
            return true;
        }
    }

    /// <summary>Makes or takes over the socket of an address, for Kestrel's transport, which listens on it.</summary>
    public Socket Bind(EndPoint endpoint)
    {
        string key = KeyOf(endpoint);
        lock (_gate)
        {
            int found = _inherited.FindIndex(one => one.Key == key);
            Socket socket = found >= 0 ? _inherited[found].Socket : SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
            if (found >= 0)
            {
                _inherited.RemoveAt(found);
            }

            _bound.Add((key, socket));
            return socket;
        }
    }

    /// <summary>A listener over Kestrel's own whose socket can outlive it.</summary>
    public IConnectionListener Keep(IConnectionListener listener, EndPoint endpoint)
    {
        string key = KeyOf(endpoint);
        lock (_gate)
        {
            int bound = _bound.FindIndex(one => one.Key == key);
            KeptListener kept = new(this, key, _bound[bound].Socket, listener);
            _bound.RemoveAt(bound);
            _open.Add(kept);
            return kept;
        }
    }

    /// <summary>Closes the sockets of another program that no address has asked for, since nobody would ever answer there; their addresses.</summary>
    public IReadOnlyList<string> CloseUnused()
    {
        lock (_gate)
        {
            string[] unused = [.. _inherited.Select(static one => one.Key)];
            _inherited.ForEach(static one => one.Socket.Dispose());
            _inherited.Clear();
            return unused;
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

    /// <summary>Adds the socket of an address to those that were made, unless it was handed over; false when it cannot be had.</summary>
    private bool TryMake(IPEndPoint endpoint, List<(string Key, Socket Socket)> made)
    {
        string key = KeyOf(endpoint);
        if (_inherited.Exists(one => one.Key == key))
        {
            return true;
        }

        try
        {
            Socket socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
            made.Add((key, socket));
            socket.Listen(Backlog); // only then is the address certainly ours: until somebody listens, several may be bound to it
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Whether the socket of a listener that ends is to be closed; it is forgotten then.</summary>
    private bool Ends(KeptListener listener)
    {
        lock (_gate)
        {
            _ = !_keeps && _open.Remove(listener);
            return !_keeps;
        }
    }

    /// <summary>Kestrel's listener, which ends its wait by a token instead of by closing the socket.</summary>
    private sealed class KeptListener(ListenSockets owner, string key, Socket socket, IConnectionListener inner) : IConnectionListener
    {
        // A client sends its request right behind the handshake; one that was accepted a moment ago is given that moment before idle connections are closed.
        private static readonly TimeSpan Arrival = TimeSpan.FromMilliseconds(10);

        private readonly CancellationTokenSource _stop = new();

        public string Key => key;

        public Socket Socket => socket;

        public EndPoint EndPoint => inner.EndPoint;

        public void StopAccepting() => _stop.Cancel();

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            try
            {
                // Closing would tear the socket down for the next program too, and with it the connections that wait there.
                return await inner.AcceptAsync(_stop.Token);
            }
            catch (OperationCanceledException)
            {
                return null;
            }
        }

        public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            if (owner.Ends(this))
            {
                await inner.UnbindAsync(cancellationToken);
                return;
            }

            await _stop.CancelAsync();
            await Task.Delay(Arrival, TimeProvider.System, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        public async ValueTask DisposeAsync()
        {
            if (owner.Ends(this))
            {
                await inner.DisposeAsync();
            }

            _stop.Dispose();
        }
    }
}

/// <summary>Kestrel's transport with sockets that can outlive it.</summary>
internal sealed class KeptListeners(SocketTransportFactory transport, ListenSockets sockets) : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    /// <inheritdoc/>
    public bool CanBind(EndPoint endpoint) => transport.CanBind(endpoint);

    /// <inheritdoc/>
    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
        sockets.Keep(await transport.BindAsync(endpoint, cancellationToken), endpoint);
}
