using System.Globalization;

namespace Postroom;

/// <summary>So many per period, written <c>30/s</c>, <c>20/min</c> or <c>100/h</c>.</summary>
/// <param name="Count">How many in one period; at least 1.</param>
/// <param name="Period">The period; one second, minute or hour when it came from a setting.</param>
public readonly record struct Rate(int Count, TimeSpan Period)
{
    /// <summary>What an error message tells the user to write.</summary>
    public const string Forms = "30/s, 20/min or 100/h";

    /// <summary>Reads a rate, or refuses it.</summary>
    /// <param name="text">The text; blanks around the parts are ignored.</param>
    /// <exception cref="FormatException">The text is no rate; the message names the accepted forms.</exception>
    public static Rate Parse(string text) => TryParse(text, out Rate value)
        ? value
        : throw new FormatException($"'{text}' is not a rate. Write {Forms}.");

    /// <summary>Reads a rate without throwing.</summary>
    /// <param name="text">The text; null is no rate.</param>
    /// <param name="value">The rate, or the default value.</param>
    public static bool TryParse(string? text, out Rate value)
    {
        value = default;
        ReadOnlySpan<char> all = text.AsSpan().Trim();
        int slash = all.IndexOf('/');
        if (slash < 0 || !int.TryParse(all[..slash].TrimEnd(), NumberStyles.None, CultureInfo.InvariantCulture, out int count) || count < 1)
        {
            return false;
        }

        TimeSpan period = all[(slash + 1)..].TrimStart() switch
        {
            "s" => TimeSpan.FromSeconds(1),
            "min" => TimeSpan.FromMinutes(1),
            "h" => TimeSpan.FromHours(1),
            _ => TimeSpan.Zero,
        };
        value = period > TimeSpan.Zero ? new Rate(count, period) : default;
        return period > TimeSpan.Zero;
    }

    /// <summary>Writes the rate as a setting writes it; other periods read <c>5 per 10s</c>.</summary>
    public override string ToString() => Period.Ticks switch
    {
        TimeSpan.TicksPerSecond => string.Create(CultureInfo.InvariantCulture, $"{Count}/s"),
        TimeSpan.TicksPerMinute => string.Create(CultureInfo.InvariantCulture, $"{Count}/min"),
        TimeSpan.TicksPerHour => string.Create(CultureInfo.InvariantCulture, $"{Count}/h"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{Count} per {Duration.Format(Period)}"),
    };
}
