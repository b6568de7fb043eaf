using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Postroom.Testing;

/// <summary>A message that the fake bridge has taken.</summary>
/// <param name="Number">The number, with <c>@c.us</c>.</param>
/// <param name="Text">The text.</param>
/// <param name="Files">The files by name.</param>
public sealed record FakeBridgeMessage(string Number, string Text, IReadOnlyDictionary<string, byte[]> Files);

/// <summary>
/// A bridge to WhatsApp Web on a free loopback port (WA-2, WA-13): <c>POST /send-message</c> and <c>GET /status</c>. Until it is paired it answers sends with 503.
/// Safe for concurrent use.
/// </summary>
public sealed class FakeWhatsAppBridge : IAsyncDisposable
{
    private readonly FakeHttpServer _server;
    private readonly string? _token;
    private readonly ConcurrentQueue<FakeAnswer> _next = new();
    private readonly ConcurrentQueue<FakeRequest> _requests = new();
    private readonly ConcurrentQueue<FakeBridgeMessage> _messages = new();
    private readonly Arrivals _probes = new();

    /// <summary>Starts the fake.</summary>
    /// <param name="token">The bearer token it asks for; null for none.</param>
    public FakeWhatsAppBridge(string? token = null)
    {
        _token = token;
        _server = new FakeHttpServer((request, _) => new ValueTask<FakeAnswer>(Answer(request)));
    }

    /// <summary>What <c>bridgeUrl</c> is set to.</summary>
    public string Url => _server.Address;

    /// <summary>Whether a session is paired; true unless set.</summary>
    public bool IsPaired { get; set; } = true;

    /// <summary>Whether it takes connections.</summary>
    public bool IsUp
    {
        get => _server.IsUp;
        set => _server.IsUp = value;
    }

    /// <summary>How long it waits before it says that it has taken a message; not at all unless set.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>Every request so far, refused ones included.</summary>
    public IReadOnlyList<FakeRequest> Requests => [.. _requests];

    /// <summary>Every message taken so far.</summary>
    public IReadOnlyList<FakeBridgeMessage> Messages => [.. _messages];

    /// <summary>How many times its state was asked for.</summary>
    public int Probes => _probes.Count;

    /// <summary>Queues what the next sends get, in order.</summary>
    public FakeWhatsAppBridge Next(params IEnumerable<FakeAnswer> answers)
    {
        foreach (FakeAnswer answer in answers)
        {
            _next.Enqueue(answer);
        }

        return this;
    }

    /// <summary>Waits until its state was asked for so many times.</summary>
    /// <param name="count">How many, counted from the start.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task WaitForProbesAsync(int count, CancellationToken cancellationToken) => _probes.WaitAsync(count, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private FakeAnswer Answer(FakeRequest request)
    {
        _requests.Enqueue(request);
        if (_token is not null && request.Header("Authorization") != $"Bearer {_token}")
        {
            return Refusal(401, "Unauthorized");
        }

        switch (request.Method, request.Path)
        {
            case ("GET", "/status"):
                _probes.Add();
                return new FakeAnswer.Reply(200, new JsonObject { ["connected"] = IsPaired, ["state"] = IsPaired ? "CONNECTED" : "UNPAIRED" }.ToJsonString());
            case ("POST", "/send-message"):
                return _next.TryDequeue(out FakeAnswer? planned) ? planned
                    : !IsPaired ? Refusal(503, "The session is not paired. Scan the code.")
                    : Take(request) with { Delay = Delay };
            default:
                return Refusal(404, "Not found");
        }
    }

    private FakeAnswer.Reply Take(FakeRequest request)
    {
        try
        {
            JsonElement body = JsonElement.Parse(request.Body);
            string? number = FakeWhatsAppRules.TextOf(body, "number");
            string? text = FakeWhatsAppRules.TextOf(body, "message");
            if (number is null || !number.EndsWith("@c.us", StringComparison.Ordinal) || number.Length < 10 || !number[..^5].All(char.IsAsciiDigit))
            {
                return Refusal(400, "number must be digits and @c.us");
            }

            Dictionary<string, byte[]> files = [];
            if (body.TryGetProperty("attachments", out JsonElement attachments))
            {
                foreach (JsonProperty file in attachments.EnumerateObject())
                {
                    files[file.Name] = file.Value.GetBytesFromBase64();
                }
            }

            if (text is null || (text.Length == 0 && files.Count == 0))
            {
                return Refusal(400, "message is required");
            }

            _messages.Enqueue(new FakeBridgeMessage(number, text, files));
            return new FakeAnswer.Reply(200, new JsonObject { ["success"] = true, ["to"] = number }.ToJsonString());
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
        {
            return Refusal(400, "The body is no JSON of the right form.");
        }
    }

    private static FakeAnswer.Reply Refusal(int status, string error) => new(status, new JsonObject { ["success"] = false, ["error"] = error }.ToJsonString());
}
