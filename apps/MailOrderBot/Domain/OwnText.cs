using System.Text.RegularExpressions;

namespace MailOrderBot.Domain;

/// <summary>What the sender of a mail wrote: no quotes, no headers of quotes, nothing below the signature or of a letter of the shop.</summary>
/// <param name="Lines">The lines, with the blanks they begin with.</param>
/// <param name="IsCut">Whether there is more, which is not read.</param>
/// <param name="Forwards">Whether a mail is forwarded below.</param>
internal sealed partial record OwnText(IReadOnlyList<string> Lines, bool IsCut, bool Forwards)
{
    /// <summary>The most lines that are looked at.</summary>
    public const int MaxLines = 20_000;

    /// <summary>Finds it in the text of a mail.</summary>
    public static OwnText Of(string text)
    {
        List<string> own = [];
        bool forwards = false;
        string[] lines = text.ReplaceLineEndings("\n").Replace('\u00A0', ' ').Split('\n', MaxLines + 1);
        for (int i = 0; i < Math.Min(lines.Length, MaxLines); i++)
        {
            string line = lines[i].Trim();
            if (lines[i] is "-- " or "--" || ShopLetter.Has(line))
            {
                return new OwnText(own, IsCut: false, forwards);
            }

            bool isForward = Forwarded().IsMatch(line);
            int header = isForward ? 1 : QuoteHeader.LengthAt(lines, i);
            if (header > 0)
            {
                forwards |= isForward;
                i += header - 1;
                string? next = lines.Skip(i + 1).FirstOrDefault(after => !string.IsNullOrWhiteSpace(after));
                if (next is not null && !IsQuote(next))
                {
                    return new OwnText(own, IsCut: false, forwards); // A program that does not mark what it quotes: all below is the mail that is answered.
                }

                continue;
            }

            if (!IsQuote(line))
            {
                own.Add(lines[i].TrimEnd());
            }
        }

        return new OwnText(own, lines.Length > MaxLines && !string.IsNullOrWhiteSpace(lines[MaxLines]), forwards);
    }

    private static bool IsQuote(string line) => line.TrimStart().StartsWith('>');

    [GeneratedRegex(@"^(-{2,}\s*(forwarded message|weitergeleitete nachricht|message transféré|mensaje reenviado|messaggio inoltrato|doorgestuurd bericht)\b.*|begin forwarded message:|anfang der weitergeleiteten (nachricht|e-mail):)$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Forwarded();
}
