using Postroom.Mail;
using Xunit;

namespace Postroom.Tests.Mail;

/// <summary>Strings of our own that break mail writers, and what it means that one arrived.</summary>
internal static class MailStrings
{
    public static string[] Own { get; } =
    [
        "=?utf-8?Q?fake?=", "a=?b", "  two  blanks  ", "\ttab\t", "quote \" and \\ slash", "a, b; c: <d@e.test> (f)", "Ren\u00E9", "\u65E5\u672C\u8A9E\u306E\u4EF6\u540D\u304C\u3068\u3066\u3082\u9577\u3044\u5834\u5408\u306F\u3069\u3046\u306A\u308A\u307E\u3059\u304B\u3001\u6298\u308A\u8FD4\u3057\u307E\u3059",
        "\u041F\u0440\u0438\u0432\u0435\u0442, \u043C\u0438\u0440! " + "\u0434\u043B\u0438\u043D\u043D\u0430\u044F \u0442\u0435\u043C\u0430 \u043F\u0438\u0441\u044C\u043C\u0430, \u043A\u043E\u0442\u043E\u0440\u0430\u044F \u043D\u0435 \u043F\u043E\u043C\u0435\u0441\u0442\u0438\u0442\u0441\u044F \u0432 \u0441\u0442\u0440\u043E\u043A\u0443", string.Concat(Enumerable.Repeat("\U0001F468\u200D\U0001F469\u200D\U0001F467", 12)),
        new string('x', 80), "word " + new string('y', 76) + " word", string.Join(' ', Enumerable.Repeat("many words", 40)), ".", "..", ".leading dot", "From here", "100% =3D sure", "name*0*=utf-8''x", "\u0001\u0002\u007F\u0085\u2028", "trailing ",
    ];

    /// <summary>Compares what another reader found with what was meant.</summary>
    public static void AssertSame(MailDraft draft, ReadMail read)
    {
        Assert.Empty(read.Defects);
        Assert.Equal(Sound(draft.Subject), read.Subject);
        Assert.Equal(draft.To.Select(to => Sound(to.Name)), read.Names);
        Assert.Equal(draft.To.Select(to => to.Address), read.Addresses);
        Assert.Equal(Lines(Sound(draft.Text)), read.Text);
        Assert.Equal(draft.Attachments.Select(file => file.Name), read.Files);
        Assert.Equal(draft.Attachments.Select(file => Convert.ToBase64String(file.Data!.Value.Span)), read.Contents);
        Assert.Equal(draft.MessageId, read.MessageId);
    }

    /// <summary>A lone surrogate is no character and leaves as the replacement character.</summary>
    private static string Sound(string text) => string.Concat(text.EnumerateRunes().Select(rune => rune.ToString()));

    /// <summary>A mail's text has line ends of one kind and ends with one.</summary>
    private static string Lines(string text)
    {
        string lines = text.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        return lines.EndsWith('\n') ? lines : $"{lines}\n";
    }
}
