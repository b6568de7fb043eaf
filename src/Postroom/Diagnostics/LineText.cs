using System.Globalization;
using System.Text;

namespace Postroom.Diagnostics;

/// <summary>Texts that go on one line: what would end it, or steer a terminal, is escaped.</summary>
internal static class LineText
{
    /// <summary>The text with its control characters and line separators as escapes; the same instance when it has none.</summary>
    public static string Escape(string text)
    {
        if (!text.Any(Breaks))
        {
            return text;
        }

        StringBuilder escaped = new(text.Length + 16);
        foreach (char c in text)
        {
            _ = c switch
            {
                '\n' => escaped.Append("\\n"),
                '\r' => escaped.Append("\\r"),
                '\t' => escaped.Append("\\t"),
                _ when Breaks(c) => escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => escaped.Append(c),
            };
        }

        return escaped.ToString();
    }

    // Marks that turn the direction of a text show a line other than it is.
    private static bool Breaks(char c) => char.IsControl(c) || c is '\u2028' or '\u2029' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069');
}
