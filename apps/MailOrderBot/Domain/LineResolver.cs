using System.Globalization;

namespace MailOrderBot.Domain;

/// <summary>What became of one line: the order lines it is, whether they are only a guess, and whether too many lines of that kind were looked at already.</summary>
/// <param name="Lines">The order lines; empty when it orders nothing.</param>
/// <param name="IsGuess">Whether it names no article that is known, and only looks like an order line or is near to a name.</param>
/// <param name="IsTooMuch">Whether it could not be looked at, because there were too many.</param>
internal readonly record struct LineResult(IReadOnlyList<CheckedLine> Lines, bool IsGuess = false, bool IsTooMuch = false)
{
    /// <summary>It orders nothing.</summary>
    public static LineResult None { get; } = new([]);
}

/// <summary>Finds the articles of single lines (MB-7, MB-8). Not safe for concurrent use.</summary>
/// <param name="limits">The bounds of an order.</param>
/// <param name="catalogue">The articles.</param>
/// <param name="budget">What looking for near articles may cost.</param>
internal sealed class LineResolver(OrderLimits limits, Catalogue catalogue, SuggestionBudget budget)
{
    private const int LongestSentence = 3; // words of an article that stands before an unmarked number
    private const int LongestShown = 300;

    /// <summary>The lines with their articles.</summary>
    public LineResult Resolve(RequestedLine requested)
    {
        return requested.Malformed is { } malformed ? new LineResult([new CheckedLine { Raw = requested.Raw, Problem = new LineProblem(malformed) }])
            : requested.IsInAddress ? InAddress(requested)
            : Read(requested) is { } line ? new LineResult([line])
            : ReadWords(requested) is { } result ? result
            : Guess(requested);
    }

    /// <summary>The line by one of its forms; null when no known article stands in it.</summary>
    private CheckedLine? Read(RequestedLine requested)
    {
        foreach (LineReading reading in requested.Readings)
        {
            if (catalogue.Find(reading.Article) is { } product)
            {
                Product? other = requested.AlsoNamed.Select(catalogue.Find).FirstOrDefault(other => other is not null && other != product);
                string? problem = other is not null ? $"{product.Sku} is {product.Name}, and it names {other.Sku} ({other.Name}) too"
                    : Quantity(reading.Quantity) is null ? NoWholeNumber(reading.Quantity)
                    : null;
                return new CheckedLine { Raw = requested.Raw, Product = product, Quantity = problem is null ? Quantity(reading.Quantity) : null, Problem = problem is null ? null : new LineProblem(problem) };
            }
        }

        return null;
    }

    /// <summary>The line by its words; null when they name no article, or are those of a sentence that orders nothing.</summary>
    private LineResult? ReadWords(RequestedLine requested)
    {
        PhraseReading? phrase = LinePhrase.Read(requested.Raw, catalogue);
        if (phrase is null)
        {
            return null;
        }

        if (requested.Unreadable is { } why)
        {
            return new LineResult([Asked(requested, new Mention(phrase.Named[0], HasQuantity: true), $"it names {phrase.Named[0].Sku}, and {why}")]);
        }

        if (phrase.Lines.Count > 0)
        {
            return new LineResult([.. phrase.Lines.Select(line => new CheckedLine
            {
                Raw = Shown(requested.Raw),
                Product = line.Article,
                Quantity = line.Quantity,
                Problem = line.Quantity is null ? new LineProblem(NoWholeNumber(line.Written)) : null,
            })]);
        }

        // A street, a house or a company may be called as an article is.
        if (phrase.Question is not { } question || requested.IsBelowClosing)
        {
            return null;
        }

        return !phrase.IsExact && requested is { IsCertain: true, Readings: [var written, ..] } && phrase.Named is [var named]
            ? new LineResult([Unknown(requested, written, [named, .. catalogue.Suggest(written.Article, budget).Where(near => near != named).Take(2)])])
            : new LineResult([Asked(requested, new Mention(phrase.Named[0], phrase.HasQuantity), question)]);
    }

    private LineResult InAddress(RequestedLine requested)
    {
        Mention? mention = ArticleMention.In(requested, catalogue);
        if (mention is null && requested.Raw.Any(char.IsAsciiDigit) && LinePhrase.Read(requested.Raw, catalogue) is { Lines: [var first, ..] } phrase)
        {
            mention = new Mention(first.Article, phrase.HasQuantity);
        }

        return mention is null ? LineResult.None : new LineResult([Asked(requested, mention, $"it names {mention.Article.Sku} and stands in the address, which ends with an empty line")]);
    }

