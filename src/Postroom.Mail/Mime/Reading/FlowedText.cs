using System.Text;

namespace Postroom.Mail;

/// <summary>Puts the lines of a text together again that its program broke to fit them (RFC 3676, <c>format=flowed</c>). Linear in the length.</summary>
internal static class FlowedText
{
    private const int DeepestQuote = 200;

    /// <summary>The text with its paragraphs as lines, with LF line ends.</summary>
    /// <param name="text">The text as it was sent.</param>
    /// <param name="deletesSpace">Whether the blank at the end of a broken line is not part of the text (<c>DelSp=yes</c>, §4.1).</param>
    public static string Unflow(string text, bool deletesSpace)
    {
        StringBuilder result = new(text.Length);
        int open = -1; // the depth of quotes of the paragraph that goes on; -1 for none
        ReadOnlySpan<char> rest = text;
        while (!rest.IsEmpty)
        {
            int end = rest.IndexOfAny('\r', '\n');
            ReadOnlySpan<char> line = end < 0 ? rest : rest[..end];
            rest = end < 0 ? [] : rest[(end + (rest[end..] is ['\r', '\n', ..] ? 2 : 1))..];

            int depth = 0;
            while (depth < line.Length && line[depth] == '>')
            {
                depth++;
            }

            ReadOnlySpan<char> content = line[depth..];
            content = content is [' ', ..] ? content[1..] : content; // stuffed, §4.4
            bool isSignature = content is "-- ";
            if (open >= 0 && (open != depth || isSignature))
            {
                result.Append('\n'); // A paragraph ends with its quote, whatever its last line says (§4.5).
                open = -1;
            }

            if (open < 0)
            {
                result.Append('>', Math.Min(depth, DeepestQuote)).Append(depth > 0 && content.Length > 0 ? " " : "");
            }

            bool flows = content is [.., ' '] && !isSignature;
            result.Append(flows && deletesSpace ? content[..^1] : content);
            open = flows ? depth : -1;
            if (!flows)
            {
                result.Append('\n');
            }
        }

        return result.ToString();
    }
}
