using System.Globalization;

namespace MailOrderBot.Domain;

/// <summary>The words of order lines, in English and German: numbers, units, and what is said around an article without a meaning for the order.</summary>
internal static class OrderWords
{
    private const int Dozen = 12;
    private const string Mal = "mal"; // zweimal

    private static readonly Dictionary<string, long> Numbers = (
        """
        2 two|zwei|zwo; 3 three|drei; 4 four|vier; 5 five|fünf|fuenf; 6 six|sechs; 7 seven|sieben; 8 eight|acht; 9 nine|neun; 10 ten|zehn; 11 eleven|elf;
        12 twelve|zwölf|zwoelf; 13 thirteen; 14 fourteen; 15 fifteen|fünfzehn; 16 sixteen; 17 seventeen; 18 eighteen; 19 nineteen; 20 twenty|zwanzig;
        30 thirty|dreißig; 40 forty|vierzig; 50 fifty|fünfzig; 100 hundred|hundert
        """).Split(';', StringSplitOptions.TrimEntries)
        .SelectMany(static one => one[(one.IndexOf(' ', StringComparison.Ordinal) + 1)..].Split('|').Select(word => (Word: word, Number: long.Parse(one[..one.IndexOf(' ', StringComparison.Ordinal)], CultureInfo.InvariantCulture))))
        .ToDictionary(static one => one.Word, static one => one.Number, StringComparer.OrdinalIgnoreCase);

    private static readonly HashSet<string> Ones = Set("one eins a an ein eine einen einem einer");
    private static readonly HashSet<string> Articles = Set("a an ein eine einen einem einer");
    private static readonly HashSet<string> Vague = Set("few several couple half pair einige paar mehrere halbes halbe");
    private static readonly HashSet<string> Some = Set("some etwas");
    private static readonly string[] Tens = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    private static readonly string[] NumberEnds = ["teen", "hundred", "thousand", "zehn", "zig", "ßig", "hundert", "tausend"];
    private static readonly HashSet<string> PriceWords = Set("à je price preis");
    private static readonly HashSet<string> Dozens = Set("dozen dutzend dtzd");
    private static readonly HashSet<string> Units = Set("pc pcs piece pieces unit units ea stück stücke stueck stk st qty quantity menge anzahl");
    private static readonly HashSet<string> Packs = Set("pack packs packet packets package packages packung packungen päckchen pkg");
    private static readonly HashSet<string> Currencies = Set("eur euro euros usd gbp chf");
    private static readonly HashSet<string> Times = Set("x × * mal times");

    private static readonly HashSet<string> Numbered = Set("po tel telefon fon phone fax mobil mobile cell handy room zimmer raum suite floor etage hrb plz kundennr kundennummer auftrag auftragsnr bestellnr bestellnummer ref referenz");
    private static readonly HashSet<string> Greetings = Set("hello hi hey dear hallo liebe lieber liebes guten sehr");

    private static readonly HashSet<string> Said = Set(
        """
        and plus also please pls kindly i we me us you need want would like order get take send add another more extra additional further of to the too as well in addition additionally then can could may item article product i'd we'd i'll we'll my our your just only thanks thank hello hi dear sir madam team shop regards kind best
        und auch bitte ich wir mir uns sie brauche brauchen bräuchte bräuchten benötige benötigen möchte möchten hätte hätten gern gerne nehme nehmen bestelle bestellen schicken senden liefern von vom der die das den dem noch dazu außerdem zusätzlich weitere weiteren weiteres mehr danke hallo artikel produkt
        """);

    /// <summary>The number that a word is; null for none. Those of <see cref="IsOne"/> are 1.</summary>
    public static long? NumberOf(string word) => Numbers.TryGetValue(word, out long number) ? number
        : Ones.Contains(word) ? 1
        : word.Length > Mal.Length && word.EndsWith(Mal, StringComparison.OrdinalIgnoreCase) ? NumberOf(word[..^Mal.Length])
        : null;

    /// <summary>Whether a word is a 1 that is also an article or a pronoun: it counts where it stands before what is ordered.</summary>
    public static bool IsOne(string word) => Ones.Contains(word);

    /// <summary>Whether a word is an article of the language, which never follows what it belongs to.</summary>
    public static bool IsArticle(string word) => Articles.Contains(word);

    /// <summary>Whether a word is a quantity that says no number; <c>some</c> counts where it stands before what is ordered.</summary>
    public static bool IsVague(string word) => Vague.Contains(word) || Some.Contains(word);

    /// <summary>Whether a vague quantity is also said of other things.</summary>
    public static bool IsSome(string word) => Some.Contains(word);

    /// <summary>Whether a word is a number that is not read, such as <c>twenty-five</c>.</summary>
    public static bool IsLikeNumber(string word) =>
        Array.Exists(Tens, ten => word.StartsWith(ten, StringComparison.OrdinalIgnoreCase)) || Array.Exists(NumberEnds, end => word.EndsWith(end, StringComparison.OrdinalIgnoreCase));

    /// <summary>Whether the number behind a word is a price.</summary>
    public static bool IsPriceWord(string word) => PriceWords.Contains(word);

    /// <summary>How many a word multiplies by; null for none.</summary>
    public static int? MultiplierOf(string word) => Dozens.Contains(word) ? Dozen : null;

    /// <summary>Whether a word counts single ones.</summary>
    public static bool IsUnit(string word) => Units.Contains(word);

    /// <summary>Whether a word counts packs.</summary>
    public static bool IsPack(string word) => Packs.Contains(word);

    /// <summary>Whether a word is a currency: the number beside it is a price.</summary>
    public static bool IsCurrency(string word) => Currencies.Contains(word);

    /// <summary>Whether a word or sign stands between a quantity and an article.</summary>
    public static bool IsTimes(string word) => Times.Contains(word);

    /// <summary>Whether a number behind a word is a number of that, such as a telephone's, and no quantity.</summary>
    public static bool IsNumbered(string word) => Numbered.Contains(word.Split(' ')[0].Trim('.', ':', '#'));

    /// <summary>Whether a line that begins with a word greets somebody.</summary>
    public static bool IsGreeting(string word) => Greetings.Contains(word);

    /// <summary>Whether a word changes nothing about what is ordered.</summary>
    public static bool IsSaid(string word) => Said.Contains(word);

    private static HashSet<string> Set(string words) => new(words.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries), StringComparer.OrdinalIgnoreCase);
}
