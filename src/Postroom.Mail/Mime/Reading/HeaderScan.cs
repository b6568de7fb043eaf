using System.Text;

namespace Postroom.Mail;

/// <summary>Finds the ends of quoted texts and comments in a header (RFC 5322 §3.2).</summary>
internal static class HeaderScan
{
    private const int MaxCommentDepth = 64;

    /// <summary>Reads a quoted text; one without an end goes to the end.</summary>
    /// <param name="text">The header.</param>
    /// <param name="at">Stands on the opening quote, and afterwards behind the closing one.</param>
    public static string Quoted(string text, ref int at)
    {
        StringBuilder plain = new();
        at++;
        while (at < text.Length && text[at] != '"')
        {
            at += text[at] == '\\' && at + 1 < text.Length ? 1 : 0;
            plain.Append(text[at]);
            at++;
        }

        at = Math.Min(at + 1, text.Length);
        return plain.ToString();
    }

    /// <summary>Where a comment ends, comments inside it included; one without an end goes to the end.</summary>
    public static int AfterComment(string text, int at)
    {
        int depth = 0;
        while (at < text.Length)
        {
            switch (text[at])
            {
                case '\\':
                    at++;
                    break;
                case '(' when depth < MaxCommentDepth:
                    depth++;
                    break;
                case ')' when --depth == 0:
                    return at + 1;
            }

            at++;
        }

        return text.Length;
    }
}
