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

    /// <summary>The order that a mail cancels by its subject or its first line; null when it cancels none (MB-13).</summary>
    public static string? ReadCancel(string subject, string firstLine) => Cancelled(subject) ?? Cancelled(firstLine);

    private static string? Cancelled(string line) => line.Length <= 200 && Cancel().Match(line) is { Success: true } match ? match.Groups[1].Value.ToUpperInvariant() : null;

    [GeneratedRegex(@"^\s*cancel\s+(mo-\d{4}-\d{6})\s*[.!]?\s*$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Cancel();
}
