using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Postroom.Testing;

/// <summary>
/// The HTTP Bot API of Telegram on a loopback port (https://core.telegram.org/bots/api): it checks what bots send as the service does, keeps chats as
/// people see them, hands out updates, and fails as a test asks.
/// </summary>
/// <remarks>Safe for concurrent use. A call that the fake does not know is answered with 404, as by the service.</remarks>
public sealed partial class FakeTelegramServer : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly FakeHttpServer _server;
    private readonly TimeProvider _clock;
    private readonly FakeRates _rates;
    private readonly Dictionary<long, FakeTelegramChat> _chats = [];
    private readonly List<FakeTelegramCall> _calls = [];
    private readonly List<Planned> _planned = [];
    private readonly ConcurrentDictionary<string, (string Path, ReadOnlyMemory<byte> Bytes)> _files = new(StringComparer.Ordinal);
    private TaskCompletionSource _called = NewSignal();
    private int _lastMessage = 100;

    /// <summary>Starts the server on a free port.</summary>
    /// <param name="clock">The time of limits and of polls that wait; null for the system's.</param>
    public FakeTelegramServer(TimeProvider? clock = null)
    {
        _clock = clock ?? TimeProvider.System;
        _rates = new FakeRates(_clock);
        _server = new FakeHttpServer(AnswerAsync);
    }

    /// <summary>The token that it accepts.</summary>
    public string Token { get; set; } = "987654321:AAFakeTokenOfTheTestBot_canary-6789";

    /// <summary>Where it answers.</summary>
    public Uri Address => new(_server.Address);

    /// <summary>Whether it takes connections; set to false it refuses them, set to true it listens again at the same address.</summary>
    public bool IsUp
    {
        get => _server.IsUp;
        set => _server.IsUp = value;
    }

    /// <summary>Whether the limits of the service hold: 30 messages a second, one a second in a chat after three at once, 20 a minute in a group. False unless set.</summary>
    public bool HasLimits { get; set; }

    /// <summary>How long an answer takes once the work is done; no time unless set. Planned answers have their own.</summary>
    public TimeSpan Latency { get; set; }

    /// <summary>The calls so far, in the order they came, those that were made to fail included.</summary>
    public IReadOnlyList<FakeTelegramCall> Calls
    {
        get
        {
            lock (_gate)
            {
                return [.. _calls];
            }
        }
    }

    /// <summary>An error as the service words it.</summary>
    /// <param name="code">The code, which is also the HTTP status.</param>
    /// <param name="description">What is wrong.</param>
    /// <param name="retryAfter">How many seconds to wait; null for none.</param>
    public static FakeAnswer.Reply Error(int code, string description, int? retryAfter = null)
    {
        return Failure(code, description, retryAfter is { } seconds ? new JsonObject { ["retry_after"] = seconds } : null);
    }

    /// <summary>Adds a chat; a message to any other is refused with <c>chat not found</c>.</summary>
    /// <param name="id">Its number, negative for groups.</param>
    /// <param name="type">Its type; null for <c>private</c>, <c>group</c> or <c>supergroup</c>, by its number.</param>
    /// <param name="userName">Its public name, without <c>@</c>; null for none.</param>
    /// <param name="topics">Its topics; null for none.</param>
    public FakeTelegramChat AddChat(long id, string? type = null, string? userName = null, IReadOnlyList<int>? topics = null)
    {
        FakeTelegramChat chat = new(id, type ?? (id > 0 ? "private" : id > -1_000_000_000_000 ? "group" : "supergroup"), userName) { Topics = topics ?? [] };
        lock (_gate)
        {
            _chats.Add(id, chat);
        }

        return chat;
    }

    /// <summary>Adds a file that a bot may fetch, and gives its <c>file_id</c>.</summary>
    /// <param name="path">Its path at the service.</param>
    /// <param name="bytes">Its bytes.</param>
    public string AddFile(string path, ReadOnlyMemory<byte> bytes)
    {
        string id = $"AgACAgIAAxkBAA{(_files.Count + 1).ToString("D4", CultureInfo.InvariantCulture)}";
        _files[id] = (path, bytes);
        return id;
    }

    /// <summary>Makes the next call of a method fail. Plans are used up in the order they were made.</summary>
    /// <param name="answer">How.</param>
    /// <param name="method">The method; null for any.</param>
    /// <param name="times">How many calls.</param>
    /// <param name="skip">How many calls succeed before.</param>
    /// <param name="afterWork">Whether the service does what it is asked before it fails, so that only the answer is lost.</param>
    public void FailNext(FakeAnswer answer, string? method = null, int times = 1, int skip = 0, bool afterWork = false)
    {
        lock (_gate)
        {
            _planned.AddRange(Enumerable.Repeat(new Planned(method, null, afterWork), skip));
            _planned.AddRange(Enumerable.Repeat(new Planned(method, answer, afterWork), times));
        }
    }

    /// <summary>Waits until a method was called so many times, counted from the start.</summary>
    /// <param name="method">The method.</param>
    /// <param name="count">How many times.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task WaitForCallsAsync(string method, int count, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task next;
            lock (_gate)
            {
                if (_calls.Count(call => call.Method == method) >= count)
                {
                    return;
                }

                next = _called.Task;
            }

            await next.WaitAsync(cancellationToken);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static FakeAnswer.Reply Success(JsonNode? result) => new(200, new JsonObject { ["ok"] = true, ["result"] = result }.ToJsonString());

    private static FakeAnswer.Reply Failure(int code, string description, JsonObject? parameters = null)
    {
        JsonObject body = new() { ["ok"] = false, ["error_code"] = code, ["description"] = description };
        if (parameters is not null)
        {
            body["parameters"] = parameters;
        }

        return new FakeAnswer.Reply(code, body.ToJsonString());
    }

    private static FakeAnswer.Reply BadRequest(string why) => Failure(400, $"Bad Request: {why}");

    private async ValueTask<FakeAnswer> AnswerAsync(FakeRequest request, CancellationToken cancellationToken)
    {
        if (request.Path.Split('/', 5) is ["", "file", _, ..] && request.Method == "GET")
        {
            return Download(request.Path);
        }

        string[] parts = request.Path.Split('/');
        if (parts is not ["", ['b', 'o', 't', .. var token], { Length: > 0 } method] || request.Method is not ("POST" or "GET"))
        {
            return Failure(404, "Not Found");
        }

        FakeForm form;
        try
        {
            form = FakeForm.Read(request);
        }
        catch (FormatException e)
        {
            return BadRequest(e.Message);
        }

        Planned? planned = Note(method, form);
        if (planned is { AfterWork: false, Answer: { } instead })
        {
            return instead;
        }

        FakeAnswer answer = token == Token ? await CallAsync(method, form, cancellationToken)
            : token.Contains(':', StringComparison.Ordinal) ? Failure(401, "Unauthorized")
            : Failure(404, "Not Found");
        return planned?.Answer ?? (answer is FakeAnswer.Reply reply ? reply with { Delay = Latency } : answer);
    }

    private Planned? Note(string method, FakeForm form)
    {
        lock (_gate)
        {
            _calls.Add(new FakeTelegramCall(method, form.Fields, _clock.GetUtcNow()));
            TaskCompletionSource called = _called;
            _called = NewSignal();
            called.SetResult();
            int index = _planned.FindIndex(plan => plan.Method is null || plan.Method == method);
            if (index < 0)
            {
                return null;
            }

            Planned planned = _planned[index];
            _planned.RemoveAt(index);
            return planned;
        }
    }

    private async ValueTask<FakeAnswer> CallAsync(string method, FakeForm form, CancellationToken cancellationToken)
    {
        try
        {
            return method switch
            {
                "getMe" => Success(Bot()),
                "sendMessage" => Send(form, "text", 4_096),
                "sendPhoto" => Send(form, "photo", 1_024),
                "sendDocument" => Send(form, "document", 1_024),
                "sendAudio" => Send(form, "audio", 1_024),
                "sendVoice" => Send(form, "voice", 1_024),
                "sendVideo" => Send(form, "video", 1_024),
                "sendChatAction" => ShowAction(form),
                "setMessageReaction" => SetReaction(form),
                "getUpdates" => await GetUpdatesAsync(form, cancellationToken),
                "setWebhook" => SetWebhook(form),
                "deleteWebhook" => DeleteWebhook(),
                "getWebhookInfo" => Success(WebhookInfo()),
                "getFile" => GetFile(form),
                "answerCallbackQuery" => AnswerPress(form),
                _ => Failure(404, "Not Found"),
            };
        }
        catch (FormatException e)
        {
            return BadRequest(e.Message);
        }
    }

    private static JsonObject Bot() => new() { ["id"] = 987654321, ["is_bot"] = true, ["first_name"] = "Test", ["username"] = "postroom_test_bot" };

    private FakeAnswer.Reply Download(string path)
    {
        string prefix = $"/file/bot{Token}/";
        string wanted = path.StartsWith(prefix, StringComparison.Ordinal) ? Uri.UnescapeDataString(path[prefix.Length..]) : "";
        foreach ((string known, ReadOnlyMemory<byte> bytes) in _files.Values)
        {
            if (known == wanted)
            {
                return new FakeAnswer.Reply(200, "", "application/octet-stream") { Bytes = bytes };
            }
        }

        return Failure(404, "Not Found");
    }

    private FakeAnswer.Reply GetFile(FakeForm form)
    {
        string id = form.Text("file_id") ?? throw new FormatException("file_id not specified");
        return _files.TryGetValue(id, out (string Path, ReadOnlyMemory<byte> Bytes) file)
            ? Success(new JsonObject { ["file_id"] = id, ["file_unique_id"] = id[^8..], ["file_size"] = file.Bytes.Length, ["file_path"] = file.Path })
            : BadRequest("invalid file_id");
    }

    /// <summary>What becomes of a call; without an answer it succeeds.</summary>
    private sealed record Planned(string? Method, FakeAnswer? Answer, bool AfterWork);
}
