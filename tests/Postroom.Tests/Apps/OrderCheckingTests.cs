using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using MailOrderBot.Domain;
using Xunit;

namespace Postroom.Tests.Apps;

/// <summary>Money, the catalogue, and what becomes of the lines of an order (MB-8, MB-9, MB-20).</summary>
public sealed class OrderCheckingTests
{
    private static readonly OrderLimits Limits = new(500, 9_999, "EUR");
    private static readonly Product[] Products =
    [
        new() { Sku = "TEA-001", Name = "Green tea", Aliases = ["green", "sencha"], Currency = "EUR", PriceMinor = 450, TaxBasisPoints = 700, Stock = 10 },
        new() { Sku = "TEA-002", Name = "Black tea", Currency = "EUR", PriceMinor = 390, TaxBasisPoints = 700, Stock = 20_000 },
        new() { Sku = "TEA-003", Name = "Mint tea", Currency = "EUR", PriceMinor = 320, TaxBasisPoints = 700, PackSize = 6, Stock = 100 },
        new() { Sku = "TEA-004", Name = "Mint tea", Currency = "EUR", PriceMinor = 999, TaxBasisPoints = 700, Stock = 1 },
        new() { Sku = "POT-020", Name = "Teapot", Currency = "CHF", PriceMinor = 2_490, TaxBasisPoints = 1_900, Stock = 5 },
        new() { Sku = "OLD-099", Name = "Samovar", Currency = "EUR", PriceMinor = 8_900, Stock = 5, Active = false },
    ];

    [Theory]
    [InlineData(0, "EUR", "0.00 EUR")]
    [InlineData(5, "EUR", "0.05 EUR")]
    [InlineData(-123456, "EUR", "-1,234.56 EUR")]
    [InlineData(1234, "JPY", "1,234 JPY")]
    [InlineData(1234, "KWD", "1.234 KWD")]
    [InlineData(long.MaxValue, "EUR", "92,233,720,368,547,758.07 EUR")]
    [InlineData(long.MinValue, "EUR", "-92,233,720,368,547,758.08 EUR")]
    public void Amounts_are_shown_from_minor_units(long minor, string currency, string text) => Assert.Equal(text, Money.Format(minor, currency));

    [Theory]
    [InlineData("4.50", "EUR", 450L)]
    [InlineData("4,5", "EUR", 450L)]
    [InlineData("4", "EUR", 400L)]
    [InlineData("4", "JPY", 4L)]
    [InlineData("1000000", "EUR", 100_000_000L)]
    [InlineData("1000000.01", "EUR", null)]
    [InlineData("4.505", "EUR", null)]
    [InlineData("4.", "EUR", null)]
    [InlineData(".5", "EUR", null)]
    [InlineData("-4", "EUR", null)]
    [InlineData("1,000.00", "EUR", null)]
    [InlineData("٤", "EUR", null)]
    public void Prices_are_read_to_the_minor_unit_or_not_at_all(string text, string currency, long? minor) =>
        Assert.Equal(minor, Money.TryParse(text, currency, out long read) ? read : null);

    [Fact]
    public void What_is_shown_is_read_back_and_tax_is_rounded_half_up()
    {
        Prop.ForAll((NonNegativeInt amount, PositiveInt rate) =>
        {
            long minor = amount.Get % (Money.MaxPrice + 1);
            string shown = Money.Format(minor, "EUR")[..^4].Replace(",", "", StringComparison.Ordinal);
            int basisPoints = rate.Get % 10_001;
            decimal exact = minor * (decimal)basisPoints / 10_000;
            return Money.TryParse(shown, "EUR", out long read) && read == minor && Money.Tax(minor, basisPoints) == (long)Math.Round(exact, 0, MidpointRounding.AwayFromZero);
        }).QuickCheckThrowOnFailure();
        Assert.Equal(1, Money.Tax(50, 100)); // half a cent
    }

