using System.Globalization;

namespace MailOrderBot.Domain;

/// <summary>
/// Checks what was asked for against the catalogue (<c>Resolve</c>), and then prices it against the stock (<c>Price</c>; MB-8, MB-9). Pure: the same input gives
/// the same order. The first may take long and needs the articles' names only; the second is short, and what it finds has to hold until the stock is taken.
/// </summary>
internal sealed class OrderChecker(OrderLimits limits)
{
    private const int LongestSentence = 3; // words of an article that stands before an unmarked number
    private const int LongestShown = 300;

    private string TooManyLines => string.Create(CultureInfo.InvariantCulture, $"The order has more than {limits.MaxLines} lines. Please split it.");

    /// <summary>Finds the articles of a request.</summary>
    /// <param name="request">The request.</param>
    /// <param name="catalogue">The articles.</param>
    /// <param name="budget">What looking for near articles may cost.</param>
    /// <param name="cancellationToken">Ends the work between two lines.</param>
    public ResolvedOrder Resolve(OrderRequest request, Catalogue catalogue, SuggestionBudget budget, CancellationToken cancellationToken)
    {
        List<CheckedLine> lines = [];
        Dictionary<string, int> at = new(StringComparer.OrdinalIgnoreCase);
        List<string> problems = [.. request.Problems];
        foreach (RequestedLine requested in request.Lines)
        {
            cancellationToken.ThrowIfCancellationRequested();
            (CheckedLine? found, bool isTooMuch) = Resolve(requested, catalogue, budget);
            if (isTooMuch)
            {
                // What was not looked at may be a line that is meant: the order is not confirmed without it.
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"The mail has more than {budget.Lookups} lines with a number and no article that we know. Please send the order lines alone."));
                break;
            }

            if (found is not { } line)
            {
                continue;
            }

            if (lines.Count >= limits.MaxLines)
            {
                problems.Add(TooManyLines);
                break;
            }

            if (line is { Problem: null, Product: { } product } && at.TryGetValue(product.Sku, out int same))
            {
                lines[same] = lines[same] with { Raw = Joined(lines[same].Raw, line.Raw), Quantity = lines[same].Quantity + line.Quantity };
                continue;
            }

            if (line is { Problem: null, Product: { } first })
            {
                at[first.Sku] = lines.Count;
            }

