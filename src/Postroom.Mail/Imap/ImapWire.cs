using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Postroom.Mail;

/// <summary>Commands out and answers in, over one connection. Used by one command at a time; broken after any failure, and then only closed.</summary>
internal sealed class ImapWire : IAsyncDisposable
{
    private const string Idle = "IDLE";
    private const int MaxAnswers = 1_000_000; // of one command: as many as a mailbox has mails
    private const int MaxContinuations = 16;
    private const int LeastPace = 8 * 1024; // bytes per second

    private readonly MailStream _stream;
    private readonly TimeProvider _clock;
    private readonly TimeSpan _timeout;
    private readonly long _maxLiteral;
    private ImapReader _reader;
    private Task<ImapResponse>? _pending;
    private Exchange _exchange;
    private string? _idleTag;
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
        _exchange = new Exchange("the connection", clock.GetTimestamp(), 0);
    }

    /// <summary>Host and port.</summary>
    public string Server => _stream.Server;

    /// <summary>Whether it is encrypted.</summary>
    public bool IsSecure => _stream.IsSecure;

    /// <summary>How it is encrypted, in words.</summary>
    public string Encryption => _stream.Encryption;

    /// <summary>Whether the last command was answered to its end, so that another one may be sent.</summary>
    public bool IsFree { get; private set; } = true;

    /// <summary>Whether literals need no permission (RFC 7888), as far as the server said so.</summary>
    public bool FreeLiterals { get; set; }

    /// <summary>Goes on encrypted; everything the server said before is forgotten (ML-2).</summary>
    /// <exception cref="MailConnectionException">The handshake failed, or bytes came in front of it.</exception>
    public async ValueTask EncryptAsync(ImapAccount account, TimeSpan limit, CancellationToken cancellationToken)
    {
        await _stream.EncryptAsync(_reader.HasMore || _pending is not null, account.Host, account.CaFile, limit, cancellationToken);
        _reader = new ImapReader(Server, _stream.Bytes, _maxLiteral);
        _exchange = new Exchange("the connection", _clock.GetTimestamp(), 0);
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
        string tag = Begin(name);
        await SendCommandAsync(tag, name, arguments, onData, cancellationToken);
        int continuations = 0;
        while (true)
        {
            ImapResponse response = await ReadAsync(cancellationToken);
            if (response.Tag == tag)
            {
                return End(name, response);
            }

            if (!response.IsContinuation)
            {
                Unasked(response, onData);
            }
            else if (++continuations <= MaxContinuations && onMore?.Invoke(response) is { } line)
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
        string tag = Begin(Idle);
        await SendAsync($"{tag} {Idle}\r\n", Idle, cancellationToken);
        bool hasNews = false;
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task over = Task.WhenAny(Task.Delay(renew, _clock, end.Token), wake);
        try
        {
            while (true)
            {
                if (_idleTag is not null && (hasNews || over.IsCompleted))
                {
                    await DoneAsync(cancellationToken);
                }

                if (_idleTag is not null && !await HasAnswerAsync(over, cancellationToken))
                {
                    continue;
                }

                ImapResponse response = await ReadAsync(cancellationToken);
                if (response.Tag == tag)
                {
                    // A server that ends it by itself has nothing against it as long as it says OK.
                    _ = End(Idle, response);
                    return;
                }

                if (response.IsContinuation)
                {
                    _idleTag = tag;
                    continue;
                }

                // News may come before the server has taken the command.
                Unasked(response, onData);
                hasNews |= isNews(response);
            }
        }
        finally
        {
            await end.CancelAsync();
        }
    }

    /// <summary>Ends an IDLE whose caller gave up, so that the connection can be closed in order; nothing where there is none.</summary>
    public async ValueTask EndIdleAsync(CancellationToken cancellationToken)
    {
        if (_idleTag is not { } tag)
        {
            return;
        }

        await DoneAsync(cancellationToken);
        ImapResponse response;
        do
        {
            response = await ReadAsync(cancellationToken);
        }
        while (response.Tag != tag);
        _ = End(Idle, response);
    }

    /// <summary>Reads the greeting.</summary>
    /// <param name="silence">How long nothing may come.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public ValueTask<ImapResponse> ReadGreetingAsync(TimeSpan silence, CancellationToken cancellationToken) => ReadAsync(silence, cancellationToken);

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

    private string Begin(string name)
    {
        IsFree = false;
        _exchange = new Exchange(name, _clock.GetTimestamp(), _reader.Total);
        return string.Create(CultureInfo.InvariantCulture, $"P{++_tag}");
    }

    private ImapResponse End(string name, ImapResponse response)
    {
        IsFree = true;
        _idleTag = null;
        return response.Name == "OK" ? response : throw new ImapCommandException(Server, name, response.Name, response.Code, response.Text);
    }

    private async ValueTask DoneAsync(CancellationToken cancellationToken)
    {
        _idleTag = null;
        _exchange = new Exchange(Idle, _clock.GetTimestamp(), _reader.Total);
        await SendAsync("DONE\r\n", Idle, cancellationToken);
    }

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
            ImapResponse response = await ReadAsync(cancellationToken);
            if (response.IsContinuation)
            {
                return;
            }

            if (response.Tag == tag)
            {
                _ = End(name, response);
                throw new ImapConnectionException($"{Server} says that {name} is done before it has come to its end.");
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

    /// <summary>
    /// Reads one answer. The time is one of silence, since a mail on a slow line may take longer as a whole; a command as a whole has ten times that, and more as
    /// long as its bytes keep a pace, so that a server which drips holds nobody for ever.
    /// </summary>
    private ValueTask<ImapResponse> ReadAsync(CancellationToken cancellationToken) => ReadAsync(_timeout, cancellationToken);

    private async ValueTask<ImapResponse> ReadAsync(TimeSpan quiet, CancellationToken cancellationToken)
    {
        // A read that was given up would take its bytes with it, so it stays and the next one goes on with it.
        Task<ImapResponse> pending = _pending ??= _reader.ReadAsync(CancellationToken.None).AsTask();
        while (!pending.IsCompleted)
        {
            long before = _reader.Total;
            TimeSpan taken = _clock.GetElapsedTime(_exchange.BeganAt);
            TimeSpan left = (_timeout * 10) + TimeSpan.FromSeconds((before - _exchange.BytesBefore) / LeastPace) - taken;
            if (left <= TimeSpan.Zero)
            {
                throw new ImapConnectionException($"{Server} did not come to the end of {_exchange.Name} in {Duration.Format(taken)}, in which {before - _exchange.BytesBefore} bytes came. Slower than {LeastPace / 1024} KiB a second is not waited for.");
            }

            TimeSpan wait = left < quiet ? left : quiet;
            try
            {
                await pending.WaitAsync(wait, _clock, cancellationToken);
            }
            catch (TimeoutException e)
            {
                // When bytes came, or the answer in this moment, it goes on.
                if (!pending.IsCompleted && _reader.Total == before && wait == quiet)
                {
                    throw new ImapConnectionException(_stream.Silent("answer", _exchange.Name, quiet).Message, e);
                }
            }
        }

        _pending = null;
        ImapResponse response = await pending;
        return ++_exchange.Answers <= MaxAnswers ? response : throw new ImapConnectionException($"{Server} gives more than {MaxAnswers} answers to one {_exchange.Name}.");
    }

    /// <summary>Waits for an answer; false when the wait ended first.</summary>
    private async ValueTask<bool> HasAnswerAsync(Task over, CancellationToken cancellationToken)
    {
        _pending ??= _reader.ReadAsync(CancellationToken.None).AsTask();
        await Task.WhenAny(_pending, over).WaitAsync(cancellationToken);
        return _pending.IsCompleted;
    }

    private void Unasked(ImapResponse response, Action<ImapResponse>? onData)
    {
        if (response.Tag != "*")
        {
            throw new ImapConnectionException($"{Server} answers a command '{Names.Shorten(response.Tag)}' that was not sent.") { Said = response.Tag };
        }

        if (response.Name == "BYE")
        {
            throw new ImapConnectionException($"{Server} says goodbye: {Names.Shorten(response.Text)}") { Said = response.Text };
        }

        onData?.Invoke(response);
    }

    /// <summary>What is waited for, and since when.</summary>
    private sealed class Exchange(string name, long beganAt, long bytesBefore)
    {
        public string Name => name;

        public long BeganAt => beganAt;

        public long BytesBefore => bytesBefore;

        public int Answers { get; set; }
    }
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
