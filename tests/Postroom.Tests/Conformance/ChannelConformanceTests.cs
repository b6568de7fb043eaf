using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Chat;
using Postroom.Mail;
using Postroom.Testing;

namespace Postroom.Tests.Conformance;

/// <summary>A Telegram bot keeps what every communicator keeps.</summary>
public sealed class TelegramConformanceTests : CommunicatorConformance
{
    private readonly FakeTelegramServer _server = new();
    private FakeTelegramChat _chat = null!;

    protected override IReadOnlyList<string> Secrets => [_server.Token];

    protected override IReadOnlyList<string> Taken => [.. _chat.Messages.Select(message => message.Text ?? "")];

    protected override ValueTask<ICommunicator> CreateAsync()
    {
        _chat = _server.AddChat(7);
        return new(new TelegramCommunicator("bot", new TelegramCommunicatorConfig
        {
            Type = "telegram",
            Token = new Secret(_server.Token),
            BaseUrl = _server.Address,
            Chats = new Dictionary<string, TelegramChatConfig> { ["default"] = new() { ChatId = "7" } },
        }));
    }

    protected override ValueTask FailNextAsync(ServiceFault fault)
    {
        switch (fault)
        {
            case ServiceFault.Down:
                _server.IsUp = false;
                break;
            case ServiceFault.AnswerLost:
                _server.FailNext(new FakeAnswer.Reset(), "sendMessage", afterWork: true);
                break;
            default:
                _server.FailNext(fault switch
                {
                    ServiceFault.Failing => FakeTelegramServer.Error(500, "Internal Server Error"),
                    ServiceFault.Busy => FakeTelegramServer.Error(429, "Too Many Requests: retry after 3", 3),
                    ServiceFault.Refusing => FakeTelegramServer.Error(403, "Forbidden: bot was blocked by the user"),
                    _ => FakeTelegramServer.Error(401, "Unauthorized"),
                }, "sendMessage");
                break;
        }

        return default;
    }

    protected override ValueTask SlowNextAsync(TimeSpan by)
    {
        _server.Latency = by;
        return default;
    }

    protected override ValueTask EndAsync() => _server.DisposeAsync();
}

/// <summary>The Cloud API of WhatsApp keeps what every communicator keeps.</summary>
public sealed class WhatsAppCloudConformanceTests : CommunicatorConformance
{
    private readonly FakeWhatsAppServer _server = new();

    protected override IReadOnlyList<string> Secrets => [_server.AccessToken, _server.AppSecret];

    protected override IReadOnlyList<string> Taken => [.. _server.Messages.Select(message => message.Body.GetProperty("text").GetProperty("body").GetString()!)];

    protected override ValueTask<ICommunicator> CreateAsync() => new(new WhatsAppCommunicator("wa", new WhatsAppCommunicatorConfig
    {
        Type = "whatsapp",
        Client = WhatsAppClientKind.BusinessApi,
        GraphUrl = _server.GraphUrl,
        AccessToken = new Secret(_server.AccessToken),
        PhoneNumberId = _server.PhoneNumberId,
        AppSecret = new Secret(_server.AppSecret),
        VerifyToken = new Secret("word-canary"),
        Chats = new Dictionary<string, string> { ["default"] = "+49 170 1234567" },
    }));

    protected override ValueTask FailNextAsync(ServiceFault fault)
    {
        switch (fault)
        {
            case ServiceFault.Down:
                _server.IsUp = false;
                break;
            case ServiceFault.AnswerLost:
                _server.LoseAnswers(1);
                break;
            default:
                _server.Next(fault switch
                {
                    ServiceFault.Failing => FakeWhatsAppServer.Error(500, 131000, "Something went wrong"),
                    ServiceFault.Busy => FakeWhatsAppServer.ThroughputLimit(TimeSpan.FromSeconds(3)),
                    ServiceFault.Refusing => FakeWhatsAppServer.Error(400, 131026, "Message undeliverable"),
                    _ => FakeWhatsAppServer.Error(401, 190, "Invalid OAuth access token"),
                });
                break;
        }

        return default;
    }

    protected override ValueTask SlowNextAsync(TimeSpan by)
    {
        _server.Delay = by;
        return default;
    }

    protected override ValueTask EndAsync() => _server.DisposeAsync();
}

/// <summary>The bridge of WhatsApp keeps what every communicator keeps.</summary>
public sealed class WhatsAppBridgeConformanceTests : CommunicatorConformance
{
    private readonly FakeWhatsAppBridge _bridge = new("bridge-canary");

    protected override IReadOnlyList<string> Secrets => ["bridge-canary"];

    protected override IReadOnlyList<string> Taken => [.. _bridge.Messages.Select(message => message.Text)];

    protected override ValueTask<ICommunicator> CreateAsync() => new(new WhatsAppCommunicator("wa", new WhatsAppCommunicatorConfig
    {
        Type = "whatsapp",
        Client = WhatsAppClientKind.Web,
        BridgeUrl = _bridge.Url,
        BridgeToken = new Secret("bridge-canary"),
        Chats = new Dictionary<string, string> { ["default"] = "+49 170 1234567" },
    }));

    protected override ValueTask FailNextAsync(ServiceFault fault)
    {
        if (fault == ServiceFault.Down)
        {
            _bridge.IsUp = false;
            return default;
        }

        _bridge.Next(fault switch
        {
            ServiceFault.AnswerLost => new FakeAnswer.Reset(),
            ServiceFault.Failing => new FakeAnswer.Reply(500, "{}"),
            ServiceFault.Busy => new FakeAnswer.Reply(429, "{}"),
            ServiceFault.Refusing => new FakeAnswer.Reply(400, "{}"),
            _ => new FakeAnswer.Reply(401, "{}"),
        });
        return default;
    }

