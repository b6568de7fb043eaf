using System.Globalization;
using System.Text;

namespace Postroom.Testing;

/// <summary>One command of a client, taken apart.</summary>
/// <param name="Tag">Its tag.</param>
/// <param name="Name">Its name, upper case, <c>UID</c> with the word behind it.</param>
/// <param name="Arguments">Its arguments: atoms and lists as written, quoted texts and literals without quotes.</param>
/// <param name="Line">The line without its tag, literals as quoted texts.</param>
internal sealed record FakeImapCommand(string Tag, string Name, IReadOnlyList<string> Arguments, string Line)
{
    /// <summary>An argument; empty when it is absent.</summary>
    public string this[int i] => Arguments.ElementAtOrDefault(i) ?? "";

    /// <summary>Makes a command of the pieces between literals; null when it is none.</summary>
    public static FakeImapCommand? Of(IReadOnlyList<string> pieces, IReadOnlyList<string> literals)
    {
        List<string> words = [];
        StringBuilder line = new();
        for (int i = 0; i < pieces.Count; i++)
        {
            line.Append(pieces[i]);
            if (!Split(pieces[i], words))
            {
                return null;
            }

            if (i < literals.Count)
            {
                line.Append('"').Append(literals[i]).Append('"');
                words.Add(literals[i]);
            }
        }

        if (words.Count < 2 || words[0].Length == 0 || words[0].Any(c => c is '+' or '(' or ')' or '{' or '%' or '*' or '"' or '\\' || char.IsControl(c)))
        {
            return null;
        }

        string name = words[1].ToUpperInvariant();
        int skip = 2;
        if (name == "UID" && words.Count > 2)
        {
            (name, skip) = ($"UID {words[2].ToUpperInvariant()}", 3);
        }

        return new FakeImapCommand(words[0], name, words[skip..], line.ToString()[(words[0].Length + 1)..]);
    }

    /// <summary>The UIDs of a set that are among those there are; null when it is none.</summary>
    public static IReadOnlyList<uint>? Set(string text, IReadOnlyCollection<uint> known)
    {
        List<uint> found = [];
        uint highest = known.Count == 0 ? 0 : known.Max();
        foreach (string range in text.Split(','))
        {
            string[] ends = range.Split(':');
            if (ends.Length > 2 || !Read(ends[0], out uint first) || !Read(ends[^1], out uint last))
            {
                return null;
            }

            found.AddRange(known.Where(uid => uid >= Math.Min(first, last) && uid <= Math.Max(first, last)));
        }

        return [.. found.Distinct().Order()];

        bool Read(string end, out uint number)
        {
            number = highest;
            return end == "*" || (uint.TryParse(end, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number > 0);
        }
    }

    /// <summary>The words of a list in parentheses, or the word itself.</summary>
    public static IReadOnlyList<string> Items(string text)
    {
        List<string> items = [];
        return Split(text.StartsWith('(') && text.EndsWith(')') ? text[1..^1] : text, items) ? items : [];
    }

    private static bool Split(string text, List<string> words)
    {
        int at = 0;
        while (at < text.Length)
        {
            int begin = at;
            switch (text[at])
            {
                case ' ':
                    at++;
                    continue;
                case '"':
                    StringBuilder quoted = new();
                    for (at++; at < text.Length && text[at] != '"'; at++)
                    {
                        at += text[at] == '\\' ? 1 : 0;
                        quoted.Append(at < text.Length ? text[at] : ' ');
                    }

                    if (at >= text.Length)
                    {
                        return false;
                    }

                    at++;
                    words.Add(quoted.ToString());
                    continue;
            }

            int open = 0;
            while (at < text.Length && (open > 0 || text[at] != ' '))
            {
                open += text[at] is '(' or '[' ? 1 : text[at] is ')' or ']' ? -1 : 0;
                at++;
            }

            if (open != 0)
            {
                return false;
            }

            words.Add(text[begin..at]);
        }

        return true;
    }
}
