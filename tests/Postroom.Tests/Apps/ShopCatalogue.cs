using MailOrderBot.Domain;
using Xunit;

namespace Postroom.Tests.Apps;

/// <summary>The articles of the sample catalogue, and what a text orders of them.</summary>
internal static class ShopCatalogue
{
    private static readonly OrderLimits Limits = new(500, 9_999, "EUR");

    public static Catalogue Sample { get; } = new(CatalogueReader.Read(File.ReadAllText(Architecture.Repository.At("apps/MailOrderBot/Samples/catalogue.csv")), "EUR").Products);

    public static ResolvedOrder Resolve(string text) => Resolve(BodyOrders.Read(text));

    public static ResolvedOrder Resolve(OrderRequest request) => new OrderChecker(Limits).Resolve(request, Sample, SuggestionBudget.For(Limits), TestContext.Current.CancellationToken);

    /// <summary>The lines as <c>3 TEA-001</c>, and those that are asked about as <c>?</c>.</summary>
    public static string Said(string text) => Said(Resolve(text));

    public static string Said(ResolvedOrder order) => string.Join(", ", order.Lines.Select(static line => line.Problem is null ? $"{line.Quantity} {line.Product!.Sku}" : "?").Concat(order.Problems.Select(static _ => "!")));
}
