using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Postroom.ControlPlane;
using Postroom.Redis;
using Postroom.Sqlite;

namespace Postroom.Host;

/// <summary>What every Postroom program has: the stores, the channels and HTTP.</summary>
internal sealed class PlatformModule(ListenSockets? sockets = null) : IApplicationModule
{
    public string Name => "platform";

    public string Version => "1";

    public void Configure(IApplicationBuilder app)
    {
        app.AddStore("sqlite", static (options, retention, redactor, clock, services) =>
            new SqliteStore(options, retention, redactor, clock, services.GetRequiredService<ILoggerFactory>().CreateLogger<SqliteStore>()));
        if (RedisPreview.IsOn)
        {
            app.AddStore("redis", static (_, retention, redactor, clock, services) => new RedisStore(
            services.GetRequiredService<MessageRuntime>().Composition!.Get<RedisOptions>("redis"), retention, redactor, clock,
            services.GetRequiredService<ILoggerFactory>().CreateLogger<RedisStore>(), Chance.Next));
        }

        if (sockets is not null)
        {
            app.Services.AddSingleton(sockets);
        }

        app.AddControlPlane().AddChannels();
    }
}
