namespace Postroom.Mail;

/// <summary>A connection that is taken for one send, and given back by disposing of it.</summary>
internal sealed class SmtpSlot : IAsyncDisposable
{
    private readonly SmtpConnections _owner;

    private SmtpSlot(SmtpConnections owner, SmtpConnection connection)
    {
        _owner = owner;
        Connection = connection;
    }

    /// <summary>The connection; another one once it had to be opened again.</summary>
    public SmtpConnection Connection { get; set; }

    /// <summary>Waits for a free place and a connection that is alive.</summary>
    /// <exception cref="MailConnectionException">None can be opened, or they are closed for good.</exception>
    public static async ValueTask<SmtpSlot> TakeAsync(SmtpConnections owner, CancellationToken cancellationToken) => new(owner, await owner.TakeAsync(cancellationToken));

    public ValueTask DisposeAsync() => _owner.ReturnAsync(Connection);
}
