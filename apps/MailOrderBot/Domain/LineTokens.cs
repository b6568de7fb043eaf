using System.Globalization;

namespace MailOrderBot.Domain;

/// <summary>What a piece of a line is.</summary>
internal enum TokenKind
{
    /// <summary>A word, a number or a text with digits.</summary>
    Word,

    /// <summary>A sign that parts what is listed, such as a comma.</summary>
    Break,

    /// <summary>A sign that joins an article and its quantity, such as a colon or a dash.</summary>
    Link,

    /// <summary>A sign behind which, or beside which, a price stands.</summary>
    Price,

    /// <summary>A question mark at the end of a word.</summary>
    Question,

    /// <summary>What is neither of these, such as an address of the web.</summary>
    Foreign,
}

/// <summary>One piece of a line.</summary>
/// <param name="Text">As written, with one kind of dash.</param>
/// <param name="Kind">What it is.</param>
internal readonly record struct Token(string Text, TokenKind Kind);

/// <summary>Takes a line apart. Brackets, quotes and the signs at the end of a sentence are left out. Linear in the length.</summary>
internal static class LineTokens
{
    /// <summary>The pieces of a line.</summary>
    public static List<Token> Of(string line)
    {
        List<Token> tokens = [];
        string text = Plain(line);
        int at = 0;
        while (at < text.Length)
        {
            char c = text[at];
            if (char.IsWhiteSpace(c))
            {
                if (c == '\t')
                {
                    tokens.Add(new Token("\t", TokenKind.Break));
                }

                at++;
            }
            else if (IsPlace(text, at, out int end))
            {
                tokens.Add(new Token(text[at..end], TokenKind.Foreign));
                at = end;
            }
            else if (char.IsLetter(c) || char.IsAsciiDigit(c) || IsSign(text, at))
            {
                end = EndOfWord(text, at + 1);
                AddWord(tokens, text[at..end]);
                at = end;
            }
            else
            {
                if (KindOf(c) is { } kind)
                {
                    tokens.Add(new Token(c.ToString(), kind));
                }

                at++;
            }
        }

        return tokens;
    }

    /// <summary>A text with one kind of dash, and without signs that nobody sees.</summary>
    public static string Plain(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange('\0', '~'))
        {
            return text;
        }

        return string.Create(text.Count(static c => !IsUnseen(c)), text, static (plain, all) =>
        {
            int to = 0;
            foreach (char c in all)
            {
                if (!IsUnseen(c))
                {
                    plain[to++] = c is (>= '\u2010' and <= '\u2015') or '\u2212' or '\uFE58' or '\uFE63' or '\uFF0D' ? '-' : c is '\u2019' or '\u2018' ? '\'' : c;
                }
            }
        });
    }

    private static bool IsUnseen(char c) => c is '\u00AD' or (>= '\u200B' and <= '\u200F') or '\u2060' or '\uFEFF';

    /// <summary>A quantity with its sign, such as <c>-2</c>; a dash between two words is none.</summary>
    private static bool IsSign(string text, int at) =>
        text[at] == '-' && at + 1 < text.Length && char.IsAsciiDigit(text[at + 1]) && (at == 0 || char.IsWhiteSpace(text[at - 1]));

    /// <summary>Whether an address of the web or of a mailbox stands here.</summary>
    private static bool IsPlace(string text, int at, out int end)
    {
        end = at;
        if (at > 0 && !char.IsWhiteSpace(text[at - 1]))
        {
            return false;
        }

        while (end < text.Length && !char.IsWhiteSpace(text[end]))
        {
            end++;
        }

        ReadOnlySpan<char> word = text.AsSpan(at, end - at);
        int sign = word.IndexOf('@');
        return word.Contains("://", StringComparison.Ordinal) || word.StartsWith("www.", StringComparison.OrdinalIgnoreCase) || (sign > 0 && sign < word.Length - 1 && char.IsLetter(word[sign + 1]));
    }

    private static int EndOfWord(string text, int at)
    {
        int begin = at - 1;
        bool isNumber = !char.IsLetter(text[begin]);
        while (at < text.Length)
        {
            char c = text[at];
            bool goesOn = char.IsLetterOrDigit(c) || char.GetUnicodeCategory(c) is UnicodeCategory.NonSpacingMark
                || (c is '-' or '.' or '\'' or '_' && at + 1 < text.Length && char.IsLetterOrDigit(text[at + 1]))
                || (c == ',' && isNumber && at + 1 < text.Length && char.IsAsciiDigit(text[at + 1]));
            if (!goesOn)
            {
                break;
            }

            isNumber &= char.IsAsciiDigit(c) || c is '.' or ',';
            at++;
        }

        return at;
    }

    /// <summary>A word, taken apart where a quantity is written together with what follows: <c>3x</c>, <c>x3</c>, <c>3xTEA-001</c>, <c>3pcs</c>.</summary>
    private static void AddWord(List<Token> tokens, string word)
    {
        int digits = 0;
        while (digits < word.Length && char.IsAsciiDigit(word[digits]))
        {
            digits++;
        }

        string rest = word[digits..];
        if (digits == 0 && word.Length > 1 && word[0] is 'x' or 'X' && word.AsSpan(1).IndexOfAnyExceptInRange('0', '9') < 0)
        {
            tokens.Add(new Token("x", TokenKind.Word));
            tokens.Add(new Token(word[1..], TokenKind.Word));
        }
        else if (digits > 0 && rest is ['x' or 'X', ..] && (rest.Length == 1 || rest.Contains('-', StringComparison.Ordinal)))
        {
            tokens.Add(new Token(word[..digits], TokenKind.Word));
            tokens.Add(new Token("x", TokenKind.Word));
            if (rest.Length > 1)
            {
                tokens.Add(new Token(rest[1..], TokenKind.Word));
            }
        }
        else if (digits > 0 && rest.Length > 0 && (OrderWords.IsUnit(rest) || OrderWords.IsPack(rest)))
        {
            tokens.Add(new Token(word[..digits], TokenKind.Word));
            tokens.Add(new Token(rest, TokenKind.Word));
        }
        else
        {
            tokens.Add(new Token(word, TokenKind.Word));
        }
    }

    private static TokenKind? KindOf(char c) => c switch
    {
        ',' or ';' or '/' or '|' or '+' or '&' => TokenKind.Break,
        ':' or '=' or '-' => TokenKind.Link,
        '@' or '€' or '$' or '£' => TokenKind.Price,
        '?' => TokenKind.Question,
        '×' or '*' => TokenKind.Word,
        '%' or '#' or '~' or '\\' or '^' => TokenKind.Foreign,
        _ when char.GetUnicodeCategory(c) == UnicodeCategory.OtherNumber => TokenKind.Word, // ½
        _ => null,
    };
}
