using System.Globalization;

namespace MailOrderBot.Domain;

/// <summary>An article and how many of it, as a line says them beyond doubt.</summary>
/// <param name="Article">The article.</param>
/// <param name="Quantity">How many; null when it is no whole number.</param>
/// <param name="Written">How many, as written.</param>
internal sealed record PhraseLine(Product Article, long? Quantity, string Written);

/// <summary>What a line says of articles.</summary>
/// <param name="Lines">What it orders, when every word of it is understood; empty when it is not.</param>
/// <param name="Named">The articles that it names, in order.</param>
/// <param name="Question">Why it has to be asked about, as a clause for the customer; null when it need not be.</param>
/// <param name="HasQuantity">Whether a number stands beside an article.</param>
internal sealed record PhraseReading(IReadOnlyList<PhraseLine> Lines, IReadOnlyList<Product> Named, string? Question, bool HasQuantity)
{
    /// <summary>Whether the question says what is wrong, and not only that the line cannot be read.</summary>
    public bool IsExact { get; init; }
}

/// <summary>
/// Reads a line by its words (MB-7): articles by number, alias or name, how many of each, and around them only words that change nothing. A line with another word is
/// not read; it is asked about when it has an article and a number.
/// </summary>
internal static class LinePhrase
{
    private const int MaxTokens = 2_000;
    private const int LongestLine = 12; // words of a line in which an article and a number belong together wherever they stand
    private const int Near = 4; // pieces between them in a longer one
    private const int Beside = 2;
    private const int MostDigits = 6;

    private enum Kind
    {
        Article,
        Number,
        Break,
        Link,
        Other,
    }

    /// <summary>Reads a line; null when it names no article.</summary>
    public static PhraseReading? Read(string line, Catalogue catalogue)
    {
        List<Token> tokens = LineTokens.Of(line);
        if (tokens.Count is 0 or > MaxTokens)
        {
            return null;
        }

        if (!Enumerable.Range(0, tokens.Count).Any(i => catalogue.NamedAt(tokens, i) is not null))
        {
            return null;
        }

        List<Item> items = Items(tokens, catalogue);
        Product[] named = [.. items.Where(static item => item.Kind == Kind.Article).SelectMany(static item => item.Products).Distinct()];
        Merge(items);
        bool isQuestion = tokens.Any(static token => token.Kind == TokenKind.Question);
        List<PhraseLine> lines = isQuestion ? [] : Pairs(items);
        bool isBeside = IsWithin(items, Beside);
        if (lines.Count > 0)
        {
            return new PhraseReading(lines, named, null, isBeside);
        }

        bool asks = tokens.Count <= LongestLine ? items.Exists(static item => item.IsStrong) || (!isQuestion && IsWithin(items, 1)) : IsWithin(items, Near);
        asks |= !isQuestion && !OrderWords.IsGreeting(tokens[0].Text) && items.TrueForAll(static item => item.Kind != Kind.Other);
        if (!asks)
        {
            return new PhraseReading([], named, null, isBeside);
        }

        string? exact = ExactQuestion(items, named);
        return new PhraseReading([], named, exact ?? $"it names {string.Join(" and ", named.Take(3).Select(static product => product.Sku))}, and how many is not said in a way that we can read", isBeside) { IsExact = exact is not null };
    }

    /// <summary>What exactly is in doubt; null when that cannot be said.</summary>
    private static string? ExactQuestion(List<Item> items, Product[] named)
    {
        Item[] articles = [.. items.Where(static item => item.Kind == Kind.Article)];
        if (articles is [{ Products: { Count: > 1 } several }])
        {
            return $"several articles have that name: {string.Join(" and ", several.Take(3).Select(static product => product.Sku))}";
        }

        if (items.Find(static item => item.Packs) is { } packs && articles.Length == 1 && named[0].PackSize > 1 && packs.Value is { } count)
        {
            return string.Create(CultureInfo.InvariantCulture, $"it is sold in packs of {named[0].PackSize}, and we count single ones: please write {count * named[0].PackSize} x {named[0].Sku}, or how many you want");
        }

        for (int i = 0; i + 1 < items.Count; i++)
        {
            if (items[i].Kind == Kind.Article && items[i + 1].Kind == Kind.Article && items[i].IsNumber != items[i + 1].IsNumber)
            {
                return $"{items[i].Products[0].Sku} is {items[i].Products[0].Name}, and it names {items[i + 1].Products[0].Sku} ({items[i + 1].Products[0].Name}) too";
            }
        }

        return null;
    }

