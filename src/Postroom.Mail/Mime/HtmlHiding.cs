namespace Postroom.Mail;

/// <summary>How text of HTML is to be taken.</summary>
internal enum HtmlVisibility
{
    /// <summary>A reader sees it.</summary>
    Shown,

    /// <summary>A reader sees it struck out.</summary>
    Struck,

    /// <summary>No reader sees it.</summary>
    Hidden,
}

/// <summary>Tells which text of HTML a reader does not see, or sees struck out: by its element or by the style that stands in its tag. Not safe for concurrent use.</summary>
internal sealed class HtmlHiding
{
    private static readonly string[] Empty = ["br", "hr", "img", "input", "meta", "link", "col", "area", "base", "wbr"];
    private static readonly string[] Blocks = ["p", "div", "table", "ul", "ol", "h1", "h2", "h3", "blockquote", "/div", "/td", "/th", "/li", "/body", "/blockquote"];

    private string _name = "";
    private int _depth;
    private HtmlVisibility _is;

    /// <summary>How text is to be taken that stands here.</summary>
    public HtmlVisibility Now => _is;

    /// <summary>Whether anything was struck out.</summary>
    public bool HasStruck { get; private set; }

    /// <summary>Takes the next tag; how it and the text behind it are to be taken.</summary>
    /// <param name="name">Its name in lower case, with the slash of an end.</param>
    /// <param name="tag">What stands between its brackets.</param>
    public HtmlVisibility Take(string name, ReadOnlySpan<char> tag)
    {
        if (_is != HtmlVisibility.Shown)
        {
            bool isEnd = name.Length > 1 && name[0] == '/' && name.AsSpan(1).SequenceEqual(_name);
            if (isEnd && --_depth == 0)
            {
                (_name, _is) = ("", HtmlVisibility.Shown);
                return HtmlVisibility.Shown;
            }

            if (!EndsOpen(name))
            {
                _depth += name == _name ? 1 : 0;
                return _is;
            }

            (_name, _is) = ("", HtmlVisibility.Shown);
        }

        if (name.Length > 0 && name[0] != '/' && !Empty.Contains(name) && Of(name, tag) is not HtmlVisibility.Shown and var found)
        {
            (_name, _depth, _is) = (name, 1, found);
            HasStruck |= found == HtmlVisibility.Struck;
        }

        return _is;
    }

    /// <summary>Whether a tag ends an element whose end may be left out.</summary>
    private bool EndsOpen(string name) => _name switch
    {
        "p" => Blocks.Contains(name),
        "li" => name is "li" or "/ul" or "/ol",
        "td" or "th" => name is "td" or "th" or "tr" or "/tr" or "/table",
        "tr" => name is "tr" or "/table",
        _ => name is "/body" or "/html",
    };

    private static HtmlVisibility Of(string name, ReadOnlySpan<char> tag)
    {
        string style = StyleOf(tag);
        return HasAttribute(tag, "hidden") || style.Contains("display:none", StringComparison.Ordinal) || style.Contains("visibility:hidden", StringComparison.Ordinal)
                || style.Contains("mso-hide:all", StringComparison.Ordinal) || HasZeroFont(style) ? HtmlVisibility.Hidden
            : name is "s" or "strike" or "del" || style.Contains("line-through", StringComparison.Ordinal) ? HtmlVisibility.Struck
            : HtmlVisibility.Shown;
    }

    /// <summary>The style of a tag in lower case without blanks; empty for none.</summary>
    private static string StyleOf(ReadOnlySpan<char> tag)
    {
        int at = tag.IndexOf("style", StringComparison.OrdinalIgnoreCase);
        if (at < 0)
        {
            return "";
        }

        ReadOnlySpan<char> rest = tag[(at + "style".Length)..].TrimStart();
        if (rest is not ['=', ..])
        {
            return "";
        }

        rest = rest[1..].TrimStart();
        int end = rest is ['"' or '\'', ..] ? rest[1..].IndexOf(rest[0]) + 1 : rest.IndexOfAny(' ', '\t', '\n');
        return string.Concat((end <= 0 ? rest : rest[..end]).ToString().Where(static c => !char.IsWhiteSpace(c))).ToLowerInvariant();
    }

    private static bool HasZeroFont(string style)
    {
        int at = style.IndexOf("font-size:0", StringComparison.Ordinal);
        return at >= 0 && style.AsSpan(at + "font-size:0".Length) is not ['.' or (>= '0' and <= '9'), ..];
    }

    private static bool HasAttribute(ReadOnlySpan<char> tag, string name)
    {
        int at = tag.IndexOf($" {name}", StringComparison.OrdinalIgnoreCase);
        return at > 0 && tag[(at + name.Length + 1)..] is [] or [' ' or '=' or '/' or '\n', ..] && tag[..at].Count('"') % 2 == 0;
    }
}
