namespace MailOrderBot.Domain;

/// <summary>Reads an order from a CSV file (MB-6): a header row that names article and quantity, then a line per row.</summary>
internal static class CsvOrderReader
{
    /// <summary>The longest file in bytes.</summary>
    public const int MaxLength = 1024 * 1024;

    private const int MaxRows = 20_000;
    private const int MaxNote = 1_000;

    /// <summary>Reads a file. Never fails; what cannot be read is a problem of the request.</summary>
    /// <param name="name">The file's name, for problems.</param>
    /// <param name="bytes">The file.</param>
    /// <param name="charset">The declared charset; null for none.</param>
    public static OrderRequest Read(string name, ReadOnlySpan<byte> bytes, string? charset)
    {
        if (bytes.Length > MaxLength)
        {
            return Problem($"The file {name} has {bytes.Length} bytes; the limit is {MaxLength}. Please split the order.");
        }

        string text = TextDecoder.Decode(bytes, charset);
        try
        {
            return Read(name, CsvReader.Read(text, CsvReader.DelimiterOf(text), MaxRows));
        }
        catch (CsvException e)
        {
            return Problem($"The file {name} cannot be read: {e.Message}");
        }
    }

    private static OrderRequest Read(string name, IReadOnlyList<CsvRow> rows)
    {
        if (rows.Count == 0)
        {
            return Problem($"The file {name} is empty.");
        }

        TableColumns columns = ColumnWords.Read(rows[0].Fields);
        if (columns.Article < 0 || columns.Quantity < 0)
        {
            return Problem($"The first row of {name} has to name the columns sku (or article, item, Artikel, Artikelnummer) and quantity (or qty, amount, Menge, Anzahl).");
        }

        List<RequestedLine> lines = [];
        List<string> notes = [];
        foreach (CsvRow row in rows.Skip(1))
        {
            string sku = Field(row, columns.Article);
            string count = Field(row, columns.Quantity);
            string raw = $"{sku}: {count}";
            if (Field(row, columns.Note) is { Length: > 0 } said)
            {
                notes.Add($"{sku}: {said}");
            }

            lines.Add(new RequestedLine(raw, [new LineReading(sku, count)])
            {
                IsCertain = true,
                AlsoNamed = [.. columns.AlsoNamed.Select(column => Field(row, column)).Where(static text => text.Length > 0)],
                Malformed = sku.Length == 0 ? $"line {row.Line} of {name} has no article" : count.Length == 0 ? $"line {row.Line} of {name} has no quantity" : null,
            });
        }

        string all = string.Join('\n', notes);
        return new OrderRequest { Lines = lines, Note = all.Length == 0 ? null : all.Length <= MaxNote ? all : all[..(char.IsHighSurrogate(all[MaxNote - 1]) ? MaxNote - 1 : MaxNote)] };
    }

    private static OrderRequest Problem(string text) => new() { Problems = [text] };

    private static string Field(CsvRow row, int column) => column >= 0 && column < row.Fields.Count ? row.Fields[column].Trim() : "";
}
