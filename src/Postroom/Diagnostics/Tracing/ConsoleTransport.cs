using System.Globalization;
using System.Text;

namespace Postroom.Diagnostics;

/// <summary>Prints spans for a developer, a line each; control characters are escaped.</summary>
internal sealed class ConsoleTransport(TextWriter output) : BuiltInTransport("console")
{
    public override async ValueTask ExportAsync(IReadOnlyList<TraceSpan> batch, CancellationToken cancellationToken)
    {
        StringBuilder lines = new();
        foreach (TraceSpan span in batch)
        {
            Append(lines, span);
        }

        await output.WriteAsync(lines, cancellationToken);
        await output.FlushAsync(cancellationToken);
    }

    private static void Append(StringBuilder lines, TraceSpan span)
    {
        lines.Append(CultureInfo.InvariantCulture, $"span {span.StartedAt.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss.fff'Z'} {LineText.Escape(span.Name)} {span.Duration.TotalMilliseconds:0.###} ms trace={span.TraceId} span={span.SpanId}");
        if (span.ParentSpanId is { } parent)
        {
            lines.Append(" parent=").Append(parent);
        }

        foreach ((string name, object? value) in span.Tags)
        {
            lines.Append(' ').Append(LineText.Escape(name)).Append('=').Append(LineText.Escape(Convert.ToString(value, CultureInfo.InvariantCulture) ?? ""));
        }

        if (span.StatusText is { } text)
        {
            lines.Append(" error=").Append(LineText.Escape(text));
        }

        lines.Append('\n');
    }
}