    [Fact]
    public void MB_8_the_edit_distance_is_that_of_the_whole_table_up_to_its_bound()
    {
        Random random = new(3);
        for (int round = 0; round < 20_000; round++)
        {
            string one = Word(random);
            string other = Word(random);
            int most = random.Next(4);
            int exact = Distance(one, other);

            Assert.True(EditDistance.Within(one, other, most) == (exact <= most ? exact : null), $"'{one}' '{other}' {most}");
        }

        static string Word(Random random) => string.Concat(Enumerable.Range(0, random.Next(8)).Select(_ => "abc"[random.Next(3)]));
    }

    [Theory]
    [InlineData("tea-001", "TEA-001")]
    [InlineData("Sencha", "TEA-001")]
    [InlineData("green  TEA", "TEA-001")]
    [InlineData("Mint tea", null)] // two have the name
    [InlineData("Samovar", null)]
    public void MB_8_an_article_is_found_by_number_alias_or_a_name_of_its_own(string article, string? sku) => Assert.Equal(sku, new Catalogue(Products).Find(article)?.Sku);

    [Theory]
    [InlineData("TEA-009", "TEA-001 TEA-002 TEA-003")]
    [InlineData("Gren tea", "TEA-001")]
    [InlineData("Mint tea", "TEA-003 TEA-004")]
    [InlineData("OLD-099", "")]
    [InlineData("xy", "")]
    [InlineData("", "")]
    public void MB_8_an_unknown_article_has_up_to_three_suggestions(string article, string skus) =>
        Assert.Equal(skus, string.Join(' ', new Catalogue(Products).Suggest(article, new SuggestionBudget(0)).Select(product => product.Sku)));

