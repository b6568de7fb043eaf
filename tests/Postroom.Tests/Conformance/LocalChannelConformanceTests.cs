using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Chat;
using Postroom.ControlPlane;
using Postroom.Mail;
using Postroom.Testing;
using Postroom.Tests.ControlPlane;
using Postroom.Tests.Sqlite;

namespace Postroom.Tests.Conformance;

/// <summary>The web chat keeps what every communicator keeps.</summary>
public class EmulatorConformanceTests : CommunicatorConformance
{
    private const string Contact = "ann";

    private readonly CancellationTokenSource _left = new();
    private readonly StreamText _stream = new();
    private WebChat _chat = null!;
    private Task _listening = Task.CompletedTask;
    private int _marks;

    /// <summary>The channel it stands for; null for itself.</summary>
    private protected virtual IChannelRules? Rules => null;

    /// <summary>It asks for no credentials, and its conversation is on this machine: one that is down is one that answers 503.</summary>
    protected override IReadOnlyDictionary<ServiceFault, string> Lacks { get; } = new Dictionary<ServiceFault, string> { [ServiceFault.WrongCredentials] = "It asks for none." };

    protected override IReadOnlyList<string> Taken
    {
        get
        {
            // The stream is written by another thread, in order: what was shown before a mark is there with the mark.
            string mark = $"mark-{++_marks}";
            _chat.Hub.Publish(Contact, new ServerEvent(null, "mark", mark));
            return [.. _stream.WaitFor($"data: {mark}\n").Split("\n\n").Where(item => item.StartsWith("id: ", StringComparison.Ordinal) && item.Contains("\ndata: ", StringComparison.Ordinal))
                .Select(item => item[(item.IndexOf("\ndata: ", StringComparison.Ordinal) + 7)..])];
        }
    }

    protected override OutgoingMessage Message(string text) => new(text) { To = Address.ForRecipient("chat", Contact) };

    protected override ValueTask<ICommunicator> CreateAsync()
    {
        _chat = new WebChat(new RuntimeDouble(TimeProvider.System), new IntakeAccess(new WebhookIntakeOptions(), TimeProvider.System), TimeProvider.System, NullLoggerFactory.Instance);
        DefaultHttpContext client = new() { RequestAborted = _left.Token };
        client.Response.Body = _stream;
        _listening = _chat.Hub.ServeAsync(client, Contact);
        EmulatorCommunicatorConfig config = EmulatorCommunicatorConfig.Of(new CommunicatorBackendConfig { Type = EmulatorCommunicator.Kind }) with { Channel = Rules?.Kind };
        return new(Rules is { } rules ? _chat.Create("chat", config, rules) : _chat.Create("chat", config));
    }

    protected override ValueTask FailNextAsync(ServiceFault fault)
    {
        _chat.Faults.Set(Postroom.Message.ConversationOf("chat", Contact), fault switch
        {
            ServiceFault.Down => new EmulatorFaults { ServerError = 1, Status = 503 },
            ServiceFault.Failing => new EmulatorFaults { ServerError = 1 },
            ServiceFault.Busy => new EmulatorFaults { RateLimited = 1 },
            ServiceFault.Refusing => new EmulatorFaults { Refused = 1 },
            ServiceFault.AnswerLost => new EmulatorFaults { LostAnswer = 1 },
            _ => throw new NotSupportedException(),
        });
        return default;
    }

    protected override ValueTask SlowNextAsync(TimeSpan by)
    {
        _chat.Faults.Set(Postroom.Message.ConversationOf("chat", Contact), new EmulatorFaults { Delay = by });
        return default;
    }

    protected override async ValueTask EndAsync()
    {
        await _left.CancelAsync();
        await _listening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _left.Dispose();
    }

    /// <summary>What a stream wrote, which may be waited for.</summary>
    private sealed class StreamText : MemoryStream
    {
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
        private readonly StringBuilder _text = new();

