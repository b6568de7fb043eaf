using System.Text;

namespace Postroom.Chat;

/// <summary>A stretch of text under one tag.</summary>
/// <param name="Start">Where it begins in the visible text.</param>
/// <param name="End">Where it ends.</param>
/// <param name="Open">The opening tag, checked.</param>
/// <param name="Name">The tag's name.</param>
internal readonly record struct FormattedSpan(int Start, int End, string Open, string Name);

/// <summary>
/// A text as people see it, and the tags over it, which nest. Lengths and cuts are those of the visible text, as the service counts them ("after entities
/// parsing", https://core.telegram.org/bots/api#sendmessage); what is not a tag here is escaped when it is written.
/// </summary>
/// <param name="text">The visible text; line ends are LF.</param>
/// <param name="spans">The tags in the order in which they open.</param>
internal sealed class FormattedText(string text, IReadOnlyList<FormattedSpan> spans)
{
    /// <summary>The visible text.</summary>
    public string Text => text;

    /// <summary>Writes a piece as HTML; tags open at its ends are opened and closed there.</summary>
    public string Render(Range piece)
    {
        (int start, int length) = piece.GetOffsetAndLength(text.Length);
        int end = start + length;
        StringBuilder html = new(length + 16);
        Stack<FormattedSpan> open = new();
        int at = start;
        foreach (FormattedSpan span in spans)
        {
            if (span.End <= start || span.Start >= end || span.Start == span.End)
            {
                continue;
            }

            Close(html, open, ref at, Math.Max(span.Start, start));
            Write(html, ref at, Math.Max(span.Start, start));
            html.Append(span.Open);
            open.Push(span);
        }

        Close(html, open, ref at, end);
        Write(html, ref at, end);
        while (open.TryPop(out FormattedSpan last))
        {
            html.Append("</").Append(last.Name).Append('>');
        }

        return html.ToString();
    }

    /// <summary>Whether it is plain text.</summary>
    public bool IsPlain => spans.Count == 0;

    /// <summary>The same with plain text before and behind it.</summary>
    public FormattedText Between(string before, string after)
    {
        string head = Characters.Clean(before);
        return new FormattedText(
            head + text + Characters.Clean(after),
            [.. spans.Select(span => span with { Start = span.Start + head.Length, End = span.End + head.Length })]);
    }

    /// <summary>Escapes what HTML would read as markup.</summary>
    public static string Escape(ReadOnlySpan<char> plain)
    {
        StringBuilder html = new(plain.Length);
        Escape(html, plain);
        return html.ToString();
    }

    /// <summary>Closes what ends at or before a place.</summary>
    private void Close(StringBuilder html, Stack<FormattedSpan> open, ref int at, int place)
    {
        while (open.TryPeek(out FormattedSpan last) && last.End <= place)
        {
            Write(html, ref at, last.End);
            html.Append("</").Append(open.Pop().Name).Append('>');
        }
    }

    private void Write(StringBuilder html, ref int at, int to)
    {
        if (to > at)
        {
            Escape(html, text.AsSpan(at, to - at));
            at = to;
        }
    }

    private static void Escape(StringBuilder html, ReadOnlySpan<char> plain)
    {
        foreach (char c in plain)
        {
            _ = c switch
            {
                '<' => html.Append("&lt;"),
                '>' => html.Append("&gt;"),
                '&' => html.Append("&amp;"),
                '"' => html.Append("&quot;"),
                _ => html.Append(c),
            };
        }
    }
}

/// <summary>Builds a <see cref="FormattedText"/> from its beginning to its end.</summary>
internal sealed class FormattedTextBuilder
{
    /// <summary>How deep tags nest; further ones are text.</summary>
    public const int MaxDepth = 16;

    private readonly StringBuilder _text = new();
    private readonly List<FormattedSpan> _spans = [];
    private readonly List<int> _open = []; // places in _spans

    /// <summary>Whether one more tag may open.</summary>
    public bool CanOpen => _open.Count < MaxDepth;

    /// <summary>The name of the innermost open tag; null for none.</summary>
    public string? Innermost => _open.Count == 0 ? null : _spans[_open[^1]].Name;

    /// <summary>Whether a tag of the name is open.</summary>
    public bool IsOpen(string name) => _open.Exists(place => _spans[place].Name == name);

    /// <summary>Adds text.</summary>
    public void Add(ReadOnlySpan<char> text) => _text.Append(text);

    /// <summary>Opens a tag.</summary>
    public void Open(string tag, string name)
    {
        _open.Add(_spans.Count);
        _spans.Add(new FormattedSpan(_text.Length, -1, tag, name));
    }

    /// <summary>Closes the innermost tag of the name, and those inside it.</summary>
    public void Close(string name)
    {
        string closed;
        do
        {
            int place = _open[^1];
            _open.RemoveAt(_open.Count - 1);
            _spans[place] = _spans[place] with { End = _text.Length };
            closed = _spans[place].Name;
        }
        while (closed != name);
    }

    /// <summary>Ends the text; what is open is closed.</summary>
    public FormattedText Build()
    {
        while (Innermost is { } name)
        {
            Close(name);
        }

        return new FormattedText(_text.ToString(), _spans);
    }
}
