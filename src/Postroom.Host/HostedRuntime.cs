using MailOrderBot;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postroom.Configuration;
using Postroom.ControlPlane;
using Postroom.Hosting;
using Postroom.Redis;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <summary>A runtime with the platform's stores, channels and HTTP, composed from the command line.</summary>
internal sealed partial class HostedRuntime : IAsyncDisposable
{
    private readonly ILoggerFactory _loggers;
    private string? _announced;
    private bool _saysStopped;

    private HostedRuntime(MessageRuntime runtime, ILoggerFactory loggers, LineLoggerProvider? log)
    {
        Runtime = runtime;
        _loggers = loggers;
        Log = log;
    }

    public MessageRuntime Runtime { get; }

    public LineLoggerProvider? Log { get; }

    /// <summary>Where the log goes.</summary>
    public ILoggerFactory Loggers => _loggers;

    /// <summary>The addresses HTTP listens on.</summary>
    public IReadOnlyList<string> Addresses => Runtime.Services.GetService<ControlPlaneService>()?.Addresses ?? [];

    /// <summary>The page of the web chat; null when there is no such channel.</summary>
    public string? ChatLink => Addresses.Count > 0 && Runtime.View.FindChannel("emulator") is not null ? Addresses[0] + Runtime.Services.GetRequiredService<ControlPlaneService>().ChatPath : null;

    /// <summary>The dashboard, with a code that signs in once within ten minutes; null when HTTP listens nowhere.</summary>
    public async ValueTask<string?> MakeDashboardLinkAsync(CancellationToken cancellationToken)
    {
        if (Addresses.Count == 0)
        {
            return null;
        }

        string? code = await Runtime.Services.GetRequiredService<ControlPlaneKeys>().MakeCodeAsync(cancellationToken);
        return Addresses[0] + DashboardEndpoints.Path + (code is null ? "" : $"#code={code}");
    }

    /// <summary>Where the messages are kept, for people.</summary>
    public string DataPlace
    {
        get
        {
            StoreOptions store = Runtime.Configuration.Current.Get<StoreOptions>("store");
            return store.Kind == "sqlite"
                ? $"{Path.GetFullPath(store.Path)} (SQLite {SqliteStore.LibraryVersion}, {store.Synchronous.ToString().ToLowerInvariant()})"
                : $"{store.Kind}: {Runtime.Store.Features.Promise}";
        }
    }

    /// <summary>Composes a runtime; nothing runs yet.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="configure">Registers what the program adds; null for nothing.</param>
    /// <param name="standalone">Whether there is no program around it, so that the welcome module answers when nothing else is configured.</param>
    /// <param name="output">Where the log goes; null for nowhere.</param>
    /// <param name="generation">What a hot restart needs; null where there is none.</param>
    /// <param name="withFiles">Whether the files of settings are read; not unless they can be.</param>
    public static HostedRuntime Create(
        HostArguments arguments, Action<IApplicationBuilder>? configure, bool standalone, TextWriter? output, Generation? generation = null, bool withFiles = true)
    {
        Redactor redactor = new();
        LineLoggerProvider? log = output is null ? null : new LineLoggerProvider(redactor, TimeProvider.System, output);
        LoggerFilterOptions filters = new() { MinLevel = LogLevel.Trace };
        filters.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None); // what fails to start is thrown, and told once
        ILoggerFactory loggers = new LoggerFactory(log is null ? [] : [log], filters);

        ConfigurationSources sources = ConfigurationSources.Standard(arguments.Config, arguments.AppConfig, arguments.Settings, EnvironmentVariables(), TimeProvider.System, new SqliteSettings());
        if (!withFiles)
        {
            foreach (FileConfigurationLayer file in sources.Layers.OfType<FileConfigurationLayer>().ToArray())
            {
                sources.Layers.Remove(file);
            }
        }

        bool configured = arguments.Config is not null || arguments.AppConfig is not null || FileExists(sources);
        if (!configured)
        {
            sources.Layers.Insert(0, FirstStart.Layer());
        }

        MessageRuntime runtime = new(new RuntimeSetup
        {
            Configuration = sources,
            Clock = new ServerClock(TimeProvider.System), // the system's, until a store that nodes share says what time it is
            Loggers = loggers,
            Redactor = redactor,
            Configured = settings =>
            {
                log?.Apply(settings.Get<LoggingOptions>("logging"));
                FormerStore.Check(settings);
                generation?.Configure(settings);
            },
            Replacer = generation?.Replacer,
            Origin = generation?.Origin ?? new RestartOrigin(),
            LostLogLines = log is null ? null : () => log.Lost,
            Paused = arguments.Paused,
            OpensReceivers = !standalone,
            Version = ProgramVersion,
            KnownModules = [new WelcomeModule(), new MailOrderModule()],
        });
        runtime.RegisterModule(new PlatformModule(generation?.Sockets));
        if (configure is not null)
        {
            runtime.RegisterModule(new ProgramModule(configure));
        }
        else if (standalone && !configured)
        {
            runtime.RegisterModule(new WelcomeModule());
        }

