using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Postroom.Mail;

/// <summary>Commands out and answers in, over one connection. Used by one command at a time; broken after any failure, and then only closed.</summary>
internal sealed class ImapWire : IAsyncDisposable
{
    private readonly MailStream _stream;
    private readonly TimeProvider _clock;
    private readonly TimeSpan _timeout;
    private readonly long _maxLiteral;
    private ImapReader _reader;
    private Task<ImapResponse>? _pending;
    private int _tag;

    /// <summary>Takes a connection over.</summary>
    /// <param name="account">Gives the server's name and the limits.</param>
    /// <param name="socket">The connection; owned.</param>
    /// <param name="clock">Ends the waits.</param>
    public ImapWire(ImapAccount account, Socket socket, TimeProvider clock)
    {
        _stream = new MailStream(account.Server, new NetworkStream(socket, ownsSocket: true), clock);
        _clock = clock;
        _timeout = account.Timeout;
        _maxLiteral = account.MaxLiteral;
        _reader = new ImapReader(account.Server, _stream.Bytes, _maxLiteral);
    }

    /// <summary>Host and port.</summary>
    public string Server => _stream.Server;

    /// <summary>Whether it is encrypted.</summary>
    public bool IsSecure => _stream.IsSecure;

    /// <summary>Whether literals need no permission (RFC 7888), as far as the server said so.</summary>
    public bool FreeLiterals { get; set; }

    /// <summary>Goes on encrypted; everything the server said before is forgotten (ML-2).</summary>
    /// <exception cref="MailConnectionException">The handshake failed, or bytes came in front of it.</exception>
    public async ValueTask EncryptAsync(ImapAccount account, TimeSpan limit, CancellationToken cancellationToken)
    {
        await _stream.EncryptAsync(_reader.HasMore || _pending is not null, account.Host, account.CaFile, limit, cancellationToken);
        _reader = new ImapReader(Server, _stream.Bytes, _maxLiteral);
        FreeLiterals = false;
    }

    /// <summary>Sends a command and reads up to its end.</summary>
    /// <param name="name">The command's name, for messages.</param>
    /// <param name="arguments">What follows the name, in pieces: text goes out as it is, a literal as a literal.</param>
    /// <param name="onData">Gets the data that come before the end; null for nobody.</param>
    /// <param name="onMore">Answers when the server asks for more; null when it must not.</param>
    /// <param name="cancellationToken">Ends the exchange, and the connection with it.</param>
    /// <returns>The status that ended it: always <c>OK</c>.</returns>
    /// <exception cref="ImapCommandException">The server refused it.</exception>
    public async ValueTask<ImapResponse> RunAsync(
        string name, IReadOnlyList<ImapArgument> arguments, Action<ImapResponse>? onData, Func<ImapResponse, string?>? onMore, CancellationToken cancellationToken)
    {
        string tag = NextTag();
        await SendCommandAsync(tag, name, arguments, onData, cancellationToken);
        while (true)
        {
            ImapResponse response = await ReadAsync(name, _timeout, cancellationToken);
            if (response.Tag == tag)
            {
                return response.Name == "OK" ? response : throw Refused(name, response);
            }

            if (!response.IsContinuation)
            {
                Unasked(response, onData);
            }
            else if (onMore?.Invoke(response) is { } line)
            {
                await SendAsync($"{line}\r\n", name, cancellationToken);
            }
            else
            {
                throw new ImapConnectionException($"{Server} asks for more after {name}, which has no more.");
            }
        }
    }

    /// <summary>Waits for news (RFC 2177): begins IDLE, and ends it when something came, the time is over or someone has work.</summary>
    /// <param name="renew">The longest wait.</param>
    /// <param name="wake">Ends the wait early.</param>
    /// <param name="onData">Gets what came.</param>
    /// <param name="isNews">Whether data end the wait.</param>
    /// <param name="cancellationToken">Ends the exchange, and the connection with it.</param>
    public async ValueTask IdleAsync(TimeSpan renew, Task wake, Action<ImapResponse> onData, Func<ImapResponse, bool> isNews, CancellationToken cancellationToken)
    {
        const string Name = "IDLE";
        string tag = NextTag();
        await SendAsync($"{tag} {Name}\r\n", Name, cancellationToken);
        bool begun = false;
        bool done = false;
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task over = Task.WhenAny(Task.Delay(renew, _clock, end.Token), wake);
        try
        {
            while (true)
            {
                if (begun && !done && over.IsCompleted)
                {
                    done = true;
                    await SendAsync("DONE\r\n", Name, cancellationToken);
                }

                ImapResponse? response = begun && !done ? await PeekAsync(over, cancellationToken) : await ReadAsync(Name, _timeout, cancellationToken);
                if (response is null)
                {
                    continue;
                }

                if (response.Tag == tag)
                {
                    // A server that ends it by itself has nothing against it as long as it says OK.
                    _ = response.Name == "OK" ? response : throw Refused(Name, response);
                    return;
                }

                if (response.IsContinuation)
                {
                    begun = true;
                    continue;
                }

                Unasked(response, onData);
                if (isNews(response) && begun && !done)
                {
                    done = true;
                    await SendAsync("DONE\r\n", Name, cancellationToken);
                }
            }
        }
        finally
        {
            await end.CancelAsync();
        }
    }

