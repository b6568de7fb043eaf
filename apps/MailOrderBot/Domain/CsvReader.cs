using System.Text;

namespace MailOrderBot.Domain;

/// <summary>One row of a CSV file.</summary>
/// <param name="Line">The line it begins on, from 1.</param>
/// <param name="Fields">Its fields, quotes removed.</param>
internal sealed record CsvRow(int Line, IReadOnlyList<string> Fields)
{
    /// <summary>Whether it holds nothing.</summary>
    public bool IsEmpty => Fields.All(string.IsNullOrWhiteSpace);
}

/// <summary>A CSV file cannot be read; the text names the line.</summary>
internal sealed class CsvException(string message) : Exception(message);

/// <summary>Reads CSV with quotes as RFC 4180 has them; work and memory are linear in the length.</summary>
internal static class CsvReader
{
    private static readonly char[] Delimiters = [',', ';', '\t'];

    /// <summary>The delimiter of a file: the one of comma, semicolon and tab that its first line has most of outside quotes; a comma when it has none.</summary>
    public static char DelimiterOf(string text)
    {
        Dictionary<char, int> counts = Delimiters.ToDictionary(delimiter => delimiter, _ => 0);
        bool quoted = false;
        bool any = false;
        foreach (char c in text)
        {
            quoted ^= c == '"';
            if (!quoted && c is '\n' or '\r' && any)
            {
                break;
            }

            any |= !char.IsWhiteSpace(c);
            if (!quoted && counts.TryGetValue(c, out int count))
            {
                counts[c] = count + 1;
            }
        }

        return counts.MaxBy(pair => pair.Value).Key;
    }

    /// <summary>Reads all rows but empty ones.</summary>
    /// <param name="text">The file.</param>
    /// <param name="delimiter">What parts fields.</param>
    /// <param name="maxRows">The most rows to read.</param>
    /// <exception cref="CsvException">A quote is not closed, text follows a closing quote, or there are too many rows.</exception>
    public static IReadOnlyList<CsvRow> Read(string text, char delimiter, int maxRows)
    {
        List<CsvRow> rows = [];
        List<string> fields = [];
        StringBuilder field = new();
        int line = 1;
        int begin = 1;
        int at = 0;
        bool closed = false;
        while (at < text.Length)
        {
            char c = text[at];
            if (c == '"' && field.Length == 0 && !closed)
            {
                (at, line) = ReadQuoted(text, at + 1, line, field);
                closed = true;
                continue;
            }

            at++;
            if (c == delimiter)
            {
                Take();
            }
            else if (c is '\n' or '\r')
            {
                at += c == '\r' && at < text.Length && text[at] == '\n' ? 1 : 0;
                EndRow();
                line++;
                begin = line;
            }
            else if (!closed)
            {
                field.Append(c);
            }
            else if (c != ' ')
            {
                throw new CsvException($"Line {line} has text behind a closing quote. Double a quote that belongs to the text.");
            }
        }

        EndRow();
        return rows;

        void Take()
        {
            fields.Add(field.ToString());
            field.Clear();
            closed = false;
        }

        void EndRow()
        {
            Take();
            CsvRow row = new(begin, fields);
            fields = [];
            if (row.IsEmpty)
            {
                return;
            }

            if (rows.Count == maxRows)
            {
                throw new CsvException($"The file has more than {maxRows} rows. Split it.");
            }

            rows.Add(row);
        }
    }

    private static (int At, int Line) ReadQuoted(string text, int at, int line, StringBuilder field)
    {
        int begin = line;
        for (; at < text.Length; at++)
        {
            char c = text[at];
            if (c == '"')
            {
                if (at + 1 >= text.Length || text[at + 1] != '"')
                {
                    return (at + 1, line);
                }

                at++;
            }

            line += c == '\n' || (c == '\r' && (at + 1 >= text.Length || text[at + 1] != '\n')) ? 1 : 0;
            field.Append(c);
        }

        throw new CsvException($"The quote of line {begin} is not closed.");
    }
}
