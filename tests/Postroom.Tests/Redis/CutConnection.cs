using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Postroom.Tests.Redis;

/// <summary>Stands between a node and its server and can be cut like a cable: nothing goes through any more, and nobody is told.</summary>
internal sealed class CutConnection : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentBag<Task> _flows = [];
    private readonly int _target;
    private readonly Task _accepting;
    private TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public CutConnection(int target)
    {
        _target = target;
        _open.SetResult();
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string Url => $"redis://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>From now on nothing goes through.</summary>
    public void Cut() => Volatile.Write(ref _open, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));

    /// <summary>What was held up goes through.</summary>
    public void Heal() => Volatile.Read(ref _open).TrySetResult();

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        Heal();
        _listener.Dispose();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.WhenAll(_flows).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_closing.IsCancellationRequested)
        {
            TcpClient near = await _listener.AcceptTcpClientAsync(_closing.Token);
            _flows.Add(ConnectAsync(near));
        }
    }

    private async Task ConnectAsync(TcpClient near)
    {
        using (near)
        using (TcpClient far = new() { NoDelay = true })
        {
            near.NoDelay = true;
            await Volatile.Read(ref _open).Task;
            await far.ConnectAsync(IPAddress.Loopback, _target, _closing.Token);
            await Task.WhenAny(CopyAsync(near.GetStream(), far.GetStream()), CopyAsync(far.GetStream(), near.GetStream()));
        }
    }

    private async Task CopyAsync(NetworkStream from, NetworkStream to)
    {
        byte[] buffer = new byte[64 << 10];
        for (int count; (count = await from.ReadAsync(buffer, _closing.Token)) > 0;)
        {
            await Volatile.Read(ref _open).Task;
            await to.WriteAsync(buffer.AsMemory(0, count), _closing.Token);
        }
    }
}
