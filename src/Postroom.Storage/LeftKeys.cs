namespace Postroom.Storage;

/// <summary>How many messages of an order key a lane has left on disk since it overflowed, at most. Guarded by its lane's lock.</summary>
/// <remarks>
/// Keys that share a cell are counted together and nothing is ever counted out, so the answer may be too high and never too low: below a limit it
/// spares the store a count of its own for every message that comes while there is a backlog. It has 256 KiB whatever comes.
/// </remarks>
internal sealed class LeftKeys
{
    private const int Cells = 1 << 16;

    private readonly int[] _counts = new int[Cells];

    private bool _isUsed;

    /// <summary>Forgets all, so that it serves a lane again which overflows now and then.</summary>
    public void Clear()
    {
        if (_isUsed)
        {
            Array.Clear(_counts);
            _isUsed = false;
        }
    }

    /// <summary>Counts a message that is left on disk.</summary>
    public void Add(Envelope message)
    {
        _isUsed = true;
        if (message.StartsKey)
        {
            // Its key is its id, which it has no text of yet.
            Span<char> own = stackalloc char[MessageId.TextLength];
            _ = message.Id.TryFormat(own, out _, default, null);
            _counts[Cell(own)]++;
        }
        else if (message.OrderKey is { Length: > 0 } key)
        {
            _counts[Cell(key)]++;
        }
    }

    /// <summary>How many messages of a key were left, or more.</summary>
    public int AtMost(string key) => _counts[Cell(key)];

    private static int Cell(ReadOnlySpan<char> key) => string.GetHashCode(key, StringComparison.Ordinal) & (Cells - 1); // seeded for each process, so that nobody aims at a cell
}
