using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Postroom.Chat;
using Postroom.Testing;
using Xunit;

namespace Postroom.Tests.Chat.WhatsApp;

/// <summary>A communicator of the Cloud API before a fake of it, without a runtime.</summary>
internal sealed class WhatsAppFixture : IAsyncDisposable
{
    public const string Contact = "491701234567";
    public const string VerifyToken = "verify-canary";

    private WhatsAppFixture(WhatsAppCommunicatorConfig config, ManualClock clock, FakeWhatsAppServer service)
    {
        Service = service;
        Clock = clock;
        Communicator = new WhatsAppCommunicator("wa", config, clock);
        Communicator.SetIncomingSink(Sink);
        Communicator.SetFacts(Facts);
    }

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public FakeWhatsAppServer Service { get; }

    public ManualClock Clock { get; }

    public WhatsAppCommunicator Communicator { get; }

    public SinkDouble Sink { get; } = new();

    public FactsDouble Facts { get; } = new();

    public static async Task<WhatsAppFixture> StartAsync(Func<WhatsAppCommunicatorConfig, WhatsAppCommunicatorConfig>? change = null)
    {
        FakeWhatsAppServer service = new();
        WhatsAppCommunicatorConfig config = new()
        {
            Type = WhatsAppCommunicatorConfig.Kind,
            Client = WhatsAppClientKind.BusinessApi,
            AccessToken = new Secret(service.AccessToken),
            PhoneNumberId = service.PhoneNumberId,
            AppSecret = new Secret(service.AppSecret),
            VerifyToken = new Secret(VerifyToken),
            GraphUrl = service.GraphUrl,
            Chats = new Dictionary<string, string> { ["family"] = "+49 170 1234567" },
        };
        WhatsAppFixture fixture = new(change?.Invoke(config) ?? config, new ManualClock(), service);
        await fixture.Communicator.StartAsync(Cancel);
        return fixture;
    }

    public ValueTask<DeliveryReceipt> SendAsync(OutgoingMessage message, DeliveryDouble? delivery = null) =>
        Communicator.SendAsync(message, delivery ?? new DeliveryDouble(), Cancel);

    public async Task<DeliveryException> RefusedAsync(OutgoingMessage message, DeliveryDouble? delivery = null) =>
        await Assert.ThrowsAsync<DeliveryException>(() => SendAsync(message, delivery).AsTask());

    public ValueTask<WebhookReply> PostAsync(FakeWhatsAppPost post) => PostAsync(post.ToString());

    public ValueTask<WebhookReply> PostAsync(string body, string? signature = null) => Communicator.ReceiveAsync(
        new WebhookCall
        {
            Method = "POST",
            Headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase) { ["X-Hub-Signature-256"] = signature ?? Service.Sign(body) },
            Body = Encoding.UTF8.GetBytes(body),
        },
        Cancel);

    public async ValueTask DisposeAsync()
    {
        await Communicator.StopAsync(CancellationToken.None);
        await Service.DisposeAsync();
    }
}

/// <summary>A store of what comes in that knows repeats.</summary>
internal sealed class SinkDouble : IIncomingSink
{
    private readonly HashSet<string> _keys = [];

    public List<IncomingMessage> Messages { get; } = [];

    public List<LateReceipt> Receipts { get; } = [];

    public int Calls { get; private set; }

    public Exception? Failure { get; set; }

    public ValueTask<IReadOnlyList<AcceptResult>> AcceptAsync(IReadOnlyList<IncomingMessage> messages, IReadOnlyList<LateReceipt> receipts, CancellationToken cancellationToken)
    {
        Calls++;
        if (Failure is { } failure)
        {
            throw failure;
        }

        List<AcceptResult> results = [];
        foreach (IncomingMessage message in messages)
        {
            bool known = !_keys.Add(message.ChannelMessageId!);
            results.Add(new AcceptResult(MessageId.New(), known));
            if (!known)
            {
                Messages.Add(message);
                JsonSerializer.SerializeToUtf8Bytes(message, PostroomJson.Default.IncomingMessage); // whatever came in can be stored
            }
        }

        Receipts.AddRange(receipts);
        return new ValueTask<IReadOnlyList<AcceptResult>>(results);
    }
}

/// <summary>Facts in memory.</summary>
internal sealed class FactsDouble : IChannelFacts
{
    public ConcurrentDictionary<string, string> Values { get; } = new();

    public ValueTask<string?> ReadAsync(string key, CancellationToken cancellationToken) => new(Values.GetValueOrDefault(key));

    public ValueTask WriteAsync(string key, string? value, TimeSpan? keep, CancellationToken cancellationToken)
    {
        Values[key] = value!;
        return default;
    }
}

/// <summary>One delivery to the contact, which keeps its progress.</summary>
internal sealed class DeliveryDouble(string? recipient = $"wa:+{WhatsAppFixture.Contact}", MessageId? id = null, params IReadOnlyList<string> progress) : DeliveryContext
{
    private readonly List<string> _progress = [.. progress];

    public override MessageId MessageId { get; } = id ?? MessageId.New();

    public override int Attempt => 1;

    public override bool Redelivered => false;

    public override Address? Recipient { get; } = recipient is null ? null : Address.Parse(recipient);

    public override string? Conversation => null;

    public override string IdempotencyKey => MessageId.ToString();

    public override Envelope Envelope => throw new NotSupportedException();

    public override IReadOnlyList<string> Progress => _progress;

    /// <summary>How often a turn was asked for behind the first.</summary>
    public int FurtherTurns { get; private set; }

    public override ValueTask SaveProgressAsync(string outsideId, CancellationToken cancellationToken)
    {
        _progress.Add(outsideId);
        return default;
    }

    public override ValueTask WaitForTurnAsync(CancellationToken cancellationToken)
    {
        FurtherTurns++;
        return default;
    }
}
