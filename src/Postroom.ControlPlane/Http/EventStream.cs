using System.Buffers;
using System.Text;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>One event of a stream.</summary>
/// <param name="Id">What a client sends back as <c>Last-Event-ID</c>; null leaves its position unchanged.</param>
/// <param name="Name">Null for an unnamed event: a message.</param>
/// <param name="Data">Text of any number of lines; null only moves the client's position.</param>
internal sealed record ServerEvent(string? Id, string? Name, string? Data);

/// <summary>Server-sent events to one client, through a bounded buffer (EU-2, EU-6).</summary>
/// <remarks>A client that does not read loses its connection, never an event: it resumes by id. <see cref="TryAdd"/> is safe for concurrent use.</remarks>
internal sealed class EventStream
{
    /// <summary>How many events wait for one client before it is disconnected.</summary>
    public const int Capacity = 256;

    private static readonly TimeSpan DefaultKeepAlive = TimeSpan.FromSeconds(15);

    private readonly Channel<ServerEvent> _waiting = Channel.CreateBounded<ServerEvent>(new BoundedChannelOptions(Capacity) { SingleReader = true });

    // Never disposed: a publisher may end the stream after its client left. It has no timer, so nothing leaks.
    private readonly CancellationTokenSource _ended = new();
    private readonly TimeProvider _clock;
    private readonly TimeSpan _keepAlive;

    /// <summary>Makes a stream that is not yet connected; events added now wait.</summary>
    public EventStream(TimeProvider clock, TimeSpan? keepAlive = null)
    {
        _clock = clock;
        _keepAlive = keepAlive ?? DefaultKeepAlive;
    }

    /// <summary>Cancelled when the stream was ended from this side.</summary>
    public CancellationToken Ended => _ended.Token;

    /// <summary>Adds an event; false when the client had not read so many that it is disconnected instead.</summary>
    public bool TryAdd(ServerEvent item)
    {
        if (_waiting.Writer.TryWrite(item))
        {
            return true;
        }

        End();
        return false;
    }

    /// <summary>Disconnects the client.</summary>
    public void End()
    {
        _waiting.Writer.TryComplete();
        _ended.Cancel();
    }

    /// <summary>Sends the headers, and the interval after which a lost client comes back.</summary>
    public static async Task BeginAsync(HttpResponse response, CancellationToken cancellationToken)
    {
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-cache";
        response.Headers["X-Accel-Buffering"] = "no";
        response.BodyWriter.Write("retry: 2000\n\n"u8);
        await response.BodyWriter.FlushAsync(cancellationToken);
    }

    /// <summary>Writes what is added, and a comment when nothing was, until the token or <see cref="End"/> ends it.</summary>
    /// <param name="response">After <see cref="BeginAsync"/>.</param>
    /// <param name="skip">True for an event that this client already has.</param>
    /// <param name="written">Told of each event after it was handed to the connection.</param>
    /// <param name="cancellationToken">Ends the stream; ends quietly.</param>
    public async Task PumpAsync(HttpResponse response, Func<ServerEvent, bool> skip, Action<ServerEvent> written, CancellationToken cancellationToken)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _ended.Token);
        try
        {
            Task<bool> more = _waiting.Reader.WaitToReadAsync(either.Token).AsTask();
            while (true)
            {
                try
                {
                    if (!await more.WaitAsync(_keepAlive, _clock, either.Token))
                    {
                        return;
                    }
                }
                catch (TimeoutException)
                {
                    response.BodyWriter.Write(": keep-alive\n\n"u8);
                    await response.BodyWriter.FlushAsync(either.Token);
                    continue;
                }

                while (_waiting.Reader.TryRead(out ServerEvent? item))
                {
                    if (!skip(item))
                    {
                        await SendAsync(response, item, either.Token);
                        written(item);
                    }
                }

                more = _waiting.Reader.WaitToReadAsync(either.Token).AsTask();
            }
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested)
        {
            // The client left, was too slow, or the server stops.
        }
    }

    /// <summary>Writes one event and flushes it.</summary>
    public static async Task SendAsync(HttpResponse response, ServerEvent item, CancellationToken cancellationToken)
    {
        Write(response.BodyWriter, item);
        await response.BodyWriter.FlushAsync(cancellationToken);
    }

    /// <summary>Formats one event. CR, LF and CRLF in the data each end a line; they and NUL cannot break out of an id or a name.</summary>
    public static void Write(IBufferWriter<byte> output, ServerEvent item)
    {
        StringBuilder text = new();
        AppendField(text, "id", item.Id);
        AppendField(text, "event", item.Name);
        if (item.Data is not null)
        {
            foreach (string line in item.Data.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n').Split('\n'))
            {
                text.Append("data: ").Append(line).Append('\n');
            }
        }

        text.Append('\n');
        Encoding.UTF8.GetBytes(text.ToString(), output);
    }

    private static void AppendField(StringBuilder text, string name, string? value)
    {
        if (value is not null)
        {
            text.Append(name).Append(": ").Append(string.Concat(value.Where(letter => letter is not ('\r' or '\n' or '\0')))).Append('\n');
        }
    }
}
