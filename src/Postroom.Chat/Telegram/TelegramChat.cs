using System.Globalization;

namespace Postroom.Chat;

/// <summary>A chat as a request names it, and the topic inside it.</summary>
/// <param name="Id">Its number or <c>@name</c>.</param>
/// <param name="Topic">The topic; null for none.</param>
internal readonly record struct TelegramChat(string Id, int? Topic)
{
    // Ids of supergroups and channels begin here (https://core.telegram.org/api/bots/ids); what is between this and zero is a basic group.
    private const long Supergroups = -1_000_000_000_000;

    /// <summary>Whether 20 messages a minute are the limit: its number is negative.</summary>
    public bool IsGroup => Id.StartsWith('-');

    /// <summary>Whether it may become a supergroup with another number.</summary>
    public bool MayMove => long.TryParse(Id, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) && number is < 0 and > Supergroups;

    /// <summary>Whether the service takes it for a chat: a number, or <c>@name</c>.</summary>
    public static bool IsId(string text)
    {
        return text.StartsWith('@')
            ? text.Length is >= 5 and <= 33 && text.AsSpan(1).ContainsOnly(static c => char.IsAsciiLetterOrDigit(c) || c == '_')
            : long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) && number != 0;
    }

    /// <summary>The number of a topic or message that a text names; null when it is none.</summary>
    public static int? NumberOf(string? text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0 ? number : null;
}

/// <summary>Looks at texts.</summary>
internal static class Characters
{
    /// <summary>Whether it has at least one character, and only such.</summary>
    public static bool ContainsOnly(this ReadOnlySpan<char> text, Func<char, bool> fits)
    {
        foreach (char c in text)
        {
            if (!fits(c))
            {
                return false;
            }
        }

        return text.Length > 0;
    }

    /// <summary>The text with line ends as LF, without NUL, and with lone surrogates replaced: what UTF-8 can carry.</summary>
    public static string Clean(string text)
    {
        char[] unix = text.ReplaceLineEndings("\n").Replace("\0", "", StringComparison.Ordinal).ToCharArray();
        for (int i = 0; i < unix.Length; i++)
        {
            if (i + 1 < unix.Length && char.IsSurrogatePair(unix[i], unix[i + 1]))
            {
                i++;
            }
            else if (char.IsSurrogate(unix[i]))
            {
                unix[i] = '\uFFFD';
            }
        }

        return new string(unix);
    }
}
