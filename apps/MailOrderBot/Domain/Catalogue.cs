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

    /// <summary>Makes a catalogue; articles that are not sold are unknown to it.</summary>
    public Catalogue(IEnumerable<Product> products)
    {
        foreach (Product product in products.Where(product => product.Active).OrderBy(product => product.Sku, StringComparer.Ordinal))
        {
            _bySku[product.Sku] = product;
            foreach (string alias in product.Aliases)
            {
                _byAlias.TryAdd(Plain(alias), product);
            }

            string name = Plain(product.Name);
            _byName[name] = _byName.ContainsKey(name) ? null : product;
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

    /// <summary>Articles that may have been meant, nearest first: numbers, aliases and names at most two letters away, and all that have the name when several do.</summary>
    public IReadOnlyList<Product> Suggest(string article)
    {
        string text = Plain(article).ToUpperInvariant();
        if (text.Length is 0 or > LongestCompared)
        {
            return [];
        }

        List<(int Distance, Product Product)> near = [];
        foreach (Product product in _bySku.Values)
        {
            int? best = Nearest(text, product.Sku);
            foreach (string word in product.Aliases.Append(product.Name))
            {
                best = Nearest(text, Plain(word)) is { } distance && !(distance >= best) ? distance : best;
            }

            if (best is { } found)
            {
                near.Add((found, product));
            }
        }

        return [.. near.OrderBy(pair => pair.Distance).ThenBy(pair => pair.Product.Sku, StringComparer.Ordinal).Take(MaxSuggestions).Select(pair => pair.Product)];
    }

    // A short word is near to everything: it may differ by less than half of its letters.
    private static int? Nearest(string text, string word) =>
        EditDistance.Within(text, word.ToUpperInvariant(), MaxDistance) is { } distance && distance * 2 < Math.Max(text.Length, 1) ? distance : null;

    private static string Plain(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
