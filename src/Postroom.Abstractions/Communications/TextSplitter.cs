using System.Globalization;

namespace Postroom;

/// <summary>Cuts plain text into parts that a channel takes (TG-4).</summary>
internal static class TextSplitter
{
    /// <summary>A part is cut at a blank when it has this part of its limit at least.</summary>
    private const int LeastFilled = 4;

    /// <summary>
    /// Line ends become LF; lines go in groups; a group over the limit is cut at the last line end that fits, else at the last blank that leaves the
    /// part a quarter of the limit at least (one that ends far before would hold a word or two), else between two characters as people see them, and never inside a
    /// surrogate pair. Blank parts are left out; what separates two parts is not repeated in them.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="limit">The longest part, in UTF-16 units; at least 2.</param>
    /// <param name="lines">How many lines one part has at most; null for no such limit.</param>
    public static IReadOnlyList<string> Split(string text, int limit, int? lines = null)
    {
        string unix = text.ReplaceLineEndings("\n");
        return [.. Ranges(unix, limit, lines).Select(range => unix[range])];
    }

    /// <summary>The same parts as places in the text, for a channel whose markup has to be cut with it.</summary>
    /// <param name="text">The text; its line ends are LF.</param>
    /// <param name="limit">The longest part, in UTF-16 units; at least 2.</param>
    /// <param name="lines">How many lines one part has at most; null for no such limit.</param>
    public static IReadOnlyList<Range> Ranges(string text, int limit, int? lines = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 2);
        List<Range> parts = [];
        foreach ((int begin, int stop) in Groups(text, lines))
        {
            int at = begin;
            while (stop - at > limit)
            {
                (int end, int next) = Cut(text.AsSpan(at, stop - at), limit);
                Add(parts, text, at, at + end);
                at += next;
            }

            Add(parts, text, at, stop);
        }

        return parts;
    }

    private static IEnumerable<(int Begin, int End)> Groups(string text, int? lines)
    {
        if (lines is not { } most)
        {
            yield return (0, text.Length);
            yield break;
        }

        int begin = 0;
        while (begin < text.Length)
        {
            int end = begin;
            for (int line = 0; line < most && end < text.Length; line++)
            {
                int found = text.IndexOf('\n', end);
                end = found < 0 ? text.Length : found + 1;
            }

            yield return (begin, end < text.Length || text[end - 1] == '\n' ? end - 1 : end);
            begin = end;
        }
    }

    /// <summary>Where a part ends, and where the next begins.</summary>
    private static (int End, int Next) Cut(ReadOnlySpan<char> text, int limit)
    {
        // A separator just behind the limit still ends a part that fits.
        ReadOnlySpan<char> reach = text[..Math.Min(text.Length, limit + 1)];
        int line = reach.LastIndexOf('\n');
        if (line > 0)
        {
            return (line, line + 1);
        }

        int blank = reach.LastIndexOfAny(' ', '\t');
        if (blank > 0 && blank >= limit / LeastFilled)
        {
            return (blank, blank + 1);
        }

        int end = 0;
        while (end < limit)
        {
            int length = StringInfo.GetNextTextElementLength(text[end..]);
            if (end + length > limit)
            {
                break;
            }

            end += length;
        }

        if (end == 0)
        {
            end = char.IsHighSurrogate(text[limit - 1]) ? limit - 1 : limit; // one character of very many code points
        }

        return (end, end);
    }

    private static void Add(List<Range> parts, string text, int begin, int end)
    {
        if (!text.AsSpan(begin, end - begin).IsWhiteSpace())
        {
            parts.Add(begin..end);
        }
    }
}
