using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>Reads query parameters strictly: an unknown name or value is 400 with the valid ones (CP-8).</summary>
internal sealed class ApiQuery(IQueryCollection query)
{
    private static readonly string[] Paging = ["limit", "offset", "cursor"];

    /// <summary>Refuses parameters that the endpoint does not know.</summary>
    public static ApiQuery Of(HttpContext context, params ReadOnlySpan<string> known)
    {
        string[] valid = [.. known, .. Paging];
        foreach (string name in context.Request.Query.Keys)
        {
            if (!valid.Contains(name, StringComparer.Ordinal))
            {
                throw new BadRequestException(name, $"There is no filter '{Names.Shorten(name)}'. Valid ones: {string.Join(", ", valid)}.");
            }
        }

        return new ApiQuery(context.Request.Query);
    }

    public int Limit => (int)(Number("limit", 1, 100) ?? 50);

    public int Offset => (int)(Number("offset", 0, int.MaxValue) ?? 0);

    public long? Cursor => Number("cursor", 0, long.MaxValue);

    /// <summary>A text; null when absent or empty. Given twice it is refused.</summary>
    public string? Text(string name)
    {
        return query[name] switch
        {
            { Count: 0 } => null,
            { Count: 1 } one => string.IsNullOrEmpty(one[0]) ? null : one[0],
            _ => throw new BadRequestException(name, $"{name} is given more than once."),
        };
    }

    public bool Flag(string name) => Text(name) switch
    {
        null or "false" => false,
        "true" => true,
        _ => throw new BadRequestException(name, $"{name} is true or false."),
    };

    /// <summary>One word of an enum, in lower case.</summary>
    public T? Word<T>(string name)
        where T : struct, Enum => Text(name) is { } word ? Parse<T>(name, word) : null;

    /// <summary>Several words, repeated or joined by commas.</summary>
    public IReadOnlyList<T> Words<T>(string name)
        where T : struct, Enum => [.. query[name].SelectMany(value => (value ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries)).Select(word => Parse<T>(name, word.Trim())).Distinct()];

    public MessageId? Id(string name) => Text(name) is not { } text ? null
        : MessageId.TryParse(text, out MessageId id) ? id
        : throw new BadRequestException(name, $"{name} is not a message id, for example 0198f2c4-6d1e-7a30-8000-5f3b2a90c1d4.");

    public DateTimeOffset? Instant(string name) => Text(name) is not { } text ? null
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out DateTimeOffset instant) ? instant
        : throw new BadRequestException(name, $"{name} is not an instant, for example 2026-03-01T12:00:00Z.");

    private long? Number(string name, long least, long most) => Text(name) is not { } text ? null
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number >= least && number <= most ? number
        : throw new BadRequestException(name, most is int.MaxValue or long.MaxValue ? $"{name} is a number from {least} on." : $"{name} is a number from {least} to {most}.");

    private static T Parse<T>(string name, string word)
        where T : struct, Enum
    {
        // Enum.TryParse takes numbers and joined names as well; only the words are words.
        foreach (T value in Enum.GetValues<T>())
        {
            if (string.Equals(value.ToString(), word, StringComparison.OrdinalIgnoreCase))
            {
                return value;
            }
        }

        throw new BadRequestException(name, $"{name} '{Names.Shorten(word)}' is unknown. Valid: {string.Join(", ", Enum.GetNames<T>().Select(known => known.ToLowerInvariant()))}.");
    }
}
