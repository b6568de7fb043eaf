using System.Text.RegularExpressions;

namespace MailOrderBot.Domain;

/// <summary>An article that a line names without being an order line that can be read.</summary>
/// <param name="Article">The article.</param>
/// <param name="HasQuantity">Whether a quantity stands beside the number of an article: that orders something; without one it may be a question.</param>
internal sealed record Mention(Product Article, bool HasQuantity);

/// <summary>Tells whether a line that cannot be read as an order line is meant as one: it names an article's number, and is no sentence or greeting.</summary>
internal static partial class ArticleMention
{
    private const int FewWords = 5; // a line of no more is hardly a sentence
    private const int MoreWords = 12; // with a number, a bullet or in a table, a line of no more is none either
    private const int LongestJoint = 3; // letters of a word between a quantity and an article, such as "x" and "of"
    private const int ShortestWord = 3; // letters of a number without a digit, which may be a word of the language
    private const int FewestDigits = 3; // of a number without a letter: one of fewer is an hour, a day or a house
    private const int SureDigits = 6; // of one that stands alone: one of fewer may be a postcode or a year
    private const int PostcodeDigits = 5; // of one that is a postcode where the name of a place stands beside it

    private static readonly char[] Separators = [',', ';', ':', '/', '|', '='];

    /// <summary>The article that a line means; null for none. In an address it has to be ordered: a house, a postcode or a village may have the number of an article.</summary>
    /// <param name="line">The line.</param>
    /// <param name="catalogue">The articles.</param>
    public static Mention? In(RequestedLine line, Catalogue catalogue)
    {
        if (line.IsInAddress)
        {
            // A telephone number begins with a zero.
            LineReading? ordered = BodyOrderReader.ReadLine(line.Raw)?.Readings.FirstOrDefault(reading => !reading.Quantity.StartsWith('0') && catalogue.Find(reading.Article) is not null);
            if (ordered is not null)
            {
                return new Mention(catalogue.Find(ordered.Article)!, HasQuantity: true);
            }
        }
        else if (catalogue.Find(line.Raw.Trim(' ', '\t', '.', ',', ';', ':', '!', '?')) is { } whole)
        {
            return new Mention(whole, HasQuantity: false);
        }

        string[] words = line.Raw.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        Product? named = null;
        for (int i = 0; i < words.Length; i++)
        {
            if (Named(words, i, catalogue) is not { } found)
            {
                continue;
            }

            if (HasQuantity(words, i, found))
            {
                return new Mention(named ?? found.Product, HasQuantity: true);
            }

            named ??= !line.IsInAddress && IsSure(words, i, found, line) && IsFew(line, words) ? found.Product : null;
        }

        return named is null ? null : new Mention(named, HasQuantity: false);
    }

    /// <summary>The article whose number a word is or holds, or that it is together with the next one.</summary>
    private static (Product Product, int Words)? Named(string[] words, int at, Catalogue catalogue)
    {
        string word = Bare(words[at]);
        if (word.Contains('@', StringComparison.Ordinal) || word.Contains("://", StringComparison.Ordinal) || word.StartsWith("www.", StringComparison.OrdinalIgnoreCase))
        {
            return null; // A place or an address.
        }

        if (Number(word, catalogue) is { } product)
        {
            return (product, 1);
        }

        if (at + 1 < words.Length && Number($"{word} {Bare(words[at + 1])}", catalogue) is { } ofTwo)
        {
            return (ofTwo, 2);
        }

        return word.Split(Separators) is { Length: > 1 } parts && parts.Select(part => Number(Bare(part), catalogue)).FirstOrDefault(part => part is not null) is { } inside ? (inside, 1) : null;
    }

    private static Product? Number(string text, Catalogue catalogue)
    {
        return catalogue.FindNumber(text) is { } product && (IsPlain(product) ? Digits(product) >= FewestDigits : text.Any(char.IsAsciiDigit) || (text.Length >= ShortestWord && text == product.Sku)) ? product : null;
    }

    /// <summary>Whether the number of an article has no letter, and may be any number of the language.</summary>
    private static bool IsPlain(Product product) => !product.Sku.Any(char.IsLetter);

    private static int Digits(Product product) => product.Sku.Count(char.IsAsciiDigit);

    private static bool IsSure(string[] words, int at, (Product Product, int Words) found, RequestedLine line)
    {
        return !IsPlain(found.Product) || line.IsItem || Digits(found.Product) >= SureDigits
            || (Digits(found.Product) == PostcodeDigits && !IsName(words, at - 1) && !IsName(words, at + found.Words));
    }

    private static bool IsName(string[] words, int at) => at >= 0 && at < words.Length && Bare(words[at]) is [var first, ..] && char.IsUpper(first);

    private static bool IsFew(RequestedLine line, string[] words)
    {
        string raw = line.Raw.TrimEnd();
        bool isSentence = raw[^1] is '.' or '?' or '!' or ',' or ';' or ':';
        return words.Length <= FewWords ? !(raw[^1] == ',' && Greeting().IsMatch(raw))
            : line.IsItem ? words.Length <= MoreWords || raw.Contains('\t', StringComparison.Ordinal)
            : words.Length <= MoreWords && !isSentence && words.Any(IsNumber);
    }

    /// <summary>
    /// Whether a quantity stands beside the article: that orders something also in a long sentence. Beside a number without a letter it has to be marked as one (<c>3 x</c>):
    /// streets, postcodes and telephones have several numbers in a row.
    /// </summary>
    private static bool HasQuantity(string[] words, int at, (Product Product, int Words) found) =>
        Beside(words, at - 1, -1, IsPlain(found.Product)) || Beside(words, at + found.Words, 1, IsPlain(found.Product));

    private static bool Beside(string[] words, int at, int step, bool isMarked) =>
        at >= 0 && at < words.Length
        && (IsNumber(words[at]) ? !isMarked || words[at].AsSpan().ContainsAny('x', 'X', '×')
            : (isMarked ? words[at] is "x" or "X" or "×" or "*" : words[at].Length <= LongestJoint) && IsNumberAt(words, at + step));

    private static bool IsNumberAt(string[] words, int at) => at >= 0 && at < words.Length && IsNumber(words[at]);

    private static bool IsNumber(string word) => Bare(word) is { Length: > 0 and <= 6 } bare && bare.Trim('x', 'X', '×') is { Length: > 0 } digits && digits.All(char.IsAsciiDigit);

    /// <summary>A word without the signs around it.</summary>
    private static string Bare(string word)
    {
        int begin = 0;
        int end = word.Length;
        while (begin < end && !char.IsLetterOrDigit(word[begin]))
        {
            begin++;
        }

        while (end > begin && !char.IsLetterOrDigit(word[end - 1]))
        {
            end--;
        }

        return word[begin..end];
    }

    [GeneratedRegex(@"^(hello|hi|hey|dear|good|hallo|liebe[rs]?|guten|sehr)\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Greeting();
}
