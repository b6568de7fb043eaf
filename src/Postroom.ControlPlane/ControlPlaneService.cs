using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Postroom.ControlPlane;

/// <summary>Serves HTTP: health, intake, the journal and the web chat (CP-1).</summary>
/// <remarks>
/// It listens before the store is open, so that probes get an answer; until the runtime runs, intake answers 503. Where only the store can
/// tell whether there is a key, other machines wait for it: see <see cref="OpenWiderAsync"/> (CP-3).
/// </remarks>
internal sealed partial class ControlPlaneService : IRuntimeComponent
{
    private const string Api = "/api/v1";

    private readonly IRuntimeView _runtime;
    private readonly ServerOptions _server;
    private readonly IntakeOptions _intake;
    private readonly ControlPlaneKeys _keys;
    private readonly WebChat? _chat;
    private readonly ILoggerFactory _loggers;
    private readonly KeyGate _gate;
    private readonly IntakeAccess _access;
    private readonly ChatEndpoints _chatEndpoints;
    private readonly ChatToolEndpoints _chatTools;
    private readonly WebhookEndpoint _webhook;
    private readonly HookEndpoint _hooks;
    private readonly HealthEndpoints _health;
    private readonly ReceiverEndpoint _receivers;
    private readonly CallEndpoint _calls;
    private readonly ScheduleEndpoints _schedules;
    private readonly StatusEndpoints _status;
    private readonly JournalEndpoints _journal;
    private readonly ConversationEndpoints _conversations;
    private readonly List<WebApplication> _listeners = [];

    /// <summary>Makes the service; nothing listens before it starts.</summary>
    /// <param name="runtime">The one way into the runtime.</param>
    /// <param name="server">Addresses, host names, prefix.</param>
    /// <param name="intake">Who may post, and how much.</param>
    /// <param name="keys">Who may read; a component of its own that starts once the store is open.</param>
    /// <param name="chat">The web chat; null without one.</param>
    /// <param name="hooks">The sources that take what other services post.</param>
    /// <param name="clock">Dates, limits and expiry.</param>
    /// <param name="loggers">For the endpoints and the server.</param>
    public ControlPlaneService(
        IRuntimeView runtime, ServerOptions server, IntakeOptions intake, ControlPlaneKeys keys, WebChat? chat, HookBoard hooks, TimeProvider clock, ILoggerFactory loggers)
    {
        _runtime = runtime;
        _server = server;
        _intake = intake;
        _keys = keys;
        _chat = chat;
        _loggers = loggers;
        _gate = new KeyGate(keys);
        _access = new IntakeAccess(intake.Webhook, clock);
        RequestJournal reads = new(runtime);
        _chatEndpoints = new ChatEndpoints(runtime, chat, _access, keys, _gate);
        _chatTools = new ChatToolEndpoints(runtime, chat, _chatEndpoints);
        _webhook = new WebhookEndpoint(runtime, intake.Webhook, _access, chat, clock, loggers.CreateLogger<WebhookEndpoint>());
        _hooks = new HookEndpoint(runtime, hooks, _access, clock, loggers.CreateLogger<HookEndpoint>());
        _health = new HealthEndpoints(runtime, clock);
        _status = new StatusEndpoints(runtime, clock);
        _receivers = new ReceiverEndpoint(runtime, loggers.CreateLogger<ReceiverEndpoint>());
        AuditTrail audit = new(runtime, clock);
        _calls = new CallEndpoint(runtime, audit);
        _schedules = new ScheduleEndpoints(runtime, audit);
        _journal = new JournalEndpoints(runtime, reads, audit, _gate, clock);
        _conversations = new ConversationEndpoints(runtime, reads, _gate);
    }

    /// <inheritdoc/>
    public string Name => "control-plane";

    /// <inheritdoc/>
    public RuntimePhase Phase => RuntimePhase.Telemetry;

    /// <summary>The addresses that are listened on, with the ports the system chose, as this machine reaches them; empty before the start.</summary>
    public IReadOnlyList<string> Addresses { get; private set; } = [];

    /// <summary>The web chat's page below an address, with its token where one is needed.</summary>
    public string ChatPath => _access.ChatToken is { } token ? $"/chat?token={token}" : "/chat";

    private IEnumerable<string> Urls => _server.Urls.Concat(_server.AdminUrls).Distinct(StringComparer.OrdinalIgnoreCase);

