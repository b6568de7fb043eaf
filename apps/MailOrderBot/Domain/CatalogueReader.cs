using System.Globalization;

namespace MailOrderBot.Domain;

/// <summary>What a catalogue file says: its articles, or why it is refused as a whole.</summary>
/// <param name="Products">The articles, in order; only to be used when there are no problems.</param>
/// <param name="Problems">What is wrong, with line numbers; empty for a good file.</param>
internal sealed record CatalogueFile(IReadOnlyList<Product> Products, IReadOnlyList<string> Problems);

/// <summary>Reads the catalogue (MB-20): <c>sku,name,price,tax,pack,stock,active,aliases</c>, and <c>unit</c> and <c>currency</c> where they differ from the usual.</summary>
internal static class CatalogueReader
{
    /// <summary>The longest file in bytes.</summary>
    public const int MaxLength = 16 * 1024 * 1024;

    private const int MaxRows = 100_000;
    private const int MaxProblems = 20;
    private const int MaxWord = 200;
    private const long MaxStock = 1_000_000_000_000;
    private static readonly string[] Needed = ["sku", "name", "price"];
    private static readonly string[] Known = ["sku", "name", "price", "tax", "pack", "stock", "active", "aliases", "unit", "currency"];

    /// <summary>Reads a file. Never fails.</summary>
    /// <param name="text">The file.</param>
    /// <param name="currency">The currency of rows that name none.</param>
    public static CatalogueFile Read(string text, string currency)
    {
        IReadOnlyList<CsvRow> rows;
        try
        {
            rows = CsvReader.Read(text, CsvReader.DelimiterOf(text), MaxRows);
        }
        catch (CsvException e)
        {
            return new CatalogueFile([], [e.Message]);
        }

        if (rows.Count == 0)
        {
            return new CatalogueFile([], []);
        }

        List<string> columns = [.. rows[0].Fields.Select(field => field.Trim().ToLowerInvariant())];
        string[] missing = [.. Needed.Except(columns)];
        string[] unknown = [.. columns.Where(column => column.Length > 0).Except(Known)];
        if (missing.Length > 0 || unknown.Length > 0)
        {
            string wrong = missing.Length > 0 ? $"has no column {string.Join(", ", missing)}" : $"has unknown columns: {string.Join(", ", unknown)}";
            return new CatalogueFile([], [$"Line {rows[0].Line} {wrong}. The columns are {string.Join(", ", Known)}."]);
        }

        Reading reading = new(columns, currency);
        foreach (CsvRow row in rows.Skip(1))
        {
            reading.Add(row);
        }

        return new CatalogueFile(reading.Products, reading.Problems.Count <= MaxProblems ? reading.Problems : [.. reading.Problems.Take(MaxProblems), $"and {reading.Problems.Count - MaxProblems} more"]);
    }

    /// <summary>One pass over the rows.</summary>
    private sealed class Reading(List<string> columns, string currency)
    {
        private readonly Dictionary<string, int> _lines = new(StringComparer.OrdinalIgnoreCase);

        public List<Product> Products { get; } = [];

        public List<string> Problems { get; } = [];

        public void Add(CsvRow row)
        {
            int before = Problems.Count;
            string sku = Word(row, "sku");
            string own = Field(row, "currency").ToUpperInvariant();
            own = own.Length == 0 ? currency : own;
            Require(row, Money.IsCurrency(own), $"the currency '{own}' is not three letters, such as EUR");
            Require(row, Money.TryParse(Field(row, "price"), own, out long price), $"the price '{Field(row, "price")}' is not an amount up to {Money.Format(Money.MaxPrice, own)}, such as 4.50");
            if (sku.Length > 0 && !_lines.TryAdd(sku, row.Line))
            {
                Problems.Add($"Line {row.Line}: article {sku} is already on line {_lines[sku]}.");
            }

            Product product = new()
            {
                Sku = sku,
                Name = Word(row, "name"),
                Currency = own,
                PriceMinor = price,
                TaxBasisPoints = Tax(row),
                PackSize = (int)Number(row, "pack", 1, 1, 1_000_000),
                Stock = Number(row, "stock", 0, 0, MaxStock),
                Active = Flag(row),
                Unit = Field(row, "unit") is { Length: > 0 and <= MaxWord } unit ? unit : "piece",
                Aliases = [.. Field(row, "aliases").Split('|', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)],
            };
            if (Problems.Count == before)
            {
                Products.Add(product);
            }
        }

        private string Field(CsvRow row, string column) => columns.IndexOf(column) is >= 0 and var at && at < row.Fields.Count ? row.Fields[at].Trim() : "";

        private string Word(CsvRow row, string column)
        {
            string word = Field(row, column);
            Require(row, word.Length is > 0 and <= MaxWord && !word.Any(char.IsControl), $"{column} has {word.Length} characters; it has 1 to {MaxWord}, in one line");
            return word;
        }

        private int Tax(CsvRow row)
        {
            string text = Field(row, "tax").TrimEnd('%', ' ').Replace(',', '.');
            bool good = decimal.TryParse(text.Length == 0 ? "0" : text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal percent)
                && percent <= 100 && decimal.Truncate(percent * 100) == percent * 100;
            Require(row, good, $"the tax '{Field(row, "tax")}' is not a rate in percent from 0 to 100 with at most two decimals");
            return good ? (int)(percent * 100) : 0;
        }

        private long Number(CsvRow row, string column, long fallback, long min, long max)
        {
            string text = Field(row, column);
            long number = fallback;
            Require(
                row,
                text.Length == 0 || (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number >= min && number <= max),
                string.Create(CultureInfo.InvariantCulture, $"{column} is '{text}'; it is a whole number from {min} to {max}"));
            return number;
        }

        private bool Flag(CsvRow row)
        {
            string text = Field(row, "active").ToLowerInvariant();
            bool no = text is "0" or "no" or "false";
            Require(row, no || text is "" or "1" or "yes" or "true", $"active is '{text}'; it is yes or no");
            return !no;
        }

        private void Require(CsvRow row, bool condition, string problem)
        {
            if (!condition)
            {
                Problems.Add($"Line {row.Line}: {problem}.");
            }
        }
    }
}
