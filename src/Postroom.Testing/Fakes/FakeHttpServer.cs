using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Postroom.Testing;

/// <summary>One request that a fake service got, whole.</summary>
/// <param name="Method">In capitals.</param>
/// <param name="Path">Without the query, decoded no further.</param>
/// <param name="Query">Behind the question mark; empty for none.</param>
/// <param name="Headers">By name without case; a repeated one is joined with commas.</param>
/// <param name="Body">The body, chunks joined.</param>
public sealed record FakeRequest(string Method, string Path, string Query, IReadOnlyDictionary<string, string> Headers, byte[] Body)
{
    /// <summary>The body as UTF-8.</summary>
    public string Text => Encoding.UTF8.GetString(Body);

    /// <summary>A header; empty when it was not sent.</summary>
    public string Header(string name) => Headers.GetValueOrDefault(name) ?? "";
}

/// <summary>What a fake service does with a request.</summary>
public abstract record FakeAnswer
{
    private FakeAnswer()
    {
    }

    /// <summary>Answers.</summary>
    /// <param name="Status">The status code.</param>
    /// <param name="Body">The body.</param>
    /// <param name="ContentType">Its type.</param>
    public sealed record Reply(int Status, string Body, string ContentType = "application/json") : FakeAnswer
    {
        /// <summary>Further headers; none unless set.</summary>
        public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

        /// <summary>Sent in the place of <see cref="Body"/>, for files; null, the default, for the body.</summary>
        public ReadOnlyMemory<byte>? Bytes { get; init; }

        /// <summary>How long it waits before it answers; not at all unless set.</summary>
        public TimeSpan Delay { get; init; }
    }

    /// <summary>Closes the connection after so many bytes of the answer: 0 is none.</summary>
    /// <param name="After">The bytes.</param>
    /// <param name="Of">The answer that is cut.</param>
    public sealed record Cut(int After, Reply Of) : FakeAnswer;

    /// <summary>Resets the connection without an answer, once the request was read.</summary>
    public sealed record Reset : FakeAnswer;

    /// <summary>Never answers; the connection stays open until the other side ends it or the server stops.</summary>
    public sealed record Silence : FakeAnswer;
}

/// <summary>
/// A small HTTP/1.1 server on a free loopback port, of one's own so that it can also cut, reset and keep silent. For the fakes of services; each
/// connection is answered in turn.
/// </summary>
internal sealed class FakeHttpServer : IAsyncDisposable
{
    private const int MaxHead = 64 * 1024;
    private const int MaxBody = 64 << 20;

    private readonly Func<FakeRequest, CancellationToken, ValueTask<FakeAnswer>> _answer;
    private readonly FakeConnections _connections;

    public FakeHttpServer(Func<FakeRequest, CancellationToken, ValueTask<FakeAnswer>> answer)
    {
        _answer = answer;
        _connections = new FakeConnections(ServeAsync) { IsUp = true };
    }

    /// <summary>Where it answers, without a slash at the end.</summary>
    public string Address => $"http://127.0.0.1:{_connections.Port.ToString(CultureInfo.InvariantCulture)}";

    /// <summary>Whether it takes connections; set to false it refuses them and ends those there are, set to true it listens on the same port again.</summary>
    public bool IsUp
    {
        get => _connections.IsUp;
        set => _connections.IsUp = value;
    }

    public ValueTask DisposeAsync() => _connections.DisposeAsync();

    private async Task ServeAsync(TcpClient connection, int number, CancellationToken cancellationToken)
    {
        try
        {
            await using NetworkStream stream = connection.GetStream();
            RequestReader reader = new(stream);
            while (await reader.ReadAsync(cancellationToken) is { } request && await SendAsync(connection, stream, await _answer(request, cancellationToken), cancellationToken))
            {
            }
        }
        catch (InvalidDataException)
        {
            // The other side sent no HTTP.
        }
    }

    private static async ValueTask<bool> SendAsync(TcpClient connection, NetworkStream stream, FakeAnswer answer, CancellationToken cancellationToken)
    {
        switch (answer)
        {
            case FakeAnswer.Reply reply:
                await Task.Delay(reply.Delay, cancellationToken);
                await stream.WriteAsync(BytesOf(reply), cancellationToken);
                return true;
            case FakeAnswer.Cut(var after, var of):
                byte[] whole = BytesOf(of);
                await stream.WriteAsync(whole.AsMemory(0, Math.Min(after, whole.Length)), cancellationToken);
                connection.Client.Shutdown(SocketShutdown.Both);
                return false;
            case FakeAnswer.Reset:
                connection.LingerState = new LingerOption(enable: true, seconds: 0);
                connection.Close();
                return false;
            default:
                byte[] one = new byte[1];
                while (await stream.ReadAsync(one, cancellationToken) > 0)
                {
                }

                return false;
        }
    }

