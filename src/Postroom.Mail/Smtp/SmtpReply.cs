using System.Globalization;

namespace Postroom.Mail;

/// <summary>One answer of an SMTP server (RFC 5321 §4.2).</summary>
/// <param name="Code">Three digits, 200 to 599.</param>
/// <param name="Lines">The text of each line, without code; at least one.</param>
internal sealed record SmtpReply(int Code, IReadOnlyList<string> Lines)
{
    private const int MaxShown = 200;

    /// <summary>The enhanced status code (RFC 2034), such as <c>5.1.1</c>; null when the server gives none.</summary>
    public string? Enhanced { get; } = EnhancedOf(Code, Lines[0]);

    /// <summary>What names the failure best: the enhanced code, else the code.</summary>
    public string StatusCode => Enhanced ?? CodeText;

    /// <summary>The codes without the server's words, for answers whose words may repeat a secret.</summary>
    public string Codes => Enhanced is null ? CodeText : $"{CodeText} {Enhanced}";

    /// <summary>Done: 2yz.</summary>
    public bool IsDone => Code is >= 200 and < 300;

    /// <summary>Go on: 3yz.</summary>
    public bool IsMore => Code is >= 300 and < 400;

    /// <summary>The mail may come: 354, the only such answer to <c>DATA</c> (RFC 5321 §4.3.2).</summary>
    public bool IsReady => Code == 354;

    /// <summary>Not now: 4yz.</summary>
    public bool IsTemporary => Code is >= 400 and < 500;

    private string CodeText => Code.ToString(CultureInfo.InvariantCulture);

    /// <summary>Code and words on one line, cut to 200 characters, control characters replaced: a server's words are data.</summary>
    public override string ToString() => Names.Shorten($"{CodeText} {string.Join(" ", Lines)}".TrimEnd(), MaxShown);

    private static string? EnhancedOf(int code, string line)
    {
        string word = line.Split(' ')[0];
        return word.Split('.') is [[var kind], var subject, var detail] && kind == code.ToString(CultureInfo.InvariantCulture)[0] && IsNumber(subject) && IsNumber(detail) ? word : null;

        static bool IsNumber(string text) => text.Length is > 0 and <= 3 && text.All(char.IsAsciiDigit);
    }
}