        public string WaitFor(string end)
        {
            lock (_text)
            {
                DateTimeOffset limit = TimeProvider.System.GetUtcNow() + Patience;
                while (!_text.ToString().Contains(end, StringComparison.Ordinal))
                {
                    TimeSpan left = limit - TimeProvider.System.GetUtcNow();
                    Assert(left > TimeSpan.Zero && Monitor.Wait(_text, left));
                }

                return _text.ToString();
            }

            static void Assert(bool came) => Xunit.Assert.True(came, "The stream did not show within 10 s what was published to it.");
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            lock (_text)
            {
                _text.Append(Encoding.UTF8.GetString(buffer));
                Monitor.PulseAll(_text);
            }
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Write(buffer.Span);
            return default;
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        {
            Write(buffer.AsSpan(offset, count));
            return Task.CompletedTask;
        }
    }
}

/// <summary>A web chat that stands for Telegram keeps what every communicator keeps.</summary>
public sealed class EmulatedTelegramConformanceTests : EmulatorConformanceTests
{
    private protected override IChannelRules Rules { get; } = new TelegramRules();
}

/// <summary>A web chat that stands for WhatsApp keeps what every communicator keeps.</summary>
public sealed class EmulatedWhatsAppConformanceTests : EmulatorConformanceTests
{
    private protected override IChannelRules Rules { get; } = new WhatsAppRules();
}

/// <summary>Mails as files keep what every communicator keeps.</summary>
public sealed class MaildropConformanceTests : CommunicatorConformance
{
    private readonly TempFolder _folder = new();
    private bool _fails;

    /// <summary>A folder can only be away; it refuses nobody, and there is no answer that could be lost.</summary>
    protected override IReadOnlyDictionary<ServiceFault, string> Lacks { get; } = new Dictionary<ServiceFault, string>
    {
        [ServiceFault.Busy] = "A folder asks nobody to wait.",
        [ServiceFault.Refusing] = "A folder refuses no mail for what is in it.",
        [ServiceFault.WrongCredentials] = "It asks for none.",
        [ServiceFault.AnswerLost] = "A file is written by this process, which knows how that ended.",
    };

    protected override string AnswersAtOnce => "A file is written within the call.";

    protected override IReadOnlyList<string> Taken =>
        [.. Directory.GetFiles(_folder.File("out"), "*.eml").Order(StringComparer.Ordinal).Select(static file => MailMessageReader.Read(File.ReadAllBytes(file), default).Text!.TrimEnd())];

    protected override ValueTask<ICommunicator> CreateAsync() => new(new MaildropCommunicator(
        "drop", new MaildropCommunicatorConfig { Path = _folder.File("out"), FromAddress = "shop@example.test", DefaultRecipients = ["ann@example.test"] }));

    protected override ValueTask FailNextAsync(ServiceFault fault)
    {
        _fails = fault is ServiceFault.Down or ServiceFault.Failing ? true : throw new NotSupportedException();
        return default;
    }

    protected override ValueTask SlowNextAsync(TimeSpan by) => throw new NotSupportedException();

    /// <summary>The folder is away for the delivery after a fault was asked for.</summary>
    protected override TestDelivery Delivery(OutgoingMessage message)
    {
        if (_fails)
        {
            Directory.Move(_folder.File("out"), _folder.File("away"));
            _fails = false;
        }
        else if (Directory.Exists(_folder.File("away")))
        {
            Directory.Move(_folder.File("away"), _folder.File("out"));
        }

        return base.Delivery(message);
    }

    protected override ValueTask EndAsync()
    {
        _folder.Dispose();
        return default;
    }
}

/// <summary>The communicator that tests are written with keeps what every communicator keeps.</summary>
public sealed class RecordingConformanceTests : CommunicatorConformance
{
    private readonly RecordingCommunicator _communicator = new("recording");

    protected override IReadOnlyList<string> Taken => [.. _communicator.Sends.Where(static send => send.Outcome is SendOutcome.Succeeds or SendOutcome.Takes).Select(static send => send.Message.Message)];

    protected override ValueTask<ICommunicator> CreateAsync() => new(_communicator);

    protected override ValueTask FailNextAsync(ServiceFault fault)
    {
        _communicator.Next(new SendOutcome.Fails(fault switch
        {
            ServiceFault.Down => new DeliveryFailure.Transient(ServiceWide: true),
            ServiceFault.Failing => new DeliveryFailure.Transient(),
            ServiceFault.Busy => new DeliveryFailure.RateLimited(TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(1)),
            ServiceFault.Refusing => new DeliveryFailure.Refused("403"),
            ServiceFault.WrongCredentials => new DeliveryFailure.Unauthorized(),
            _ => new DeliveryFailure.Uncertain(),
        }));
        return default;
    }

    protected override ValueTask SlowNextAsync(TimeSpan by)
    {
        _communicator.Next(new SendOutcome.Takes(by));
        return default;
    }
}