    private static byte[] BytesOf(FakeAnswer.Reply reply)
    {
        byte[] body = reply.Bytes is { } bytes ? bytes.ToArray() : Encoding.UTF8.GetBytes(reply.Body);
        StringBuilder head = new();
        head.Append(CultureInfo.InvariantCulture, $"HTTP/1.1 {reply.Status} {(HttpStatusCode)reply.Status}\r\nContent-Type: {reply.ContentType}\r\nContent-Length: {body.Length}\r\n");
        foreach ((string name, string value) in reply.Headers)
        {
            head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        }

        return [.. Encoding.ASCII.GetBytes(head.Append("\r\n").ToString()), .. body];
    }

    /// <summary>Reads requests from one connection.</summary>
    private sealed class RequestReader(Stream stream)
    {
        private readonly byte[] _buffer = new byte[MaxHead];
        private int _filled;

        /// <summary>The next request; null when the other side has ended the connection between two.</summary>
        public async ValueTask<FakeRequest?> ReadAsync(CancellationToken cancellationToken)
        {
            int end;
            while ((end = _buffer.AsSpan(0, _filled).IndexOf("\r\n\r\n"u8)) < 0)
            {
                if (!await FillAsync(cancellationToken))
                {
                    return _filled == 0 ? null : throw new InvalidDataException("The head of a request was cut short.");
                }
            }

            string[] lines = Encoding.Latin1.GetString(_buffer, 0, end).Split("\r\n");
            Take(end + 4);
            if (lines[0].Split(' ') is not [{ } method, { } target, "HTTP/1.1"])
            {
                throw new InvalidDataException($"'{lines[0]}' is no request line.");
            }

            Dictionary<string, string> headers = new(StringComparer.OrdinalIgnoreCase);
            foreach (string line in lines.AsSpan(1))
            {
                int colon = line.IndexOf(':', StringComparison.Ordinal);
                string name = colon > 0 ? line[..colon] : throw new InvalidDataException($"'{line}' is no header.");
                string value = line[(colon + 1)..].Trim();
                headers[name] = headers.TryGetValue(name, out string? before) ? $"{before}, {value}" : value;
            }

            if (headers.GetValueOrDefault("Expect") is { } expected && expected.Equals("100-continue", StringComparison.OrdinalIgnoreCase))
            {
                await stream.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray(), cancellationToken);
            }

            byte[] body = headers.GetValueOrDefault("Transfer-Encoding") is { } encoding && encoding.Equals("chunked", StringComparison.OrdinalIgnoreCase)
                ? await ReadChunksAsync(cancellationToken)
                : await ReadBytesAsync(headers.GetValueOrDefault("Content-Length") is { } length ? LengthOf(length, NumberStyles.None) : 0, cancellationToken);
            int question = target.IndexOf('?', StringComparison.Ordinal);
            return new FakeRequest(method, question < 0 ? target : target[..question], question < 0 ? "" : target[(question + 1)..], headers, body);
        }

        private static int LengthOf(string text, NumberStyles style)
        {
            return int.TryParse(text, style, CultureInfo.InvariantCulture, out int length) && length <= MaxBody ? length : throw new InvalidDataException($"'{text}' is no length that is taken.");
        }

        private async ValueTask<byte[]> ReadChunksAsync(CancellationToken cancellationToken)
        {
            using MemoryStream body = new();
            while (true)
            {
                int length = LengthOf((await ReadLineAsync(cancellationToken)).Split(';')[0].Trim(), NumberStyles.AllowHexSpecifier);
                if (length == 0)
                {
                    while ((await ReadLineAsync(cancellationToken)).Length > 0)
                    {
                    }

                    return body.ToArray();
                }

                body.Write(await ReadBytesAsync(length, cancellationToken));
                if (body.Length > MaxBody || (await ReadLineAsync(cancellationToken)).Length > 0)
                {
                    throw new InvalidDataException("The chunks of a body do not fit.");
                }
            }
        }

        private async ValueTask<string> ReadLineAsync(CancellationToken cancellationToken)
        {
            int end;
            while ((end = _buffer.AsSpan(0, _filled).IndexOf("\r\n"u8)) < 0)
            {
                await RequireAsync(cancellationToken);
            }

            string line = Encoding.Latin1.GetString(_buffer, 0, end);
            Take(end + 2);
            return line;
        }

        private async ValueTask<byte[]> ReadBytesAsync(int length, CancellationToken cancellationToken)
        {
            byte[] bytes = new byte[length];
            int have = Math.Min(length, _filled);
            _buffer.AsSpan(0, have).CopyTo(bytes);
            Take(have);
            await stream.ReadExactlyAsync(bytes.AsMemory(have), cancellationToken);
            return bytes;
        }

        private async ValueTask RequireAsync(CancellationToken cancellationToken)
        {
            if (!await FillAsync(cancellationToken))
            {
                throw new InvalidDataException("A request was cut short.");
            }
        }

        private async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
        {
            if (_filled == _buffer.Length)
            {
                throw new InvalidDataException($"The head of a request has more than {MaxHead} bytes.");
            }

            int read = await stream.ReadAsync(_buffer.AsMemory(_filled), cancellationToken);
            _filled += read;
            return read > 0;
        }

        private void Take(int count)
        {
            _buffer.AsSpan(count, _filled - count).CopyTo(_buffer);
            _filled -= count;
        }
    }
}
