using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.Extensions.Logging;
using Postroom.Diagnostics;

namespace Postroom.Host;

/// <summary>One record of the log, as a line in one of three forms: never more than one line, never more than 16 KiB.</summary>
/// <param name="At">When.</param>
/// <param name="Level">How grave.</param>
/// <param name="Category">Who says it.</param>
/// <param name="Message">What is said, masked.</param>
internal sealed record LogRecord(DateTimeOffset At, LogLevel Level, string Category, string Message)
{
    /// <summary>The most bytes of one record, its end of line included.</summary>
    public const int MaxBytes = 16 * 1024;

    private const string CutMark = "… (cut)";
    private const string Dim = "\u001b[2m";
    private const string Reset = "\u001b[0m";

    /// <summary>The message that it is about; null for none.</summary>
    public string? MessageId { get; init; }

    /// <summary>The trace that it belongs to; null for none.</summary>
    public string? TraceId { get; init; }

    /// <summary>The number of the event; 0 for none.</summary>
    public int EventId { get; init; }

    /// <summary>An exception with its stack, masked; null for none. Shown as JSON only.</summary>
    public string? Exception { get; init; }

    /// <summary>The line without its end.</summary>
    public string Format(LogFormat format) => format == LogFormat.Json ? Json() : Text(format == LogFormat.Color);

    private string Text(bool color)
    {
        string head = color ? $"{Dim}{Instant}{Reset} {Colour}{Word,-5}{Reset} {Dim}{LineText.Escape(Category)}:{Reset} " : $"{Instant} {Word,-5} {LineText.Escape(Category)}: ";
        StringBuilder tail = new();
        if (MessageId is { } id && !Message.Contains(id, StringComparison.Ordinal))
        {
            tail.Append(" message=").Append(LineText.Escape(id));
        }

        if (TraceId is { } trace)
        {
            tail.Append(" trace=").Append(LineText.Escape(trace));
        }

        string end = color && tail.Length > 0 ? $"{Dim}{tail}{Reset}" : tail.ToString();
        return head + Fit(Message, LineText.Escape, MaxBytes - 1 - Encoding.UTF8.GetByteCount(head) - Encoding.UTF8.GetByteCount(end)) + end;
    }

    private string Json()
    {
        StringBuilder line = new();
        line.Append(CultureInfo.InvariantCulture, $"{{\"at\":\"{Instant}\",\"level\":\"{Word}\",\"category\":\"{Encode(Category)}\"");
        if (EventId != 0)
        {
            line.Append(CultureInfo.InvariantCulture, $",\"event\":{EventId}");
        }

        Append(line, "messageId", MessageId);
        Append(line, "traceId", TraceId);
        line.Append(",\"message\":\"");
        int left = MaxBytes - 1 - line.Length - "\"}".Length; // so far all of it is ASCII
        string message = Fit(Message, Encode, left);
        line.Append(message).Append('"');
        left -= message.Length + ",\"exception\":\"\"".Length;
        if (Exception is { } exception && left > CutMark.Length)
        {
            line.Append(",\"exception\":\"").Append(Fit(exception, Encode, left)).Append('"');
        }

        return line.Append('}').ToString();
    }

    private static void Append(StringBuilder line, string name, string? value)
    {
        if (value is not null)
        {
            line.Append(",\"").Append(name).Append("\":\"").Append(Encode(value)).Append('"');
        }
    }

    /// <summary>A text in its form on the line, cut so that it takes no more bytes: never inside a character or an escape.</summary>
    private static string Fit(string text, Func<string, string> form, int most)
    {
        string formed = form(text);
        if (Encoding.UTF8.GetByteCount(formed) <= most)
        {
            return formed;
        }

        // An escape takes up to six bytes for one: the part that fits is found by halving.
        (int fits, int tooLong) = (0, Math.Min(text.Length, most) + 1);
        while (tooLong - fits > 1)
        {
            int middle = (fits + tooLong) / 2;
            bool does = Encoding.UTF8.GetByteCount(form(text[..Whole(text, middle)] + CutMark)) <= most;
            (fits, tooLong) = does ? (middle, tooLong) : (fits, middle);
        }

        return form(text[..Whole(text, fits)] + CutMark);
    }

    private static int Whole(string text, int length) => length > 0 && char.IsHighSurrogate(text[length - 1]) ? length - 1 : length;

    // Half a pair of surrogates becomes the replacement character here, where the encoder of whole texts throws.
    private static string Encode(string text) => JavaScriptEncoder.Default.Encode(text);

    private string Instant => At.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private string Word => Level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warn",
        LogLevel.Error => "error",
        _ => "crit",
    };

    private string Colour => Level switch
    {
        LogLevel.Trace or LogLevel.Debug => Dim,
        LogLevel.Information => "\u001b[32m",
        LogLevel.Warning => "\u001b[33m",
        LogLevel.Error => "\u001b[31m",
        _ => "\u001b[1;31m",
    };
}
