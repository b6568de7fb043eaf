using System.Net.Sockets;
using System.Text;

namespace Postroom.CrashApp;

/// <summary>Tells the ledger what happens, before it goes on happening.</summary>
/// <remarks>
/// A line counts once the kernel has it: what is written to a Unix socket outlives its writer. One connection and one lock give
/// the lines of a process their order, and the ledger reads a dead process to its end before the next one starts.
/// </remarks>
internal sealed class LedgerClient : IDisposable
{
    private readonly Socket _socket;
    private readonly Lock _gate = new();
    private readonly byte[] _buffer = new byte[4_096];

    private LedgerClient(Socket socket, IReadOnlyDictionary<string, long> next)
    {
        _socket = socket;
        Next = next;
    }

    /// <summary>The number each key goes on with: behind the last acknowledged one, or the one in doubt again.</summary>
    public IReadOnlyDictionary<string, long> Next { get; }

    public static LedgerClient Connect(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        using NetworkStream stream = new(socket, ownsSocket: false);
        using StreamReader reader = new(stream, Encoding.ASCII, false, 1, leaveOpen: true);
        Dictionary<string, long> next = new(StringComparer.Ordinal);
        while (reader.ReadLine() is { Length: > 0 } line)
        {
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            next[line[..space]] = long.Parse(line.AsSpan(space + 1), System.Globalization.CultureInfo.InvariantCulture);
        }

        return new LedgerClient(socket, next);
    }

    /// <summary>One line; returns when the kernel holds it.</summary>
    public void Write(string line)
    {
        lock (_gate)
        {
            int length = Encoding.ASCII.GetBytes(line, _buffer);
            _buffer[length++] = (byte)'\n';
            for (int sent = 0; sent < length;)
            {
                sent += _socket.Send(_buffer, sent, length - sent, SocketFlags.None);
            }
        }
    }

    public void Dispose() => _socket.Dispose();
}
