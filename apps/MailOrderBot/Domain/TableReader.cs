using System.Globalization;
using System.Text.RegularExpressions;

namespace MailOrderBot.Domain;

/// <summary>Reads the rows of a table whose heading says what its columns hold (MB-7). A table ends with an empty line, or with one that has no columns. Not safe for concurrent use.</summary>
internal sealed partial class TableReader
{
    private static readonly HashSet<string> Sums = new(["total", "subtotal", "sum", "summe", "gesamt", "zwischensumme", "versand", "shipping", "porto"], StringComparer.OrdinalIgnoreCase);

    private TableColumns? _columns;
    private Parting _parting;
    private int _width;

    private enum Parting
    {
        Tabs,
        Bars,
        Blanks,
        Words,
    }

    /// <summary>Takes the next line of the text.</summary>
    /// <param name="line">The line with the blanks it begins with.</param>
    /// <param name="row">What it orders; null for nothing.</param>
    /// <returns>Whether it belongs to a table; otherwise it is to be read as any line.</returns>
    public bool TryTake(string line, out RequestedLine? row)
    {
        row = null;
        if (string.IsNullOrWhiteSpace(line))
        {
            _columns = null;
            return false;
        }

        if (Heading(line) is { } heading)
        {
            _columns = heading;
            return true;
        }

        if (_columns is not { } columns)
        {
            return false;
        }

        if (!line.Any(char.IsLetterOrDigit))
        {
            return true; // a rule below the heading
        }

        string[] cells = Cells(line, _parting);
        if (cells.Length < 2)
        {
            _columns = null;
            return false;
        }

        row = Row(line.Trim(), cells, columns);
        return true;
    }

    private RequestedLine? Row(string line, string[] cells, TableColumns columns)
    {
        string raw = line.Trim('|', ' ', '\t');
        if (columns.Quantity < 0)
        {
            return new RequestedLine(raw, []) { IsItem = true, Unreadable = "no column of its table is said to be the quantity" };
        }

        string article = Cell(cells, columns.Article);
        string quantity = Quantity(Cell(cells, columns.Quantity));
        if (Sums.Contains((cells.FirstOrDefault(static cell => cell.Length > 0) ?? "").TrimEnd(':')) || Sums.Contains(article.TrimEnd(':')))
        {
            return null;
        }

        if (article.Length == 0 || quantity.Length == 0 || (_parting is Parting.Words or Parting.Blanks && cells.Length != _width))
        {
            return new RequestedLine(raw, []) { IsItem = true, Unreadable = "its table has another number of columns, or none for the quantity, in this row" };
        }

        return new RequestedLine(raw, [new LineReading(article, quantity)])
        {
            IsItem = true,
            IsCertain = true,
            AlsoNamed = [.. columns.AlsoNamed.Select(column => Cell(cells, column)).Where(static text => text.Length > 0)],
        };
    }

    private TableColumns? Heading(string line)
    {
        foreach (Parting parting in (Parting[])[Parting.Tabs, Parting.Bars, Parting.Blanks, Parting.Words])
        {
            string[] cells = Cells(line, parting);
            if (cells.Length < 2)
            {
                continue;
            }

            if (cells.Count(static cell => cell.Length > 0) > 1 && ColumnWords.Read(cells) is { Article: >= 0 } columns && cells.All(cell => IsHeading(cell, parting != Parting.Words && columns.Quantity >= 0)))
            {
                (_parting, _width) = (parting, cells.Length);
                return columns;
            }

            return null;
        }

        return null;
    }

    /// <summary>Whether a cell may be one of a heading: an unknown word only beside an article and a quantity, such as the colour.</summary>
    private static bool IsHeading(string cell, bool mayBeUnknown) => cell.Length == 0 || ColumnWords.Of(cell) != ColumnWords.Column.None || (mayBeUnknown && !cell.Any(char.IsAsciiDigit));

    private static string[] Cells(string line, Parting parting) => [.. (parting switch
    {
        Parting.Tabs => line.Split('\t'),
        Parting.Bars => line.Trim().Trim('|').Split('|'),
        Parting.Blanks => Blanks().Split(line.Trim()),
        _ => line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries),
    }).Select(static cell => BodyOrderReader.WithoutEmphasis(cell.Trim()))];

    private static string Cell(string[] cells, int at) => at >= 0 && at < cells.Length ? cells[at] : "";

    /// <summary>The quantity of a cell, without its unit; what is none stays as it is written.</summary>
    private static string Quantity(string cell)
    {
        string[] words = [.. LineTokens.Of(cell).Select(static token => token.Text).Where(static word => !OrderWords.IsUnit(word) && !OrderWords.IsTimes(word))];
        return words is [var one] ? OrderWords.NumberOf(one)?.ToString(CultureInfo.InvariantCulture) ?? one : cell;
    }

    [GeneratedRegex(@"\s{2,}")]
    private static partial Regex Blanks();
}
