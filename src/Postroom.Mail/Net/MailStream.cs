using System.Net.Security;

namespace Postroom.Mail;

/// <summary>One connection to a mail server: its bytes, every wait with an end, and the change to TLS. Broken after any failure, and then only closed.</summary>
/// <param name="server">Host and port, for error messages.</param>
/// <param name="transport">The connection; owned.</param>
/// <param name="clock">Ends the waits.</param>
internal sealed class MailStream(string server, Stream transport, TimeProvider clock) : IAsyncDisposable
{
    /// <summary>Host and port.</summary>
    public string Server => server;

    /// <summary>The bytes as they are read and written now.</summary>
    public Stream Bytes { get; private set; } = transport;

    /// <summary>Whether it is encrypted.</summary>
    public bool IsSecure => Bytes is SslStream;

    /// <summary>How it is encrypted, in words.</summary>
    public string Encryption => Bytes is SslStream tls ? $"TLS 1.{tls.SslProtocol.ToString()[^1]}" : "no encryption";

    /// <summary>Does one step within a time.</summary>
    /// <param name="verb">What the server has to do, for error messages.</param>
    /// <param name="what">What it has to do it with: a command, of which only the first word is shown, or words that begin with <c>the</c>.</param>
    /// <param name="limit">The time.</param>
    /// <param name="work">The step.</param>
    /// <param name="cancellationToken">Ends the step.</param>
    /// <exception cref="MailConnectionException">The time is over or the connection broke.</exception>
    public async ValueTask<T> LimitedAsync<T>(string verb, string what, TimeSpan limit, Func<Deadline, ValueTask<T>> work, CancellationToken cancellationToken)
    {
        using Deadline deadline = new(limit, clock, cancellationToken);
        try
        {
            return await work(deadline);
        }
        catch (OperationCanceledException e) when (deadline.IsOver)
        {
            throw Silent(verb, what, limit, e);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new MailConnectionException($"The connection to {server} broke at {Word(what)}: {e.Message}", e);
        }
    }

    /// <summary>The error for a server that does nothing in time.</summary>
    public MailConnectionException Silent(string verb, string what, TimeSpan limit, Exception? e = null) =>
        new($"{server} did not {verb} {Word(what)} in {Duration.Format(limit)}.", e) { TimedOut = true };

    /// <summary>Goes on encrypted; everything the server said before has to be forgotten.</summary>
    /// <param name="unread">Whether bytes came in front of the handshake.</param>
    /// <param name="host">The name that the certificate must have.</param>
    /// <param name="caFile">Certificates trusted beside the system's; null for none.</param>
    /// <param name="limit">How long the handshake may take.</param>
    /// <param name="cancellationToken">Ends the handshake.</param>
    /// <exception cref="MailConnectionException">The handshake failed, or bytes came in front of it.</exception>
    public async ValueTask EncryptAsync(bool unread, string host, string? caFile, TimeSpan limit, CancellationToken cancellationToken)
    {
        if (unread)
        {
            throw new MailConnectionException($"{server} sent bytes between STARTTLS and the handshake, as an attacker in between would (CVE-2011-0411). Nothing was sent.");
        }

        Bytes = await LimitedAsync("answer", "the TLS handshake", limit, async deadline => (Stream)await MailTls.HandshakeAsync(Bytes, host, caFile, deadline.Token), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Bytes.DisposeAsync();

    /// <summary>A command without its arguments, which may be addresses or secrets.</summary>
    private static string Word(string what) => what.StartsWith("the ", StringComparison.Ordinal) ? what : what.Split(' ')[0];
}
