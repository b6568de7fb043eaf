using System.Text.Json;
using System.Text.Json.Nodes;

namespace Postroom.Testing;

/// <content>What bots are told: updates by polling or webhook, and presses.</content>
public sealed partial class FakeTelegramServer
{
    private const int MostPending = 10_000;

    private readonly SortedDictionary<long, JsonObject> _updates = [];
    private readonly List<string> _answered = [];
    private TaskCompletionSource _arrived = NewSignal();
    private Action? _endPoll; // ends the poll that waits
    private long _lastUpdate = 500_000_000;
    private int _lastOfPeople;
    private (string Url, string? Secret)? _webhook;
    private IReadOnlyList<string>? _kinds;

    /// <summary>Whether another program polls too: every poll is answered with 409. False unless set.</summary>
    public bool HasOtherPoller { get; set; }

    /// <summary>Whether a poll waits for updates.</summary>
    public bool IsPolled
    {
        get
        {
            lock (_gate)
            {
                return _endPoll is not null;
            }
        }
    }

    /// <summary>The address that updates are posted to; null while they are polled.</summary>
    public string? WebhookUrl
    {
        get
        {
            lock (_gate)
            {
                return _webhook?.Url;
            }
        }

        set
        {
            lock (_gate)
            {
                _webhook = value is null ? null : (value, null);
            }
        }
    }

    /// <summary>The numbers of updates that no bot has confirmed yet.</summary>
    public IReadOnlyList<long> Unconfirmed
    {
        get
        {
            lock (_gate)
            {
                return [.. _updates.Keys];
            }
        }
    }

    /// <summary>The ids of presses that were answered.</summary>
    public IReadOnlyList<string> AnsweredPresses
    {
        get
        {
            lock (_gate)
            {
                return [.. _answered];
            }
        }
    }

    /// <summary>A person writes; gives the number of the update.</summary>
    /// <param name="chat">The chat.</param>
    /// <param name="user">The person's number.</param>
    /// <param name="text">The text; null for a message of another kind, which <paramref name="more"/> then is.</param>
    /// <param name="topic">The topic; null for none.</param>
    /// <param name="more">Further fields of the message, such as a photo; null for none.</param>
    /// <param name="edited">Whether it edits an earlier one.</param>
    public long Say(FakeTelegramChat chat, long user, string? text, int? topic = null, JsonObject? more = null, bool edited = false)
    {
        JsonObject message = MessageOf(chat, user, topic);
        if (text is not null)
        {
            message["text"] = text;
        }

        foreach ((string name, JsonNode? value) in more ?? [])
        {
            message[name] = value?.DeepClone();
        }

        return Push(edited ? "edited_message" : "message", message);
    }

    /// <summary>A person presses a button below a message; gives the number of the update.</summary>
    /// <param name="chat">The chat.</param>
    /// <param name="user">The person's number.</param>
    /// <param name="message">The message with the button.</param>
    /// <param name="data">What is behind it.</param>
    public long Press(FakeTelegramChat chat, long user, FakeTelegramMessage message, string data)
    {
        JsonObject pressed = MessageOf(chat, user, message.Topic);
        pressed["message_id"] = message.Id;
        pressed["from"] = Bot();
        return Push("callback_query", new JsonObject { ["id"] = $"press-{_lastUpdate}", ["from"] = Person(user), ["message"] = pressed, ["chat_instance"] = "1", ["data"] = data });
    }

    /// <summary>A person reacts to a message; gives the number of the update.</summary>
    /// <param name="chat">The chat.</param>
    /// <param name="user">The person's number.</param>
    /// <param name="message">The message.</param>
    /// <param name="before">The reaction there was; null for none.</param>
    /// <param name="now">The reaction there is; null for none.</param>
    public long React(FakeTelegramChat chat, long user, int message, string? before, string? now)
    {
        static JsonArray Reactions(string? emoji) => emoji is null ? [] : [new JsonObject { ["type"] = "emoji", ["emoji"] = emoji }];
        return Push("message_reaction", new JsonObject
        {
            ["chat"] = ChatJson(chat),
            ["message_id"] = message,
            ["user"] = Person(user),
            ["date"] = _clock.GetUtcNow().ToUnixTimeSeconds(),
            ["old_reaction"] = Reactions(before),
            ["new_reaction"] = Reactions(now),
        });
    }

    /// <summary>Adds an update of any kind; gives its number.</summary>
    /// <param name="kind">The kind, such as <c>message</c>.</param>
    /// <param name="content">What it holds.</param>
    public long Push(string kind, JsonObject content)
    {
        lock (_gate)
        {
            long id = ++_lastUpdate;
            _updates[id] = new JsonObject { ["update_id"] = id, [kind] = content };
            if (_updates.Count > MostPending)
            {
                _updates.Remove(_updates.Keys.First());
            }

            Wake();
            return id;
        }
    }

    /// <summary>The oldest update as the service posts it to the webhook, taken away; null when there is no webhook or no update.</summary>
    public WebhookCall? TakeWebhookCall()
    {
        lock (_gate)
        {
            if (_webhook is not { } webhook || _updates.Count == 0)
            {
                return null;
            }

            (long id, JsonObject update) = _updates.First();
            _updates.Remove(id);
            Dictionary<string, string> headers = new(StringComparer.OrdinalIgnoreCase) { ["Content-Type"] = "application/json" };
            if (webhook.Secret is { } secret)
            {
                headers["X-Telegram-Bot-Api-Secret-Token"] = secret;
            }

            return new WebhookCall { Method = "POST", Headers = headers, Body = System.Text.Encoding.UTF8.GetBytes(update.ToJsonString()) };
        }
    }

