using System.Globalization;
using System.Text.RegularExpressions;

namespace MailOrderBot.Domain;

/// <summary>The number of an order, such as <c>MO-2026-000042</c>, and the words that cancel one.</summary>
internal static partial class OrderNumber
{
    /// <summary>The highest number of a year.</summary>
    public const int Max = 999_999;

    /// <summary>The number of an order.</summary>
    public static string Format(int year, int sequence) => string.Create(CultureInfo.InvariantCulture, $"MO-{year:0000}-{sequence:000000}");

    /// <summary>The order that a line cancels; null when it cancels none (MB-13).</summary>
    /// <param name="line">A line of the text, or the subject.</param>
    public static string? ReadCancel(string line) => line.Length <= 200 && Cancel().Match(line) is { Success: true } match ? match.Groups[1].Value.ToUpperInvariant() : null;

    /// <summary>The first number of an order in a text; null for none.</summary>
    public static string? FirstIn(string text) => Number().Match(text) is { Success: true } match ? match.Value.ToUpperInvariant() : null;

    [GeneratedRegex(@"^\s*cancel\s+(mo-\d{4}-\d{6})\s*[.!]?\s*$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Cancel();

    [GeneratedRegex(@"\bmo-\d{4}-\d{6}\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Number();
}
