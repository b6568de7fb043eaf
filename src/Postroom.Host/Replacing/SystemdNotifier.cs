using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Postroom.Host;

/// <summary>Tells systemd how the program stands (SPEC RS-14), where it asked to be told; silent otherwise. Safe for concurrent use.</summary>
internal sealed class SystemdNotifier : IDisposable
{
    /// <summary>The variable that names the one process which is to answer the watchdog.</summary>
    public const string WatchdogProcess = "WATCHDOG_PID";

    private readonly UnixDomainSocketEndPoint? _address;
    private readonly TimeSpan? _watchdog;
    private ITimer? _timer;

    /// <summary>Reads from the environment whom to tell.</summary>
    public SystemdNotifier(Func<string, string?> variable)
    {
        if (variable("NOTIFY_SOCKET") is { Length: > 1 } path && path[0] is '/' or '@')
        {
            _address = new UnixDomainSocketEndPoint(path[0] == '@' ? $"\0{path[1..]}" : path);
        }

        bool mine = variable(WatchdogProcess) is not { Length: > 0 } process || process == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        if (mine && long.TryParse(variable("WATCHDOG_USEC"), CultureInfo.InvariantCulture, out long microseconds) && microseconds > 0)
        {
            _watchdog = TimeSpan.FromMicroseconds(microseconds);
        }
    }

    /// <summary>The listening sockets that systemd opened for this process, from descriptor 3 on.</summary>
    public static IEnumerable<int> Sockets(Func<string, string?> variable)
    {
        const int First = 3;
        return variable("LISTEN_PID") == Environment.ProcessId.ToString(CultureInfo.InvariantCulture) && int.TryParse(variable("LISTEN_FDS"), CultureInfo.InvariantCulture, out int count) && count is > 0 and <= 64
            ? Enumerable.Range(First, count)
            : [];
    }

    /// <summary>It is ready; from now on it says at half the watchdog's time that it lives.</summary>
    /// <param name="lives">Whether it does.</param>
    public void Ready(Func<bool> lives)
    {
        Tell("READY=1");
        if (_watchdog is { } time && _address is not null && _timer is null)
        {
            _timer = TimeProvider.System.CreateTimer(
                _ =>
                {
                    if (lives())
                    {
                        Tell("WATCHDOG=1");
                    }
                },
                null, TimeSpan.Zero, time / 2);
        }
    }

    /// <summary>It restarts; ready follows.</summary>
    public void Reloading()
    {
        // systemd compares with its own monotonic clock, which is the one of this timestamp.
        long microseconds = (long)(System.Diagnostics.Stopwatch.GetTimestamp() * 1_000_000.0 / System.Diagnostics.Stopwatch.Frequency);
        Tell(string.Create(CultureInfo.InvariantCulture, $"RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// <summary>It stops.</summary>
    public void Stopping() => Tell("STOPPING=1");

    /// <summary>Sends one notice; a service manager that is gone misses nothing.</summary>
    public void Tell(string notice)
    {
        if (_address is null)
        {
            return;
        }

        try
        {
            using Socket socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            socket.SendTo(Encoding.UTF8.GetBytes(notice), _address);
        }
        catch (SocketException)
        {
            // Nobody listens there.
        }
    }

    public void Dispose() => _timer?.Dispose();
}
