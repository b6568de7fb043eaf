using System.Globalization;

namespace MailOrderBot.Domain;

/// <summary>Amounts in whole minor units of a currency, such as cents. Nothing here rounds but <see cref="Tax"/>.</summary>
internal static class Money
{
    /// <summary>The highest price of one article in minor units: so that no total of an order leaves 64 bits.</summary>
    public const long MaxPrice = 100_000_000;

    /// <summary>The highest tax rate in basis points: 100 %.</summary>
    public const int MaxTax = 10_000;

    /// <summary>Whether a text is a currency code: three capital letters.</summary>
    public static bool IsCurrency(string text) => text.Length == 3 && text.All(char.IsAsciiLetterUpper);

    /// <summary>An amount for people, such as <c>1,234.50 EUR</c>; the same on every machine.</summary>
    public static string Format(long minor, string currency)
    {
        int decimals = DecimalsOf(currency);
        ulong scale = Scale(decimals);
        ulong amount = minor < 0 ? (ulong)-(minor + 1) + 1 : (ulong)minor;
        string whole = (amount / scale).ToString("#,0", CultureInfo.InvariantCulture);
        string part = decimals == 0 ? "" : $".{(amount % scale).ToString(CultureInfo.InvariantCulture).PadLeft(decimals, '0')}";
        return $"{(minor < 0 ? "-" : "")}{whole}{part} {currency}";
    }

    /// <summary>A tax rate for people, such as <c>7 %</c> or <c>5.5 %</c>.</summary>
    public static string FormatRate(int basisPoints) => $"{(basisPoints / 100m).ToString("0.##", CultureInfo.InvariantCulture)} %";

    /// <summary>Reads a price such as <c>4.50</c>, <c>4,5</c> or <c>4</c>; without thousands separators, signs or more decimals than the currency has.</summary>
    public static bool TryParse(string text, string currency, out long minor)
    {
        minor = 0;
        int decimals = DecimalsOf(currency);
        string[] halves = text.Trim().Split('.', ',');
        string part = halves.Length == 2 ? halves[1] : "";
        if (halves.Length > 2 || halves[0].Length is 0 or > 9 || part.Length > decimals || (halves.Length == 2 && part.Length == 0) || !(halves[0] + part).All(char.IsAsciiDigit))
        {
            return false;
        }

        minor = long.Parse(halves[0] + part.PadRight(decimals, '0'), CultureInfo.InvariantCulture);
        return minor <= MaxPrice;
    }

    /// <summary>The tax on a net amount, rounded half up to whole minor units.</summary>
    /// <param name="net">The amount in minor units; not negative.</param>
    /// <param name="basisPoints">The rate, 0 to 10,000.</param>
    public static long Tax(long net, int basisPoints) => (long)((((Int128)net * basisPoints) + 5_000) / 10_000);

    /// <summary>ISO 4217: the currencies without two decimals.</summary>
    private static int DecimalsOf(string currency) => currency switch
    {
        "BIF" or "CLP" or "DJF" or "GNF" or "ISK" or "JPY" or "KMF" or "KRW" or "PYG" or "RWF" or "UGX" or "UYI" or "VND" or "VUV" or "XAF" or "XOF" or "XPF" => 0,
        "BHD" or "IQD" or "JOD" or "KWD" or "LYD" or "OMR" or "TND" => 3,
        _ => 2,
    };

    private static ulong Scale(int decimals) => decimals switch { 0 => 1, 3 => 1_000, _ => 100 };
}
