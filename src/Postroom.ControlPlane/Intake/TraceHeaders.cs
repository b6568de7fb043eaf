using Microsoft.AspNetCore.Http;

namespace Postroom.ControlPlane;

/// <summary>The trace context of a request, which its message continues.</summary>
internal static class TraceHeaders
{
    /// <summary>Takes over what can be continued; a malformed trace is left out.</summary>
    public static void Keep(IHeaderDictionary headers, Dictionary<string, string> kept)
    {
        if (TraceParentOf(headers) is { } parent)
        {
            kept[HeaderNames.TraceParent] = parent;
            if (headers.TraceState is { Count: 1 } state && state[0] is { Length: > 0 and <= 512 } text && !text.Any(char.IsControl))
            {
                kept[HeaderNames.TraceState] = text;
            }
        }
    }

    /// <summary>A W3C <c>traceparent</c> that can be continued; null for none or a malformed one.</summary>
    private static string? TraceParentOf(IHeaderDictionary headers)
    {
        if (headers.TraceParent is not [{ Length: 55 } value] || !value.StartsWith("00-", StringComparison.Ordinal) || value[35] != '-' || value[52] != '-')
        {
            return null;
        }

        ReadOnlySpan<char> trace = value.AsSpan(3, 32);
        ReadOnlySpan<char> span = value.AsSpan(36, 16);
        return IsHex(trace) && IsHex(span) && IsHex(value.AsSpan(53)) && trace.ContainsAnyExcept('0') && span.ContainsAnyExcept('0') ? value : null;
    }

    private static bool IsHex(ReadOnlySpan<char> text)
    {
        foreach (char letter in text)
        {
            if (!char.IsAsciiHexDigitLower(letter) && !char.IsAsciiDigit(letter))
            {
                return false;
            }
        }

        return true;
    }
}
