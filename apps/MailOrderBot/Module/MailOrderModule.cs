using MailOrderBot.Handlers;
using MailOrderBot.Services;
using Microsoft.Extensions.DependencyInjection;
using Postroom;
using Postroom.Configuration;

namespace MailOrderBot;

/// <summary>The mail order bot (SPEC §31): orders come by mail to the queue <c>orders</c>, are kept in a database of the shop, and are answered in their thread.</summary>
/// <remarks>
/// Where mail comes from and who answers it are settings: a source <c>shop-inbox</c> of type <c>imap</c>, <c>maildir</c> or <c>folder</c> with <c>into: orders</c>, and a
/// communicator <c>shop-mail</c>.
/// </remarks>
public sealed class MailOrderModule : IApplicationModule
{
    /// <summary>The queue of the orders.</summary>
    public const string Queue = "orders";

    /// <inheritdoc/>
    public string Name => "mail-order-bot";

    /// <inheritdoc/>
    public string Version => "1";

    /// <summary>Called at named points of the shop's transactions; tests end the process there. Null for nobody.</summary>
    internal Action<string>? Passing { get; init; }

    /// <inheritdoc/>
    public void Configure(IApplicationBuilder app)
    {
        ArgumentNullException.ThrowIfNull(app);
        app.Services
            .AddSingleton(services => ShopDatabase.Open(services.GetRequiredService<IRuntimeConfiguration>().Current.Get<MailOrderOptions>(MailOrderOptions.Section).Database, Passing))
            .AddSingleton<OrderDesk>()
            .AddSingleton<CatalogueKeeper>()
            .AddSingleton<LetterKeeper>();
        app.RequireConfiguration(SettingsSection.Create(MailOrderOptions.Section, MailOrderOptions.Read))
            .AddQueue(Queue)
            .AddHandler<MailMessage, ProcessOrderMail>(PayloadTypes.MailReceived, PostroomJson.Default.MailMessage, Queue)
            .AddWorkers(Queue, pool => pool.Parallelism = 4)
            .AddComponent(services => services.GetRequiredService<CatalogueKeeper>())
            .AddComponent(services => services.GetRequiredService<LetterKeeper>())
            .AddHealthContributor(services => services.GetRequiredService<CatalogueKeeper>());
    }
}