    /// <summary>The pairs of an article and a number, when there is nothing else and only one way to pair them.</summary>
    private static List<PhraseLine> Pairs(List<Item> items)
    {
        List<PhraseLine> lines = [];
        int[] parts = [.. Enumerable.Range(0, items.Count).Where(i => items[i].Kind is not (Kind.Break or Kind.Link))];
        if (parts.Length == 0 || parts.Length % 2 != 0)
        {
            return lines;
        }

        bool numberFirst = items[parts[0]].Kind == Kind.Number;
        for (int i = 0; i < parts.Length; i += 2)
        {
            (Item number, Item article) = numberFirst ? (items[parts[i]], items[parts[i + 1]]) : (items[parts[i + 1]], items[parts[i]]);
            if (number.Kind != Kind.Number || article.Kind != Kind.Article || article.Products.Count != 1)
            {
                return [];
            }

            List<Item> between = items.GetRange(parts[i] + 1, parts[i + 1] - parts[i] - 1);
            bool isParted = parts.Length > 2 && between.Exists(static item => item.Kind == Kind.Break);
            bool isDoubtful = !numberFirst && number.IsOne && (number.IsLanguage || !(between.Count > 0 || number.IsTimes));
            if (isParted || isDoubtful || !Count(number, article.Products[0], out long? count))
            {
                return [];
            }

            lines.Add(new PhraseLine(article.Products[0], count, number.Text));
        }

        return lines;
    }

    /// <summary>How many single ones a number means; false when that is not sure.</summary>
    private static bool Count(Item number, Product product, out long? count)
    {
        count = number.Value;
        if (!number.Packs || number.Value is not { } packs)
        {
            return true;
        }

        if (number.PackOf is { } of)
        {
            count = packs * of;
            return of == product.PackSize;
        }

        return product.PackSize == 1 || OrderWords.IsPack(product.Unit);
    }

