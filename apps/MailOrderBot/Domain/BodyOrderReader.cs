using System.Text;
using System.Text.RegularExpressions;

namespace MailOrderBot.Domain;

/// <summary>Reads an order from the text of a mail (MB-7): order lines, <c>Reference:</c>, <c>Ship to:</c> and <c>Note:</c>; what is quoted or below the signature is left out.</summary>
internal static partial class BodyOrderReader
{
    private const int MaxLine = 300;
    private const int MaxField = 1_000;
    private const int MaxRead = 20_000; // lines

    /// <summary>Reads a text. Never fails; what orders nothing has no lines.</summary>
    /// <param name="text">The text.</param>
    /// <param name="cancellationToken">Ends it between two lines: of lines that are made for it, as many as are read take seconds.</param>
    public static OrderRequest Read(string text, CancellationToken cancellationToken = default)
    {
        List<RequestedLine> lines = [];
        List<RequestedLine> rest = [];
        string? reference = null;
        string? note = null;
        StringBuilder? address = null;
        bool inAddress = false;
        foreach (string own in OwnLines(text))
        {
            cancellationToken.ThrowIfCancellationRequested();
            string line = WithoutEmphasis(own);
            if (inAddress && line.Length > 0 && !Label().IsMatch(line))
            {
                AppendLine(address!, line);
                rest.Add(Unread(line) with { IsInAddress = true });
                continue;
            }

            inAddress = false;
            Match label = Label().Match(line);
            if (label.Success)
            {
                string value = label.Groups[2].Value.Trim();
                switch (label.Groups[1].Value.ToUpperInvariant())
                {
                    case "REFERENCE":
                        reference ??= Field(value);
                        break;
                    case "NOTE":
                        note = note is null ? Field(value) : Field($"{note}\n{value}");
                        break;
                    default:
                        inAddress = address is null;
                        AppendLine(address ??= new StringBuilder(), value);
                        break;
                }
            }
            else if (ReadLine(line) is { } requested)
            {
                lines.Add(requested);
            }
            else if (line.Length > 0)
            {
                rest.Add(Unread(line));
            }
        }

        return new OrderRequest { Lines = lines, Rest = rest, Reference = reference, Note = note, ShipTo = Field(address?.ToString()) };
    }

    /// <summary>The first line that the sender wrote, without signs for bold or slanted; empty for none.</summary>
    public static string FirstLine(string text) => WithoutEmphasis(OwnLines(text).FirstOrDefault(line => line.Length > 0) ?? "");

    /// <summary>What a line may order; null when it has no quantity beside a text.</summary>
    internal static RequestedLine? ReadLine(string line)
    {
        string whole = WithoutEmphasis(line.Trim());
        string text = WithoutEmphasis(Bullet().Replace(whole, "", 1).Trim());
        if (text.Length is 0 or > MaxLine)
        {
            return null;
        }

        List<LineReading> readings = [];
        bool certain = false;
        foreach (Match match in (Match[])[QuantityFirst().Match(text), QuantityLast().Match(text), QuantityInBrackets().Match(text)])
        {
            if (match.Success)
            {
                certain |= match.Groups["x"].Success;
                readings.Add(new LineReading(match.Groups["a"].Value.Trim(), match.Groups["n"].Value));
            }
        }

        readings.RemoveAll(reading => !reading.Article.Any(char.IsLetterOrDigit));
        return readings.Count == 0 ? null : new RequestedLine(text, readings) { IsCertain = certain, IsItem = IsItem(whole) };
    }

    private static RequestedLine Unread(string line) => new(Bullet().Replace(line, "", 1).Trim(), []) { IsItem = IsItem(line) };

    /// <summary>Whether a line is a row of a table or stands behind a bullet, which sentences do not.</summary>
    private static bool IsItem(string line) => line.Contains('\t', StringComparison.Ordinal) || Bullet().IsMatch(line);

    /// <summary>A line without the signs that mark words as bold or slanted: mail programs write HTML as plain text with them.</summary>
    private static string WithoutEmphasis(string line)
    {
        // Twice, since a blank between two marked words belongs to the first match.
        string plain = line.Contains('*', StringComparison.Ordinal) ? Stars().Replace(Stars().Replace(line, "$1$2$3"), "$1$2$3") : line;
        return plain.Contains('_', StringComparison.Ordinal) ? Underscores().Replace(Underscores().Replace(plain, "$1$2$3"), "$1$2$3") : plain;
    }

