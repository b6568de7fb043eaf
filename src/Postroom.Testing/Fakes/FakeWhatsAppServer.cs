using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Postroom.Testing;

/// <summary>A message that the fake has taken.</summary>
/// <param name="Id">The id that it gave it, <c>wamid.…</c>.</param>
/// <param name="To">Who gets it, in digits.</param>
/// <param name="Type">Its type, such as <c>text</c>.</param>
/// <param name="Body">The whole request.</param>
/// <param name="Opaque">What status callbacks give back; null when the request had nothing.</param>
/// <param name="At">When it was taken.</param>
public sealed record FakeWhatsAppMessage(string Id, string To, string Type, JsonElement Body, string? Opaque, DateTimeOffset At);

/// <summary>A file that the fake keeps: one that was uploaded, or one to be fetched.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Data">The bytes.</param>
/// <param name="ContentType">Its media type.</param>
public sealed record FakeWhatsAppFile(string Id, byte[] Data, string ContentType)
{
    /// <summary>The SHA-256 of the bytes in lower-case hex.</summary>
    public string Sha256 { get; } = Convert.ToHexStringLower(SHA256.HashData(Data));
}

/// <summary>
/// Meta's Cloud API on a free loopback port: it checks every request as the service does and answers as documented, fails on demand in every way, and posts signed
/// webhooks. Source: Meta, WhatsApp Business Platform, Cloud API reference, error codes and webhooks. Safe for concurrent use.
/// </summary>
public sealed class FakeWhatsAppServer : IAsyncDisposable
{
    private const string Version = "/v24.0";

    private const int MessagesPerSecond = 80;
    private const int PairBurst = 45;

    private static readonly TimeSpan PairPeriod = TimeSpan.FromSeconds(6);

