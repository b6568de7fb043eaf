namespace Postroom;

/// <summary>The rules for names of queues, communicators, sources, pools, schedules and modules, and for payload types.</summary>
/// <remarks>Names are compared ordinally and are unique per kind.</remarks>
public static class Names
{
    /// <summary>The rule for names, for error texts.</summary>
    public const string Rule = "A name has 1 to 64 characters: lower-case letters, digits, '.', '_' and '-', starting with a letter or digit.";

    /// <summary>The rule for communicator names, for error texts.</summary>
    public const string CommunicatorRule = "A communicator's name follows the rule of names, has no dot and is not 'label', 'queue' or 'reply'.";

    /// <summary>The rule for payload types, for error texts.</summary>
    public const string TypeRule = "A type has at least two words joined by '.' or '_', for example 'order.received', at most 128 characters.";

    /// <summary>Whether the text matches <c>[a-z0-9][a-z0-9._-]{0,63}</c>.</summary>
    public static bool IsName(string? text)
    {
        if (text is null or { Length: 0 or > 64 } || !char.IsAsciiLetterLower(text[0]) && !char.IsAsciiDigit(text[0]))
        {
            return false;
        }

        foreach (char c in text)
        {
            if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c is not ('.' or '_' or '-'))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether the text is a name that a communicator may have.</summary>
    public static bool IsCommunicatorName(string? text)
    {
        return IsName(text) && !text!.Contains('.', StringComparison.Ordinal) && text is not ("label" or "queue" or "reply");
    }

    /// <summary>Whether the text matches <c>[a-z][a-z0-9-]*([._][a-z0-9-]+)*</c> with at most 128 characters.</summary>
    public static bool IsPayloadType(string? text)
    {
        if (text is null or { Length: 0 or > 128 } || !char.IsAsciiLetterLower(text[0]))
        {
            return false;
        }

        bool afterSeparator = false;
        foreach (char c in text)
        {
            if (c is '.' or '_')
            {
                if (afterSeparator)
                {
                    return false;
                }

                afterSeparator = true;
            }
            else if (char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')
            {
                afterSeparator = false;
            }
            else
            {
                return false;
            }
        }

        return !afterSeparator;
    }

    /// <summary>The name among <paramref name="known"/> that a reader most likely meant, or null when none is near.</summary>
    /// <param name="wrong">What was written.</param>
    /// <param name="known">The names that exist.</param>
    public static string? Nearest(string wrong, IEnumerable<string> known) => Configuration.NearestName.Find(wrong, known);

    /// <summary>A text for people with control characters replaced; what is longer than <paramref name="most"/> characters is cut.</summary>
    internal static string Shorten(string? text, int most = 64)
    {
        if (text is null)
        {
            return "(null)";
        }

        string cut = text.Length <= most ? text : string.Concat(text.AsSpan(0, most - 3), "...");
        return string.Create(cut.Length, cut, static (span, source) =>
        {
            for (int i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(source[i]) ? '\uFFFD' : source[i];
            }
        });
    }
}
