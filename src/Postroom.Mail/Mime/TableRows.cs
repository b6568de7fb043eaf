using System.Text;

namespace Postroom.Mail;

/// <summary>Makes a row of an HTML table one line of text, with tabs between its cells: breaks around what a cell holds are left out, those within it stay.</summary>
/// <remarks>Tables may nest, as they do where they lay out a page. Not safe for concurrent use.</remarks>
internal sealed class TableRows(StringBuilder text)
{
    private const int NoCell = -1;

    private readonly Stack<(int Row, int Cell, bool HasCell)> _outer = new();
    private int _row; // where the row begins in the text
    private int _cell = NoCell; // where the open cell begins
    private bool _hasCell; // in this row

    /// <summary>Whether a cell is open that has nothing yet.</summary>
    public bool IsAtCellBegin => _cell == text.Length;

    /// <summary>Begins or ends a table; an end without a beginning does nothing.</summary>
    public void Nest(bool begins)
    {
        if (begins)
        {
            _outer.Push((_row, _cell, _hasCell));
            (_row, _cell, _hasCell) = (text.Length, NoCell, false);
        }
        else if (_outer.TryPop(out (int Row, int Cell, bool HasCell) outer))
        {
            (_row, _cell, _hasCell) = outer;
        }
    }

    /// <summary>Keeps what the open cell holds up to here as it is: a quote begins or ends, which is a matter of whole lines.</summary>
    public void Keep() => _cell = _cell == NoCell ? NoCell : text.Length;

    /// <summary>Begins a row where the text ends.</summary>
    public void BeginRow() => (_row, _hasCell) = (text.Length, false);

    /// <summary>Begins a cell; the one before it ends.</summary>
    public void BeginCell()
    {
        EndCell();
        if (text.Length > _row && text[^1] == ' ')
        {
            text.Length--; // Between the tags.
        }

        // Also behind an empty first cell, so that each cell stands in its column.
        if (text.Length > _row ? text[^1] != '\n' : _hasCell)
        {
            text.Append('\t');
        }

        (_cell, _hasCell) = (text.Length, true);
    }

    /// <summary>Ends the open cell, if there is one: blanks and breaks behind what it holds are taken back.</summary>
    public void EndCell()
    {
        if (_cell == NoCell)
        {
            return;
        }

        int end = text.Length;
        while (end > _cell && text[end - 1] is ' ' or '\n' or '\t')
        {
            end--;
        }

        text.Length = end;
        _cell = NoCell;
    }
}
