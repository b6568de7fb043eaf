using System.Buffers;
using System.Text.Json;

namespace Postroom.Diagnostics;

/// <summary>Spans as JSON, one line each.</summary>
internal static class SpanJson
{
    /// <summary>Writes one line with its end.</summary>
    public static void Write(TraceSpan span, IBufferWriter<byte> output)
    {
        using (Utf8JsonWriter json = new(output))
        {
            json.WriteStartObject();
            json.WriteString("name", span.Name);
            json.WriteString("traceId", span.TraceId);
            json.WriteString("spanId", span.SpanId);
            if (span.ParentSpanId is { } parent)
            {
                json.WriteString("parentSpanId", parent);
            }

            json.WriteString("kind", span.Kind.ToString().ToLowerInvariant());
            json.WriteString("startedAt", span.StartedAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", System.Globalization.CultureInfo.InvariantCulture));
            json.WriteNumber("durationMs", Math.Round(span.Duration.TotalMilliseconds, 3));
            json.WriteString("status", span.Status.ToString().ToLowerInvariant());
            if (span.StatusText is { } text)
            {
                json.WriteString("statusText", text);
            }

            json.WriteStartObject("tags");
            foreach ((string name, object? value) in span.Tags)
            {
                WriteTag(json, name, value);
            }

            json.WriteEndObject();
            json.WriteStartArray("links");
            foreach (TraceLink link in span.Links)
            {
                json.WriteStartObject();
                json.WriteString("traceId", link.TraceId);
                json.WriteString("spanId", link.SpanId);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        output.Write("\n"u8);
    }

    private static void WriteTag(Utf8JsonWriter json, string name, object? value)
    {
        switch (value)
        {
            case null:
                break;
            case bool flag:
                json.WriteBoolean(name, flag);
                break;
            case int number:
                json.WriteNumber(name, number);
                break;
            case long number:
                json.WriteNumber(name, number);
                break;
            case double number when double.IsFinite(number):
                json.WriteNumber(name, number);
                break;
            default:
                json.WriteString(name, Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture));
                break;
        }
    }
}
