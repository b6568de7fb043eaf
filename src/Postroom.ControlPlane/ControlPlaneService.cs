using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Postroom.Configuration;

namespace Postroom.ControlPlane;

/// <summary>Serves HTTP: health, intake, the journal, the dashboard and the web chat (CP-1).</summary>
/// <remarks>
/// It listens before the store is open, so that probes get an answer; until the runtime runs, intake answers 503. Where only the store can
/// tell whether there is a key, other machines wait for it: see <see cref="OpenWiderAsync"/> (CP-3).
/// </remarks>
internal sealed partial class ControlPlaneService : IHandsOver
{
    private readonly ServerOptions _server;
    private readonly IntakeOptions _intake;
    private readonly ControlPlaneKeys _keys;
    private readonly WebChat? _chat;
    private readonly ILoggerFactory _loggers;
    private readonly Lazy<ControlPlaneRoutes> _routes;
    private readonly BrowserRulesOptions _rules;
    private readonly List<WebApplication> _listeners = [];
    private readonly CancellationTokenSource _streams = new();
    private readonly ListenSockets _sockets;
    private readonly Continuity _continuity;
    private readonly TrustedProxies _proxies;
    private readonly ConnectionLimit _connections;
    private Task _opening = Task.CompletedTask;
    private string[] _adminAddresses = [];
    private string[] _otherAddresses = [];
    private int _stopped;

    /// <summary>Makes the service; nothing listens before it starts.</summary>
    /// <param name="runtime">The one way into the runtime.</param>
    /// <param name="configuration">The settings in force, and the way to change them.</param>
    /// <param name="keys">Who may read; a component of its own that starts once the store is open.</param>
    /// <param name="chat">The web chat; null without one.</param>
    /// <param name="hooks">The sources that take what other services post.</param>
    /// <param name="sockets">Opens what is listened on, and keeps it through a hot restart.</param>
    /// <param name="redactor">Masks what the audit is told.</param>
    /// <param name="clock">Dates, limits and expiry.</param>
    /// <param name="loggers">For the endpoints and the server.</param>
    public ControlPlaneService(
        IRuntimeView runtime, IRuntimeConfiguration configuration, ControlPlaneKeys keys, WebChat? chat, HookBoard hooks, ListenSockets sockets, Redactor redactor, TimeProvider clock, ILoggerFactory loggers)
    {
        _server = configuration.Current.Get<ServerOptions>("server");
        _intake = configuration.Current.Get<IntakeOptions>("intake");
        _keys = keys;
        _chat = chat;
        _loggers = loggers;
        _sockets = sockets;
        _continuity = new Continuity(runtime, clock);
        _proxies = new TrustedProxies(_server.TrustedProxies);
        _connections = new ConnectionLimit(configuration.Current.Get<LimitsOptions>("limits"), _proxies, runtime, clock, loggers.CreateLogger<ConnectionLimit>());
        _routes = new Lazy<ControlPlaneRoutes>(() =>
        {
            ControlPlaneRoutes routes = new(runtime, configuration, keys, chat, hooks, redactor, clock, loggers);
            routes.Events.Stopping = _streams.Token;
            return routes;
        });
        _rules = new BrowserRulesOptions { Hosts = _server.Hosts, AnyContentBelow = ["/hooks", "/webhook"], IsReceiver = path => runtime.FindReceivers(path).Count > 0 };
        _ = configuration.Subscribe<ServerOptions>("server", (change, _) =>
        {
            _rules.Hosts = change.New.Hosts;
            keys.Change(change.New.Keys);
            return default;
        });
    }

    /// <inheritdoc/>
    public string Name => "control-plane";

    /// <inheritdoc/>
    public RuntimePhase Phase => RuntimePhase.Telemetry;

    /// <summary>The addresses that are listened on, with the ports the system chose, as this machine reaches them, those of the control plane first; empty before the start.</summary>
    public IReadOnlyList<string> Addresses => [.. _adminAddresses, .. _otherAddresses];

    /// <summary>The web chat's page below an address, with its token where one is needed.</summary>
    public string ChatPath => Table.Access.ChatToken is { } token ? $"/chat?token={token}" : "/chat";

    /// <summary>Completes once it listens; what keeps it from that is thrown.</summary>
    internal Task Opened => _opening;

    /// <summary>Everything it answers.</summary>
    internal IReadOnlyList<ApiRoute> Routes => Table.All;

    /// <summary>Made at the first use, which is on the thread that opens the listener.</summary>
    private ControlPlaneRoutes Table => _routes.Value;

    /// <summary>Whether the control plane and the dashboard answer on every address (CF-10).</summary>
    private bool IsOneForAll => _server.AdminUrls.Count == 0;

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
        bool Wanted(string url) => _keys.AreConfigured || !ControlPlaneKeys.IsWide(url);
        if (!_sockets.TryBind([.. _server.AdminUrls.Concat(_server.Urls).Where(Wanted)]))
        {
            return OpenAsync(Wanted, cancellationToken); // it says what is wrong, and the start ends before the store is made
        }

