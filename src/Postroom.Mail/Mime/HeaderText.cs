using System.Text;

namespace Postroom.Mail;

/// <summary>What characters mean in a header, in one place for writing and reading.</summary>
internal static class HeaderText
{
    /// <summary>Whether a text would end its header or command early, or be cut by a reader that ends texts at NUL.</summary>
    public static bool Breaks(string text) => text.AsSpan().IndexOfAny('\r', '\n', '\0') >= 0;

    /// <summary>Whether a character needs no quotes in a name or address (RFC 5322 §3.2.3 <c>atext</c>).</summary>
    public static bool IsAtom(char c) => char.IsAsciiLetterOrDigit(c) || c is '!' or '#' or '$' or '%' or '&' or '\'' or '*' or '+' or '-' or '/' or '=' or '?' or '^' or '_' or '`' or '{' or '|' or '}' or '~';

    /// <summary>Whether a character needs no quotes in a parameter (RFC 2045 §5.1 <c>token</c>).</summary>
    public static bool IsToken(char c) => c is > ' ' and < '\x7F' && !"()<>@,;:\\\"/[]?=".Contains(c, StringComparison.Ordinal);

    /// <summary>Whether a text is one token.</summary>
    public static bool IsToken(string text) => text.Length > 0 && text.All(IsToken);

    /// <summary>Whether a text is printable ASCII that no reader takes for encoded words.</summary>
    public static bool IsPrintable(string text) => text.All(c => c is >= ' ' and <= '~') && !text.Contains("=?", StringComparison.Ordinal);

    /// <summary>
    /// Whether a text arrives as it is when folded between its words: printable, no word longer than a line, and no blank that folding or trimming could lose.
    /// </summary>
    public static bool IsPlain(string text) => IsPrintable(text) && text.Split(' ').All(word => word.Length is > 0 and <= EncodedWords.MaxLength);

    /// <summary>The text between quotes, quotes and backslashes escaped (RFC 5322 §3.2.4).</summary>
    public static string Quote(string text)
    {
        StringBuilder quoted = new("\"");
        foreach (char c in text)
        {
            if (c is '"' or '\\')
            {
                quoted.Append('\\');
            }

            quoted.Append(c);
        }

        return quoted.Append('"').ToString();
    }
}
