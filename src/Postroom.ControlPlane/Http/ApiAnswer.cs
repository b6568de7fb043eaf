using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>One page of a list (CP-8).</summary>
/// <param name="Items">The entries.</param>
/// <param name="Count">How many are on this page.</param>
/// <param name="Total">How many there are.</param>
/// <param name="Limit">How many were asked for.</param>
/// <param name="Offset">How many were skipped.</param>
/// <param name="Next">The cursor of the next page; null at the end.</param>
/// <param name="AtLeast">True when there are more than <paramref name="Total"/>; null otherwise.</param>
internal sealed record ListView<T>(IReadOnlyList<T> Items, int Count, long Total, int Limit, int Offset, long? Next = null, bool? AtLeast = null)
{
    /// <summary>A page of a list that is in memory.</summary>
    public static ListView<T> Of(IEnumerable<T> all, ApiQuery query)
    {
        T[] every = [.. all];
        int start = (int)Math.Min(every.Length, query.Cursor ?? query.Offset);
        T[] page = [.. every.Skip(start).Take(query.Limit)];
        return new ListView<T>(page, page.Length, every.Length, query.Limit, query.Offset, start + page.Length < every.Length ? start + page.Length : null);
    }
}

/// <summary>Writes answers.</summary>
internal static class ApiAnswer
{
    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes a value as JSON with the status that is set.</summary>
    public static Task WriteAsync<T>(HttpContext context, T value, JsonTypeInfo<T> json)
    {
        context.Response.ContentType = "application/json";
        return SerializeAsync(context, value, json);
    }

    /// <summary>Writes a value into the answer whose status and type are set. Apostrophes stay readable: nothing of this is ever put into a page as it is.</summary>
    public static async Task SerializeAsync<T>(HttpContext context, T value, JsonTypeInfo<T> json)
    {
        await using (Utf8JsonWriter writer = new(context.Response.BodyWriter, Readable))
        {
            JsonSerializer.Serialize(writer, value, json);
        }

        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    /// <summary>Writes a value, or 404.</summary>
    public static Task WriteOrNotFoundAsync<T>(HttpContext context, T? value, JsonTypeInfo<T> json, string what)
        where T : class => value is null ? NotFoundAsync(context, what) : WriteAsync(context, value, json);

    /// <summary>404 that says what there is none of.</summary>
    public static Task NotFoundAsync(HttpContext context, string what) =>
        new Problem { Status = 404, Code = ProblemCode.NotFound, Detail = $"There is no {what}, or it is no longer kept." }.WriteAsync(context);
}

/// <summary>Instants as ISO 8601 with milliseconds and Z (GN-2).</summary>
internal sealed class InstantText : JsonConverter<DateTimeOffset>
{
    public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDateTimeOffset();

    public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
}
