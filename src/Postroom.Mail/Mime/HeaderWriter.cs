using System.Globalization;
using System.Text;

namespace Postroom.Mail;

/// <summary>Writes headers, folded at 78 columns (RFC 5322 §2.1.1). Its caller has refused CR, LF and NUL; this is the last one who looks.</summary>
internal sealed class HeaderWriter
{
    private const int Fold = 78;
    private const int MaxQuoted = 60;

    private readonly StringBuilder _text = new();
    private int _column;

    /// <summary>What was written so far, every line with its end.</summary>
    public override string ToString() => _text.ToString();

    /// <summary>Writes a header whose value is free text (RFC 5322 §2.2.1), encoded when it would not arrive as it is.</summary>
    public void WriteText(string name, string value)
    {
        Begin(name);
        WriteWords(value, HeaderText.IsPlain(value));
        End();
    }

    /// <summary>Writes a header of words that stay as they are, such as message ids; folded between them.</summary>
    public void WriteTokens(string name, params IEnumerable<string> tokens)
    {
        Begin(name);
        foreach (string token in tokens)
        {
            Add(token);
        }

        End();
    }

    /// <summary>Writes a header of addresses.</summary>
    public void WriteMailboxes(string name, IReadOnlyList<Mailbox> mailboxes)
    {
        Begin(name);
        for (int i = 0; i < mailboxes.Count; i++)
        {
            string end = i < mailboxes.Count - 1 ? "," : "";
            if (mailboxes[i].Name is { Length: > 0 } shown)
            {
                WritePhrase(shown);
                Add($"<{mailboxes[i].Address}>{end}");
            }
            else
            {
                Add($"{mailboxes[i].Address}{end}");
            }
        }

        End();
    }

    /// <summary>Writes a header with parameters, each on a line of its own when it does not fit; values of any kind as RFC 2231 has them.</summary>
    public void WriteParameters(string name, string value, params IReadOnlyList<(string Name, string Value)> parameters)
    {
        List<string> parts = [value];
        foreach ((string parameter, string text) in parameters)
        {
            if (HeaderText.IsToken(text) && text.Length <= MaxQuoted)
            {
                parts.Add($"{parameter}={text}");
            }
            else if (HeaderText.IsPrintable(text) && text.Length <= MaxQuoted && !text.AsSpan().ContainsAny("\"\\<>"))
            {
                // Common readers take escapes and brackets between quotes off twice; as RFC 2231 they arrive.
                parts.Add($"{parameter}={HeaderText.Quote(text)}");
            }
            else
            {
                parts.AddRange(Extended(parameter, text));
            }
        }

        WriteTokens(name, parts.Select((part, i) => i < parts.Count - 1 ? $"{part};" : part));
    }

    private void WritePhrase(string shown)
    {
        bool atoms = shown.All(c => HeaderText.IsAtom(c) || c == ' ') && HeaderText.IsPlain(shown);
        if (!atoms && HeaderText.IsPrintable(shown) && shown.Length <= MaxQuoted)
        {
            Add(HeaderText.Quote(shown));
        }
        else
        {
            WriteWords(shown, atoms);
        }
    }

    private void WriteWords(string value, bool plain)
    {
        if (value.Length == 0)
        {
            return;
        }

        // A line with encoded words has at most 76 columns (RFC 2047 §2): one blank and the word.
        foreach (string word in plain ? value.Split(' ') : EncodedWords.Encode(value, EncodedWords.MaxLength - _column))
        {
            Add(word, plain ? Fold : EncodedWords.MaxLength + 1);
        }
    }

    /// <summary>Percent-encoded UTF-8, in numbered pieces when it is longer than a line (RFC 2231 §3 and §4).</summary>
    private static IEnumerable<string> Extended(string parameter, string text)
    {
        List<string> pieces = [];
        StringBuilder piece = new();
        byte[] octets = new byte[4];
        foreach (Rune rune in text.EnumerateRunes())
        {
            int length = rune.EncodeToUtf8(octets);
            if (piece.Length + (3 * length) > 48)
            {
                pieces.Add(piece.ToString());
                piece.Clear();
            }

            foreach (byte octet in octets.AsSpan(0, length))
            {
                bool safe = char.IsAsciiLetterOrDigit((char)octet) || (char)octet is '-' or '.' or '_' or '~';
                piece.Append(safe ? ((char)octet).ToString() : string.Create(CultureInfo.InvariantCulture, $"%{octet:X2}"));
            }
        }

        pieces.Add(piece.ToString());
        return pieces.Count == 1
            ? [$"{parameter}*=utf-8''{pieces[0]}"]
            : pieces.Select((part, i) => string.Create(CultureInfo.InvariantCulture, $"{parameter}*{i}*={(i == 0 ? "utf-8''" : "")}{part}"));
    }

    private void Begin(string name)
    {
        _text.Append(name).Append(':');
        _column = name.Length + 1;
    }

    private void Add(string word, int most = Fold)
    {
        if (HeaderText.Breaks(word))
        {
            throw new InvalidOperationException("A header would have a line end or NUL inside. Refuse the message before it is written.");
        }

        // A header never begins with an empty line: what is too long for the first line stays there.
        if (_column + 1 + word.Length > most && _text[^1] != ':')
        {
            _text.Append("\r\n");
            _column = 0;
        }

        _text.Append(' ').Append(word);
        _column += 1 + word.Length;
    }

    private void End() => _text.Append("\r\n");
}
