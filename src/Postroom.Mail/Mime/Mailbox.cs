using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Text;

namespace Postroom.Mail;

/// <summary>One mail address with the name shown beside it (RFC 5322 §3.4 <c>mailbox</c>), under rules stricter than the RFC.</summary>
/// <remarks>
/// What could end a command or a header early is no address here: no quoted local parts, comments, blanks, angle brackets or control characters.
/// An international domain is kept in its ASCII form (RFC 5890), so that only the local part may need SMTPUTF8.
/// </remarks>
/// <param name="Name">The name shown; empty for none.</param>
/// <param name="LocalPart">What stands before the at sign.</param>
/// <param name="Domain">The domain in ASCII, or an address literal in brackets.</param>
internal sealed record Mailbox(string Name, string LocalPart, string Domain)
{
    /// <summary>The rule, for error messages.</summary>
    public const string Rule = "Write name@example.org or Name <name@example.org>, without quotes, blanks or control characters in the address.";

    private const int MaxAddress = 254; // RFC 5321 §4.5.3.1.3: a path of 256 octets has two brackets.
    private const int MaxLocalPart = 64; // RFC 5321 §4.5.3.1.1
    private const int MaxDomain = 253;
    private const int MaxText = 4_096;

    private static readonly IdnMapping Idn = new() { UseStd3AsciiRules = true };

    /// <summary>The address without the name.</summary>
    public string Address => $"{LocalPart}@{Domain}";

    /// <summary>Whether only a server with SMTPUTF8 (RFC 6531) takes it.</summary>
    public bool NeedsSmtpUtf8 => !Ascii.IsValid(LocalPart);

    /// <summary>Reads an address, with or without a name.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static Mailbox Parse(string text) => TryParse(text, out Mailbox? mailbox) ? mailbox : throw new FormatException($"'{Names.Shorten(text)}' is no mail address. {Rule}");

    /// <summary>Reads an address if it is one.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out Mailbox? mailbox)
    {
        mailbox = null;
        if (text is null || text.Length > MaxText || HeaderText.Breaks(text))
        {
            return false;
        }

        string trimmed = text.Trim(' ', '\t');
        int open = trimmed.EndsWith('>') ? trimmed.LastIndexOf('<') : -1;
        string address = open < 0 ? trimmed : trimmed[(open + 1)..^1];
        int at = address.LastIndexOf('@');
        if (at <= 0 || !IsLocalPart(address.AsSpan(0, at)) || DomainOf(address[(at + 1)..]) is not { } domain)
        {
            return false;
        }

        Mailbox read = new(open < 0 ? "" : Unquote(trimmed[..open].Trim(' ', '\t')), address[..at], domain);
        mailbox = Encoding.UTF8.GetByteCount(read.Address) <= MaxAddress ? read : null;
        return mailbox is not null;
    }

    /// <summary>Reads addresses separated by commas; a comma between quotes separates nothing, blank items are left out.</summary>
    /// <exception cref="FormatException">An item is no address.</exception>
    public static IReadOnlyList<Mailbox> ParseList(string text)
    {
        List<Mailbox> list = [];
        bool quoted = false;
        int begin = 0;
        for (int i = 0; i <= text.Length; i++)
        {
            char c = i < text.Length ? text[i] : ',';
            if (c == '\\' && quoted)
            {
                i++;
            }
            else if (c == '"')
            {
                quoted = !quoted;
            }
            else if (i >= text.Length || (c == ',' && !quoted))
            {
                if (text[begin..i] is var item && !string.IsNullOrWhiteSpace(item))
                {
                    list.Add(Parse(item));
                }

                begin = i + 1;
            }
        }

        // A quote that is not closed, or a last backslash, swallows the end: what is left must be an address too.
        return begin < text.Length ? [.. list, Parse(text[begin..])] : list;
    }

    /// <summary>Whether a text is a host name or an address literal as SMTP takes it; international names in any form.</summary>
    public static bool IsDomain(string text) => DomainOf(text) is not null;

    private static string Unquote(string name)
    {
        if (name.Length < 2 || name[0] != '"' || name[^1] != '"')
        {
            return name;
        }

        StringBuilder plain = new(name.Length);
        for (int i = 1; i < name.Length - 1; i++)
        {
            i += name[i] == '\\' && i < name.Length - 2 ? 1 : 0;
            plain.Append(name[i]);
        }

        return plain.ToString();
    }

    private static bool IsLocalPart(ReadOnlySpan<char> text)
    {
        if (text[0] == '.' || text[^1] == '.' || text.Contains("..", StringComparison.Ordinal) || Encoding.UTF8.GetByteCount(text) > MaxLocalPart)
        {
            return false;
        }

        while (!text.IsEmpty)
        {
            if (Rune.DecodeFromUtf16(text, out Rune rune, out int length) != System.Buffers.OperationStatus.Done || !IsAtom(rune))
            {
                return false;
            }

            text = text[length..];
        }

        return true;
    }

    private static bool IsAtom(Rune rune)
    {
        if (rune.IsAscii)
        {
            return HeaderText.IsAtom((char)rune.Value) || rune.Value == '.';
        }

        // RFC 6532 §3.2 takes anything above ASCII; what cannot be seen or looks like a blank is kept out.
        return Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
            or UnicodeCategory.SpaceSeparator or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse or UnicodeCategory.Surrogate);
    }

    private static string? DomainOf(string text)
    {
        if (text is ['[', .. var literal, ']'])
        {
            bool six = literal.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase);
            string number = six ? literal[5..] : literal;
            return IPAddress.TryParse(number, out IPAddress? address) && number.All(c => char.IsAsciiHexDigit(c) || c is '.' or ':') && number.Contains(':', StringComparison.Ordinal) == six
                ? $"[{(six ? "IPv6:" : "")}{address}]"
                : null;
        }

        string ascii = text;
        if (!Ascii.IsValid(text))
        {
            try
            {
                ascii = Idn.GetAscii(text);
            }
            catch (ArgumentException)
            {
                return null;
            }
        }

        return ascii.Length <= MaxDomain && ascii.Split('.').All(IsLabel) ? ascii : null;
    }

    private static bool IsLabel(string label)
    {
        return label.Length is > 0 and <= 63 && label[0] != '-' && label[^1] != '-' && label.All(c => char.IsAsciiLetterOrDigit(c) || c == '-');
    }
}
