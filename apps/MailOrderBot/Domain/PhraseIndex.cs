namespace MailOrderBot.Domain;

/// <summary>What pieces of a line name.</summary>
/// <param name="Products">The article; several when they share a name.</param>
/// <param name="Length">How many pieces of the line it takes.</param>
/// <param name="IsNumber">Whether it is the number of the article.</param>
internal sealed record PhraseMatch(IReadOnlyList<Product> Products, int Length, bool IsNumber);

/// <summary>Finds numbers, aliases and names of articles within lines, also in the plural. Immutable; safe for concurrent use.</summary>
internal sealed class PhraseIndex
{
    private const int LongestPhrase = 12; // pieces
    private const int ShortestNumber = 3; // letters of a number without a digit, which may be a word of the language
    private const int ShortestPlural = 3; // letters of a word that may be one of several

    private static readonly string[] Plurals = ["s", "es", "n", "en", "e"];

    private readonly Dictionary<string, Entry> _entries = new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<string> _beginnings = new(StringComparer.OrdinalIgnoreCase); // first words, so that most words of a line are looked for once

    /// <summary>Makes the index.</summary>
    /// <param name="sold">The articles that are sold, the most preferred first.</param>
    public PhraseIndex(IReadOnlyList<Product> sold)
    {
        foreach (Product product in sold.Where(static product => IsClear(product.Sku)))
        {
            Add(product.Sku, product, isNumber: true);
        }

        foreach (Product product in sold)
        {
            foreach (string alias in product.Aliases.Where(IsClear))
            {
                Add(alias, product, isNumber: false);
            }
        }

        HashSet<string> before = new(_entries.Keys, StringComparer.OrdinalIgnoreCase);
        foreach (Product product in sold.Where(static product => IsClear(product.Name)))
        {
            Add(product.Name, product, isNumber: false, before);
        }
    }

    /// <summary>What the pieces of a line name from one of them on; null for nothing.</summary>
    public PhraseMatch? At(IReadOnlyList<Token> tokens, int at)
    {
        if (tokens[at].Kind != TokenKind.Word || !Begins(tokens[at].Text))
        {
            return null;
        }

        string[] words = [.. Enumerable.Range(at, Math.Min(LongestPhrase, tokens.Count - at)).Select(i => tokens[i].Text)];
        for (int length = words.Length; length > 0; length--)
        {
            if (tokens[at + length - 1].Kind == TokenKind.Word && Find(string.Join(' ', words, 0, length)) is { } entry && (!entry.IsNumber || IsSure(words[0], entry)))
            {
                return new PhraseMatch(entry.Products, length, entry.IsNumber);
            }
        }

        return null;
    }

    /// <summary>A number that has only digits may be any number of the language, and of one that has only letters the case tells that it is meant.</summary>
    private static bool IsSure(string word, Entry entry) => word.Any(char.IsAsciiDigit) || (word.Length >= ShortestNumber && word == LineTokens.Plain(entry.Products[0].Sku)) || word.Contains('-', StringComparison.Ordinal);

    private static bool IsClear(string phrase) => phrase.Any(char.IsLetter) && !OrderWords.IsSaid(phrase.Trim()) && OrderWords.NumberOf(phrase.Trim()) is null;

    private bool Begins(string word) => _beginnings.Contains(word) || Array.Exists(Plurals, plural => IsPlural(word, plural) && _beginnings.GetAlternateLookup<ReadOnlySpan<char>>().Contains(word.AsSpan(0, word.Length - plural.Length)));

    private Entry? Find(string phrase)
    {
        if (_entries.TryGetValue(phrase, out Entry? entry))
        {
            return entry;
        }

        foreach (string plural in Plurals)
        {
            if (IsPlural(phrase, plural) && _entries.TryGetValue(phrase[..^plural.Length], out Entry? found) && !found.IsNumber)
            {
                return found;
            }
        }

        return null;
    }

    private static bool IsPlural(string phrase, string plural) => phrase.Length >= ShortestPlural + plural.Length && phrase.EndsWith(plural, StringComparison.OrdinalIgnoreCase);

    private void Add(string phrase, Product product, bool isNumber, HashSet<string>? taken = null)
    {
        List<Token> tokens = LineTokens.Of(phrase);
        if (tokens.Count is 0 or > LongestPhrase || tokens[0].Kind != TokenKind.Word)
        {
            return;
        }

        string key = string.Join(' ', tokens.Select(static token => token.Text));
        if (!_entries.TryGetValue(key, out Entry? entry))
        {
            _entries[key] = new Entry([product], isNumber);
            _beginnings.Add(tokens[0].Text);
        }
        else if (taken is not null && !taken.Contains(key))
        {
            entry.Products.Add(product);
        }
    }

    private sealed record Entry(List<Product> Products, bool IsNumber);
}