    protected override ValueTask SlowNextAsync(TimeSpan by)
    {
        _bridge.Delay = by;
        return default;
    }

    protected override ValueTask EndAsync() => _bridge.DisposeAsync();
}

/// <summary>E-mail keeps what every communicator keeps.</summary>
public sealed class EmailConformanceTests : CommunicatorConformance
{
    private readonly string _authority = Path.GetTempFileName();
    private readonly FakeSmtpServer _server = new(new FakeSmtpOptions { Username = "shop", Password = "hunter2-canary" });

    protected override IReadOnlyList<string> Secrets => ["hunter2-canary"];

    protected override IReadOnlyList<string> Taken => [.. _server.Mails.Select(mail => mail.Text[(mail.Text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..].TrimEnd())];

    protected override async ValueTask<ICommunicator> CreateAsync()
    {
        await File.WriteAllTextAsync(_authority, FakeSmtpServer.AuthorityPem, Cancel);
        return new EmailCommunicator("mail", new EmailCommunicatorConfig
        {
            Type = "email",
            Host = FakeSmtpServer.Host,
            Port = _server.Port,
            Security = MailSecurity.StartTls,
            CaFile = _authority,
            Username = "shop",
            Password = new Secret("hunter2-canary"),
            FromAddress = "shop@example.org",
            DefaultRecipients = ["ann@example.org"],
        }, NullLogger<EmailCommunicator>.Instance);
    }

    protected override ValueTask FailNextAsync(ServiceFault fault)
    {
        switch (fault)
        {
            case ServiceFault.Down:
                _server.IsUp = false;
                break;
            case ServiceFault.Failing:
                _server.Next(FakeSmtpStep.Dot, new FakeSmtpFault.Answer("451 4.3.0 Try again"));
                break;
            case ServiceFault.Busy:
                _server.Next(FakeSmtpStep.Mail, new FakeSmtpFault.Answer("450 4.7.1 Too many"));
                break;
            case ServiceFault.Refusing:
                _server.Next(FakeSmtpStep.Dot, new FakeSmtpFault.Answer("554 5.7.1 No"));
                break;
            case ServiceFault.WrongCredentials:
                _server.DropConnections();
                _server.Next(FakeSmtpStep.Auth, new FakeSmtpFault.Answer("535 5.7.8 No"));
                break;
            default:
                _server.Next(FakeSmtpStep.Dot, new FakeSmtpFault.Close());
                break;
        }

        return default;
    }

    protected override ValueTask SlowNextAsync(TimeSpan by)
    {
        _server.Next(FakeSmtpStep.Dot, new FakeSmtpFault.Slow(by));
        return default;
    }

    protected override async ValueTask EndAsync()
    {
        await _server.DisposeAsync();
        File.Delete(_authority);
    }
}

/// <summary>A webhook out keeps what every communicator keeps.</summary>
public sealed class WebhookConformanceTests : CommunicatorConformance
{
    private readonly FakeService _service = new();

    protected override IReadOnlyList<string> Secrets => ["token-canary", "secret-canary"];

    protected override IReadOnlyList<string> Taken => [.. _service.Taken.Select(request => System.Text.Json.JsonElement.Parse(request.Text).GetProperty("message").GetString()!)];

    protected override ValueTask<ICommunicator> CreateAsync() => new(new WebhookCommunicator("hook", new WebhookCommunicatorConfig
    {
        Type = "webhook",
        Url = new Uri($"{_service.Address}/notices"),
        Headers = new Dictionary<string, Secret> { ["Authorization"] = new("Bearer token-canary") },
        Secret = new Secret("secret-canary"),
        Timeout = TimeSpan.FromSeconds(5),
    }));

    protected override ValueTask FailNextAsync(ServiceFault fault)
    {
        if (fault == ServiceFault.Down)
        {
            _service.IsUp = false;
            return default;
        }

        _service.Next(fault switch
        {
            ServiceFault.Failing => new FakeAnswer.Reply(500, ""),
            ServiceFault.Busy => new FakeAnswer.Reply(429, "") { Headers = new Dictionary<string, string> { ["Retry-After"] = "3" } },
            ServiceFault.Refusing => new FakeAnswer.Reply(404, ""),
            ServiceFault.WrongCredentials => new FakeAnswer.Reply(401, ""),
            _ => new FakeAnswer.Reset(),
        });
        return default;
    }

    protected override ValueTask SlowNextAsync(TimeSpan by)
    {
        _service.Delay = by;
        return default;
    }

    protected override ValueTask EndAsync() => _service.DisposeAsync();

    private sealed class FakeService : IAsyncDisposable
    {
        private readonly System.Collections.Concurrent.ConcurrentQueue<FakeAnswer> _next = new();
        private readonly FakeHttpServer _server;

        public FakeService() => _server = new FakeHttpServer((request, _) =>
        {
            if (_next.TryDequeue(out FakeAnswer? answer))
            {
                return new(answer);
            }

            Taken.Enqueue(request);
            return new(new FakeAnswer.Reply(200, """{"id":"n-1"}""") { Delay = Delay });
        });

        public TimeSpan Delay { get; set; }

        public System.Collections.Concurrent.ConcurrentQueue<FakeRequest> Taken { get; } = new();

        public string Address => _server.Address;

        public bool IsUp
        {
            set => _server.IsUp = value;
        }

        public void Next(FakeAnswer answer) => _next.Enqueue(answer);

        public ValueTask DisposeAsync() => _server.DisposeAsync();
    }
}