        // Making a listener takes as long as opening the store: they go side by side.
        _opening = Task.Run(() => OpenAsync(Wanted, cancellationToken), cancellationToken);
        return Task.CompletedTask;
    }

    /// <summary>Opens the addresses that other machines can reach, unless they are open. Called once a key is known.</summary>
    public async Task OpenWiderAsync(CancellationToken cancellationToken)
    {
        await _opening;
        Table.History.Start(); // the store is open by now
        await OpenAsync(url => !_keys.AreConfigured && ControlPlaneKeys.IsWide(url), cancellationToken);
    }

    /// <summary>Ends what operators have begun, and waits until each has its row in the audit. Called while the store is open; the listeners go on and answer that the runtime stops.</summary>
    /// <param name="limit">How long to wait at most for what does not end.</param>
    public async Task EndActionsAsync(TimeSpan limit)
    {
        await Table.Action.StopAsync(limit);
        await Table.Bulk.Ended;
    }

    /// <summary>Accepts no more connections, which wait in the backlog from then on, answers what has begun, and ends the event streams, whose clients come back by themselves.</summary>
    /// <inheritdoc/>
    public Task HandOverAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        _sockets.KeepOpen();
        return StopAsync(limit, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task StopAsync(TimeSpan drain, CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0)
        {
            return; // handed over before
        }

        await _opening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        WebApplication[] open = [.. _listeners];
        _listeners.Clear();
        Table.Chat.Stopping = true;
        await _streams.CancelAsync();
        await EndActionsAsync(drain);
        await Table.Board.DisposeAsync();
        await Table.History.DisposeAsync();
        _chat?.Hub.EndAll();
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(drain);
        await Task.WhenAll(open.Select(async listener =>
        {
            await listener.StopAsync(limit.Token);
            await listener.DisposeAsync();
        }));
        (_adminAddresses, _otherAddresses) = ([], []);
    }

    /// <summary>The address as somebody on this machine types it: a wildcard is none.</summary>
    private static string Reachable(string url) => url
        .Replace("://0.0.0.0:", "://127.0.0.1:", StringComparison.Ordinal)
        .Replace("://[::]:", "://[::1]:", StringComparison.Ordinal)
        .Replace("://*:", "://127.0.0.1:", StringComparison.Ordinal)
        .Replace("://+:", "://127.0.0.1:", StringComparison.Ordinal);

    private async Task OpenAsync(Func<string, bool> wanted, CancellationToken cancellationToken)
    {
        _adminAddresses = [.. _adminAddresses, .. await OpenAsync([.. _server.AdminUrls.Where(wanted)], "server.adminUrls", withControlPlane: true, cancellationToken)];
        string[] others = [.. _server.Urls.Except(_server.AdminUrls, StringComparer.OrdinalIgnoreCase).Where(wanted)];
        _otherAddresses = [.. _otherAddresses, .. await OpenAsync(others, "server.urls", IsOneForAll, cancellationToken)];
    }

    private async Task<string[]> OpenAsync(string[] urls, string setting, bool withControlPlane, CancellationToken cancellationToken)
    {
        if (urls.Length == 0)
        {
            return [];
        }

        WebApplication listener = Build(urls, withControlPlane);
        try
        {
            await listener.StartAsync(cancellationToken);
        }
        catch (Exception e)
        {
            await listener.DisposeAsync();
            if (e is not (IOException or System.Net.Sockets.SocketException))
            {
                throw;
            }

            throw new InvalidOperationException($"The addresses of {setting} ({string.Join(", ", urls)}) cannot be opened: {e.Message} Stop what uses them, or set {setting}.", e);
        }

        _listeners.Add(listener);
        Log.Listening(_loggers.CreateLogger<ControlPlaneService>(), string.Join(", ", listener.Urls));
        return [.. listener.Urls.Select(Reachable)];
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

    private WebApplication Build(string[] urls, bool withControlPlane)
    {
        WebApplicationBuilder builder = CreateBuilder();
        builder.WebHost.ConfigureKestrel(options => KestrelLimits.Apply(options, _intake.Webhook.MaxBody, _connections)).UseUrls(urls);
        builder.Services.AddSingleton(_loggers);
        builder.Services.Configure<SocketTransportOptions>(options => options.CreateBoundListenSocket = _sockets.Bind);
        builder.Services.AddSingleton<SocketTransportFactory>();
        builder.Services.AddSingleton<IConnectionListenerFactory>(services => new KeptListeners(services.GetRequiredService<SocketTransportFactory>(), _sockets));
        WebApplication app = builder.Build();
        if (_server.TrustedProxies.Count > 0)
        {
            app.UseForwardedHeaders(_proxies.ToOptions());
        }

        app.UseMiddleware<ErrorAnswers>(_loggers.CreateLogger<ErrorAnswers>());
        if (_server.Prefix.Length > 0)
        {
            app.UsePathBase(_server.Prefix); // before the rules, which know paths without it
        }

        app.UseMiddleware<BrowserRules>(_rules);
        app.Use(Table.Health.ProbesFirst);
        app.Use(_continuity.Around);
        app.Use(Table.Receivers.First);
        app.UseRouting();
        foreach (ApiRoute route in Table.All.Where(route => withControlPlane || !route.IsOfControlPlane))
        {
            RequestDelegate handle = Table.Guarded(route);
            foreach (string path in route.Paths)
            {
                app.MapMethods(path, [route.Method], handle);
            }
        }

        return app;
    }

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
