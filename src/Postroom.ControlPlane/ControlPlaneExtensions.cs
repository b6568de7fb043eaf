using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Postroom.Configuration;

namespace Postroom.ControlPlane;

/// <summary>Adds HTTP to a program.</summary>
public static class ControlPlaneExtensions
{
    /// <summary>Adds the HTTP listener with intake, health, journal and status, and the web chat as communicators of type <c>emulator</c>.</summary>
    public static IApplicationBuilder AddControlPlane(this IApplicationBuilder app)
    {
        app.Services.AddSingleton(static services => new ControlPlaneKeys(
            services.GetRequiredService<IRuntimeView>(),
            Settings<ServerOptions>(services, "server"),
            Settings<RuntimeOptions>(services, "runtime").DataDirectory,
            services.GetRequiredService<TimeProvider>(),
            MayHaveKeys(Settings<StoreOptions>(services, "store"))));
        app.Services.AddSingleton(static services => new WebChat(
            services.GetRequiredService<IRuntimeView>(),
            new IntakeAccess(Settings<IntakeOptions>(services, "intake").Webhook, services.GetRequiredService<TimeProvider>()),
            services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<ILoggerFactory>()));
        app.Services.AddSingleton(static services => new ControlPlaneService(
            services.GetRequiredService<IRuntimeView>(),
            services.GetRequiredService<IRuntimeConfiguration>(),
            services.GetRequiredService<ControlPlaneKeys>(),
            services.GetRequiredService<WebChat>(),
            services.GetRequiredService<HookBoard>(),
            services.GetRequiredService<ListenSockets>(),
            services.GetRequiredService<Redactor>(),
            services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<ILoggerFactory>()));
        app.Services.AddSingleton<HookBoard>();
        app.Services.TryAddSingleton<ListenSockets>();
        return app
            .RegisterSource(HookConfig.Kind, static (name, config, services) => new HookSource(name, (HookConfig)config, services.GetRequiredService<HookBoard>(), services.GetRequiredService<TimeProvider>()), HookConfig.Read)
            .AddComponent(static services => services.GetRequiredService<ControlPlaneService>())
            .AddComponent(static services => services.GetRequiredService<ControlPlaneKeys>())
            .AddComponent(static services => new WiderListener(services.GetRequiredService<ControlPlaneService>()))
            .AddComponent(static services => services.GetRequiredService<WebChat>())
            .RegisterBackend(EmulatorCommunicator.Kind, static (name, config, services) => services.GetRequiredService<WebChat>().Create(name, config, services.GetServices<IChannelRules>()), EmulatorCommunicatorConfig.Read);
    }

    /// <summary>Whether keys may be kept in a store that is not open yet; one that is somewhere else may have some.</summary>
    private static bool MayHaveKeys(StoreOptions store) => store.Kind switch
    {
        "memory" => false,
        "sqlite" => File.Exists(store.Path),
        _ => true,
    };

    private static T Settings<T>(IServiceProvider services, string section)
        where T : class => services.GetRequiredService<IRuntimeConfiguration>().Current.Get<T>(section);
}
