using System.Text;

namespace Postroom.Mail;

/// <summary>Reads address lists (RFC 5322 §3.4 with the obsolete forms of §4.4): names, quotes, comments, routes and groups. A bad address becomes a note.</summary>
internal static class AddressReader
{
    /// <summary>The most addresses of one header; further ones are left out and noted.</summary>
    public const int MaxAddresses = 10_000;

    private const int MaxAddress = 998; // a whole line; RFC 5321 §4.5.3.1 allows 256
    private const int MaxDisplayName = 998;

    /// <summary>Reads a list.</summary>
    /// <param name="header">The header's bytes.</param>
    /// <param name="problems">Gets the addresses that cannot be read.</param>
    public static IReadOnlyList<MailAddress> Read(ReadOnlySpan<byte> header, Problems problems)
    {
        string text = HeaderDecoder.Latin(header);
        List<MailAddress> list = [];
        int at = 0;
        while (at < text.Length)
        {
            if (list.Count >= MaxAddresses)
            {
                problems.Add($"A header has more than {MaxAddresses} addresses; the rest is left out.");
                break;
            }

            if (ReadOne(text, ref at, problems) is { } address)
            {
                list.Add(address);
            }
        }

        return list;
    }

    /// <summary>Reads the address of a path such as <c>Return-Path</c>: what stands between the brackets, or the whole without them.</summary>
    public static string Path(ReadOnlySpan<byte> header, Problems problems)
    {
        string text = HeaderDecoder.Text(header, problems);
        int open = text.IndexOf('<', StringComparison.Ordinal);
        int close = text.LastIndexOf('>');
        return (open >= 0 && close > open ? text[(open + 1)..close] : text).Trim();
    }

    private static MailAddress? ReadOne(string text, ref int at, Problems problems)
    {
        StringBuilder words = new(); // what stands outside brackets, quotes taken off
        StringBuilder bare = new(); // the same with quotes and without blanks, should it be the address
        string? comment = null;
        string? angle = null;
        bool hasAt = false;
        int begin = at;
        while (at < text.Length)
        {
            char c = text[at];
            switch (c)
            {
                case '"' when text.IndexOf('"', at + 1) < 0:
                    at++; // A quote that nothing closes quotes nothing.
                    continue;
                case '"':
                    int quote = at;
                    words.Append(HeaderScan.Quoted(text, ref at));
                    bare.Append(text, quote, at - quote);
                    continue;
                case '(':
                    int after = HeaderScan.AfterComment(text, at);
                    comment = text[(at + 1)..Math.Max(at + 1, after - 1)];
                    at = after;
                    continue;
                case '<':
                    int close = text.IndexOf('>', at);
                    angle = text[(at + 1)..(close < 0 ? text.Length : close)];
                    at = close < 0 ? text.Length : close + 1;
                    continue;
                case '[':
                    int end = text.IndexOf(']', at);
                    end = end < 0 ? text.Length - 1 : end;
                    words.Append(text, at, end + 1 - at);
                    bare.Append(text, at, end + 1 - at);
                    at = end + 1;
                    continue;
                case ':' when angle is null && !hasAt:
                    // The name of a group: its members follow as if they stood alone.
                    words.Clear();
                    bare.Clear();
                    comment = null;
                    begin = ++at;
                    continue;
                case ',' or ';':
                    at++;
                    return Make(text[begin..(at - 1)], words, bare, comment, angle, problems);
            }

            words.Append(c);
            hasAt |= c == '@';
            if (!char.IsWhiteSpace(c))
            {
                bare.Append(c);
            }

            at++;
        }

        return Make(text[begin..at], words, bare, comment, angle, problems);
    }

    private static MailAddress? Make(string whole, StringBuilder words, StringBuilder bare, string? comment, string? angle, Problems problems)
    {
        if (string.IsNullOrWhiteSpace(whole))
        {
            return null;
        }

        string address = angle is null ? bare.ToString() : Inside(angle);
        int at = address.LastIndexOf('@');
        if (at <= 0 || at == address.Length - 1 || address.Length > MaxAddress || address.Any(char.IsControl))
        {
            // A group without members is an address list with nobody in it, as undisclosed recipients are.
            if (angle is not null || bare.Length > 0)
            {
                problems.Add($"'{Names.Shorten(HeaderDecoder.Words(whole.Trim(), new Problems()))}' is no address and is left out.");
            }

            return null;
        }

        string name = angle is null ? comment ?? "" : words.ToString();
        name = name.Length == 0 ? comment ?? "" : name;
        name = HeaderDecoder.Words(string.Join(' ', name.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)), problems).Trim();
        int end = name.Length <= MaxDisplayName ? name.Length : char.IsHighSurrogate(name[MaxDisplayName - 1]) ? MaxDisplayName - 1 : MaxDisplayName;

        // An encoded word is none in an address (RFC 2047 §5), and whoever decoded one would let the sender write any address at all.
        return new MailAddress(name[..end], HeaderDecoder.Plain(address, problems));
    }

    /// <summary>The address between brackets, without comments, blanks and the obsolete route (RFC 5322 §4.4).</summary>
    private static string Inside(string angle)
    {
        StringBuilder plain = new(angle.Length);
        int at = 0;
        while (at < angle.Length)
        {
            if (angle[at] == '(')
            {
                at = HeaderScan.AfterComment(angle, at);
            }
            else if (angle[at] == '"')
            {
                int quote = at;
                HeaderScan.Quoted(angle, ref at);
                plain.Append(angle, quote, at - quote);
            }
            else
            {
                if (!char.IsWhiteSpace(angle[at]))
                {
                    plain.Append(angle[at]);
                }

                at++;
            }
        }

        string address = plain.ToString();
        return address.StartsWith('@') && address.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon ? address[(colon + 1)..] : address;
    }
}
