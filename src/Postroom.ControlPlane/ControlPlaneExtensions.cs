using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postroom.Configuration;

namespace Postroom.ControlPlane;

/// <summary>Adds HTTP to a runtime.</summary>
public static class ControlPlaneExtensions
{
    /// <summary>Adds health, webhook intake, the read side of the API and the web chat, with communicators of type <c>emulator</c>.</summary>
    public static IApplicationBuilder AddControlPlane(this IApplicationBuilder app)
    {
        app.Services.AddSingleton(services => new ControlPlaneKeys(
            services.GetRequiredService<IRuntimeView>(), Section<ServerOptions>(services, "server"), Section<RuntimeOptions>(services, "runtime").DataDirectory, Clock(services)));
        app.Services.AddSingleton(services => new WebChat(
            services.GetRequiredService<IRuntimeView>(), Section<IntakeOptions>(services, "intake"), Clock(services), services.GetRequiredService<ILoggerFactory>()));
        app.Services.AddSingleton(services => new ControlPlaneService(
            services.GetRequiredService<IRuntimeView>(),
            Section<ServerOptions>(services, "server"),
            Section<IntakeOptions>(services, "intake"),
            services.GetRequiredService<ControlPlaneKeys>(),
            services.GetRequiredService<WebChat>(),
            Clock(services),
            services.GetRequiredService<ILoggerFactory>()));
        return app
            .AddComponent(services => services.GetRequiredService<ControlPlaneService>())
            .AddComponent(services => services.GetRequiredService<ControlPlaneKeys>())
            .AddComponent(services => services.GetRequiredService<WebChat>())
            .RegisterBackend(EmulatorCommunicator.Kind, (name, config, services) => services.GetRequiredService<WebChat>().Create(name, config.Extra.GetText("contact")));
    }

    private static TimeProvider Clock(IServiceProvider services) => services.GetRequiredService<TimeProvider>();

    private static T Section<T>(IServiceProvider services, string name)
        where T : class => services.GetRequiredService<IRuntimeConfiguration>().Current.Get<T>(name);
}
