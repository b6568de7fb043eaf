using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Postroom.Chat;
using Postroom.Mail;

namespace Postroom.Host;

/// <summary>The channels that every program knows by their type: Telegram, WhatsApp, e-mail and webhooks out, mailboxes and folders in; the web chat and hooks come with the control plane.</summary>
internal static class BuiltInChannels
{
    private static readonly (string Type, CommunicatorFactoryMethod Factory, Postroom.Configuration.BackendSchema Schema)[] All =
    [
        ("telegram", static (name, config, services) => new TelegramCommunicator(name, As<TelegramCommunicatorConfig>(name, config), ClockOf(services), LogOf<TelegramCommunicator>(services)), TelegramCommunicatorConfig.Read),
        (WhatsAppCommunicatorConfig.Kind, WhatsAppCommunicator.Create, WhatsAppCommunicatorConfig.Read),
        ("email", static (name, config, services) => new EmailCommunicator(name, As<EmailCommunicatorConfig>(name, config), LogOf<EmailCommunicator>(services), ClockOf(services)), EmailCommunicatorConfig.Read),
        (MaildropCommunicatorConfig.Kind, static (name, config, services) => new MaildropCommunicator(name, As<MaildropCommunicatorConfig>(name, config), ClockOf(services)), MaildropCommunicatorConfig.Read),
        ("webhook", static (name, config, services) => new WebhookCommunicator(name, As<WebhookCommunicatorConfig>(name, config), ClockOf(services)), WebhookCommunicatorConfig.Read),
    ];

    /// <summary>Registers them in a program.</summary>
    public static IApplicationBuilder AddChannels(this IApplicationBuilder app)
    {
        foreach ((string type, CommunicatorFactoryMethod factory, Postroom.Configuration.BackendSchema schema) in All)
        {
            app.RegisterBackend(type, factory, schema);
        }

        // The web chat stands for these by their own rules (EU-8).
        app.Services.AddSingleton<IChannelRules, TelegramRules>().AddSingleton<IChannelRules, WhatsAppRules>();
        return app.RegisterSource(
            ImapSourceConfig.Kind,
            static (name, config, services) => new ImapSource(name, As<ImapSourceConfig>(name, config), LogOf<ImapSource>(services), ClockOf(services)),
            ImapSourceConfig.Read)
            .RegisterSource(
                MaildirSourceConfig.Kind,
                static (name, config, services) => new MaildirSource(name, As<MaildirSourceConfig>(name, config), LogOf<MaildirSource>(services), ClockOf(services)),
                MaildirSourceConfig.Read)
            .RegisterSource(
                DropFolderSourceConfig.Kind,
                static (name, config, services) => new DropFolderSource(name, As<DropFolderSourceConfig>(name, config), LogOf<DropFolderSource>(services), ClockOf(services)),
                DropFolderSourceConfig.Read);
    }

    private static T As<T>(string name, SourceConfig config)
        where T : SourceConfig
    {
        return config as T ?? throw new ArgumentException($"The settings of source '{name}' are a {config.GetType().Name}; its type '{config.Type}' needs a {typeof(T).Name}.", nameof(config));
    }

    private static T As<T>(string name, CommunicatorBackendConfig config)
        where T : CommunicatorBackendConfig
    {
        return config as T ?? throw new ArgumentException($"The settings of communicator '{name}' are a {config.GetType().Name}; its type '{config.Type}' needs a {typeof(T).Name}.", nameof(config));
    }

    private static TimeProvider? ClockOf(IServiceProvider services) => services.GetService<TimeProvider>();

    private static ILogger<T> LogOf<T>(IServiceProvider services) => services.GetService<ILoggerFactory>()?.CreateLogger<T>() ?? NullLogger<T>.Instance;
}