    /// <summary>Whether a number stands so near to an article; a 1 that is also an article of the language counts directly before it only.</summary>
    private static bool IsWithin(List<Item> items, int most)
    {
        for (int i = 0; i < items.Count; i++)
        {
            if (items[i].Kind != Kind.Number)
            {
                continue;
            }

            for (int j = Math.Max(0, i - most); j <= Math.Min(items.Count - 1, i + most); j++)
            {
                if (items[j].Kind == Kind.Article && (items[i].IsStrong || j == i + 1))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private static List<Item> Items(List<Token> tokens, Catalogue catalogue)
    {
        List<Item> items = [];
        for (int i = 0; i < tokens.Count; i++)
        {
            Token token = tokens[i];
            if (catalogue.NamedAt(tokens, i) is { } match)
            {
                items.Add(new Item(Kind.Article, token.Text) { Products = match.Products, IsNumber = match.IsNumber });
                i += match.Length - 1;
            }
            else if (token.Kind != TokenKind.Word)
            {
                AddSign(items, tokens, ref i);
            }
            else if (OrderWords.IsTimes(token.Text))
            {
                AddTimes(items);
            }
            else if (IsPriceBefore(tokens, i))
            {
                i++; // 3.90 EUR
            }
            else if (OrderWords.IsPriceWord(token.Text) && i + 1 < tokens.Count && IsPriceOf(tokens, i + 1))
            {
                i += IsPriceBefore(tokens, i + 1) ? 2 : 1; // à 3.90 EUR
            }
            else if (OrderWords.IsCurrency(token.Text) && i + 1 < tokens.Count && IsAmount(tokens[i + 1].Text))
            {
                i++; // EUR 3.90
            }
            else
            {
                AddWord(items, token.Text);
            }
        }

        return items;
    }

    private static void AddSign(List<Item> items, List<Token> tokens, ref int at)
    {
        switch (tokens[at].Kind)
        {
            case TokenKind.Break:
                items.Add(new Item(Kind.Break, tokens[at].Text));
                break;
            case TokenKind.Link:
                items.Add(new Item(Kind.Link, tokens[at].Text));
                break;
            case TokenKind.Price:
                at += IsPrice(tokens, at + 1) ? 1 : 0; // the price itself
                at += at + 1 < tokens.Count && (tokens[at + 1].Kind == TokenKind.Price || OrderWords.IsCurrency(tokens[at + 1].Text)) ? 1 : 0;
                break;
            case TokenKind.Foreign:
                items.Add(new Item(Kind.Other, tokens[at].Text));
                break;
        }
    }

    private static void AddWord(List<Item> items, string word)
    {
        if (long.TryParse(word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) && word.Length <= MostDigits && word[0] != '0')
        {
            if (items is [.., { Kind: Kind.Number, Packs: true, PackOf: null }])
            {
                items[^1] = items[^1] with { PackOf = number };
            }
            else if (items is [.., { Kind: Kind.Number } words] && words.Value == number && char.IsLetter(words.Text[0]))
            {
                items[^1] = words with { IsStrong = true }; // three (3)
            }
            else
            {
                items.Add(new Item(Kind.Number, word) { Value = number, IsStrong = true });
            }
        }
        else if (IsAmount(word) || (word.Length == 1 && char.GetUnicodeCategory(word[0]) == UnicodeCategory.OtherNumber))
        {
            items.Add(new Item(Kind.Number, word) { IsStrong = true });
        }
        else if (OrderWords.NumberOf(word) is { } value)
        {
            if (items is [.., { Kind: Kind.Number, Packs: false } digits] && digits.Value == value && char.IsAsciiDigit(digits.Text[0]))
            {
                return; // 3 (three)
            }

            items.Add(new Item(Kind.Number, word) { Value = value, IsOne = OrderWords.IsOne(word), IsLanguage = OrderWords.IsArticle(word), IsStrong = !OrderWords.IsOne(word) });
        }
        else if (OrderWords.IsVague(word))
        {
            items.Add(new Item(Kind.Number, word) { IsStrong = !OrderWords.IsSome(word) });
        }
        else if (OrderWords.MultiplierOf(word) is { } times)
        {
            if (items is [.., { Kind: Kind.Number, Value: { } one } last])
            {
                items[^1] = last with { Value = one * times, Text = $"{last.Text} {word}", IsOne = false, IsLanguage = false, IsStrong = true };
            }
            else
            {
                items.Add(new Item(Kind.Number, word) { Value = times, IsStrong = true });
            }
        }
        else if (OrderWords.IsPack(word) && items is [.., { Kind: Kind.Number } packs])
        {
            items[^1] = packs with { Packs = true };
        }
        else if (!OrderWords.IsUnit(word) && !OrderWords.IsSaid(word))
        {
            items.Add(new Item(Kind.Other, word) { IsStrong = word.Any(char.IsAsciiDigit) || OrderWords.IsLikeNumber(word) });
        }
    }

    private static void AddTimes(List<Item> items)
    {
        if (items is [.., { Kind: Kind.Number } number])
        {
            items[^1] = number with { IsTimes = true };
        }
        else if (items is [.., { Kind: Kind.Article }])
        {
            items.Add(new Item(Kind.Link, "x"));
        }
    }

    private static bool IsAmount(string word) => word.Length is > 0 and <= 12 && char.IsAsciiDigit(word[0]) && word.All(static c => char.IsAsciiDigit(c) || c is '.' or ',');

    private static bool IsPrice(List<Token> tokens, int at) => at < tokens.Count && IsAmount(tokens[at].Text) && at > 0 && tokens[at - 1].Kind == TokenKind.Price;

    private static bool IsPriceBefore(List<Token> tokens, int at) =>
        IsAmount(tokens[at].Text) && at + 1 < tokens.Count && (OrderWords.IsCurrency(tokens[at + 1].Text) || tokens[at + 1].Text is "€" or "$" or "£");

    private static bool IsPriceOf(List<Token> tokens, int at) => IsAmount(tokens[at].Text) && (tokens[at].Text.AsSpan().ContainsAny('.', ',') || IsPriceBefore(tokens, at));

    /// <summary>Makes one of the number and the name of an article that stand beside each other.</summary>
    private static void Merge(List<Item> items)
    {
        for (int i = 0; i < items.Count; i++)
        {
            int next = i + 1;
            while (items[i].Kind == Kind.Article && next < items.Count && items[next].Kind is Kind.Link or Kind.Break)
            {
                next++;
            }

            if (items[i].Kind == Kind.Article && next < items.Count && items[next].Kind == Kind.Article && items[i].Products.Intersect(items[next].Products).ToArray() is { Length: > 0 } same)
            {
                items[i] = items[i] with { Products = same };
                items.RemoveRange(i + 1, next - i);
                i--;
            }
        }
    }

    private sealed record Item(Kind Kind, string Text)
    {
        /// <summary>The articles that it names; several when they share a name.</summary>
        public IReadOnlyList<Product> Products { get; init; } = [];

        /// <summary>Whether it is an article's number.</summary>
        public bool IsNumber { get; init; }

        /// <summary>The number; null when it is no whole one.</summary>
        public long? Value { get; init; }

        /// <summary>Whether it can only be meant as a number.</summary>
        public bool IsStrong { get; init; }

        /// <summary>Whether it is a 1 that may be something else.</summary>
        public bool IsOne { get; init; }

        /// <summary>Whether it is an article of the language.</summary>
        public bool IsLanguage { get; init; }

        /// <summary>Whether <c>x</c> stands beside it.</summary>
        public bool IsTimes { get; init; }

        /// <summary>Whether it counts packs.</summary>
        public bool Packs { get; init; }

        /// <summary>How many are in such a pack, as the line says; null when it does not.</summary>
        public long? PackOf { get; init; }
    }
}
