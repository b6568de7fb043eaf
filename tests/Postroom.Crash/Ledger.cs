using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Postroom.Crash;

/// <summary>Writes down, in one order, what the crash application says. It lives in the controller and so outlives every application.</summary>
/// <remarks>
/// An append-only file: a number per line, then the words. The lines of a dead application are read to their end before the next
/// one starts, so the order of lines is the order of events.
/// </remarks>
public sealed class Ledger : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly StreamWriter _file;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (long Called, bool Stored)> _keys = new(StringComparer.Ordinal);
    private readonly List<(string Start, TaskCompletionSource<string> Seen)> _awaited = [];
    private readonly Queue<string> _last = new();
    private readonly CancellationTokenSource _closing = new();
    private readonly Task _accepting;
    private Task _reading = Task.CompletedTask;
    private long _number;
    private bool _closed;

    /// <summary>Opens a ledger in a folder.</summary>
    public Ledger(string folder)
    {
        SocketPath = Path.Combine(folder, "s");
        FilePath = Path.Combine(folder, "ledger.txt");
        _file = new StreamWriter(FilePath, append: true, Encoding.ASCII, 1 << 16);
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(new UnixDomainSocketEndPoint(SocketPath));
        _listener.Listen(16);
        _accepting = AcceptAsync();
    }

    /// <summary>Where applications connect.</summary>
    public string SocketPath { get; }

    /// <summary>The file.</summary>
    public string FilePath { get; }

    /// <summary>How many publishes were acknowledged.</summary>
    public long Stored { get; private set; }

    /// <summary>How many lines there are.</summary>
    public long Lines => Volatile.Read(ref _number);

    /// <summary>The last two hundred lines, oldest first.</summary>
    public IReadOnlyList<string> LastLines
    {
        get
        {
            lock (_gate)
            {
                return [.. _last];
            }
        }
    }

    /// <summary>Writes a line of the controller.</summary>
    public void Note(string line)
    {
        lock (_gate)
        {
            Add(line);
        }
    }

    /// <summary>Completes with the first line from now on that starts so.</summary>
    public Task<string> NextAsync(string start)
    {
        TaskCompletionSource<string> seen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _awaited.Add((start, seen));
        }

        return seen.Task;
    }

    /// <summary>Waits until everything a dead application wrote is in the file.</summary>
    public async Task ReadToEndAsync()
    {
        // An application writes only after the task that reads it has told it where to go on, so whoever wrote is being read.
        await _reading;
        lock (_gate)
        {
            _file.Flush();
        }
    }

    /// <summary>The lines as a checker reads them; flush first.</summary>
    public IEnumerable<string> Read()
    {
        lock (_gate)
        {
            _file.Flush();
        }

        using FileStream stream = new(FilePath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using StreamReader reader = new(stream, Encoding.ASCII);
        while (reader.ReadLine() is { } line)
        {
            yield return line;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_closed)
        {
            return;
        }

        _closed = true;
        await _closing.CancelAsync();
        _listener.Dispose();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _file.DisposeAsync();
        _closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_closing.IsCancellationRequested)
        {
            Socket socket = await _listener.AcceptAsync(_closing.Token);
            Task before = _reading;
            _reading = Task.Run(async () =>
            {
                await before;
                await ServeAsync(socket);
            });
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using NetworkStream stream = new(socket, ownsSocket: true);
        try
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(Resume()), _closing.Token);
            using StreamReader reader = new(stream, Encoding.ASCII, false, 1 << 16);
            while (await reader.ReadLineAsync(_closing.Token) is { } line)
            {
                lock (_gate)
                {
                    Add(line);
                }
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The application was killed.
        }
    }

    private string Resume()
    {
        lock (_gate)
        {
            StringBuilder text = new();
            foreach ((string key, (long called, bool stored)) in _keys)
            {
                text.Append(CultureInfo.InvariantCulture, $"{key} {(stored ? called + 1 : called)}\n");
            }

            return text.Append('\n').ToString();
        }
    }

    private void Add(string line)
    {
        _file.Write((++_number).ToString(CultureInfo.InvariantCulture));
        _file.Write(' ');
        _file.Write(line);
        _file.Write('\n');
        _last.Enqueue($"{_number} {line}");
        if (_last.Count > 200)
        {
            _ = _last.Dequeue();
        }

        Remember(line);
        for (int i = _awaited.Count - 1; i >= 0; i--)
        {
            if (line.StartsWith(_awaited[i].Start, StringComparison.Ordinal))
            {
                _awaited[i].Seen.TrySetResult(line);
                _awaited.RemoveAt(i);
            }
        }
    }

    /// <summary>Keeps how far each key is, so that the next application repeats what is in doubt and goes on behind it.</summary>
    private void Remember(string line)
    {
        bool stored = line.StartsWith("OK ", StringComparison.Ordinal);
        if (!stored && !line.StartsWith("CALL ", StringComparison.Ordinal))
        {
            return;
        }

        Stored += stored ? 1 : 0;
        if (Tag.TryParse(line.Split(' ')[1], out Tag? tag))
        {
            _keys[tag.Key] = (tag.Number, stored);
        }
    }
}
