namespace Postroom.Chat;

/// <summary>Reads the marks inside one line of Markdown. A line takes time in proportion to its length.</summary>
internal static class MarkdownLine
{
    private const int LongestLabel = 1_000;
    private static readonly string[] Marks = ["**", "__", "~~", "||", "*", "_"];

    private enum PieceKind
    {
        Text,
        Mark,
        Code,
        Link,
    }

    /// <summary>Adds a line with its marks.</summary>
    public static void AddTo(FormattedTextBuilder result, string line) => AddTo(result, line, links: true);

    private static void AddTo(FormattedTextBuilder result, string line, bool links)
    {
        List<Piece> pieces = Read(line, links);
        Match(pieces);
        foreach (Piece piece in pieces)
        {
            switch (piece.Kind)
            {
                case PieceKind.Mark when piece.Opens && result.CanOpen && !result.IsOpen(TagOf(piece.Text)):
                    result.Open($"<{TagOf(piece.Text)}>", TagOf(piece.Text));
                    piece.Partner!.IsOpened = true;
                    break;
                case PieceKind.Mark when piece.IsOpened:
                    result.Close(TagOf(piece.Text));
                    break;
                case PieceKind.Mark when piece.Partner is not null:
                    break; // A pair that would nest too deep, or repeats one that is open, is left out.
                case PieceKind.Code when result.CanOpen:
                    result.Open("<code>", "code");
                    result.Add(piece.Text);
                    result.Close("code");
                    break;
                case PieceKind.Link when result.CanOpen:
                    result.Open(TelegramHtml.LinkTag(piece.Url), "a");
                    AddTo(result, piece.Text, links: false);
                    result.Close("a");
                    break;
                default:
                    result.Add(piece.Text);
                    break;
            }
        }
    }

    private static string TagOf(string mark) => mark switch
    {
        "**" or "__" => "b",
        "~~" => "s",
        "||" => "tg-spoiler",
        _ => "i",
    };

    private static List<Piece> Read(string line, bool links)
    {
        List<Piece> pieces = [];
        int text = 0;
        int at = 0;
        while (at < line.Length)
        {
            int length = Take(line, at, links, pieces, text);
            at += Math.Max(length, 1);
            text = length > 0 ? at : text;
        }

        AddText(pieces, line, text, at);
        return pieces;
    }

    /// <summary>Takes what begins at a place, the text before it first; gives its length, or 0 when nothing does.</summary>
    private static int Take(string line, int at, bool links, List<Piece> pieces, int text)
    {
        switch (line[at])
        {
            case '\\' when at + 1 < line.Length && char.IsAscii(line[at + 1]) && (char.IsPunctuation(line[at + 1]) || char.IsSymbol(line[at + 1])):
                AddText(pieces, line, text, at);
                pieces.Add(new Piece(PieceKind.Text, line.Substring(at + 1, 1)));
                return 2;
            case '`' when CodeAt(line, at) is var (code, length):
                AddText(pieces, line, text, at);
                pieces.Add(new Piece(PieceKind.Code, code));
                return length;
            case '!' or '[' when links && LinkAt(line, at) is var (label, url, length):
                AddText(pieces, line, text, at);
                pieces.Add(new Piece(PieceKind.Link, label) { Url = url });
                return length;
            case '*' or '_' or '~' or '|':
                return TakeMarks(line, at, pieces, text);
            default:
                return 0;
        }
    }

    /// <summary>Takes a run of one mark; a run of three is two marks, in the order that nests.</summary>
    private static int TakeMarks(string line, int at, List<Piece> pieces, int text)
    {
        char mark = line[at];
        int run = line.AsSpan(at).IndexOfAnyExcept(mark);
        run = run < 0 ? line.Length - at : run;
        char last = at == 0 ? ' ' : line[at - 1];
        char next = at + run >= line.Length ? ' ' : line[at + run];
        bool inWord = mark == '_' && char.IsLetterOrDigit(last) && char.IsLetterOrDigit(next);
        bool opens = !char.IsWhiteSpace(next) && !inWord;
        bool closes = !char.IsWhiteSpace(last) && !inWord;
        string single = mark.ToString();
        string twice = new(mark, 2);
        AddText(pieces, line, text, at);
        string[] marks = run switch
        {
            1 => [single],
            2 => [twice],
            3 when closes && !opens => [single, twice],
            3 => [twice, single],
            _ => [],
        };
        if (marks.Length == 0 || marks.Any(one => !Marks.Contains(one)) || (!opens && !closes))
        {
            pieces.Add(new Piece(PieceKind.Text, line.Substring(at, run)));
            return run;
        }

        foreach (string one in marks)
        {
            pieces.Add(new Piece(PieceKind.Mark, one) { MayOpen = opens, MayClose = closes });
        }

        return run;
    }

    private static (string Code, int Length)? CodeAt(string line, int at)
    {
        int run = line.AsSpan(at).IndexOfAnyExcept('`');
        if (run is < 1 or > 3)
        {
            return null;
        }

        string fence = new('`', run);
        int end = line.IndexOf(fence, at + run, StringComparison.Ordinal);
        return end < 0 ? null : (line[(at + run)..end], end + run - at);
    }

    private static (string Label, string Url, int Length)? LinkAt(string line, int at)
    {
        int start = line[at] == '!' ? at + 2 : at + 1;
        if (start > line.Length || line[start - 1] != '[')
        {
            return null;
        }

        int labelEnd = line.AsSpan(start, Math.Min(LongestLabel, line.Length - start)).IndexOfAny('[', ']');
        int open = start + labelEnd + 1;
        if (labelEnd < 1 || line[open - 1] == '[' || open >= line.Length || line[open] != '(')
        {
            return null;
        }

        int length = line.AsSpan(open + 1, Math.Min(2_049, line.Length - open - 1)).IndexOfAny(')', ' ', '[');
        if (length < 1 || line[open + 1 + length] != ')')
        {
            return null;
        }

        string url = line.Substring(open + 1, length);
        return TelegramHtml.IsLink(url) ? (line.Substring(start, labelEnd), url, open + 2 + length - at) : null;
    }

    /// <summary>Finds for each mark that closes the nearest open one of its kind; marks between the two stay text.</summary>
    private static void Match(List<Piece> pieces)
    {
        List<Piece> open = [];
        Dictionary<string, int> waiting = Marks.ToDictionary(mark => mark, _ => 0);
        foreach (Piece piece in pieces.Where(piece => piece.Kind == PieceKind.Mark))
        {
            if (piece.MayClose && waiting[piece.Text] > 0)
            {
                Piece other;
                do
                {
                    other = open[^1];
                    open.RemoveAt(open.Count - 1);
                    waiting[other.Text]--;
                }
                while (other.Text != piece.Text);

                (other.Partner, other.Opens, piece.Partner) = (piece, true, other);
            }
            else if (piece.MayOpen)
            {
                open.Add(piece);
                waiting[piece.Text]++;
            }
        }
    }

    private static void AddText(List<Piece> pieces, string line, int from, int to)
    {
        if (to > from)
        {
            pieces.Add(new Piece(PieceKind.Text, line[from..to]));
        }
    }

    private sealed class Piece(PieceKind kind, string text)
    {
        public PieceKind Kind => kind;

        public string Text => text;

        public string Url { get; init; } = "";

        public bool MayOpen { get; init; }

        public bool MayClose { get; init; }

        public Piece? Partner { get; set; }

        public bool Opens { get; set; }

        /// <summary>Whether the tag that it closes was written.</summary>
        public bool IsOpened { get; set; }
    }
}