    [Theory]
    [InlineData("3 x TEA-001", null)]
    [InlineData("3 x TEA-009", "there is no article 'TEA-009'")]
    [InlineData("3 x Samovar", "there is no article 'Samovar'")]
    [InlineData("0 x TEA-001", "at least 1")]
    [InlineData("-1 x TEA-001", "at least 1")]
    [InlineData("1.5 x TEA-001", "no whole number")]
    [InlineData("10000 x TEA-002", "at most 9999")]
    [InlineData("99999999999999999999999999 x TEA-002", "at most 9999")]
    [InlineData("7 x TEA-003", "packs of 6; 6 or 12 would be possible")]
    [InlineData("2 x TEA-003", "packs of 6; 6 would be possible")]
    [InlineData("11 x TEA-001", "only 10 are available")]
    [InlineData("6 x TEA-001\n5 x sencha", "only 10 are available")]
    [InlineData("1 x TEA-001\n1 x POT-020", "its price is in CHF")]
    public void MB_8_each_line_is_good_or_has_its_problem(string text, string? problem)
    {
        CheckedOrder order = Check(text);

        Assert.Equal(problem is null, order.IsGood);
        Assert.Contains(problem ?? "", string.Join('\n', order.Lines.Select(line => line.Problem?.Text)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("It should be here in 3 days please, see you at 5.")]
    [InlineData("Phone: 0301234567")]
    [InlineData("+49 170 1234567")]
    [InlineData("10115 Berlin")]
    [InlineData("we have been ordering here since 2019")]
    [InlineData("5 of us would like to have that too!")]
    public void MB_7_sentences_streets_and_telephone_numbers_are_no_order_lines(string line) => Assert.Empty(Check(line).Lines);

    [Theory]
    [InlineData("3 Gren tea")]
    [InlineData("Earl Grey 4")]
    [InlineData("4 Earl Grey")]
    [InlineData("Earl Grey: 4")]
    public void MB_7_a_quantity_with_an_unknown_article_is_a_problem(string line) => Assert.NotNull(Assert.Single(Check(line).Lines).Problem);

    [Fact]
    public void MB_9_equal_articles_are_one_line_and_totals_are_sums_of_rounded_lines()
    {
        CheckedOrder order = Check("3 x TEA-001\nTEA-002: 1\ngreen 2");

        Assert.Equal([("TEA-001", 5L, 2_250L, 158L), ("TEA-002", 1L, 390L, 27L)], order.Lines.Select(line => (line.Product!.Sku, line.Quantity!.Value, line.NetMinor, line.TaxMinor)));
        Assert.Equal((2_640, 185, 2_825), (order.NetMinor, order.TaxMinor, order.GrossMinor));
    }

    [Fact]
    public void MB_7_an_order_of_as_many_lines_as_there_may_be_is_not_confirmed_without_one_that_cannot_be_read()
    {
        Product[] many = [.. Enumerable.Range(0, 501).Select(i => new Product { Sku = $"A{i}", Name = $"Article {i}", Currency = "EUR", PriceMinor = 100, TaxBasisPoints = 0, Stock = 1_000 })];
        OrderRequest request = BodyOrders.Read(string.Concat(many.Take(500).Select(product => $"1 x {product.Sku}\n")) + "A500\n");

        CheckedOrder order = Check(request, many);

        Assert.Equal(500, order.Lines.Count);
        Assert.Equal("The order has more than 500 lines. Please split it.", Assert.Single(order.Problems));
    }

    [Fact]
    public void MB_2_an_order_has_at_most_so_many_lines()
    {
        Product[] many = [.. Enumerable.Range(0, 600).Select(i => new Product { Sku = $"A{i}", Name = $"Article {i}", Currency = "EUR", PriceMinor = Money.MaxPrice, TaxBasisPoints = Money.MaxTax, Stock = 1_000_000 })];
        OrderRequest request = BodyOrders.Read(string.Concat(many.Select(product => $"9999 x {product.Sku}\n")));

        CheckedOrder order = Check(request, many);

        Assert.Equal(500, order.Lines.Count);
        Assert.Equal("The order has more than 500 lines. Please split it.", Assert.Single(order.Problems));
        Assert.Equal(2L * 500 * 9_999 * Money.MaxPrice, order.GrossMinor);
    }

    [Fact]
    public void MB_8_whatever_is_ordered_a_good_order_can_be_taken_from_the_stock()
    {
        Random random = new(5);
        string[] articles = ["TEA-001", "green", "Black tea", "TEA-003", "Mint tea", "POT-020", "OLD-099", "nothing"];
        for (int round = 0; round < 5_000; round++)
        {
            string text = string.Join('\n', Enumerable.Range(0, random.Next(6)).Select(_ => string.Create(CultureInfo.InvariantCulture, $"{random.Next(-1, 15)} x {articles[random.Next(articles.Length)]}")));

            CheckedOrder order = Check(text);

            Assert.Equal(order.IsGood, order.Lines.Count > 0 && order.Lines.All(line => line.Problem is null));
            Assert.All(order.Lines.Where(line => line.Problem is null), line => Assert.True(
                line.Quantity >= 1 && line.Quantity <= line.Product!.Stock && line.Quantity % line.Product.PackSize == 0 && line.Product.Active && line.Product.Currency == order.Currency && line.NetMinor == line.Quantity * line.Product.PriceMinor, text));
            Assert.Equal(order.Lines.Count(line => line.Problem is null), order.Lines.Where(line => line.Problem is null).Select(line => line.Product!.Sku).Distinct().Count());
        }
    }

    [Fact]
    public void MB_20_a_catalogue_is_read_as_a_whole()
    {
        CatalogueFile file = CatalogueReader.Read("sku;name;price;tax;pack;stock;active;aliases\nA;Tea;4,50;5,5;6;12;yes;x|y\nB;Pot;9;;;;no;\n", "EUR");

        Assert.Empty(file.Problems);
        Assert.Equal([("A", 450L, 550, 6, 12L, true), ("B", 900L, 0, 1, 0L, false)], file.Products.Select(p => (p.Sku, p.PriceMinor, p.TaxBasisPoints, p.PackSize, p.Stock, p.Active)));
        Assert.Equal(["x", "y"], file.Products[0].Aliases);
    }

    [Fact]
    public void MB_20_a_wrong_catalogue_is_refused_with_its_line_numbers()
    {
        CatalogueFile file = CatalogueReader.Read("sku,name,price,tax,pack,stock,active,aliases\nA,Tea,4.555,7,1,1,yes,\n,Pot,1,7,1,1,yes,\na,Tea,1,101,0,-1,maybe,\n", "EUR");

        Assert.Equal(
            ["Line 2: the price '4.555'", "Line 3: sku has 0 characters", "Line 4: article a is already on line 2", "Line 4: the tax '101'", "Line 4: pack is '0'", "Line 4: stock is '-1'", "Line 4: active is 'maybe'"],
            file.Problems.Zip(["Line 2: the price '4.555'", "Line 3: sku has 0 characters", "Line 4: article a is already on line 2", "Line 4: the tax '101'", "Line 4: pack is '0'", "Line 4: stock is '-1'", "Line 4: active is 'maybe'"], (problem, begin) => problem[..Math.Min(begin.Length, problem.Length)]));
        Assert.Equal("Line 1 has no column price. The columns are sku, name, price, tax, pack, stock, active, aliases, unit, currency.", Assert.Single(CatalogueReader.Read("sku,name\n", "EUR").Problems));
    }

    [Theory]
    [InlineData("3 abcd2345x.")] // No order line, however near it is to an article.
    [InlineData("3 x ABCD2345X")]
    public void MB_2_twenty_thousand_lines_of_unknown_articles_cost_little_work_and_confirm_nothing(string line)
    {
        Product[] many = [.. Enumerable.Range(0, 20_000).Select(i => new Product { Sku = $"ABC{i:00000}", Name = $"Article {i}", Aliases = [$"a{i}"], Currency = "EUR" })];
        OrderRequest request = BodyOrders.Read(string.Concat(Enumerable.Repeat($"{line}\n", 20_000)));
        SuggestionBudget budget = new(Limits.MaxLines);

        ResolvedOrder order = new OrderChecker(Limits).Resolve(request, new Catalogue(many), budget, CancellationToken.None);

        Assert.Equal(20_000, request.Lines.Count);
        Assert.InRange(budget.Lookups, 0, Limits.MaxLines);
        Assert.InRange(budget.Comparisons, 1, SuggestionBudget.MaxComparisons);
        Assert.InRange(order.Lines.Count, 0, Limits.MaxLines);
        Assert.Single(order.Problems);
    }

    [Fact]
    public void MB_8_near_articles_of_a_few_lines_are_found_without_comparing_most_words_of_a_catalogue()
    {
        Product[] many = [.. Enumerable.Range(0, 20_000).Select(i => new Product { Sku = $"ABC{i:00000}", Name = $"Article number {i}", Currency = "EUR" })];
        SuggestionBudget budget = new(Limits.MaxLines);

        ResolvedOrder order = new OrderChecker(Limits).Resolve(BodyOrders.Read("3 x Articel number 123\nTel. 030 1234567\nFax 030 1234567\n"), new Catalogue(many), budget, CancellationToken.None);

        Assert.Equal("ABC00123", Assert.Single(order.Lines).Problem!.Suggestions[0].Sku);
        Assert.InRange(budget.Comparisons, 1, 20_000);
    }

    [Fact]
    public void A_check_that_is_given_up_ends()
    {
        Assert.Throws<OperationCanceledException>(() => new OrderChecker(Limits).Resolve(BodyOrders.Read("3 x TEA-001"), new Catalogue(Products), new SuggestionBudget(1), new CancellationToken(canceled: true)));
        Assert.Throws<OperationCanceledException>(() => BodyOrderReader.Read("3 x TEA-001", cancellationToken: new CancellationToken(canceled: true)));
    }

    private static CheckedOrder Check(string text) => Check(BodyOrders.Read(text), Products);

    private static CheckedOrder Check(OrderRequest request, IEnumerable<Product> products)
    {
        Catalogue catalogue = new(products);
        OrderChecker checker = new(Limits);
        return checker.Price(checker.Resolve(request, catalogue, new SuggestionBudget(Limits.MaxLines), CancellationToken.None), catalogue.Find);
    }

    private static int Distance(string one, string other)
    {
        int[][] table = [.. Enumerable.Range(0, one.Length + 1).Select(_ => new int[other.Length + 1])];
        for (int i = 0; i <= one.Length; i++)
        {
            for (int j = 0; j <= other.Length; j++)
            {
                table[i][j] = i == 0 || j == 0 ? i + j : Math.Min(Math.Min(table[i - 1][j], table[i][j - 1]) + 1, table[i - 1][j - 1] + (one[i - 1] == other[j - 1] ? 0 : 1));
            }
        }

        return table[one.Length][other.Length];
    }
}