    /// <summary>Reads the greeting.</summary>
    public ValueTask<ImapResponse> ReadGreetingAsync(TimeSpan silence, CancellationToken cancellationToken) => ReadAsync("the connection", silence, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await _stream.DisposeAsync();
        }
        catch (IOException)
        {
            // The end of TLS could not be written any more.
        }

        if (_pending is { } pending)
        {
            await ((Task)pending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private string NextTag() => string.Create(CultureInfo.InvariantCulture, $"P{++_tag}");

    private async ValueTask SendCommandAsync(string tag, string name, IReadOnlyList<ImapArgument> arguments, Action<ImapResponse>? onData, CancellationToken cancellationToken)
    {
        StringBuilder line = new($"{tag} {name}");
        foreach (ImapArgument argument in arguments)
        {
            line.Append(' ');
            if (!argument.IsLiteral)
            {
                line.Append(argument.Text);
                continue;
            }

            line.Append(CultureInfo.InvariantCulture, $"{{{Encoding.UTF8.GetByteCount(argument.Text)}{(FreeLiterals ? "+" : "")}}}\r\n");
            if (!FreeLiterals)
            {
                await SendAsync(line.ToString(), name, cancellationToken);
                line.Clear();
                await PermissionAsync(tag, name, onData, cancellationToken);
            }

            line.Append(argument.Text);
        }

        await SendAsync(line.Append("\r\n").ToString(), name, cancellationToken);
    }

    private async ValueTask PermissionAsync(string tag, string name, Action<ImapResponse>? onData, CancellationToken cancellationToken)
    {
        while (true)
        {
            ImapResponse response = await ReadAsync(name, _timeout, cancellationToken);
            if (response.IsContinuation)
            {
                return;
            }

            if (response.Tag == tag)
            {
                throw Refused(name, response);
            }

            Unasked(response, onData);
        }
    }

    private ValueTask<bool> SendAsync(string text, string name, CancellationToken cancellationToken) =>
        _stream.LimitedAsync("take", name, _timeout, async deadline =>
        {
            await _stream.Bytes.WriteAsync(Encoding.UTF8.GetBytes(text), deadline.Token);
            await _stream.Bytes.FlushAsync(deadline.Token);
            return true;
        }, cancellationToken);

    /// <summary>Reads one answer; the time is one of silence, since a mail on a slow line may take longer as a whole.</summary>
    private async ValueTask<ImapResponse> ReadAsync(string name, TimeSpan silence, CancellationToken cancellationToken)
    {
        while (true)
        {
            long before = _reader.Total;

            // A read that was given up would take its bytes with it, so it stays and the next one goes on with it.
            Task<ImapResponse> pending = _pending ??= _reader.ReadAsync(CancellationToken.None).AsTask();
            try
            {
                ImapResponse response = await pending.WaitAsync(silence, _clock, cancellationToken);
                _pending = null;
                return response;
            }
            catch (TimeoutException e) when (!pending.IsCompleted)
            {
                if (_reader.Total == before)
                {
                    throw new ImapConnectionException(_stream.Silent("answer", name, silence).Message, e);
                }
            }
        }
    }

    /// <summary>The next answer; null when the wait ended first.</summary>
    private async ValueTask<ImapResponse?> PeekAsync(Task over, CancellationToken cancellationToken)
    {
        _pending ??= _reader.ReadAsync(CancellationToken.None).AsTask();
        await Task.WhenAny(_pending, over).WaitAsync(cancellationToken);
        return _pending.IsCompleted ? await ReadAsync("IDLE", _timeout, cancellationToken) : null;
    }

    private void Unasked(ImapResponse response, Action<ImapResponse>? onData)
    {
        if (response.Tag != "*")
        {
            throw new ImapConnectionException($"{Server} answers a command '{Names.Shorten(response.Tag)}' that was not sent.");
        }

        if (response.Name == "BYE")
        {
            throw new ImapConnectionException($"{Server} says goodbye: {Names.Shorten(response.Text)}");
        }

        onData?.Invoke(response);
    }

    private ImapCommandException Refused(string name, ImapResponse response) => new(Server, name, response.Name, response.Code, response.Text);
}

/// <summary>One argument of a command.</summary>
/// <param name="Text">What is sent.</param>
/// <param name="IsLiteral">Whether it is sent as a literal.</param>
internal readonly record struct ImapArgument(string Text, bool IsLiteral)
{
    private const int MaxQuoted = 1_000;

    /// <summary>Text that is syntax already.</summary>
    public static implicit operator ImapArgument(string syntax) => new(syntax, false);

    /// <summary>A text from outside: quoted where that is safe, else a literal. It can never end the command.</summary>
    /// <exception cref="ArgumentException">It holds a NUL, which no form takes.</exception>
    public static ImapArgument Of(string text)
    {
        if (text.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("A text with NUL cannot be sent to an IMAP server.", nameof(text));
        }

        bool plain = text.Length <= MaxQuoted && text.All(c => c is >= ' ' and <= '~');
        return plain ? new(HeaderText.Quote(text), false) : new(text, true);
    }
}
