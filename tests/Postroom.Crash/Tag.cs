using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Postroom.Crash;

/// <summary>The name of a message in the ledger: <c>q3.k1.17.f</c> is queue, key, number of the key and kind; a child adds <c>.c0</c>.</summary>
/// <param name="Text">The name.</param>
/// <param name="Queue">The queue, <c>kids</c> for a child.</param>
/// <param name="Key">The key of the message or of its parent.</param>
/// <param name="Number">The number of the key.</param>
/// <param name="Kind">f fast, d appended with a delay and so in no order, s slow, t throws once, c has children, e counts in a checkpoint.</param>
/// <param name="Child">Which child; null for none.</param>
public sealed record Tag(string Text, string Queue, string Key, long Number, char Kind, int? Child)
{
    /// <summary>The name of the parent, or of the message itself.</summary>
    public string Parent => Child is null ? Text : Text[..Text.LastIndexOf('.')];

    /// <summary>What must be handled in order.</summary>
    public string Lane => $"{Queue}/{Key}";

    /// <summary>The place in its lane.</summary>
    public long Place => Child is { } child ? (Number * 8) + child : Number;

    /// <summary>Reads a name.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out Tag? tag)
    {
        string[] parts = text.Split('.');
        tag = null;
        if (parts.Length is not (4 or 5) || parts[3].Length != 1 || !long.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out long number))
        {
            return false;
        }

        int child = 0;
        if (parts.Length == 5 && (parts[4].Length != 2 || parts[4][0] != 'c' || !int.TryParse(parts[4].AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out child)))
        {
            return false;
        }

        tag = new Tag(text, parts.Length == 5 ? "kids" : parts[0], $"{parts[0]}.{parts[1]}", number, parts[3][0], parts.Length == 5 ? child : null);
        return true;
    }
}