    /// <summary>The lines that the sender wrote: no quotes, no headers of quotes, nothing below the signature or of a letter of the shop.</summary>
    private static IEnumerable<string> OwnLines(string text)
    {
        string[] lines = text.ReplaceLineEndings("\n").Replace('\u00A0', ' ').Split('\n', MaxRead + 1);
        for (int i = 0; i < Math.Min(lines.Length, MaxRead); i++)
        {
            string line = lines[i].Trim();
            if (lines[i] is "-- " or "--" || ShopLetter.Has(line))
            {
                yield break;
            }

            int header = QuoteHeader.LengthAt(lines, i);
            if (header > 0)
            {
                i += header - 1;
                string? next = lines.Skip(i + 1).FirstOrDefault(after => !string.IsNullOrWhiteSpace(after));
                if (next is not null && !IsQuote(next))
                {
                    yield break; // A program that does not mark what it quotes: all below is the mail that is answered.
                }

                continue;
            }

            if (!IsQuote(line))
            {
                yield return line;
            }
        }
    }

    private static bool IsQuote(string line) => line.TrimStart().StartsWith('>');

    private static string? Field(string? value)
    {
        string text = (value ?? "").Trim();
        return text.Length == 0 ? null : text.Length <= MaxField ? text : text[..(char.IsHighSurrogate(text[MaxField - 1]) ? MaxField - 1 : MaxField)];
    }

    private static void AppendLine(StringBuilder address, string line)
    {
        if (line.Length > 0 && address.Length <= MaxField)
        {
            address.Append(address.Length > 0 ? "\n" : "").Append(line);
        }
    }

    [GeneratedRegex(@"^(reference|ship to|note)\s*:(.*)$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Label();

    [GeneratedRegex(@"^([-*–]\s+|[•·▪◦‣●]\s*|\d{1,3}[.)]\s+)+", RegexOptions.NonBacktracking)]
    private static partial Regex Bullet();

    [GeneratedRegex(@"(^|\s)\*{1,2}([^\s*](?:[^*]*[^\s*])?)\*{1,2}($|[\s:,.;])", RegexOptions.NonBacktracking)]
    private static partial Regex Stars();

    [GeneratedRegex(@"(^|\s)_{1,2}([^\s_](?:[^_]*[^\s_])?)_{1,2}($|[\s:,.;])", RegexOptions.NonBacktracking)]
    private static partial Regex Underscores();

    // 3 x TEA-001, 3x TEA-001, 3 TEA-001, Qty: 3 TEA-001
    [GeneratedRegex(@"^(?:(?<x>qty|quantity|amount|menge|anzahl)\b\.?\s*[:=]?\s*)?(?<n>[+-]?\d+(?:[.,]\d+)?)(?:(?<x>[xX×*])\s*|\s+(?<x>[xX])\s+|\s+(?<x>[×*])\s*|\s+)(?:(?:pcs\.?|pieces?|units?|stück|stücke|stueck|stk\.?|st\.|packungen|packung)\s+(?:of\s+)?)?(?<a>\S.*)$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex QuantityFirst();

    // TEA-001 3, TEA-001: 3, TEA-001 x 3, TEA-001, qty 3
    [GeneratedRegex(@"^(?<a>\S.*?)(?:\s*[,;]?\s+(?<x>qty|quantity|amount|menge|anzahl)\b\.?\s*[:=]?\s*|\s*:\s*|\s+(?<x>[xX×*])\s*|\s+)(?<n>[+-]?\d+(?:[.,]\d+)?)\s*(?:(?:pcs\.?|pieces?|units?|stück|stücke|stueck|stk\.?|st\.|packungen|packung)|[x×])?$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex QuantityLast();

    // TEA-001 (3), TEA-001 [x3]
    [GeneratedRegex(@"^(?<a>\S.*?)\s*[(\[]\s*(?:(?<x>[x×])\s*)?(?<n>[+-]?\d+(?:[.,]\d+)?)\s*(?:(?:pcs\.?|pieces?|units?|stück|stücke|stueck|stk\.?|st\.|packungen|packung)|[x×])?\s*[)\]]$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex QuantityInBrackets();
}
