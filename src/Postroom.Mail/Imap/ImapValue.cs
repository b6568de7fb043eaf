using System.Globalization;
using System.Text;

namespace Postroom.Mail;

/// <summary>What a piece of an answer is.</summary>
internal enum ImapKind
{
    /// <summary><c>NIL</c>.</summary>
    Nil,

    /// <summary>A word without quotes.</summary>
    Atom,

    /// <summary>A quoted text or a literal.</summary>
    Text,

    /// <summary>A list in parentheses.</summary>
    List,
}

/// <summary>One piece of an answer (RFC 3501 §4).</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Bytes">The bytes of an atom or text.</param>
/// <param name="Items">The pieces of a list.</param>
internal sealed record ImapValue(ImapKind Kind, ReadOnlyMemory<byte> Bytes, IReadOnlyList<ImapValue> Items)
{
    /// <summary><c>NIL</c>.</summary>
    public static ImapValue Nil { get; } = new(ImapKind.Nil, default, []);

    /// <summary>The text as UTF-8, of which ASCII is the usual part.</summary>
    public string Text => Encoding.UTF8.GetString(Bytes.Span);

    /// <summary>The number; null when it is none.</summary>
    public uint? Number => Kind == ImapKind.Atom && uint.TryParse(Bytes.Span, NumberStyles.None, CultureInfo.InvariantCulture, out uint number) ? number : null;

    /// <summary>Whether it is this word.</summary>
    public bool Is(string word) => Kind == ImapKind.Atom && string.Equals(Text, word, StringComparison.OrdinalIgnoreCase);
}
