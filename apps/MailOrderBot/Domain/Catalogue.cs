namespace MailOrderBot.Domain;

/// <summary>Finds the article that somebody means. Immutable; safe for concurrent use.</summary>
internal sealed class Catalogue
{
    private const int MaxDistance = 2;
    private const int MaxSuggestions = 3;
    private const int LongestCompared = 200;

    private readonly Dictionary<string, Product> _bySku = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, Product> _byAlias = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, Product?> _byName = new(StringComparer.OrdinalIgnoreCase); // null: several articles have it
    private readonly List<Word> _words = [];
    private readonly Lazy<PhraseIndex> _phrases;

    /// <summary>Makes a catalogue; articles that are not sold are unknown to it.</summary>
    public Catalogue(IEnumerable<Product> products)
    {
        Product[] sold = [.. products.Where(product => product.Active).OrderBy(product => product.Sku, StringComparer.Ordinal)];
        _phrases = new Lazy<PhraseIndex>(() => new PhraseIndex(sold));
        foreach (Product product in sold)
        {
            _bySku[LineTokens.Plain(product.Sku)] = product;
            _words.Add(new Word(product.Sku, product));
            foreach (string alias in product.Aliases.Select(Plain))
            {
                _byAlias.TryAdd(alias, product);
                _words.Add(new Word(alias, product));
            }

            string name = Plain(product.Name);
            _byName[name] = _byName.ContainsKey(name) ? null : product;
            _words.Add(new Word(name, product));
        }
    }

    /// <summary>How many articles are sold.</summary>
    public int Count => _bySku.Count;

    /// <summary>The article: by its number, else an alias, else a name that only one has; null when none is meant.</summary>
    public Product? Find(string article)
    {
        string text = Plain(article);
        return _bySku.GetValueOrDefault(text) ?? _byAlias.GetValueOrDefault(text) ?? _byName.GetValueOrDefault(text);
    }

    /// <summary>The article that has a number; null for none.</summary>
    public Product? FindNumber(string number) => _bySku.GetValueOrDefault(LineTokens.Plain(number));

    /// <summary>The articles that the pieces of a line name from one of them on, by the longest number, alias or name; null for none.</summary>
    public PhraseMatch? NamedAt(IReadOnlyList<Token> tokens, int at) => _phrases.Value.At(tokens, at);

    /// <summary>Articles that may have been meant, nearest first: numbers, aliases and names at most two letters away, and all that have the name when several do.</summary>
    /// <param name="article">What was written.</param>
    /// <param name="budget">What may be compared; when it is used up there are no suggestions.</param>
    public IReadOnlyList<Product> Suggest(string article, SuggestionBudget budget)
    {
        string text = Plain(article).ToUpperInvariant();
        if (text.Length is 0 or > LongestCompared)
        {
            return [];
        }

        ulong letters = Word.LettersOf(text);
        Dictionary<Product, int> near = new(ReferenceEqualityComparer.Instance);
        foreach (Word word in _words)
        {
            if (word.MayBeWithin(MaxDistance, text.Length, letters))
            {
                if (!budget.TakeComparison())
                {
                    return [];
                }

                // A short word is near to everything: it may differ by less than half of its letters.
                if (EditDistance.Within(text, word.Upper, MaxDistance) is { } distance && distance * 2 < text.Length && !(near.TryGetValue(word.Product, out int best) && best <= distance))
                {
                    near[word.Product] = distance;
                }
            }
        }

        return [.. near.OrderBy(pair => pair.Value).ThenBy(pair => pair.Key.Sku, StringComparer.Ordinal).Take(MaxSuggestions).Select(pair => pair.Key)];
    }

    private static string Plain(string text) => string.Join(' ', LineTokens.Plain(text).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    /// <summary>A number, alias or name, prepared to be compared with many.</summary>
    private readonly record struct Word(string Upper, Product Product, ulong Letters)
    {
        public Word(string text, Product product)
            : this(text.ToUpperInvariant(), product, LettersOf(text.ToUpperInvariant()))
        {
        }

        /// <summary>Which letters occur, each as one bit of 64.</summary>
        public static ulong LettersOf(string upper)
        {
            ulong letters = 0;
            foreach (char c in upper)
            {
                letters |= 1UL << (c & 63);
            }

            return letters;
        }

        /// <summary>Whether a text may be so near: each change adds or takes at most one letter, or does both.</summary>
        public bool MayBeWithin(int distance, int length, ulong letters) =>
            Math.Abs(length - Upper.Length) <= distance && System.Numerics.BitOperations.PopCount(letters ^ Letters) <= 2 * distance;
    }
}

/// <summary>What the search for near articles may cost for one order. A mail may hold thousands of lines with numbers, and a catalogue a hundred thousand articles. Not safe for concurrent use.</summary>
/// <param name="lookups">The most lines, beside those that are order lines whatever is found, for which near articles are looked for; not negative.</param>
internal sealed class SuggestionBudget(int lookups)
{
    /// <summary>The most words that are compared letter by letter: about a tenth of a second.</summary>
    public const int MaxComparisons = 500_000;

    /// <summary>The fewest lines of a mail that are looked at although they name no article: footers and histories have them, however short the orders are.</summary>
    public const int FewestLookups = 500;

    /// <summary>The budget of one mail: as many lines as an order may have, and at least <see cref="FewestLookups"/>.</summary>
    public static SuggestionBudget For(OrderLimits limits) => new(Math.Max(FewestLookups, limits.MaxLines));

    /// <summary>How many lines were looked at.</summary>
    public int Lookups { get; private set; }

    /// <summary>How many words were compared.</summary>
    public int Comparisons { get; private set; }

    /// <summary>Whether words may still be compared.</summary>
    public bool IsLeft => Comparisons < MaxComparisons;

    /// <summary>Takes a line; false when there were too many.</summary>
    public bool TakeLookup() => IsLeft && Lookups < lookups && ++Lookups > 0;

    /// <summary>Takes a comparison; false when there were too many.</summary>
    public bool TakeComparison() => IsLeft && ++Comparisons > 0;
}
