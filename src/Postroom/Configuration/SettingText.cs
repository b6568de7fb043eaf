using System.Text;

namespace Postroom.Configuration;

/// <summary>Reads a settings file as strict UTF-8 of bounded size, and picks the parser by its name.</summary>
internal static class SettingText
{
    /// <summary>The largest file or inline document: 4 MiB.</summary>
    public const int MaxBytes = 4 << 20;

    /// <summary>How deep maps and lists may nest.</summary>
    public const int MaxDepth = 32;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Parses a document: JSON when the source ends in <c>.json</c>, YAML otherwise.</summary>
    /// <exception cref="ConfigurationException">It cannot be read; the problem has its line and column.</exception>
    public static SettingMap Parse(ReadOnlyMemory<byte> bytes, string layer, string source)
    {
        if (bytes.Length > MaxBytes)
        {
            throw Refuse(layer, source, 0, 0, $"'{source}' has {bytes.Length} bytes; a settings file has at most 4 MiB. Move what is not a setting elsewhere.");
        }

        if (bytes.Span.StartsWith(Encoding.UTF8.Preamble))
        {
            bytes = bytes[Encoding.UTF8.Preamble.Length..];
        }

        string text;
        try
        {
            text = Strict.GetString(bytes.Span);
        }
        catch (DecoderFallbackException e)
        {
            ReadOnlySpan<byte> before = bytes.Span[..Math.Clamp(e.Index, 0, bytes.Length)];
            throw Refuse(layer, source, before.Count((byte)'\n') + 1, before.Length - before.LastIndexOf((byte)'\n'),
                $"'{source}' is not UTF-8. Save it as UTF-8; a file cut in the middle of a character was written only in part.");
        }

        return source.EndsWith(".json", StringComparison.OrdinalIgnoreCase)
            ? JsonSettings.Parse(bytes, layer, source)
            : YamlSettings.Parse(text, layer, source);
    }

    /// <summary>One problem at one place, as an exception.</summary>
    public static ConfigurationException Refuse(string layer, string? source, long line, long column, string message, string key = "") =>
        new([new ConfigurationProblem(key, message, new SettingOrigin(layer, source, (int)line, (int)column))]);
}
