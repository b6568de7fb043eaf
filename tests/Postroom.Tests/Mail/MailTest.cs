using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Postroom.Mail;
using Postroom.Testing;
using Postroom.Tests.Sqlite;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>Base of mail tests: a fake server, the authority it is trusted by, and communicators that are stopped at the end.</summary>
public abstract class MailTest : IAsyncLifetime
{
    private readonly TempFolder _folder = new();
    private readonly List<IAsyncDisposable> _servers = [];
    private readonly List<EmailCommunicator> _started = [];

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    protected string CaFile => _folder.File("ca.pem");

    private protected ListLogger Logged { get; } = new();

    public ValueTask InitializeAsync()
    {
        File.WriteAllText(CaFile, FakeSmtpServer.AuthorityPem);
        return default;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (EmailCommunicator communicator in _started)
        {
            await communicator.StopAsync(CancellationToken.None);
        }

        foreach (IAsyncDisposable server in _servers)
        {
            await server.DisposeAsync();
        }

        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    protected FakeSmtpServer Serve(FakeSmtpOptions? options = null)
    {
        FakeSmtpServer server = new(options);
        _servers.Add(server);
        return server;
    }

    protected EmailCommunicatorConfig ConfigOf(FakeSmtpServer server) => new()
    {
        Host = FakeSmtpServer.Host,
        Port = server.Port,
        FromAddress = "Postroom <bot@example.test>",
        CaFile = CaFile,
        DefaultRecipients = ["ann@example.test"],
        HeloName = "client.example.test",
    };

    private protected EmailCommunicator Make(EmailCommunicatorConfig config, TimeProvider? clock = null)
    {
        EmailCommunicator communicator = new("email", config, Logged, clock);
        _started.Add(communicator);
        return communicator;
    }

    private protected async Task<EmailCommunicator> StartAsync(EmailCommunicatorConfig config, TimeProvider? clock = null)
    {
        EmailCommunicator communicator = Make(config, clock);
        await communicator.StartAsync(Cancel);
        return communicator;
    }

    private protected static async Task<DeliveryFailure> FailureOf(EmailCommunicator communicator, OutgoingMessage message, MailDelivery? delivery = null)
    {
        return (await Assert.ThrowsAsync<DeliveryException>(() => communicator.SendAsync(message, delivery ?? new MailDelivery(), Cancel).AsTask())).Failure;
    }

    protected static IReadOnlyDictionary<string, JsonElement> Metadata(string json) => JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(json)!;

    /// <summary>Keeps what is logged.</summary>
    internal sealed class ListLogger : ILogger<EmailCommunicator>
    {
        public ConcurrentQueue<(LogLevel Level, string Text)> Entries { get; } = new();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Entries.Enqueue((logLevel, formatter(state, exception)));
    }
}
