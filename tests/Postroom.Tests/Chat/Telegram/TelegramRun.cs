using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Postroom.Chat;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Chat.Telegram;

/// <summary>A bot against a fake service, with what it logged, stored and kept.</summary>
internal sealed class TelegramRun : IAsyncDisposable
{
    private readonly ConcurrentQueue<IncomingMessage> _received = new();
    private readonly SemaphoreSlim _arrived = new(0);

    public TelegramRun(Func<TelegramCommunicatorConfig, TelegramCommunicatorConfig>? change = null, TimeProvider? clock = null)
    {
        Server = new FakeTelegramServer();
        TelegramCommunicatorConfig config = new()
        {
            Type = TelegramCommunicatorConfig.Kind,
            Token = new Secret(Server.Token),
            BaseUrl = Server.Address,
            Chats = new Dictionary<string, TelegramChatConfig> { ["default"] = new() { ChatId = "7", CommandAuthorized = true } },
        };
        Bot = new TelegramCommunicator("shop", change?.Invoke(config) ?? config, clock, Log, new Random(1));
        Bot.SetFacts(Facts);
        Bot.SetIncomingHandler(AcceptAsync);
        Chat = Server.AddChat(7);
    }

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public FakeTelegramServer Server { get; }

    public TelegramCommunicator Bot { get; }

    /// <summary>The chat of the label <c>default</c>.</summary>
    public FakeTelegramChat Chat { get; }

    public KeptFacts Facts { get; } = new();

    public LogLines Log { get; } = new();

    /// <summary>Fails what comes in, in order.</summary>
    public ConcurrentQueue<Exception> Refusals { get; } = new();

    public IReadOnlyList<IncomingMessage> Received => [.. _received];

    /// <summary>Looks every 10 ms whether something holds, for at most 20 s.</summary>
    public static async Task WaitUntilAsync(Func<bool> holds)
    {
        for (int i = 0; !holds(); i++)
        {
            Assert.True(i < 2_000, "It did not come true within 20 s.");
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, Cancel);
        }
    }

    public static async Task<TelegramRun> StartAsync(Func<TelegramCommunicatorConfig, TelegramCommunicatorConfig>? change = null, TimeProvider? clock = null)
    {
        TelegramRun run = new(change, clock);
        await run.Bot.StartAsync(Cancel);
        return run;
    }

    public async Task<IncomingMessage> NextAsync()
    {
        Assert.True(await _arrived.WaitAsync(TimeSpan.FromSeconds(20), Cancel), $"Nothing came in. {string.Join('\n', Log.Lines)}");
        return _received.ToArray()[^(_arrived.CurrentCount + 1)];
    }

    public ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, Delivery? context = null) => Bot.SendAsync(message, context ?? new Delivery(), Cancel);

    public async Task<DeliveryException> RefuseAsync(OutgoingMessage message, Delivery? context = null)
    {
        return await Assert.ThrowsAsync<DeliveryException>(async () => await SendAsync(message, context));
    }

    public async ValueTask DisposeAsync()
    {
        await Bot.StopAsync(CancellationToken.None);
        await Server.DisposeAsync();
        _arrived.Dispose();
    }

    private ValueTask<AcceptResult> AcceptAsync(IncomingMessage message, CancellationToken cancellationToken)
    {
        if (Refusals.TryDequeue(out Exception? refusal))
        {
            throw refusal;
        }

        _received.Enqueue(message);
        _arrived.Release();
        return new ValueTask<AcceptResult>(new AcceptResult(MessageId.New(), Duplicate: false));
    }

    /// <summary>One delivery.</summary>
    internal sealed class Delivery(params string[] progress) : DeliveryContext
    {
        private readonly List<string> _progress = [.. progress];

        public override MessageId MessageId { get; } = MessageId.New();

        public override int Attempt => 1;

        public override bool Redelivered => false;

        public override Address? Recipient => To;

        public Address? To { get; init; }

        public override string? Conversation => In;

        public string? In { get; init; }

        public override string IdempotencyKey => MessageId.ToString();

        public override Envelope Envelope => new(MessageId, "out.shop", PayloadTypes.Notify, default);

        public override IReadOnlyList<string> Progress => [.. _progress];

        public override ValueTask SaveProgressAsync(string outsideId, CancellationToken cancellationToken)
        {
            _progress.Add(outsideId);
            return default;
        }
    }

    internal sealed class KeptFacts : IChannelFacts
    {
        public ConcurrentDictionary<string, string> Values { get; } = new(StringComparer.Ordinal);

        public ValueTask<string?> ReadAsync(string key, CancellationToken cancellationToken) => new(Values.GetValueOrDefault(key));

        public ValueTask WriteAsync(string key, string? value, TimeSpan? keep, CancellationToken cancellationToken)
        {
            Values[key] = value!;
            return default;
        }
    }

    internal sealed class LogLines : ILogger
    {
        private readonly ConcurrentQueue<string> _lines = new();

        public IReadOnlyList<string> Lines => [.. _lines];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            _lines.Enqueue($"{logLevel}: {formatter(state, exception)} {exception}");
        }
    }
}

internal static class MetadataText
{
    /// <summary>A value of an incoming message as text; null for none.</summary>
    public static string? Meta(this IncomingMessage message, string key)
    {
        return message.Metadata.TryGetValue(key, out JsonElement value) ? value.ToString() : null;
    }
}
