using System.Text;

namespace Postroom.Mail;

/// <summary>A value with parameters, as <c>Content-Type</c> and <c>Content-Disposition</c> have (RFC 2045 §5.1, RFC 2231).</summary>
/// <param name="Value">The value in lower case, without blanks; empty when none can be read.</param>
/// <param name="Parameters">The parameters, names in lower case, decoded.</param>
internal sealed record ContentHeader(string Value, IReadOnlyList<(string Name, string Value)> Parameters)
{
    private const int MaxParameters = 100;

    /// <summary>The value of a parameter; null when it is absent.</summary>
    public string? Parameter(string name)
    {
        foreach ((string Name, string Value) parameter in Parameters)
        {
            if (parameter.Name == name)
            {
                return parameter.Value;
            }
        }

        return null;
    }

    /// <summary>Reads a header; what cannot be read is left out and noted.</summary>
    /// <param name="text">The header's bytes as Latin-1.</param>
    /// <param name="problems">Gets what is wrong.</param>
    public static ContentHeader Parse(string text, Problems problems)
    {
        int at = 0;
        string value = ReadWord(text, ref at, ";").ToLowerInvariant();
        List<(string Name, string Value)> raw = [];
        while (at < text.Length && raw.Count < MaxParameters)
        {
            at++; // the semicolon
            string name = ReadWord(text, ref at, ";=").ToLowerInvariant();
            if (at < text.Length && text[at] == '=')
            {
                at++;
                raw.Add((name, ReadValue(text, ref at)));
            }
            else if (name.Length > 0)
            {
                problems.Add("A parameter of a content header has no value.");
            }
        }

        if (at < text.Length)
        {
            problems.Add($"A content header has more than {MaxParameters} parameters; the rest is left out.");
        }

        return new ContentHeader(value, Join(raw, problems));
    }

    /// <summary>Reads up to a separator; comments and blanks are left out.</summary>
    private static string ReadWord(string text, ref int at, string separators)
    {
        StringBuilder word = new();
        while (at < text.Length && !separators.Contains(text[at], StringComparison.Ordinal))
        {
            if (text[at] == '(')
            {
                at = HeaderScan.AfterComment(text, at);
                continue;
            }

            if (!char.IsWhiteSpace(text[at]))
            {
                word.Append(text[at]);
            }

            at++;
        }

        return word.ToString();
    }

    /// <summary>Reads a value: a quoted text, or whatever stands before the next semicolon, since file names with blanks come without quotes too.</summary>
    private static string ReadValue(string text, ref int at)
    {
        while (at < text.Length && char.IsWhiteSpace(text[at]))
        {
            at++;
        }

        if (at < text.Length && text[at] == '"')
        {
            string quoted = HeaderScan.Quoted(text, ref at);
            while (at < text.Length && text[at] != ';')
            {
                at++;
            }

            return quoted;
        }

        int begin = at;
        while (at < text.Length && text[at] != ';')
        {
            at++;
        }

        string bare = text[begin..at].Trim();
        return bare.EndsWith(')') && bare.IndexOf(" (", StringComparison.Ordinal) is > 0 and var comment ? bare[..comment].TrimEnd() : bare;
    }

    /// <summary>Puts continuations together and decodes (RFC 2231 §3 and §4); of two equal names the first counts.</summary>
    private static List<(string Name, string Value)> Join(List<(string Name, string Value)> raw, Problems problems)
    {
        List<(string Name, string Value)> joined = [];
        HashSet<string> seen = new(StringComparer.Ordinal);
        foreach (string name in raw.Select(parameter => BaseOf(parameter.Name)).Where(seen.Add).ToList())
        {
            List<(string Name, string Value)> pieces = [.. raw.Where(parameter => BaseOf(parameter.Name) == name)];
            joined.Add((name, pieces.FirstOrDefault(piece => piece.Name.Length > name.Length).Name is null ? HeaderDecoder.Parameter(pieces[0].Value, problems) : Extended(name, pieces, problems)));
        }

        return joined;
    }

    private static string BaseOf(string name) => name.IndexOf('*', StringComparison.Ordinal) is > 0 and var star ? name[..star] : name;

    private static string Extended(string name, List<(string Name, string Value)> pieces, Problems problems)
    {
        if (pieces.FirstOrDefault(piece => piece.Name == $"{name}*").Value is { } single)
        {
            return HeaderDecoder.Extended([(single, true)], problems);
        }

        List<(string Text, bool Encoded)> ordered = [];
        for (int i = 0; i < pieces.Count; i++)
        {
            (string Name, string Value) piece = pieces.FirstOrDefault(candidate => candidate.Name == $"{name}*{i}*" || candidate.Name == $"{name}*{i}");
            if (piece.Name is null)
            {
                break;
            }

            ordered.Add((piece.Value, piece.Name.EndsWith('*')));
        }

        return ordered.Count > 0 ? HeaderDecoder.Extended(ordered, problems) : HeaderDecoder.Parameter(pieces[0].Value, problems);
    }
}
