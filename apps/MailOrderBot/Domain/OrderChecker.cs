using System.Globalization;

namespace MailOrderBot.Domain;

/// <summary>
/// Checks what was asked for against the catalogue (<c>Resolve</c>), and then prices it against the stock (<c>Price</c>; MB-8, MB-9). Pure: the same input gives
/// the same order. The first may take long and needs the articles' names only; the second is short, and what it finds has to hold until the stock is taken.
/// </summary>
internal sealed class OrderChecker(OrderLimits limits)
{
    private const int MostShown = 5;

    private string TooManyLines => string.Create(CultureInfo.InvariantCulture, $"The order has more than {limits.MaxLines} lines. Please split it.");

    /// <summary>Finds the articles of a request.</summary>
    /// <param name="request">The request.</param>
    /// <param name="catalogue">The articles.</param>
    /// <param name="budget">What looking for near articles may cost.</param>
    /// <param name="cancellationToken">Ends the work between two lines.</param>
    public ResolvedOrder Resolve(OrderRequest request, Catalogue catalogue, SuggestionBudget budget, CancellationToken cancellationToken)
    {
        ResolvedOrder order = Resolve(request, isBesideFile: false, catalogue, budget, cancellationToken);
        IReadOnlyList<CheckedLine> notRead = request.Beside is { } beside ? Resolve(beside, isBesideFile: true, catalogue, budget, cancellationToken).Lines : [];
        return order with { Remarks = notRead.Count > 0 ? [NotRead(notRead), .. request.Remarks] : request.Remarks };
    }

    private ResolvedOrder Resolve(OrderRequest request, bool isBesideFile, Catalogue catalogue, SuggestionBudget budget, CancellationToken cancellationToken)
    {
        LineResolver resolver = new(limits, catalogue, budget);
        List<CheckedLine> lines = [];
        HashSet<CheckedLine> guesses = new(ReferenceEqualityComparer.Instance);
        Dictionary<string, int> at = new(StringComparer.OrdinalIgnoreCase);
        List<string> problems = [.. request.Problems];
        foreach (RequestedLine requested in request.Lines.Concat(request.Rest).OrderBy(static line => line.Position))
        {
            cancellationToken.ThrowIfCancellationRequested();
            LineResult result = resolver.Resolve(requested);
            if (result.IsTooMuch)
            {
                // What was not looked at may be a line that is meant: the order is not confirmed without it.
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"The mail has more than {budget.Lookups} lines with a number and no article that we know. Please send the order lines alone."));
                break;
            }

            if (lines.Count + result.Lines.Count(line => !IsSame(line, at)) > limits.MaxLines)
            {
                problems.Add(TooManyLines);
                break;
            }

            foreach (CheckedLine line in result.Lines)
            {
                Add(lines, at, line);
            }

            if (result.IsGuess && requested.IsBelowClosing)
            {
                guesses.UnionWith(result.Lines);
            }
        }

        // Below the closing of a letter stand names, streets and telephones: they hold up no order that has a line which is understood.
        if (isBesideFile || lines.Exists(static line => line.Product is not null))
        {
            lines.RemoveAll(guesses.Contains);
        }

        return new ResolvedOrder(lines, problems);
    }

    /// <summary>Prices an order against the articles as they are now.</summary>
    /// <param name="order">The order.</param>
    /// <param name="now">The article of a number; null when it is not sold any more.</param>
    public CheckedOrder Price(ResolvedOrder order, Func<string, Product?> now)
    {
        CheckedLine[] lines = [.. order.Lines.Select(line => Now(line, now))];
        string currency = lines.FirstOrDefault(line => line.Problem is null)?.Product?.Currency ?? limits.Currency;
        return new CheckedOrder { Lines = [.. lines.Select(line => line.Problem is null ? Price(line, currency) : line)], Problems = order.Problems, Remarks = order.Remarks, Currency = currency };
    }

    /// <summary>A line with its articles as they are now, also where it has a problem: one letter gives one stock for an article.</summary>
    private static CheckedLine Now(CheckedLine line, Func<string, Product?> now)
    {
        LineProblem? problem = line.Problem is { } known ? known with { Suggestions = [.. known.Suggestions.Select(product => now(product.Sku)).OfType<Product>()] } : null;
        return line.Product is not { } product ? line with { Problem = problem }
            : now(product.Sku) is { } current ? line with { Product = current, Problem = problem }
            : line with { Product = null, Problem = LineResolver.NoArticle(product.Sku) };
    }

    // Of a file that names one article ten thousand times, the first mentions tell enough.
    private static string Joined(string raw, string more) => raw.Length + more.Length < 500 ? $"{raw} + {more}" : raw;

    private static bool IsSame(CheckedLine line, Dictionary<string, int> at) => line is { Problem: null, Product: { } product } && at.ContainsKey(product.Sku);

    /// <summary>Adds a line; equal articles are added up (MB-8).</summary>
    private static void Add(List<CheckedLine> lines, Dictionary<string, int> at, CheckedLine line)
    {
        if (line is { Problem: null, Product: { } product })
        {
            if (at.TryGetValue(product.Sku, out int same))
            {
                lines[same] = lines[same] with { Raw = Joined(lines[same].Raw, line.Raw), Quantity = lines[same].Quantity + line.Quantity };
                return;
            }

            at[product.Sku] = lines.Count;
        }

        lines.Add(line);
    }

    /// <summary>What stands beside a file and would be an order line without it: the file counts alone (MB-6), and the letter says so.</summary>
    private static string NotRead(IReadOnlyList<CheckedLine> lines) =>
        $"Beside the file your text says: {string.Join("; ", lines.Take(MostShown).Select(static line => line.Raw))}{(lines.Count > MostShown ? "; …" : "")}. We did not read that, because a file counts alone. If you want it as well, answer this mail with it and no file.";

    private CheckedLine Price(CheckedLine line, string currency)
    {
        Product product = line.Product!;
        long quantity = line.Quantity!.Value;
        string? problem = quantity < 1 ? "the quantity has to be at least 1"
            : quantity > limits.MaxQuantity ? string.Create(CultureInfo.InvariantCulture, $"at most {limits.MaxQuantity} of one article can be ordered")
            : quantity % product.PackSize != 0 ? string.Create(CultureInfo.InvariantCulture, $"it is sold in packs of {product.PackSize}; {Multiples(quantity, product.PackSize)} would be possible")
            : product.Currency != currency ? $"its price is in {product.Currency}, that of the lines before in {currency}; please order it apart"
            : quantity > product.Stock ? product.Stock <= 0 ? "it is sold out" : string.Create(CultureInfo.InvariantCulture, $"only {product.Stock} are available")
            : null;
        if (problem is not null)
        {
            return line with { Problem = new LineProblem(problem) };
        }

        long net = product.PriceMinor * quantity;
        return line with { NetMinor = net, TaxMinor = Money.Tax(net, product.TaxBasisPoints) };
    }

    private string Multiples(long quantity, int pack)
    {
        long below = quantity / pack * pack;
        long above = below + pack;
        return below < 1 ? $"{above}" : above > limits.MaxQuantity ? $"{below}" : string.Create(CultureInfo.InvariantCulture, $"{below} or {above}");
    }
}
