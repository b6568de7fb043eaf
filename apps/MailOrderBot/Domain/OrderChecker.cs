using System.Globalization;

namespace MailOrderBot.Domain;

/// <summary>Checks what was asked for against catalogue and stock, and prices it (MB-8, MB-9). Pure: the same input gives the same order.</summary>
internal sealed class OrderChecker(Catalogue catalogue, OrderLimits limits)
{
    private const int LongestSentence = 3; // words of an article that stands before an unmarked number

    /// <summary>Checks a request.</summary>
    public CheckedOrder Check(OrderRequest request)
    {
        List<CheckedLine> lines = [];
        Dictionary<string, int> at = new(StringComparer.OrdinalIgnoreCase);
        List<string> problems = [.. request.Problems];
        foreach (RequestedLine requested in request.Lines)
        {
            if (Resolve(requested) is not { } line)
            {
                continue;
            }

            if (lines.Count >= limits.MaxLines)
            {
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"The order has more than {limits.MaxLines} lines. Please split it."));
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

        string currency = lines.FirstOrDefault(line => line.Problem is null)?.Product?.Currency ?? limits.Currency;
        return new CheckedOrder { Lines = [.. lines.Select(line => line.Problem is null ? Price(line, currency) : line)], Problems = problems, Currency = currency };
    }

    // Of a file that names one article ten thousand times, the first mentions tell enough.
    private static string Joined(string raw, string more) => raw.Length + more.Length < 500 ? $"{raw} + {more}" : raw;

    /// <summary>The line with its article; null when it orders nothing.</summary>
    private CheckedLine? Resolve(RequestedLine requested)
    {
        if (requested.Malformed is { } malformed)
        {
            return new CheckedLine { Raw = requested.Raw, Problem = new LineProblem(malformed) };
        }

        foreach (LineReading reading in requested.Readings)
        {
            if (catalogue.Find(reading.Article) is { } product)
            {
                return Quantity(reading.Quantity) is { } quantity
                    ? new CheckedLine { Raw = requested.Raw, Product = product, Quantity = quantity }
                    : new CheckedLine { Raw = requested.Raw, Product = product, Problem = new LineProblem($"'{reading.Quantity}' is no whole number") };
            }
        }

        foreach (LineReading reading in requested.Readings)
        {
            IReadOnlyList<Product> suggestions = catalogue.Suggest(reading.Article);
            if (suggestions.Count > 0)
            {
                return Unknown(requested, reading, suggestions);
            }
        }

        return requested.Readings.FirstOrDefault(reading => requested.IsCertain || LooksMeant(requested, reading)) is { } meant ? Unknown(requested, meant, []) : null;
    }

    /// <summary>Whether a line with an unknown article is an order line all the same, and not a sentence, a street or a telephone number.</summary>
    private bool LooksMeant(RequestedLine requested, LineReading reading)
    {
        string raw = requested.Raw.TrimEnd();
        int words = reading.Article.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
        return raw[^1] is not ('.' or '?' or '!' or ',' or ';' or ':')
            && reading.Article.Any(char.IsLetter)
            && !reading.Article.EndsWith(':')
            && words <= (raw.StartsWith(reading.Quantity, StringComparison.Ordinal) ? LongestSentence + 1 : LongestSentence)
            && !reading.Quantity.StartsWith('0')
            && !reading.Quantity.StartsWith('+')
            && (Quantity(reading.Quantity) is not { } quantity || quantity <= limits.MaxQuantity);
    }

    private static CheckedLine Unknown(RequestedLine requested, LineReading reading, IReadOnlyList<Product> suggestions) =>
        new() { Raw = requested.Raw, Quantity = Quantity(reading.Quantity), Problem = new LineProblem($"there is no article '{Short(reading.Article)}'", suggestions) };

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
