using System.Text;
using System.Text.RegularExpressions;

namespace Postroom.Scripts;

/// <summary>How the text of an answer is compared.</summary>
internal enum TextMatch
{
    /// <summary>It is the text.</summary>
    Exact,

    /// <summary>It has the text somewhere.</summary>
    Contains,

    /// <summary>It is the text, in which <c>{id}</c>, <c>{number}</c>, <c>{amount}</c>, <c>{time}</c> and <c>{any}</c> stand for what changes; <c>{{</c> is a brace.</summary>
    Like,

    /// <summary>The whole of it matches the text as a regular expression of .NET, without backtracking.</summary>
    Pattern,
}

/// <summary>A text that an answer is compared with.</summary>
internal sealed partial record ExpectedText
{
    /// <summary>The longest text.</summary>
    public const int MaxLength = 1 << 20;

    private static readonly Dictionary<string, string> Variables = new(StringComparer.Ordinal)
    {
        ["id"] = "[0-9A-Za-z][0-9A-Za-z._:-]*",
        ["number"] = "[+-]?[0-9]+",
        ["amount"] = @"[+-]?[0-9](?:[0-9.,'\u00A0]*[0-9])?",
        ["time"] = @"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)",
        ["any"] = @"[\s\S]*",
    };

    private readonly Regex? _regex;

    /// <summary>Makes the comparison.</summary>
    /// <param name="match">How.</param>
    /// <param name="text">With what.</param>
    /// <exception cref="FormatException">The text is too long, no regular expression, or has a variable that does not exist; the message says what to do.</exception>
    public ExpectedText(TextMatch match, string text)
    {
        if (text.Length > MaxLength)
        {
            throw new FormatException($"the text has {text.Length} characters, and may have {MaxLength}. Use 'contains' with a part of it.");
        }

        Match = match;
        Text = text;
        _regex = match switch
        {
            TextMatch.Like => Compile(PatternOf(text), text),
            TextMatch.Pattern => Compile(text, text),
            _ => null,
        };
    }

    /// <summary>How it is compared.</summary>
    public TextMatch Match { get; }

    /// <summary>With what.</summary>
    public string Text { get; }

    /// <summary>The word of the file for it.</summary>
    public string Word => Match switch
    {
        TextMatch.Contains => "contains",
        TextMatch.Like => "like",
        TextMatch.Pattern => "pattern",
        _ => "exact",
    };

    /// <summary>What a recorder writes for a text: itself, or with variables where it holds message numbers and instants.</summary>
    public static ExpectedText Recorded(string text)
    {
        if (text.Length > MaxLength)
        {
            return new ExpectedText(TextMatch.Contains, text[..1_000]);
        }

        string escaped = text.Replace("{", "{{", StringComparison.Ordinal).Replace("}", "}}", StringComparison.Ordinal);
        string like = Instant().Replace(Uuid().Replace(escaped, "{id}"), "{time}");
        return like == escaped ? new ExpectedText(TextMatch.Exact, text) : new ExpectedText(TextMatch.Like, like);
    }

    /// <summary>Whether an answer has the text.</summary>
    public bool IsIn(string answer) => Match switch
    {
        TextMatch.Exact => string.Equals(Text, answer, StringComparison.Ordinal),
        TextMatch.Contains => answer.Contains(Text, StringComparison.Ordinal),
        _ => _regex!.IsMatch(answer),
    };

    private static Regex Compile(string pattern, string text)
    {
        try
        {
            // Without backtracking no pattern takes longer than its text is long.
            return new Regex($@"\A(?:{pattern})\z", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw new FormatException($"'{Names.Shorten(text)}' cannot be used as a pattern: {e.Message} Look-arounds and back references are not available; 'contains' and 'like' need neither.", e);
        }
    }

    private static string PatternOf(string like)
    {
        StringBuilder pattern = new();
        for (int i = 0; i < like.Length; i++)
        {
            bool isDouble = i + 1 < like.Length && like[i + 1] == like[i];
            if (like[i] is '{' or '}' && isDouble)
            {
                pattern.Append(Regex.Escape(like[i..(i + 1)]));
                i++;
            }
            else if (like[i] == '{')
            {
                int end = like.IndexOf('}', i);
                string name = end < 0 ? like[(i + 1)..] : like[(i + 1)..end];
                pattern.Append(end >= 0 && Variables.TryGetValue(name, out string? variable)
                    ? variable
                    : throw new FormatException($"'{{{Names.Shorten(name)}}}' is no variable of 'like'; there are {string.Join(", ", Variables.Keys.Select(key => $"{{{key}}}"))}, and '{{{{' stands for a brace."));
                i = end;
            }
            else
            {
                pattern.Append(Regex.Escape(like[i..(i + 1)]));
            }
        }

        return pattern.ToString();
    }

    [GeneratedRegex("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", RegexOptions.NonBacktracking)]
    private static partial Regex Uuid();

    [GeneratedRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?", RegexOptions.NonBacktracking)]
    private static partial Regex Instant();
}
