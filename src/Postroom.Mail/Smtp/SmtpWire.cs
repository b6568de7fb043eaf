namespace Postroom.Mail;

/// <summary>One connection's bytes: commands out, answers in, each wait with its end. Broken after any failure, and then only closed.</summary>
/// <param name="server">Host and port, for error messages.</param>
/// <param name="transport">The connection; owned.</param>
/// <param name="clock">Ends the waits.</param>
/// <param name="timeout">How long a command may take.</param>
internal sealed class SmtpWire(string server, Stream transport, TimeProvider clock, TimeSpan timeout) : IAsyncDisposable
{
    // RFC 5321 §4.5.3.2: servers check a mail before they answer its final dot.
    private static readonly TimeSpan DataTimeout = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan MailTimeout = TimeSpan.FromMinutes(10);

    private readonly MailStream _stream = new(server, transport, clock);
    private SmtpReplyReader _reader = new(server, transport);
    private SmtpWriter _writer = new(transport);

    /// <summary>Host and port.</summary>
    public string Server => server;

    /// <summary>Whether it is encrypted.</summary>
    public bool IsSecure => _stream.IsSecure;

    /// <summary>How it is encrypted, in words.</summary>
    public string Encryption => _stream.Encryption;

    /// <summary>How long a command may take.</summary>
    public TimeSpan CommandTimeout => timeout;

    /// <summary>How long <c>DATA</c>, and each piece of a mail, may take.</summary>
    public TimeSpan DataWait => timeout > DataTimeout ? timeout : DataTimeout;

    /// <summary>How long the answer to a mail may take.</summary>
    public TimeSpan MailWait => timeout > MailTimeout ? timeout : MailTimeout;

    /// <summary>Whether the server said something unasked, which is a farewell, or nothing of SMTP.</summary>
    public bool HasUnread => _reader.HasMore;

    /// <summary>Sends a command and reads its answer.</summary>
    /// <param name="command">The command.</param>
    /// <param name="cancellationToken">Ends the exchange.</param>
    public async ValueTask<SmtpReply> AskAsync(string command, CancellationToken cancellationToken)
    {
        await SendAsync([command], cancellationToken);
        return await ReadAsync(command, timeout, cancellationToken);
    }

    /// <summary>Sends a line of a login and reads its answer; no error text shows the line.</summary>
    public async ValueTask<SmtpReply> AskSecretAsync(string line, CancellationToken cancellationToken)
    {
        const string Shown = "the login";
        await _stream.LimitedAsync("take", Shown, timeout, async deadline =>
        {
            await _writer.CommandsAsync([line], deadline.Token);
            return true;
        }, cancellationToken);
        return await _stream.LimitedAsync("answer", Shown, timeout, deadline => _reader.ReadAsync(isSecret: true, deadline.Token), cancellationToken);
    }

    /// <summary>Sends commands in one piece.</summary>
    public ValueTask SendAsync(IReadOnlyList<string> commands, CancellationToken cancellationToken) =>
        _stream.LimitedAsync("take", commands[0], timeout, async deadline =>
        {
            await _writer.CommandsAsync(commands, deadline.Token);
            return true;
        }, cancellationToken).AsVoid();

    /// <summary>Reads one answer.</summary>
    /// <param name="command">What it answers, for error messages; only its first word is shown.</param>
    /// <param name="limit">How long it may take.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public ValueTask<SmtpReply> ReadAsync(string command, TimeSpan limit, CancellationToken cancellationToken) =>
        _stream.LimitedAsync("answer", command, limit, deadline => _reader.ReadAsync(isSecret: false, deadline.Token), cancellationToken);

    /// <summary>Sends a mail without the line that ends it; the server has nothing as long as that is missing.</summary>
    public ValueTask SendMailAsync(ReadOnlyMemory<byte> mail, CancellationToken cancellationToken)
    {
        return _stream.LimitedAsync("take", "the mail", Timeout.InfiniteTimeSpan, async deadline =>
        {
            // The limit is one of silence: a large mail may take longer as a whole.
            using CancellationTokenSource silence = new(DataWait, clock);
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, silence.Token);
            try
            {
                await _writer.MailAsync(mail, () => silence.CancelAfter(DataWait), either.Token);
                return true;
            }
            catch (OperationCanceledException e) when (silence.IsCancellationRequested && !deadline.Token.IsCancellationRequested)
            {
                throw _stream.Silent("take", "the mail", DataWait, e);
            }
        }, cancellationToken).AsVoid();
    }

    /// <summary>Sends the line that ends a mail.</summary>
    public ValueTask SendEndAsync(CancellationToken cancellationToken) =>
        _stream.LimitedAsync("take", "the end of the mail", timeout, async deadline =>
        {
            await _writer.EndAsync(deadline.Token);
            return true;
        }, cancellationToken).AsVoid();

    /// <summary>Goes on encrypted; everything the server said before is forgotten.</summary>
    /// <exception cref="MailConnectionException">The handshake failed, or bytes came in front of it.</exception>
    public async ValueTask EncryptAsync(string host, string? caFile, CancellationToken cancellationToken)
    {
        await _stream.EncryptAsync(_reader.HasMore, host, caFile, timeout, cancellationToken);
        _reader = new SmtpReplyReader(server, _stream.Bytes);
        _writer = new SmtpWriter(_stream.Bytes);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _stream.DisposeAsync();
}

/// <summary>Drops a result that only says that there was no failure.</summary>
internal static class ValueTaskExtensions
{
    /// <summary>The task without its result.</summary>
    public static async ValueTask AsVoid<T>(this ValueTask<T> task) => await task;
}