    /// <summary>A line without an article that is known: it names one in a sentence, is near to one, or looks as if it ordered one.</summary>
    private LineResult Guess(RequestedLine requested)
    {
        LineReading? meant = Meant(requested);
        if ((meant is null || !requested.IsCertain) && ArticleMention.In(requested, catalogue) is { } mention)
        {
            return new LineResult([Asked(requested, mention, $"it names {mention.Article.Sku}, and how many is not said in a way that we can read")]);
        }

        IReadOnlyList<LineReading> readings = [.. requested.Readings, .. ReadingsWithin(requested)];
        if (readings.Count == 0)
        {
            return LineResult.None;
        }

        if (meant is null && !budget.TakeLookup())
        {
            return requested.Readings.Count > 0 ? new LineResult([], IsTooMuch: true) : LineResult.None;
        }

        foreach (LineReading reading in readings)
        {
            IReadOnlyList<Product> suggestions = catalogue.Suggest(reading.Article, budget);
            if (suggestions.Count > 0)
            {
                // A street may be near to a name; what is near to a number is none.
                return new LineResult([Unknown(requested, reading, suggestions)], IsGuess: !requested.IsCertain && !reading.Article.Any(char.IsAsciiDigit));
            }
        }

        return meant is not null ? new LineResult([Unknown(requested, meant, [])], IsGuess: !requested.IsCertain) : new LineResult([], IsTooMuch: requested.Readings.Count > 0 && !budget.IsLeft);
    }

    private LineReading? Meant(RequestedLine requested) => requested.Readings.FirstOrDefault(reading => requested.IsCertain || LooksMeant(requested, reading));

    /// <summary>The forms of a line without the words around it that change nothing, such as "and … please".</summary>
    private static IReadOnlyList<LineReading> ReadingsWithin(RequestedLine requested)
    {
        string[] words = requested.Raw.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        int begin = 0;
        int end = words.Length;
        while (begin < end && OrderWords.IsSaid(words[begin].Trim('.', ',', ';', ':', '!')))
        {
            begin++;
        }

        while (end > begin && OrderWords.IsSaid(words[end - 1].Trim('.', ',', ';', ':', '!')))
        {
            end--;
        }

        return end - begin < words.Length && end > begin ? BodyOrderReader.ReadLine(string.Join(' ', words[begin..end]).TrimEnd('.', ',', ';', '!'))?.Readings ?? [] : [];
    }

    /// <summary>Whether a line with an unknown article is an order line all the same, and not a sentence, a street or a telephone number.</summary>
    private bool LooksMeant(RequestedLine requested, LineReading reading)
    {
        string raw = requested.Raw.TrimEnd();
        int words = reading.Article.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
        return raw[^1] is not ('.' or '?' or '!' or ',' or ';' or ':' or ')' or ']')
            && reading.Article.Any(char.IsLetter)
            && !reading.Article.EndsWith(':')
            && !OrderWords.IsNumbered(reading.Article)
            && words <= (raw.StartsWith(reading.Quantity, StringComparison.Ordinal) ? LongestSentence + 1 : LongestSentence)
            && !reading.Quantity.StartsWith('0')
            && !reading.Quantity.StartsWith('+')
            && (Quantity(reading.Quantity) is not { } quantity || quantity <= limits.MaxQuantity);
    }

    /// <summary>A line that names an article and cannot be read: without it the order would be confirmed with less than was asked for.</summary>
    private static CheckedLine Asked(RequestedLine line, Mention mention, string why) => new() { Raw = Shown(line.Raw), Problem = new LineProblem(why), Mention = mention };

    private static CheckedLine Unknown(RequestedLine requested, LineReading reading, IReadOnlyList<Product> suggestions) =>
        new() { Raw = Shown(requested.Raw), Quantity = Quantity(reading.Quantity), Problem = NoArticle(reading.Article, suggestions) };

    /// <summary>What is said of an article that is not sold.</summary>
    public static LineProblem NoArticle(string article, params IReadOnlyList<Product> suggestions) => new($"there is no article '{Short(article)}'", suggestions);

    private static string NoWholeNumber(string written) => $"'{Short(written)}' is no whole number";

    /// <summary>A whole number; null when it is none. What is too long for a number is more than anybody may order.</summary>
    private static long? Quantity(string text)
    {
        string digits = text.Trim();
        return digits.Length > 0 && digits.TrimStart('+', '-') is { Length: > 0 } rest && rest.All(char.IsAsciiDigit) && digits.Length - rest.Length <= 1
            ? rest.TrimStart('0').Length > 12 ? digits[0] == '-' ? -1 : 1_000_000_000_000 : long.Parse(digits, CultureInfo.InvariantCulture)
            : null;
    }

    private static string Shown(string raw) => Cut(raw, LongestShown);

    private static string Short(string text) => text.Length <= 60 ? text : Cut(text, 59);

    private static string Cut(string text, int most) => text.Length <= most ? text : $"{text[..(char.IsHighSurrogate(text[most - 1]) ? most - 1 : most)]}…";
}
