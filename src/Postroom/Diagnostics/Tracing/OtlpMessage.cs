using System.Diagnostics;
using System.Globalization;

namespace Postroom.Diagnostics;

/// <summary>Spans as an <c>ExportTraceServiceRequest</c> of the OpenTelemetry protocol (opentelemetry-proto v1, <c>trace.proto</c>); the numbers are its fields.</summary>
internal static class OtlpMessage
{
    /// <summary>The request for a batch.</summary>
    public static ReadOnlyMemory<byte> Write(IReadOnlyList<TraceSpan> batch, IReadOnlyList<KeyValuePair<string, object?>> resource, string version)
    {
        ProtobufWriter request = new();
        request.Message(1, resourceSpans =>
        {
            resourceSpans.Message(1, from => Attributes(from, 1, resource));
            resourceSpans.Message(2, scopeSpans =>
            {
                scopeSpans.Message(1, scope =>
                {
                    scope.Text(1, TraceService.SourceName);
                    scope.Text(2, version);
                });
                foreach (TraceSpan span in batch)
                {
                    scopeSpans.Message(2, message => Write(message, span));
                }
            });
        });
        return request.Written;
    }

    private static void Write(ProtobufWriter message, TraceSpan span)
    {
        ulong begun = Nanoseconds(span.StartedAt);
        message.Bytes(1, Convert.FromHexString(span.TraceId));
        message.Bytes(2, Convert.FromHexString(span.SpanId));
        message.Text(3, span.TraceState);
        if (span.ParentSpanId is { } parent)
        {
            message.Bytes(4, Convert.FromHexString(parent));
        }

        message.Text(5, span.Name);
        message.Number(6, (ulong)span.Kind + 1); // theirs begins with 'unspecified'
        message.Fixed64(7, begun);
        message.Fixed64(8, begun + ((ulong)span.Duration.Ticks * 100));
        Attributes(message, 9, span.Tags);
        foreach (TraceLink link in span.Links)
        {
            message.Message(13, other =>
            {
                other.Bytes(1, Convert.FromHexString(link.TraceId));
                other.Bytes(2, Convert.FromHexString(link.SpanId));
            });
        }

        if (span.Status != ActivityStatusCode.Unset)
        {
            message.Message(15, status =>
            {
                status.Text(2, span.StatusText);
                status.Number(3, (ulong)span.Status);
            });
        }

        message.Fixed32(16, (uint)ActivityTraceFlags.Recorded);
    }

    private static void Attributes(ProtobufWriter message, int field, IReadOnlyList<KeyValuePair<string, object?>> tags)
    {
        foreach ((string name, object? value) in tags)
        {
            if (value is not null)
            {
                message.Message(field, pair =>
                {
                    pair.Text(1, name);
                    pair.Message(2, any => Value(any, value));
                });
            }
        }
    }

    private static void Value(ProtobufWriter any, object value)
    {
        switch (value)
        {
            case bool flag:
                any.Choice(2, flag ? 1UL : 0UL);
                break;
            case int number:
                any.Choice(3, (ulong)(long)number);
                break;
            case long number:
                any.Choice(3, (ulong)number);
                break;
            case double number:
                any.Double(4, number);
                break;
            default:
                any.ChoiceText(1, Convert.ToString(value, CultureInfo.InvariantCulture) ?? "");
                break;
        }
    }

    private static ulong Nanoseconds(DateTimeOffset at) => (ulong)(at - DateTimeOffset.UnixEpoch).Ticks * 100;
}
