using System.Text;

namespace Postroom.Storage;

/// <summary>Reasons and errors as they are stored: at most 4 KiB.</summary>
internal static class ErrorText
{
    /// <summary>The most bytes of UTF-8 that are kept.</summary>
    public const int MaxBytes = 4 * 1024;

    /// <summary>The text, cut on a character boundary.</summary>
    public static string Cut(string text)
    {
        if (text.Length <= MaxBytes / 3 || Encoding.UTF8.GetByteCount(text) <= MaxBytes)
        {
            return text;
        }

        int bytes = 0;
        int length = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            bytes += rune.Utf8SequenceLength;
            if (bytes > MaxBytes)
            {
                break;
            }

            length += rune.Utf16SequenceLength;
        }

        return text[..length];
    }
}