    private readonly FakeHttpServer _server;
    private readonly TimeProvider _clock;
    private readonly FakeRates _rates;
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false }) { Timeout = TimeSpan.FromSeconds(30) };
    private readonly ConcurrentQueue<FakeAnswer> _next = new();
    private readonly ConcurrentQueue<FakeRequest> _requests = new();
    private readonly ConcurrentQueue<FakeWhatsAppMessage> _messages = new();
    private readonly ConcurrentDictionary<string, FakeWhatsAppFile> _files = new(StringComparer.Ordinal);
    private readonly Arrivals _arrivals = new();
    private int _number;
    private int _lost;

    /// <summary>Starts the fake.</summary>
    /// <param name="accessToken">The token it asks for.</param>
    /// <param name="phoneNumberId">The sending number's id.</param>
    /// <param name="appSecret">What it signs webhooks with.</param>
    /// <param name="clock">Dates messages and measures limits; null for the system's.</param>
    public FakeWhatsAppServer(string accessToken = "EAAGfakeAccessTokenCanary", string phoneNumberId = "106540352242922", string appSecret = "fake-app-secret-canary", TimeProvider? clock = null)
    {
        _clock = clock ?? TimeProvider.System;
        _rates = new FakeRates(_clock);
        AccessToken = accessToken;
        PhoneNumberId = phoneNumberId;
        AppSecret = appSecret;
        _server = new FakeHttpServer((request, _) => new ValueTask<FakeAnswer>(Answer(request)));
    }

    /// <summary>What <c>graphUrl</c> is set to.</summary>
    public string GraphUrl => _server.Address + Version;

    /// <summary>The token it asks for.</summary>
    public string AccessToken { get; }

    /// <summary>The sending number's id.</summary>
    public string PhoneNumberId { get; }

    /// <summary>What it signs webhooks with.</summary>
    public string AppSecret { get; }

    /// <summary>Whether it takes connections.</summary>
    public bool IsUp
    {
        get => _server.IsUp;
        set => _server.IsUp = value;
    }

    /// <summary>
    /// Whether the limits of the service hold: 80 messages in a second, else code 130429, and to one recipient one in 6 seconds after 45 at once, else code 131056. False
    /// unless set. Source: Meta, Cloud API, Overview, Throughput and Pair rate limits.
    /// </summary>
    public bool HasLimits { get; set; }

    /// <summary>Every request so far, refused ones included.</summary>
    public IReadOnlyList<FakeRequest> Requests => [.. _requests];

    /// <summary>Every message taken so far, those included whose answer was lost.</summary>
    public IReadOnlyList<FakeWhatsAppMessage> Messages => [.. _messages];

    /// <summary>The files that it keeps.</summary>
    public IReadOnlyList<FakeWhatsAppFile> Files => [.. _files.Values.OrderBy(file => file.Id, StringComparer.Ordinal)];

    /// <summary>How long it waits before it answers; not at all unless set.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>Where it says that files are; null, the default, for itself.</summary>
    public string? FileUrl { get; set; }

    /// <summary>An error as the Graph API writes it.</summary>
    /// <param name="status">The HTTP status.</param>
    /// <param name="code">The error's code, such as 131056.</param>
    /// <param name="message">Its title.</param>
    /// <param name="details">What <c>error_data.details</c> says; null for none.</param>
    /// <param name="subcode">The <c>error_subcode</c>; null for none.</param>
    /// <param name="retryAfter">The header <c>Retry-After</c>, in whole seconds; null for none.</param>
    public static FakeAnswer.Reply Error(int status, int code, string message, string? details = null, int? subcode = null, TimeSpan? retryAfter = null)
    {
        JsonObject error = new() { ["message"] = $"(#{code}) {message}", ["type"] = "OAuthException", ["code"] = code, ["fbtrace_id"] = "AFakeTraceId0123456789x" };
        if (details is not null)
        {
            error["error_data"] = new JsonObject { ["messaging_product"] = "whatsapp", ["details"] = details };
        }

        if (subcode is { } sub)
        {
            error["error_subcode"] = sub;
        }

        return new FakeAnswer.Reply(status, new JsonObject { ["error"] = error }.ToJsonString())
        {
            Headers = retryAfter is { } wait ? new Dictionary<string, string> { ["Retry-After"] = ((int)wait.TotalSeconds).ToString(CultureInfo.InvariantCulture) } : new Dictionary<string, string>(),
        };
    }

    /// <summary>Code 131056: too many messages to one recipient in a short time.</summary>
    public static FakeAnswer.Reply PairRateLimit() =>
        Error(400, 131056, "(Business Account, Consumer Account) pair rate limit hit", "Message failed to send because there were too many messages sent from this phone number to the same phone number in a short period of time.");

    /// <summary>Code 130429: the throughput of the number is reached.</summary>
    /// <param name="retryAfter">What it asks to wait; null for nothing said.</param>
    public static FakeAnswer.Reply ThroughputLimit(TimeSpan? retryAfter = null) =>
        Error(400, 130429, "Rate limit hit", "Message failed to send because there were too many messages sent from this phone number in a short period of time.", retryAfter: retryAfter);

    /// <summary>Code 80007: the business account made too many calls.</summary>
    public static FakeAnswer.Reply AccountLimit() => Error(400, 80007, "Rate limit issues", "The WhatsApp Business Account has reached its rate limit.");

    /// <summary>HTTP 429 with code 4: the app made too many calls.</summary>
    /// <param name="retryAfter">What it asks to wait; null for nothing said.</param>
    public static FakeAnswer.Reply TooManyCalls(TimeSpan? retryAfter) => Error(429, 4, "Application request limit reached", retryAfter: retryAfter);

    /// <summary>Queues what the next requests get instead of what they ask for, in order.</summary>
    public FakeWhatsAppServer Next(params IEnumerable<FakeAnswer> answers)
    {
        foreach (FakeAnswer answer in answers)
        {
            _next.Enqueue(answer);
        }

        return this;
    }

    /// <summary>Takes the next messages, and resets the connection in the place of the answers.</summary>
    /// <param name="count">How many.</param>
    public FakeWhatsAppServer LoseAnswers(int count)
    {
        Interlocked.Add(ref _lost, count);
        return this;
    }

    /// <summary>Waits until so many requests have come, those in progress included.</summary>
    /// <param name="count">How many, counted from the start.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task WaitForRequestsAsync(int count, CancellationToken cancellationToken) => _arrivals.WaitAsync(count, cancellationToken);

    /// <summary>Keeps a file that a webhook can name.</summary>
    public FakeWhatsAppFile AddFile(byte[] data, string contentType)
    {
        FakeWhatsAppFile file = new((1_000_000_000L + Interlocked.Increment(ref _number)).ToString(CultureInfo.InvariantCulture), data, contentType);
        _files[file.Id] = file;
        return file;
    }

    /// <summary>A post of webhooks from this number, to be filled.</summary>
    public FakeWhatsAppPost Post() => new(PhoneNumberId);

    /// <summary>The value of header <c>X-Hub-Signature-256</c> for a body.</summary>
    public string Sign(string body) => $"sha256={Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(AppSecret), Encoding.UTF8.GetBytes(body)))}";

    /// <summary>Posts a webhook, signed.</summary>
    /// <param name="url">Where to.</param>
    /// <param name="body">The body, as <see cref="FakeWhatsAppPost.ToString"/> gives it.</param>
    /// <param name="cancellationToken">Ends the exchange.</param>
    /// <param name="signature">Another signature than the right one; null for the right one.</param>
    /// <returns>The status and the body of the answer.</returns>
    public async Task<(int Status, string Body)> PostAsync(Uri url, string body, CancellationToken cancellationToken, string? signature = null)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, url) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.Add("X-Hub-Signature-256", signature ?? Sign(body));
        using HttpResponseMessage response = await _http.SendAsync(request, cancellationToken);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(cancellationToken));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
    }

    private FakeAnswer Answer(FakeRequest request)
    {
        _requests.Enqueue(request);
        _arrivals.Add();
        if (_next.TryDequeue(out FakeAnswer? planned))
        {
            return planned;
        }

        FakeAnswer answer = Handle(request);
        return answer is FakeAnswer.Reply reply && Delay > TimeSpan.Zero ? reply with { Delay = Delay } : answer;
    }

    private FakeAnswer Handle(FakeRequest request)
    {
        string bearer = request.Header("Authorization");
        if (bearer != $"Bearer {AccessToken}")
        {
            // The real service repeats the token it was given.
            return Error(401, 190, bearer.Length == 0 ? "An access token is required to request this resource." : $"Invalid OAuth access token - Cannot parse access token {bearer}");
        }

        string[] steps = request.Path.StartsWith(Version + "/", StringComparison.Ordinal) ? request.Path[(Version.Length + 1)..].Split('/') : [];
        return (request.Method, steps) switch
        {
            ("POST", [{ } id, "messages"]) when id == PhoneNumberId => Take(request),
            ("POST", [{ } id, "media"]) when id == PhoneNumberId => Upload(request),
            ("GET", [{ } id]) when id == PhoneNumberId => new FakeAnswer.Reply(
                200, new JsonObject { ["display_phone_number"] = "+1 555-078-3881", ["verified_name"] = "Postroom Test", ["id"] = PhoneNumberId }.ToJsonString()),
            ("GET", [{ } id]) when _files.TryGetValue(id, out FakeWhatsAppFile? file) => Describe(file),
            ("GET", ["files", { } id]) when _files.TryGetValue(id, out FakeWhatsAppFile? file) => new FakeAnswer.Reply(200, "", file.ContentType) { Bytes = file.Data },
            _ => Error(400, 100, $"Unsupported {request.Method.ToLowerInvariant()} request. Object with ID '{(steps.Length > 0 ? steps[0] : "")}' does not exist", subcode: 33),
        };
    }

    private FakeAnswer Take(FakeRequest request)
    {
        JsonElement body;
        try
        {
            body = request.Header("Content-Type").StartsWith("application/json", StringComparison.Ordinal)
                ? JsonElement.Parse(request.Body)
                : throw new JsonException("no JSON");
        }
        catch (JsonException)
        {
            return Error(400, 100, "The parameter messaging_product is required.");
        }

        if (FakeWhatsAppRules.Check(body, id => _files.GetValueOrDefault(id)) is { } problem)
        {
            return Error(400, problem.Code, "Invalid parameter", problem.Details);
        }

        if (body.TryGetProperty("status", out _))
        {
            return new FakeAnswer.Reply(200, """{"success":true}""");
        }

        string to = body.GetProperty("to").GetString()!.TrimStart('+');
        if (HasLimits && _rates.Exceeded(("", MessagesPerSecond, TimeSpan.FromSeconds(1)), (to, PairBurst, PairPeriod * PairBurst)) is { } exceeded)
        {
            return exceeded.Key.Length == 0 ? ThroughputLimit() : PairRateLimit();
        }

        string id = $"wamid.{Convert.ToBase64String(Encoding.ASCII.GetBytes($"{to}-{Interlocked.Increment(ref _number)}"))}";
        string? opaque = body.TryGetProperty("biz_opaque_callback_data", out JsonElement given) ? given.GetString() : null;
        _messages.Enqueue(new FakeWhatsAppMessage(id, to, body.TryGetProperty("type", out JsonElement type) ? type.GetString()! : "text", body.Clone(), opaque, _clock.GetUtcNow()));
        if (Interlocked.Decrement(ref _lost) >= 0)
        {
            return new FakeAnswer.Reset();
        }

        Interlocked.Increment(ref _lost);
        return new FakeAnswer.Reply(200, new JsonObject
        {
            ["messaging_product"] = "whatsapp",
            ["contacts"] = new JsonArray(new JsonObject { ["input"] = to, ["wa_id"] = to }),
            ["messages"] = new JsonArray(new JsonObject { ["id"] = id }),
        }.ToJsonString());
    }

    private FakeAnswer.Reply Upload(FakeRequest request)
    {
        IReadOnlyList<FormPart> parts = FormPart.Read(request.Header("Content-Type"), request.Body);
        if (parts.FirstOrDefault(part => part.Name == "messaging_product") is not { Text: "whatsapp" })
        {
            return Error(400, 100, "The parameter messaging_product is required.");
        }

        if (parts.FirstOrDefault(part => part.Name == "file") is not { FileName: not null } file)
        {
            return Error(400, 100, "The parameter file is required.");
        }

        string type = file.ContentType.Split(';')[0].Trim();
        return FakeWhatsAppRules.CheckFile(type, file.Data.Length) is { } problem
            ? Error(400, problem.Code, "Invalid parameter", problem.Details)
            : new FakeAnswer.Reply(200, new JsonObject { ["id"] = AddFile(file.Data, type).Id }.ToJsonString());
    }

    private FakeAnswer.Reply Describe(FakeWhatsAppFile file) => new(200, new JsonObject
    {
        ["messaging_product"] = "whatsapp",
        ["url"] = FileUrl ?? $"{GraphUrl}/files/{file.Id}",
        ["mime_type"] = file.ContentType,
        ["sha256"] = file.Sha256,
        ["file_size"] = file.Data.Length,
        ["id"] = file.Id,
    }.ToJsonString());
}
