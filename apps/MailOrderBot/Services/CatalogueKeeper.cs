using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using MailOrderBot.Domain;
using MailOrderBot.Handlers;
using Microsoft.Extensions.Logging;
using Postroom;
using Postroom.Configuration;

namespace MailOrderBot.Services;

/// <summary>Loads the catalogue file at the start and whenever it changes: as a whole, or not at all (MB-20). Says how the shop is.</summary>
internal sealed partial class CatalogueKeeper(ShopDatabase shop, IRuntimeConfiguration configuration, IMessageSender sender, TimeProvider clock, ILogger<CatalogueKeeper> log)
    : IRuntimeComponent, IHealthContributor
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(2);

    private readonly CancellationTokenSource _stopping = new();
    private Task _loop = Task.CompletedTask;
    private (string? File, DateTime Written, long Length) _seen;
    private volatile string? _problem; // null: the catalogue is as it should be

    /// <inheritdoc/>
    string IRuntimeComponent.Name => "mail-order-catalogue";

    /// <inheritdoc/>
    string IHealthContributor.Name => "mail-order";

    /// <inheritdoc/>
    public RuntimePhase Phase => RuntimePhase.Communicators;

    /// <inheritdoc/>
    public HealthViews Views => HealthViews.Status;

    private MailOrderOptions Options => configuration.Current.Get<MailOrderOptions>(MailOrderOptions.Section);

    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (Options.Samples is { } samples)
        {
            SampleShop.Furnish(samples);
        }

        await LookAsync(cancellationToken);
        _loop = WatchAsync(_stopping.Token);
    }

    /// <inheritdoc/>
    public async Task StopAsync(TimeSpan drain, CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    /// <inheritdoc/>
    public async ValueTask<HealthResult> CheckAsync(CancellationToken cancellationToken)
    {
        (IReadOnlyDictionary<string, long> orders, int articles) = await shop.ReadAsync(transaction => (transaction.CountOrders(), transaction.CountProducts()), cancellationToken);
        Dictionary<string, string> data = orders.ToDictionary(pair => $"orders.{pair.Key}", pair => pair.Value.ToString(CultureInfo.InvariantCulture));
        data["articles"] = articles.ToString(CultureInfo.InvariantCulture);
        return new HealthResult(_problem is null ? HealthState.Healthy : HealthState.Degraded, _problem) { Data = data };
    }

    /// <summary>Looks at the file, and loads it when it has changed.</summary>
    internal async Task LookAsync(CancellationToken cancellationToken)
    {
        MailOrderOptions options = Options;
        FileInfo? file = options.CatalogueFile is { } path ? new FileInfo(path) : null;
        (string?, DateTime, long) now = file is { Exists: true } ? (options.CatalogueFile, file.LastWriteTimeUtc, file.Length) : (options.CatalogueFile, default, -1);
        if (now == _seen && (file is null or { Exists: true } || _problem is not null))
        {
            return;
        }

        byte[] content = [];
        try
        {
            if (file is { Length: > CatalogueReader.MaxLength })
            {
                await RefuseAsync($"it has {file.Length} bytes; the limit is {CatalogueReader.MaxLength}", $"{file.Length}", options, cancellationToken);
            }
            else
            {
                content = file is null ? [] : await File.ReadAllBytesAsync(file.FullName, cancellationToken);
                await LoadAsync(file, content, options, cancellationToken);
            }

            _seen = now;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _seen = now;
            await RefuseAsync($"it cannot be read: {e.Message.TrimEnd('.')}", e.Message, options, cancellationToken);
        }
    }

    private async Task LoadAsync(FileInfo? file, byte[] content, MailOrderOptions options, CancellationToken cancellationToken)
    {
        string print = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{options.Currency} {options.StockMode} {Convert.ToHexStringLower(SHA256.HashData(content))}")));
        if (file is null)
        {
            int articles = await shop.ReadAsync(transaction => transaction.CountProducts(), cancellationToken);
            _problem = null;
            if (articles == 0)
            {
                await RefuseAsync("the database has no articles and mailOrder.catalogueFile is not set", print, options, cancellationToken);
            }

            return;
        }

        CatalogueFile read = CatalogueReader.Read(TextDecoder.Decode(content, null), options.Currency);
        if (read.Problems.Count > 0 || !read.Products.Any(product => product.Active))
        {
            await RefuseAsync(read.Problems.Count > 0 ? string.Join(' ', read.Problems) : "it has no article that is sold", print, options, cancellationToken);
            return;
        }

        // The same file again, as at every start, must not put back stock that was sold.
        bool changed = await shop.WriteAsync(transaction => transaction.NoteCatalogue(print) && Save(transaction, read.Products, options, cancellationToken), cancellationToken);
        _problem = null;
        if (changed)
        {
            LogLoaded(options.CatalogueFile!, read.Products.Count);
        }
    }

    private static bool Save(ShopTransaction transaction, IReadOnlyList<Product> products, MailOrderOptions options, CancellationToken cancellationToken)
    {
        HashSet<string> named = new(products.Select(product => product.Sku), StringComparer.OrdinalIgnoreCase);
        foreach (Product gone in transaction.Products().Where(product => product.Active && !named.Contains(product.Sku)))
        {
            transaction.RetireProduct(gone.Sku);
        }

        foreach (Product product in products)
        {
            cancellationToken.ThrowIfCancellationRequested();
            transaction.SaveProduct(product, options.StockMode == StockMode.Replace);
        }

        return true;
    }

    private async Task RefuseAsync(string why, string what, MailOrderOptions options, CancellationToken cancellationToken)
    {
        string text = options.CatalogueFile is { } file ? $"The catalogue '{file}' is refused and changes nothing: {why.TrimEnd('.')}." : $"The shop has no catalogue: {why}.";
        _problem = text;
        LogRefused(text);
        if (options.OperatorsLabel.Length > 0)
        {
            string key = $"mail-order-catalogue:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(what)))[..24]}";
            await sender.SendAsync(ProcessOrderMail.ToOperators(options, new Notice(NoticeLevel.Error, text), key), cancellationToken);
        }
    }

    private async Task WatchAsync(CancellationToken stopping)
    {
        using PeriodicTimer look = new(LookInterval, clock);
        while (await look.WaitForNextTickAsync(stopping))
        {
            try
            {
                await LookAsync(stopping);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogFailed(e); // The database or the store is busy or full; the next look tries again.
            }
        }
    }

    [LoggerMessage(8000, LogLevel.Information, "Catalogue '{File}' is loaded: {Articles} articles.")]
    private partial void LogLoaded(string file, int articles);

    [LoggerMessage(8001, LogLevel.Error, "{Text}")]
    private partial void LogRefused(string text);

    [LoggerMessage(8002, LogLevel.Warning, "The catalogue could not be looked at; it is tried again.")]
    private partial void LogFailed(Exception exception);
}
