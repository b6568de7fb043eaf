using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Postroom.ControlPlane;

namespace Postroom.EndToEnd.Tests.Chat;

/// <summary>The chat page over the real HTTP building blocks, with a scripted runtime behind them.</summary>
internal sealed class ChatServer : IChatJournal, IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly List<(string Contact, ServerEvent Event)> _answers = [];
    private readonly ConcurrentDictionary<string, string> _entryOfClientId = new();
    private readonly WebApplication _app;
    private readonly ChatHub _hub;

    private ChatServer(int port, bool welcoming)
    {
        Welcoming = welcoming;
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(1));
        builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
        builder.WebHost.ConfigureKestrel(options => KestrelLimits.Apply(options));
        _app = builder.Build();
        _hub = new ChatHub(this, TimeProvider.System);
        _app.UseMiddleware<BrowserRules>(new BrowserRulesOptions());
        _app.MapGet("/chat", context => ChatPage.WriteAsync(context, welcoming: Welcoming));
        _app.MapMethods("/chat/faults", ["GET", "PUT"], FaultsAsync);
        _app.MapGet("/chat/script", context => context.Response.WriteAsync("""{"version": 1, "steps": [{"say": "hello"}]}"""));
        _app.MapGet("/chat/{file}", (string file, HttpContext context) => ChatPage.WriteAsync(context, file));
        _app.MapPost("/webhook", ReceiveAsync);
        _app.MapGet("/events", StreamAsync);
    }

    /// <summary>The address of the page.</summary>
    public string Page => $"{_app.Urls.First()}/chat";

    /// <summary>False answers 503 to everything except the page's files.</summary>
    public bool Available { get; set; } = true;

    /// <summary>Whether the page says what the welcome module can be asked.</summary>
    public bool Welcoming { get; }

    /// <summary>When set, requests need it.</summary>
    public string? Token { get; set; }

    /// <summary>What happens after a message is stored: entry id, text. Nothing unless set.</summary>
    public Func<StoredMessage, Task>? Script { get; set; }

    /// <summary>The messages, in the order in which they were stored.</summary>
    public ConcurrentQueue<StoredMessage> Stored { get; } = new();

    /// <summary>What the page was told of faults, and what it set: names and values as the server writes them.</summary>
    public Dictionary<string, object> Faults { get; } = new()
    {
        ["channel"] = "telegram",
        ["mayChange"] = true,
        ["delay"] = "0s",
        ["wait"] = "5s",
        ["status"] = 500,
        ["duplicate"] = 0,
        ["reorder"] = 0,
        ["rateLimited"] = 0,
        ["serverError"] = 0,
        ["lostAnswer"] = 0,
        ["refused"] = 0,
    };

    /// <summary>When set, faults are refused with this text.</summary>
    public string? FaultProblem { get; set; }

    /// <summary>How many posts repeated a stored message.</summary>
    public int Duplicates { get; private set; }

    /// <summary>When set, the next so many posts are stored and their answer is lost.</summary>
    public int LoseAnswers { get; set; }

    public static async Task<ChatServer> StartAsync(int port = 0, bool welcoming = false)
    {
        ChatServer server = new(port, welcoming);
        await server._app.StartAsync();
        return server;
    }

    /// <summary>Sends an answer to the contact, or keeps it for its return.</summary>
    public void Answer(string contact, string text)
    {
        lock (_lock)
        {
            ServerEvent item = new((_answers.Count + 1).ToString(CultureInfo.InvariantCulture), null, text);
            _answers.Add((contact, item));
            if (Available)
            {
                _hub.Publish(contact, item);
            }
        }
    }

    /// <summary>Shows one part of an answer.</summary>
    public void Part(string contact, string id, string text) => _hub.Publish(contact, new ServerEvent(id, null, text));

    public void Signal(string contact, string name, object data) =>
        _hub.Publish(contact, new ServerEvent(null, name, JsonSerializer.Serialize(data)));

    public void State(StoredMessage message, string state, int attempt = 1, string? reason = null) =>
        Signal(message.Sender, "state", new { id = message.EntryId, state, attempt, reason });

    /// <summary>Breaks every stream and refuses new ones until <see cref="Available"/> is set again.</summary>
    public void Fail()
    {
        Available = false;
        _hub.EndAll();
    }

    public async IAsyncEnumerable<ServerEvent> ReplayAsync(string? contact, string afterId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<(string Contact, ServerEvent Event)> missed;
        lock (_lock)
        {
            missed = [.. _answers.Skip(int.Parse(afterId, CultureInfo.InvariantCulture)).Where(answer => answer.Contact == contact)];
        }

        await Task.Yield();
        foreach ((_, ServerEvent item) in missed)
        {
            yield return item;
        }
    }

    public ValueTask<string?> PositionAsync(string? contact, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return new ValueTask<string?>(_answers.Count.ToString(CultureInfo.InvariantCulture));
        }
    }

    public void Carried(string contact, string id)
    {
    }

    public async ValueTask DisposeAsync()
    {
        _hub.EndAll();
        await _app.DisposeAsync();
    }

    private async Task ReceiveAsync(HttpContext context)
    {
        if (!Available)
        {
            await WebhookAnswer.WriteErrorAsync(context, 503, "the runtime is starting", retryAfterSeconds: 1);
            return;
        }

        if (Token is not null && context.Request.Headers["X-Postroom-Token"] != Token)
        {
            await WebhookAnswer.WriteErrorAsync(context, 401, "the token is missing or wrong");
            return;
        }

        RequestBody body = await RequestBody.ReadJsonAsync(context.Request, 25 * 1024 * 1024, context.RequestAborted);
        if (body is not RequestBody.Json { Document: var document })
        {
            await WebhookAnswer.WriteErrorAsync(context, ((RequestBody.Refused)body).Status, ((RequestBody.Refused)body).Detail);
            return;
        }

        string clientId = document.RootElement.GetProperty("message_id").GetString()!;
        string entryId = $"0198f2c4-7b1e-7c3a-9d21-{_entryOfClientId.Count + 1:x12}";
        bool duplicate = !_entryOfClientId.TryAdd(clientId, entryId);
        StoredMessage message = new(_entryOfClientId[clientId], document.RootElement.Clone());
        if (duplicate)
        {
            Duplicates++;
        }
        else
        {
            Stored.Enqueue(message);
        }

        if (LoseAnswers > 0)
        {
            LoseAnswers--;
            context.Abort();
            return;
        }

        await WebhookAnswer.WriteStoredAsync(context, message.EntryId, duplicate);
        await context.Response.CompleteAsync();
        if (!duplicate && Script is not null)
        {
            await Script(message);
        }
    }

    private async Task FaultsAsync(HttpContext context)
    {
        if (context.Request.Method == "PUT")
        {
            if (FaultProblem is { } problem)
            {
                await new Problem { Status = 400, Code = ProblemCode.BadRequest, Detail = problem }.WriteAsync(context);
                return;
            }

            JsonElement body = await JsonSerializer.DeserializeAsync<JsonElement>(context.Request.Body, cancellationToken: context.RequestAborted);
            foreach (JsonProperty fault in body.EnumerateObject())
            {
                Faults[fault.Name] = fault.Value.Clone();
            }
        }

        await context.Response.WriteAsJsonAsync(Faults, context.RequestAborted);
    }

    private Task StreamAsync(HttpContext context)
    {
        if (Token is not null && context.Request.Query["token"] != Token)
        {
            context.Response.StatusCode = 401;
            return Task.CompletedTask;
        }

        if (Available)
        {
            return _hub.ServeAsync(context, context.Request.Query["sender"]);
        }

        context.Response.StatusCode = 503;
        return Task.CompletedTask;
    }
}

/// <summary>A message as the page posted it.</summary>
internal sealed record StoredMessage(string EntryId, JsonElement Body)
{
    public string Sender => Body.GetProperty("sender").GetString()!;

    public string Type => Body.GetProperty("msg_type").GetString()!;

    public string Text => Body.GetProperty("raw_msg").GetString()!;
}
