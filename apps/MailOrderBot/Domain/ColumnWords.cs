namespace MailOrderBot.Domain;

/// <summary>What the heading of a column says, in files and in tables of mails, in English and German.</summary>
internal static class ColumnWords
{
    private static readonly Dictionary<string, Column> Words = new (Column Column, string Words)[]
    {
        (Column.Number, "sku artikelnr artikelnummer artnr artno itemno itemnr itemnumber articleno articlenr articlenumber productno productnumber productcode produktnr bestellnr bestellnummer"),
        (Column.Article, "article item artikel product produkt ware articles items"),
        (Column.WeakNumber, "nr no nummer number code"),
        (Column.Description, "description bezeichnung beschreibung name artikelbezeichnung artikelname productname itemname text"),
        (Column.Quantity, "qty quantity amount menge anzahl stück stueck stk stückzahl pcs pieces bestellmenge"),
        (Column.Note, "note notiz bemerkung anmerkung comment kommentar"),
        (Column.Other, "pos position line zeile lfdnr room zimmer raum etage price preis einzelpreis stückpreis unitprice total gesamt gesamtpreis summe sum betrag eur € vat mwst ust tax netto brutto rabatt discount unit einheit date datum"),
    }.SelectMany(static one => one.Words.Split(' ').Select(word => (Word: word, one.Column))).ToDictionary(static one => one.Word, static one => one.Column, StringComparer.OrdinalIgnoreCase);

    /// <summary>What a column holds.</summary>
    internal enum Column
    {
        /// <summary>Nothing that is known.</summary>
        None,

        /// <summary>The number of an article.</summary>
        Number,

        /// <summary>An article, by number or name.</summary>
        Article,

        /// <summary>The number of an article or of the row.</summary>
        WeakNumber,

        /// <summary>The name of an article.</summary>
        Description,

        /// <summary>How many.</summary>
        Quantity,

        /// <summary>What the customer says about the row.</summary>
        Note,

        /// <summary>What is not read, such as a position or a price.</summary>
        Other,
    }

    /// <summary>What a heading says; <c>None</c> when it is no known one.</summary>
    public static Column Of(string heading) => Words.GetValueOrDefault(string.Concat(heading.Where(static c => char.IsLetter(c) || c == '€')));

    /// <summary>The columns of a heading row.</summary>
    /// <param name="headings">Its cells.</param>
    public static TableColumns Read(IReadOnlyList<string> headings)
    {
        Column[] columns = [.. headings.Select(Of)];
        int article = -1;
        foreach (Column kind in (Column[])[Column.Number, Column.Article, Column.Description, Column.WeakNumber])
        {
            article = article < 0 ? Array.IndexOf(columns, kind) : article;
        }

        return new TableColumns(
            article,
            Array.IndexOf(columns, Column.Quantity),
            Array.IndexOf(columns, Column.Note),
            [.. Enumerable.Range(0, columns.Length).Where(i => i != article && columns[i] is Column.Number or Column.Article or Column.Description)]);
    }
}

/// <summary>Where a table has what; -1 for nowhere.</summary>
/// <param name="Article">The article.</param>
/// <param name="Quantity">How many.</param>
/// <param name="Note">A note.</param>
/// <param name="AlsoNamed">Other columns that name the article.</param>
internal sealed record TableColumns(int Article, int Quantity, int Note, IReadOnlyList<int> AlsoNamed);