        return new HostedRuntime(runtime, loggers, log);
    }

    /// <summary>Composes and starts inside a program of its own.</summary>
    /// <param name="arguments">The options.</param>
    /// <param name="configure">Registers what the program adds; null for nothing.</param>
    /// <param name="output">Where the log goes.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <param name="generation">What a hot restart needs; null where there is none.</param>
    public static async Task<HostedRuntime> StartAsync(
        HostArguments arguments, Action<IApplicationBuilder>? configure, TextWriter output, CancellationToken cancellationToken, Generation? generation = null)
    {
        HostedRuntime host = Create(arguments, configure, standalone: false, output, generation);
        try
        {
            await host.StartAsync(cancellationToken);
            LogStarted(host._loggers.CreateLogger<PostOffice>(), host.ChatLink ?? "none", host.DataPlace);
            host._saysStopped = true;
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    /// <summary>The program's version.</summary>
    public static string ProgramVersion => typeof(HostedRuntime).Assembly.GetName().Version?.ToString(3) ?? "0";

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await Runtime.StartAsync(cancellationToken);
        }
        catch (InvalidOperationException e) when (e.InnerException is IOException && InUse() is { } owner)
        {
            // Most likely it is that runtime that has the address, and a second one was not meant.
            string? url = await LiveAddress.ReadAsync(Runtime.Configuration.Current, cancellationToken);
            throw new StoreOpenException(StoreOpenFailure.InUse, url is null ? owner.Message : $"{owner.Message} It answers at {url}; another one beside it needs a server.urls of its own as well.", e);
        }

        if (Log is not null)
        {
            _ = Runtime.Configuration.Subscribe<LoggingOptions>("logging", (change, _) =>
            {
                Log.Apply(change.New);
                return default;
            });
        }

        if (Addresses.Count > 0)
        {
            _announced = LiveAddress.FileOf(Runtime.Configuration.Current);
            await File.WriteAllTextAsync(_announced, Addresses[0] + "\n", cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_announced is { } file)
        {
            File.Delete(file); // Nobody else at that address is to be taken for this runtime.
        }

        await Runtime.DisposeAsync();
        if (_saysStopped && !Runtime.Failure.IsCompleted)
        {
            LogStopped(_loggers.CreateLogger<PostOffice>(), StopText);
        }

        _loggers.Dispose();
        Log?.Dispose(); // writes what waits, the last line included
    }

    /// <summary>How the stop went, for people.</summary>
    public string StopText => Runtime.AbandonedWork ? "Stopped; some work did not end in time and is handled again after the next start." : "Stopped in order; nothing is in work.";

    [LoggerMessage(5000, LogLevel.Information, "Started. Web chat: {Chat}. Data: {Data}.")]
    private static partial void LogStarted(ILogger log, string chat, string data);

    [LoggerMessage(5001, LogLevel.Information, "{Text}")]
    private static partial void LogStopped(ILogger log, string text);

    /// <summary>Who runs on the configured store; null for nobody.</summary>
    private StoreInUseException? InUse()
    {
        StoreOptions store = Runtime.Configuration.Current.Get<StoreOptions>("store");

        // A generation that took the ownership over has it itself.
        bool taken = store.Kind == "sqlite" && Runtime.Origin.Ownership is null && OwnerLock.IsHeld(store.Path);
        return taken ? new StoreInUseException(store.Path, OwnerLock.ReadOwner(store.Path)) : null;
    }

    private static bool FileExists(ConfigurationSources sources)
    {
        return sources.Layers.OfType<FileConfigurationLayer>().Any(layer => File.Exists(layer.Path));
    }

    private static Dictionary<string, string> EnvironmentVariables()
    {
        Dictionary<string, string> variables = new(StringComparer.Ordinal);
        foreach (System.Collections.DictionaryEntry entry in Environment.GetEnvironmentVariables())
        {
            variables[(string)entry.Key] = (string?)entry.Value ?? "";
        }

        return variables;
    }

    /// <summary>What a program registers by a function instead of a module class.</summary>
    private sealed class ProgramModule(Action<IApplicationBuilder> configure) : IApplicationModule
    {
        public string Name => "program";

        public string Version => "1";

        public void Configure(IApplicationBuilder app) => configure(app);
    }
}