    /// <summary>Loads what a listener is made of; a process that starts does so on another core while it reads its configuration.</summary>
    public static void WarmUp()
    {
        using WebApplication unused = CreateBuilder().Build();
        _ = unused.Services.GetRequiredService<IServer>();
        _ = ApiKeys.HashOf("");
    }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _keys.RequireBeforeStore();
        return OpenAsync([.. Urls.Where(url => _keys.AreConfigured || !ControlPlaneKeys.IsWide(url))], cancellationToken);
    }

    /// <summary>Opens the addresses that other machines can reach, unless they are open. Called once a key is known.</summary>
    public Task OpenWiderAsync(CancellationToken cancellationToken) => OpenAsync([.. Urls.Where(url => !_keys.AreConfigured && ControlPlaneKeys.IsWide(url))], cancellationToken);

    /// <inheritdoc/>
    public async Task StopAsync(TimeSpan drain, CancellationToken cancellationToken)
    {
        WebApplication[] open = [.. _listeners];
        _listeners.Clear();
        _chatEndpoints.Stopping = true;
        _chat?.Hub.EndAll();
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(drain);
        await Task.WhenAll(open.Select(async listener =>
        {
            await listener.StopAsync(limit.Token);
            await listener.DisposeAsync();
        }));
        Addresses = [];
    }

    /// <summary>The address as somebody on this machine types it: a wildcard is none.</summary>
    private static string Reachable(string url) => url
        .Replace("://0.0.0.0:", "://127.0.0.1:", StringComparison.Ordinal)
        .Replace("://[::]:", "://[::1]:", StringComparison.Ordinal)
        .Replace("://*:", "://127.0.0.1:", StringComparison.Ordinal)
        .Replace("://+:", "://127.0.0.1:", StringComparison.Ordinal);

    private async Task OpenAsync(string[] urls, CancellationToken cancellationToken)
    {
        if (urls.Length == 0)
        {
            return;
        }

        WebApplication listener = Build(urls);
        try
        {
            await listener.StartAsync(cancellationToken);
        }
        catch (IOException e)
        {
            await listener.DisposeAsync();
            throw new InvalidOperationException($"The addresses of server.urls ({string.Join(", ", urls)}) cannot be opened: {e.Message} Stop what uses them, or set server.urls.", e);
        }

        _listeners.Add(listener);
        Addresses = [.. Addresses, .. listener.Urls.Select(Reachable)];
        Log.Listening(_loggers.CreateLogger<ControlPlaneService>(), string.Join(", ", listener.Urls));
    }

    private static WebApplicationBuilder CreateBuilder()
    {
        // The empty builder: appsettings files and ASPNETCORE_ variables must not change what server.* says.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "Postroom.ControlPlane" });
        builder.WebHost.UseKestrelCore();
        builder.Services.AddRoutingCore();

        // Signals are the runtime's; this host starts and stops when it is told to.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = Timeout.InfiniteTimeSpan);
        return builder;
    }

    private WebApplication Build(string[] urls)
    {
        WebApplicationBuilder builder = CreateBuilder();
        builder.WebHost.ConfigureKestrel(options => KestrelLimits.Apply(options, _intake.Webhook.MaxBody)).UseUrls(urls);
        builder.Services.AddSingleton(_loggers);
        WebApplication app = builder.Build();
        app.UseMiddleware<ErrorAnswers>(_loggers.CreateLogger<ErrorAnswers>());
        if (_server.Prefix.Length > 0)
        {
            app.UsePathBase(_server.Prefix); // before the rules, which know paths without it
        }

        app.UseMiddleware<BrowserRules>(new BrowserRulesOptions { Hosts = _server.Hosts, AnyContentBelow = ["/hooks", "/webhook"], IsReceiver = path => _runtime.FindReceivers(path).Count > 0 });
        app.Use(_health.ProbesFirst);
        app.Use(_receivers.First);
        app.UseRouting();
        MapOpen(app);
        MapReads(app);
        return app;
    }

    private void MapOpen(WebApplication app)
    {
        app.MapGet(HealthEndpoints.LivePath, (RequestDelegate)_health.LiveAsync);
        app.MapGet(HealthEndpoints.ReadyPath, (RequestDelegate)_health.ReadyAsync);
        app.MapGet("/health", _gate.Needs(ApiRole.Viewer, _health.AllAsync));
        app.MapPost("/webhook", (RequestDelegate)_webhook.HandleAsync);
        app.MapPost("/hooks/{source}", (RequestDelegate)_hooks.HandleAsync);
        app.MapGet("/", (RequestDelegate)_chatEndpoints.RootAsync);
        app.MapGet("/chat", (RequestDelegate)_chatEndpoints.PageAsync);
        app.MapGet("/chat/faults", (RequestDelegate)_chatTools.FaultsAsync);
        app.MapPut("/chat/faults", (RequestDelegate)_chatTools.SetFaultsAsync);
        app.MapGet("/chat/script", (RequestDelegate)_chatTools.ScriptAsync);
        app.MapGet("/chat/{file}", (RequestDelegate)ChatEndpoints.FileAsync);
        app.MapGet("/events", (RequestDelegate)_chatEndpoints.EventsAsync);
    }

    private void MapReads(WebApplication app)
    {
        Map(app, ApiRole.Viewer, _status.StatusAsync, $"{Api}/status", $"{Api}/runtime", $"{Api}/organism", "/organism");
        Map(app, ApiRole.Viewer, _status.QueuesAsync, $"{Api}/queues");
        Map(app, ApiRole.Viewer, _status.QueueAsync, $"{Api}/queues/{{queue}}");
        Map(app, ApiRole.Viewer, _status.WorkersAsync, $"{Api}/workers");
        Map(app, ApiRole.Viewer, _status.PoolAsync, $"{Api}/workers/{{pool}}");
        Map(app, ApiRole.Viewer, _status.SourcesAsync, $"{Api}/sources");
        Map(app, ApiRole.Viewer, _status.SourceAsync, $"{Api}/sources/{{source}}");
        Map(app, ApiRole.Viewer, _schedules.ListAsync, $"{Api}/schedules");
        Map(app, ApiRole.Viewer, _schedules.OneAsync, $"{Api}/schedules/{{schedule}}");
        Map(app, ApiRole.Viewer, _schedules.OccurrencesAsync, $"{Api}/schedules/{{schedule}}/occurrences");
        app.MapPost($"{Api}/schedules/{{schedule}}/run", Opened(ApiRole.Operator, _schedules.RunAsync));
        Map(app, ApiRole.Viewer, _status.CommunicatorsAsync, $"{Api}/communicators");
        Map(app, ApiRole.Viewer, _status.CommunicatorAsync, $"{Api}/communicators/{{communicator}}");
        app.MapPost($"{Api}/communicators/{{communicator}}/call", Opened(ApiRole.Operator, _calls.CallAsync));
        Map(app, ApiRole.Viewer, _journal.ListAsync, $"{Api}/journal");
        Map(app, ApiRole.Viewer, _journal.StatsAsync, $"{Api}/journal/stats");
        Map(app, ApiRole.Viewer, _journal.OneAsync, $"{Api}/journal/{{id}}");
        Map(app, ApiRole.Viewer, _journal.WhyAsync, $"{Api}/journal/{{id}}/why");
        app.MapPost($"{Api}/journal/{{id}}/replay", Opened(ApiRole.Operator, _journal.ReplayAsync));
        Map(app, ApiRole.Operator, _journal.BodyAsync, $"{Api}/journal/{{id}}/body");
        Map(app, ApiRole.Operator, _journal.AttachmentAsync, $"{Api}/journal/{{id}}/attachments/{{number}}");
        Map(app, ApiRole.Viewer, _conversations.OneAsync, $"{Api}/conversations/{{**path}}", $"{Api}/threads/{{**path}}");
    }

    private void Map(WebApplication app, ApiRole role, RequestDelegate handle, params ReadOnlySpan<string> paths)
    {
        foreach (string path in paths)
        {
            app.MapGet(path, Opened(role, handle));
        }
    }

    /// <summary>A handler for callers of a role, once the store is open.</summary>
    private RequestDelegate Opened(ApiRole role, RequestDelegate handle) => _gate.Needs(role, context => IsOpening ? OpeningAsync(context) : handle(context));

    /// <summary>Whether the store has not opened yet, so that there is nothing to read.</summary>
    private bool IsOpening => _runtime.State is RuntimeState.Created or RuntimeState.Starting or RuntimeState.Recovering;

    private static Task OpeningAsync(HttpContext context) =>
        new Problem { Status = 503, Code = ProblemCode.StoreUnavailable, Detail = "The runtime is starting; the store is not open yet.", RetryAfterSeconds = 1 }.WriteAsync(context);

    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private static partial class Log
    {
        [LoggerMessage(4300, LogLevel.Information, "HTTP listens on {Addresses}.")]
        public static partial void Listening(ILogger logger, string addresses);
    }
}