    private static JsonObject Person(long user) => new() { ["id"] = user, ["is_bot"] = false, ["first_name"] = "Ada", ["last_name"] = "Byron", ["language_code"] = "en" };

    private JsonObject MessageOf(FakeTelegramChat chat, long user, int? topic)
    {
        JsonObject message = new()
        {
            ["message_id"] = Interlocked.Increment(ref _lastOfPeople),
            ["from"] = Person(user),
            ["chat"] = ChatJson(chat),
            ["date"] = _clock.GetUtcNow().ToUnixTimeSeconds(),
        };
        if (topic is { } thread)
        {
            message["message_thread_id"] = thread;
            message["is_topic_message"] = true;
        }

        return message;
    }

    private void Wake()
    {
        TaskCompletionSource arrived = _arrived;
        _arrived = NewSignal();
        arrived.TrySetResult();
    }

    private async ValueTask<FakeAnswer> GetUpdatesAsync(FakeForm form, CancellationToken cancellationToken)
    {
        long? offset = form.Number("offset");
        int limit = (int)Math.Clamp(form.Number("limit") ?? 100, 1, 100);
        TimeSpan timeout = TimeSpan.FromSeconds(Math.Clamp(form.Number("timeout") ?? 0, 0, 50));
        if (form.Json("allowed_updates", JsonValueKind.Array) is { } kinds)
        {
            _kinds = [.. kinds.EnumerateArray().Select(kind => kind.GetString()!)];
        }

        using CancellationTokenSource poll = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Action end = poll.Cancel;
        lock (_gate)
        {
            _endPoll?.Invoke();
            _endPoll = end;
        }

        try
        {
            return await WaitForUpdatesAsync(offset, limit, timeout, poll.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Conflict("terminated by other getUpdates request; make sure that only one bot instance is running");
        }
        finally
        {
            lock (_gate)
            {
                _endPoll = ReferenceEquals(_endPoll, end) ? null : _endPoll;
            }
        }
    }

    private async ValueTask<FakeAnswer> WaitForUpdatesAsync(long? offset, int limit, TimeSpan timeout, CancellationToken cancellationToken)
    {
        Task over = Task.Delay(timeout, _clock, cancellationToken);
        while (true)
        {
            // A wait that has ended already does not look at its token: without this, a poll that was ended before it waits goes round for ever.
            cancellationToken.ThrowIfCancellationRequested();
            Task arrived;
            lock (_gate)
            {
                if (_webhook is not null)
                {
                    return Conflict("can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first");
                }

                if (HasOtherPoller)
                {
                    return Conflict("terminated by other getUpdates request; make sure that only one bot instance is running");
                }

                Confirm(offset);
                JsonObject[] updates = [.. _updates.Values.Where(IsWanted).Take(limit)];
                if (updates.Length > 0 || over.IsCompletedSuccessfully)
                {
                    return Success(new JsonArray([.. updates.Select(update => update.DeepClone())]));
                }

                arrived = _arrived.Task;
            }

            await Task.WhenAny(arrived, over).WaitAsync(cancellationToken);
        }
    }

    /// <summary>What lies before the offset is confirmed; a negative one counts from the end.</summary>
    private void Confirm(long? offset)
    {
        long first = offset is < 0 ? _updates.Keys.Reverse().Skip((int)(-offset.Value - 1)).FirstOrDefault() : offset ?? 0;
        foreach (long id in _updates.Keys.Where(id => id < first).ToArray())
        {
            _updates.Remove(id);
        }
    }

    private bool IsWanted(JsonObject update) => _kinds is not { Count: > 0 } kinds || update.Any(field => kinds.Contains(field.Key));

    private static FakeAnswer.Reply Conflict(string why) => Failure(409, $"Conflict: {why}");

    private FakeAnswer.Reply SetWebhook(FakeForm form)
    {
        string url = form.Text("url") ?? "";
        string? secret = form.Text("secret_token");
        if (url.Length > 0 && (!Uri.TryCreate(url, UriKind.Absolute, out Uri? address) || address.Scheme != "https"))
        {
            return BadRequest("bad webhook: An HTTPS URL must be provided for webhook");
        }

        if (secret is not null && (secret.Length is 0 or > 256 || secret.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-'))))
        {
            return BadRequest("secret token contains unallowed characters");
        }

        lock (_gate)
        {
            _webhook = url.Length == 0 ? null : (url, secret);
            Wake();
        }

        return Success(true);
    }

    private FakeAnswer.Reply DeleteWebhook()
    {
        lock (_gate)
        {
            _webhook = null;
        }

        return Success(true);
    }

    private JsonObject WebhookInfo()
    {
        lock (_gate)
        {
            return new JsonObject { ["url"] = _webhook?.Url ?? "", ["has_custom_certificate"] = false, ["pending_update_count"] = _updates.Count };
        }
    }

    private FakeAnswer.Reply AnswerPress(FakeForm form)
    {
        string id = form.Text("callback_query_id") ?? throw new FormatException("query is too old and response timeout expired or query ID is invalid");
        lock (_gate)
        {
            _answered.Add(id);
        }

        return Success(true);
    }
}
