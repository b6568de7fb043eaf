using System.Text.RegularExpressions;

namespace MailOrderBot.Domain;

/// <summary>What mail programs write above the mail that is answered: a sentence (<c>On … wrote:</c>), a block of headers, or a line of dashes; in English, German, French, Spanish, Italian and Dutch.</summary>
internal static partial class QuoteHeader
{
    private const int MaxSentence = 300; // characters, over at most three lines
    private const int MaxBlock = 8; // lines that are looked at
    private const int FewestKeys = 3;

    private static readonly Dictionary<string, Key> Keys = new[]
    {
        (Key.From, "from|von|de|da|van"),
        (Key.Sent, "sent|date|gesendet|datum|envoyé|enviado|enviado el|fecha|inviato|data|verzonden"),
        (Key.To, "to|an|à|a|para|aan"),
        (Key.Subject, "subject|betreff|objet|asunto|oggetto|onderwerp"),
    }.SelectMany(static one => one.Item2.Split('|').Select(word => (Word: word, Key: one.Item1))).ToDictionary(static one => one.Word, static one => one.Key, StringComparer.OrdinalIgnoreCase);

    [Flags]
    private enum Key
    {
        None = 0,
        From = 1,
        Sent = 2,
        To = 4,
        Subject = 8,
    }

    /// <summary>How many lines the header of a quote has that begins here; 0 when none does.</summary>
    public static int LengthAt(string[] lines, int at)
    {
        if (Dashes().IsMatch(lines[at]))
        {
            return 1;
        }

        int block = BlockLength(lines, at);
        return block > 0 ? block : SentenceLength(lines, at);
    }

    /// <summary>A block is known by its sender and date, or by any three of its keys, in whatever order.</summary>
    private static int BlockLength(string[] lines, int at)
    {
        if (KeyOf(lines[at]) == Key.None)
        {
            return 0;
        }

        Key found = Key.None;
        int length = 0;
        for (int i = at; i < Math.Min(at + MaxBlock, lines.Length); i++)
        {
            if (KeyOf(lines[i]) is not Key.None and var key)
            {
                found |= key;
                length = i - at + 1;
            }
        }

        return (found & (Key.From | Key.Sent)) == (Key.From | Key.Sent) || System.Numerics.BitOperations.PopCount((uint)found) >= FewestKeys ? length : 0;
    }

    private static Key KeyOf(string line)
    {
        Match match = Header().Match(line);
        return match.Success && Keys.TryGetValue(match.Groups[1].Value.TrimEnd(), out Key key) ? key : Key.None;
    }

    /// <summary>A sentence may be wrapped by the program that wrote it.</summary>
    private static int SentenceLength(string[] lines, int at)
    {
        string joined = "";
        for (int i = at; i < Math.Min(at + 3, lines.Length); i++)
        {
            joined = $"{joined} {lines[i].Trim()}".Trim();
            if (joined.Length > MaxSentence)
            {
                return 0;
            }

            if (joined.EndsWith(':') && (Sentence().IsMatch(joined) || (i == at && (NameFirst().IsMatch(joined) || DateFirst().IsMatch(joined)))))
            {
                return i - at + 1;
            }
        }

        return 0;
    }

    [GeneratedRegex(@"^\s*-{2,}\s*(original message|ursprüngliche nachricht|original-nachricht|message d'origine|message original|mensaje original|messaggio originale|oorspronkelijk bericht)\s*-{2,}", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Dashes();

    [GeneratedRegex(@"^\s*\*{0,2}(\p{L}{1,12}(?: el)?\s?)(?::\*{0,2}|\*{1,2}:)", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Header();

    // On Mon, 2 Mar 2026, Shop <a@b> wrote:  Am 02.03.2026 um 09:00 schrieb Shop:
    [GeneratedRegex(@"^(on|am|le|el|il giorno|il|op|em) .*\b(wrote|schrieb|a écrit|escribió|ha scritto|schreef|escreveu)\b.{0,120}:$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Sentence();

    // Shop <a@b> schrieb am Mo., 2. März 2026, 09:00:
    [GeneratedRegex(@"^[^:]{0,120}[@\d][^:]{0,60}\b(wrote|schrieb|a écrit|escribió|ha scritto|schreef)\b.{0,80}:$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex NameFirst();

    // 2026-03-02 9:00 GMT+01:00 Shop <a@b>:
    [GeneratedRegex(@"^\d{4}-\d{2}-\d{2},? \d{1,2}:\d{2}.{0,120}<[^<>]{1,120}@[^<>]{1,120}>:$", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex DateFirst();
}