            lines.Add(line);
        }

        foreach (RequestedLine rest in request.Rest)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (Mentioned(rest, catalogue) is { } line)
            {
                if (lines.Count >= limits.MaxLines)
                {
                    problems.Add(TooManyLines);
                    break;
                }

                lines.Add(line);
            }
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
        return new CheckedOrder { Lines = [.. lines.Select(line => line.Problem is null ? Price(line, currency) : line)], Problems = order.Problems, Currency = currency };
    }

    /// <summary>A line with its articles as they are now, also where it has a problem: one letter gives one stock for an article.</summary>
    private static CheckedLine Now(CheckedLine line, Func<string, Product?> now)
    {
        LineProblem? problem = line.Problem is { } known ? known with { Suggestions = [.. known.Suggestions.Select(product => now(product.Sku)).OfType<Product>()] } : null;
        return line.Product is not { } product ? line with { Problem = problem }
            : now(product.Sku) is { } current ? line with { Product = current, Problem = problem }
            : line with { Product = null, Problem = NoArticle(product.Sku) };
    }

    // Of a file that names one article ten thousand times, the first mentions tell enough.
    private static string Joined(string raw, string more) => raw.Length + more.Length < 500 ? $"{raw} + {more}" : raw;

    /// <summary>The line with its article; null when it orders nothing. Whether there were too many lines of which that cannot be said.</summary>
    private (CheckedLine? Line, bool IsTooMuch) Resolve(RequestedLine requested, Catalogue catalogue, SuggestionBudget budget)
    {
        if (requested.Malformed is { } malformed)
        {
            return (new CheckedLine { Raw = requested.Raw, Problem = new LineProblem(malformed) }, false);
        }

        foreach (LineReading reading in requested.Readings)
        {
            if (catalogue.Find(reading.Article) is { } product)
            {
                return (Quantity(reading.Quantity) is { } quantity
                    ? new CheckedLine { Raw = requested.Raw, Product = product, Quantity = quantity }
                    : new CheckedLine { Raw = requested.Raw, Product = product, Problem = new LineProblem($"'{reading.Quantity}' is no whole number") }, false);
            }
        }

        LineReading? meant = requested.Readings.FirstOrDefault(reading => requested.IsCertain || LooksMeant(requested, reading));
        if (meant is null && Mentioned(requested, catalogue) is { } mentioned)
        {
            return (mentioned, false);
        }

        if (meant is null && !budget.TakeLookup())
        {
            return (null, true);
        }

        foreach (LineReading reading in requested.Readings)
        {
            IReadOnlyList<Product> suggestions = catalogue.Suggest(reading.Article, budget);
            if (suggestions.Count > 0)
            {
                return (Unknown(requested, reading, suggestions), false);
            }
        }

        return meant is not null ? (Unknown(requested, meant, []), false) : (null, !budget.IsLeft);
    }

    /// <summary>A line that names an article and cannot be read: without it the order would be confirmed with less than was asked for. Null when it does not.</summary>
    private static CheckedLine? Mentioned(RequestedLine line, Catalogue catalogue)
    {
        return ArticleMention.In(line, catalogue) is { } mention
            ? new CheckedLine
            {
                Raw = line.Raw.Length <= LongestShown ? line.Raw : $"{line.Raw[..(char.IsHighSurrogate(line.Raw[LongestShown - 1]) ? LongestShown - 1 : LongestShown)]}…",
                Problem = new LineProblem(line.IsInAddress ? $"it names {mention.Article.Sku} and stands in the address, which ends with an empty line" : $"it names {mention.Article.Sku}, and how many is not said in a way that we can read"),
                Mention = mention,
            }
            : null;
    }

    /// <summary>Whether a line with an unknown article is an order line all the same, and not a sentence, a street or a telephone number.</summary>
    private bool LooksMeant(RequestedLine requested, LineReading reading)
    {
        string raw = requested.Raw.TrimEnd();
        int words = reading.Article.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
        return raw[^1] is not ('.' or '?' or '!' or ',' or ';' or ':' or ')' or ']')
            && reading.Article.Any(char.IsLetter)
            && !reading.Article.EndsWith(':')
            && words <= (raw.StartsWith(reading.Quantity, StringComparison.Ordinal) ? LongestSentence + 1 : LongestSentence)
            && !reading.Quantity.StartsWith('0')
            && !reading.Quantity.StartsWith('+')
            && (Quantity(reading.Quantity) is not { } quantity || quantity <= limits.MaxQuantity);
    }

    private static CheckedLine Unknown(RequestedLine requested, LineReading reading, IReadOnlyList<Product> suggestions) =>
        new() { Raw = requested.Raw, Quantity = Quantity(reading.Quantity), Problem = NoArticle(reading.Article, suggestions) };

    private static LineProblem NoArticle(string article, params IReadOnlyList<Product> suggestions) => new($"there is no article '{Short(article)}'", suggestions);

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

    /// <summary>A whole number; null when it is none. What is too long for a number is more than anybody may order.</summary>
    private static long? Quantity(string text)
    {
        string digits = text.Trim();
        return digits.Length > 0 && digits.TrimStart('+', '-') is { Length: > 0 } rest && rest.All(char.IsAsciiDigit) && digits.Length - rest.Length <= 1
            ? rest.TrimStart('0').Length > 12 ? digits[0] == '-' ? -1 : 1_000_000_000_000 : long.Parse(digits, CultureInfo.InvariantCulture)
            : null;
    }

    private static string Short(string text) => text.Length <= 60 ? text : $"{text[..(char.IsHighSurrogate(text[58]) ? 58 : 59)]}…";
}
